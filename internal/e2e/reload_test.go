package e2e

import (
	"context"
	endian "encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weirlb/weir/internal/netnstest"
	"github.com/weirlb/weir/slowpath/api"
	"github.com/weirlb/weir/slowpath/view"
)

// The traffic under which it is reloaded: well below what af_packet and a shared core carry.
const (
	flows      = 8
	flowPeriod = 8 * time.Millisecond // between two packets of a flow
	streams    = 4                    // of TCP
	reloads    = 200
	reloadPace = 2 * flowPeriod // so that every flow has packets under way at each
)

// echo answers UDP and TCP at a server of the lab with what it gets, until the test ends.
func (l *lab) echo(t *testing.T, ns, address string) {
	t.Helper()
	u := netnstest.ListenPacket(t, l.ns(ns), address)
	_ = u.(*net.UDPConn).SetReadBuffer(4 << 20) // as large as the kernel allows
	go func() {
		b := make([]byte, 2048)
		for {
			n, from, err := u.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = u.WriteTo(b[:n], from) // what is lost is counted at the client
		}
	}()
	s := netnstest.Listen(t, l.ns(ns), address)
	go func() {
		for {
			c, err := s.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
}

// flow is numbered packets to a service and back.
type flow struct {
	conn           net.Conn
	sent, received atomic.Uint64
}

// send sends until stop.
func (f *flow) send(stop <-chan struct{}) {
	tick := time.NewTicker(flowPeriod)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			var b [64]byte
			endian.BigEndian.PutUint64(b[:], f.sent.Add(1))
			if _, err := f.conn.Write(b[:]); err != nil {
				return // it does not come back, and is missed
			}
		}
	}
}

// receive counts what comes back until the flow is closed, each number once.
func (f *flow) receive() {
	seen := map[uint64]bool{}
	b := make([]byte, 2048)
	for {
		n, err := f.conn.Read(b)
		if errors.Is(err, syscall.ECONNREFUSED) {
			continue // it came to a server, and is missed
		}
		if err != nil {
			return
		}
		if k := endian.BigEndian.Uint64(b[:8]); n == 64 && !seen[k] {
			seen[k] = true
			f.received.Add(1)
		}
	}
}

// stream is a TCP connection that must carry every byte there and back.
func stream(c net.Conn, stop <-chan struct{}) error {
	tick := time.NewTicker(4 * flowPeriod)
	defer tick.Stop()
	var sent, back [256]byte
	for n := uint64(0); ; n++ {
		select {
		case <-stop:
			return nil
		case <-tick.C:
		}
		endian.BigEndian.PutUint64(sent[:], n)
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := c.Write(sent[:]); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, back[:]); err != nil {
			return err
		}
		if back != sent {
			return errors.New("other bytes came back")
		}
	}
}

// traffic is flows and streams to one service.
type traffic struct {
	flows   []*flow
	streams []net.Conn
}

func (l *lab) newTraffic(t *testing.T, address string) *traffic {
	t.Helper()
	tr := &traffic{}
	dial := func(network string) net.Conn {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		c, err := netnstest.Dial(ctx, l.ns("client"), network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	for range flows {
		f := &flow{conn: dial("udp4")}
		go f.receive()
		tr.flows = append(tr.flows, f)
	}
	for range streams {
		tr.streams = append(tr.streams, dial("tcp4"))
	}
	return tr
}

// run lets traffic flow while something happens, and returns how many packets have been sent since the beginning, and
// how many have come back.
func (tr *traffic) run(t *testing.T, during func()) (sent, received uint64) {
	t.Helper()
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for _, f := range tr.flows {
		wg.Go(func() { f.send(stop) })
	}
	for _, c := range tr.streams {
		wg.Go(func() {
			if err := stream(c, stop); err != nil {
				t.Errorf("an established connection broke: %v", err)
			}
		})
	}
	during()
	close(stop)
	wg.Wait()
	for deadline := time.Now().Add(patience / 4); ; time.Sleep(10 * time.Millisecond) {
		sent, received = 0, 0
		for _, f := range tr.flows {
			sent += f.sent.Load()
			received += f.received.Load()
		}
		if sent == received || time.Now().After(deadline) {
			return sent, received
		}
	}
}

// reloadFile alternates between right and wrong files, each in several ways.
func reloadFile(base string, i int) (text string, right bool) {
	if i%2 == 1 {
		return []string{
			strings.Replace(base, "name: load\n", "label: load\n", 1),
			strings.Replace(base, "max_connections: 20000", "max_connections: 30000", 1), // needs a restart
			base + "\n}{",
			strings.Replace(base, "weight: 1}", "weight: 70000}", 1),
		}[i/2%4], false
	}
	text = strings.NewReplacer(
		"scheduler: rr", []string{"scheduler: wlc", "scheduler: mh", "scheduler: rr"}[i/2%3],
		"weight: 1}", fmt.Sprintf("weight: %d}", 1+i%7),
	).Replace(base)
	other := fmt.Sprintf("  - {name: other, address: \"203.0.113.10:%d\", protocol: udp, mode: nat, backends: [{address: \"10.0.0.12:%d\"}]}\n", 1000+i, 1000+i)
	return strings.Replace(text, "services:\n", "services:\n"+other, 1), true
}

// TestTwoHundredReloadsLoseNoPacketAndBreakNoConnection reloads right and wrong files, by the API and SIGHUP, under
// numbered packets of UDP and connections of TCP. Before, the same traffic without reloads must lose nothing either.
func TestTwoHundredReloadsLoseNoPacketAndBreakNoConnection(t *testing.T) {
	l := needLab(t)
	for ns, address := range map[string]string{"rs1": "10.0.0.11:7000", "rs2": "10.0.0.12:7000"} {
		l.echo(t, ns, address)
	}
	config := "services:\n"
	for _, protocol := range []string{"udp", "tcp"} {
		config += strings.ReplaceAll(`  - name: load
    address: 203.0.113.10:7000
    protocol: PROTO
    mode: nat
    scheduler: rr
    backends: [{address: "10.0.0.11:7000", weight: 1}, {address: "10.0.0.12:7000", weight: 1}]
`, "PROTO", protocol)
	}
	config = strings.Replace(config, "name: load\n    address: 203.0.113.10:7000\n    protocol: tcp", "name: streams\n    address: 203.0.113.10:7000\n    protocol: tcp", 1)
	d := l.start(t, "", config)
	file := filepath.Join(filepath.Dir(d.socket), "weir.yaml")
	base, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tr := l.newTraffic(t, "203.0.113.10:7000")
	phase := func(name string, during func()) {
		t.Helper()
		sent, received := tr.run(t, during)
		t.Logf("%s: %d packets sent, %d came back", name, sent, received)
		if sent != received || sent < flows {
			t.Errorf("%s: %d of %d packets were lost; ports %v, drops %v", name, sent-received, sent, d.show("ports"), d.show("drops"))
		}
	}
	phase("without reloads", func() { time.Sleep(2 * time.Second) }) // as long as it takes to send some packets
	watched, outcomes := d.watchReloads(t)
	defer watched()
	phase("with reloads", func() {
		client := api.Dial(d.socket)
		pace := time.NewTicker(reloadPace)
		defer pace.Stop()
		for i := range reloads {
			<-pace.C
			text, right := reloadFile(string(base), i)
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if i/2%2 == 0 {
				if _, err := client.Reload(t.Context(), api.ReloadOptions{}); (err == nil) != right {
					t.Errorf("reload %d of a file that is right: %t, %v", i, right, err)
				}
			} else {
				_ = d.cmd.Process.Signal(syscall.SIGHUP)
			}
			select {
			case got := <-outcomes:
				if want := map[bool]string{true: "applied", false: "refused"}[right]; got != want {
					t.Errorf("reload %d was %s, want %s", i, got, want)
				}
			case <-time.After(patience):
				t.Fatalf("nothing came of reload %d; the log:\n%s", i, d.logged())
			}
		}
	})
	if p := d.row("ports", "name", "wan"); p == nil || p["packets_missed"] != 0.0 {
		t.Errorf("the port missed packets: %v", p)
	}
	d.accounted()
}

// watchReloads tells what comes of each reload from now on.
func (d *daemon) watchReloads(t *testing.T) (stop func(), outcomes <-chan string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, ready, ended := make(chan string, 1), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		err := api.Dial(d.socket).Watch(ctx, api.WatchFilter{Types: []string{view.EventReload}}, func(e view.Event) error {
			if e.Type == view.EventWatching {
				close(ready)
				return nil
			}
			select {
			case out <- e.State:
			case <-ctx.Done():
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("watching ended: %v", err)
		}
	}()
	select {
	case <-ready:
	case <-time.After(patience):
		t.Fatal("the watcher does not get ready")
	}
	return func() { cancel(); <-ended }, out
}
