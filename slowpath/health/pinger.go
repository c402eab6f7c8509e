package health

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// pinger is one raw socket, and who waits for what comes to it.
type pinger struct {
	way    pingWay
	conn   *net.IPConn
	raw    syscall.RawConn
	secret []byte // in every request: what comes back without it is not ours

	mu      sync.Mutex
	next    uint32
	waiting map[uint32]waiter // by token
	ended   bool
}

// waiter is a check that waits for an answer.
type waiter struct {
	to     netip.Addr
	answer chan outcome // has room for it
}

// Sizes of the socket's buffers in bytes. What waits for a neighbour that does not answer ARP stays in the first for
// three seconds.
const (
	pingSend    = 32 << 20
	pingReceive = 8 << 20
)

func newPinger(way pingWay) (*pinger, error) {
	network, local := "ip4:icmp", "0.0.0.0"
	if way.v6 {
		network, local = "ip6:ipv6-icmp", "::"
	}
	if way.source.IsValid() {
		local = way.source.String()
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return prepare(c, way) }}
	conn, err := config.ListenPacket(context.Background(), network, local)
	if err != nil {
		return nil, err
	}
	p := &pinger{way: way, conn: conn.(*net.IPConn), waiting: map[uint32]waiter{}, secret: make([]byte, 16)}
	_, _ = rand.Read(p.secret) // never fails (crypto/rand)
	p.next = binary.BigEndian.Uint32(p.secret)
	if p.raw, err = p.conn.SyscallConn(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return p, nil
}

// prepare makes a socket take only what can be an answer.
func prepare(c syscall.RawConn, way pingWay) error {
	var failed error
	err := c.Control(func(handle uintptr) {
		fd := int(handle)
		if way.iface != "" {
			failed = unix.BindToDevice(fd, way.iface)
		}
		// Best effort: without CAP_NET_ADMIN the buffers stay as they are, and without a filter more is read.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, pingSend)
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, pingReceive)
		if way.v6 {
			var blocked unix.ICMPv6Filter
			for i := range blocked.Data {
				blocked.Data[i] = ^uint32(0)
			}
			for _, kind := range []int{icmp6Reply, icmp6Unreachable, icmp6Exceeded} {
				blocked.Data[kind/32] &^= 1 << (kind % 32)
			}
			_ = unix.SetsockoptICMPv6Filter(fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, &blocked)
			return
		}
		blocked := ^(1<<icmp4Reply | 1<<icmp4Unreachable | 1<<icmp4Exceeded)
		const icmpFilter = 1 // of level SOL_RAW, linux/icmp.h
		_ = unix.SetsockoptInt(fd, unix.SOL_RAW, icmpFilter, blocked)
	})
	return errors.Join(err, failed)
}

// send sends a request. done takes the waiter away who does not want to wait any longer.
func (p *pinger) send(to netip.Addr) (answer <-chan outcome, done func(), err error) {
	w := waiter{to, make(chan outcome, 1)}
	token, ok := p.enter(w)
	if !ok {
		return nil, nil, syscall.ENODEV
	}
	done = func() { p.leave(token) }
	var failed error
	err = p.raw.Write(func(fd uintptr) bool {
		failed = unix.Sendto(int(fd), request(token, p.secret, p.way.v6), unix.MSG_DONTWAIT, sockaddr(to))
		return true
	})
	if err = errors.Join(err, failed); err == nil {
		return w.answer, done, nil
	}
	done()
	switch {
	case errors.Is(err, syscall.EAGAIN):
		err = syscall.ENOBUFS
	case errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO):
		p.close() // the interface is gone: another socket may find the one that took its name
	}
	return nil, nil, err
}

func (p *pinger) enter(w waiter) (token uint32, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return 0, false
	}
	for {
		p.next++
		if _, taken := p.waiting[p.next]; !taken {
			p.waiting[p.next] = w
			return p.next, true
		}
	}
}

func (p *pinger) leave(token uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.waiting, token)
}

func sockaddr(a netip.Addr) unix.Sockaddr {
	if a.Is4() {
		return &unix.SockaddrInet4{Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Addr: a.As16()}
}

// read hands answers to whom they are for, until the socket is closed.
func (p *pinger) read() {
	defer p.close()
	buf := make([]byte, 2048)
	for {
		n, from, err := p.conn.ReadFromIP(buf)
		if err != nil { // closed, or its interface is gone; the next ping opens another
			return
		}
		if e, ok := read(buf[:n], p.way.v6); ok {
			addr, _ := netip.AddrFromSlice(from.IP)
			p.deliver(e, addr.Unmap())
		}
	}
}

func (p *pinger) deliver(e echo, from netip.Addr) {
	o := e.error
	if o.verdict == inconclusive {
		if !bytes.Equal(e.data, p.secret) {
			return
		}
		e.to = from
		o = outcome{verdict: pass, what: "echo reply"}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if w, ok := p.waiting[e.token]; ok && w.to == e.to {
		delete(p.waiting, e.token)
		w.answer <- o
	}
}

func (p *pinger) broken() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// close closes the socket, and lets nobody wait in vain.
func (p *pinger) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.ended = true
	_ = p.conn.Close()
	for token, w := range p.waiting {
		delete(p.waiting, token)
		w.answer <- notAsked("the socket for pings was closed")
	}
}
