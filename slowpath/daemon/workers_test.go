package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/internal/netnstest"
)

const natConfig = `
dataplane: {cores: [0, 1], max_connections: 10000}
ports:
  - {name: wan, device: "net_af_packet0,iface=wan", addresses: [203.0.113.2/24]}
  - {name: lan, device: "net_af_packet1,iface=lan", addresses: [10.0.0.1/24]}
services:
  - {name: echo, address: "203.0.113.10:7", protocol: tcp, mode: nat, backends: [{address: "10.0.0.11:7"}]}
`

// TestRealTCPThroughTwoWorkers sends bulk data both ways over kernel TCP, while frames arrive in the owner's queue,
// in some queue, always in the wrong one, or all in one.
func TestRealTCPThroughTwoWorkers(t *testing.T) {
	vip := netip.MustParseAddr("203.0.113.10")
	right := func(frame []byte, n int) int {
		o, _ := ownerOfFrame(frame, vip, n)
		return o
	}
	var turn int
	for _, c := range []struct {
		name   string
		steer  func([]byte, int) int
		queues int
		over   func(handed, in uint64) bool
	}{
		{"steered right", right, 0, func(h, in uint64) bool { return h == 0 }},
		{"steered at random", func(_ []byte, n int) int { turn++; return turn * 7 / 3 % n }, 0, func(h, in uint64) bool { return h > 0 && h < in }},
		{"steered always wrong", func(f []byte, n int) int {
			o, ok := ownerOfFrame(f, vip, n)
			if !ok {
				return 0
			}
			return (o + 1) % n
		}, 0, func(h, in uint64) bool { return h > in*9/10 }},
		{"one queue for both", right, 1, func(h, in uint64) bool { return h > 0 && h < in }},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNamespaces(t)
			d := startIn(t, n.weir, &wires{steer: locked(c.steer), queues: c.queues}, natConfig)
			l := netnstest.Listen(t, n.server, "10.0.0.11:7")
			go echo(l)
			var wg sync.WaitGroup
			for _, from := range clientsOf(netip.MustParseAddr("203.0.113.100"), 2, 4) {
				wg.Add(1)
				go func() {
					defer wg.Done()
					if err := talk(t.Context(), n.client, from, "203.0.113.10:7", 1<<20); err != nil {
						t.Errorf("connection from %s: %v", from, err)
					}
				}()
			}
			wg.Wait()
			var in, handed uint64
			for _, w := range d.conserved() {
				in, handed = in+w.PacketsIn, handed+w.HandedOver
				if w.Connections == 0 {
					t.Errorf("worker %d has no connection", w.ID)
				}
			}
			if !c.over(handed, in) {
				t.Errorf("%d of %d packets were handed over", handed, in)
			}
		})
	}
}

// clientsOf are addresses and ports of a client, the same number for each of the workers that own them.
func clientsOf(client netip.Addr, workers, each int) (from []netip.AddrPort) {
	found := make([]int, workers)
	for port := uint16(20000); len(from) < workers*each; port++ {
		a := netip.AddrPortFrom(client, port)
		if o := fastpath.Owner(a, workers); found[o] < each {
			found[o]++
			from = append(from, a)
		}
	}
	return from
}

// locked lets several pumps share a steering.
func locked(f func([]byte, int) int) func([]byte, int) int {
	var mu sync.Mutex
	return func(b []byte, n int) int {
		mu.Lock()
		defer mu.Unlock()
		return f(b, n)
	}
}

func echo(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(c, c) // the other end sees what is missing
			_ = c.Close()
		}()
	}
}

// talk sends size bytes from an address of a namespace to an echo server and checks that they come back.
func talk(ctx context.Context, ns string, from netip.AddrPort, address string, size int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := netnstest.DialFrom(ctx, ns, "tcp", net.TCPAddrFromAddrPort(from), address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	sent := make([]byte, size)
	for i := range sent {
		sent[i] = byte(i * 7 >> 3)
	}
	errs := make(chan error, 1)
	go func() {
		_, err := conn.Write(sent)
		errs <- errors.Join(err, conn.(*net.TCPConn).CloseWrite())
	}()
	back, err := io.ReadAll(conn)
	if err := errors.Join(err, <-errs); err != nil {
		return err
	}
	if !bytes.Equal(back, sent) {
		return fmt.Errorf("%d bytes came back, not the %d sent", len(back), size)
	}
	return nil
}
