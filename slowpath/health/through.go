package health

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Checks through a service connect to its VIP, on whichever backend they are of. What tells their packets apart is the
// local port: each check has one of its own, and a passage says which backend it stands for. The packets are looked up as
// they leave the kernel (Manager.Owner); the answers come back to the kernel like any others.

const (
	// passAfter is how long the packets of a connection that was closed may still find their way: longer than the
	// kernel keeps one in TIME_WAIT, to answer what is sent again.
	passAfter = 65 * time.Second
	// maxOrderly bounds how many connections are closed in order within that time. Each keeps its local port, of which
	// there are 28,000, in TIME_WAIT; what is more is reset.
	maxOrderly = 10_000
)

// end is the local end of a check's connection.
type end struct {
	udp   bool
	local netip.AddrPort
}

// passage is a local end's way to one backend.
type passage struct {
	all     *passages
	end     end
	owner   key
	gone    time.Time // when it was closed
	orderly bool
}

// passages are those that there are. The zero value has none.
type passages struct {
	mu      sync.Mutex
	owners  map[end]*passage
	left    []*passage // closed, oldest first
	orderly int        // of left: by Weir, in order
}

// owner is the backend that a local end's packets are for.
func (s *passages) owner(e end) (key, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.owners[e]
	if p == nil {
		return key{}, false
	}
	return p.owner, true
}

// enter gives a local end that the kernel has just reserved to a backend.
func (s *passages) enter(e end, owner key) *passage {
	p := &passage{all: s, end: e, owner: owner}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owners == nil {
		s.owners = map[end]*passage{}
	}
	s.owners[e] = p
	s.forget(time.Now())
	return p
}

// forget ends the passages that nobody can use any more. The lock is held.
func (s *passages) forget(now time.Time) {
	n := 0
	for ; n < len(s.left) && now.Sub(s.left[n].gone) > passAfter; n++ {
		p := s.left[n]
		if s.owners[p.end] == p { // or the port has another owner
			delete(s.owners, p.end)
		}
		if p.orderly {
			s.orderly--
		}
		s.left[n] = nil
	}
	s.left = s.left[n:]
}

// leave says that the socket is closed; nil was none.
func (p *passage) leave() {
	if p == nil {
		return
	}
	s := p.all
	s.mu.Lock()
	defer s.mu.Unlock()
	p.gone = time.Now()
	s.left = append(s.left, p)
}

// mayWait reports whether the connection may be closed in order by Weir, which keeps its local port for a minute.
func (p *passage) mayWait() bool {
	if p == nil {
		return true
	}
	s := p.all
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.orderly = s.orderly < maxOrderly; p.orderly {
		s.orderly++
	}
	return p.orderly
}

// dialThrough connects to the service's address. The local address is none of the dialer's, which would bind once more.
func (p *probe) dialThrough(ctx context.Context, network string) (net.Conn, *passage, error) {
	d := p.dialer
	var pass *passage
	d.Control = p.bindThrough(&pass)
	c, err := d.DialContext(ctx, network, p.remote.String())
	if err != nil {
		pass.leave()
		return nil, nil, err
	}
	return c, pass, nil
}

// bindThrough reserves a port of the address that checks come from, and a passage for it.
func (p *probe) bindThrough(out **passage) func(network, address string, c syscall.RawConn) error {
	return func(network, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			if p.Interface != "" {
				failed = unix.BindToDevice(int(fd), p.Interface)
			}
			if failed == nil {
				failed = unix.Bind(int(fd), sockaddr(p.From))
			}
			if errors.Is(failed, syscall.EADDRINUSE) {
				failed = syscall.EADDRNOTAVAIL // all ports are taken
			}
			if failed != nil {
				return
			}
			var at unix.Sockaddr
			if at, failed = unix.Getsockname(int(fd)); failed == nil {
				(*out).leave() // of a first try, which net.Dialer may make
				*out = p.passages.enter(end{strings.HasPrefix(network, "udp"), addrPort(at)}, key{p.Service, p.Backend})
			}
		})
		return errors.Join(err, failed)
	}
}

func addrPort(s unix.Sockaddr) netip.AddrPort {
	switch a := s.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return netip.AddrPort{}
}

// Owner tells whose check a frame is of that the kernel sends to a VIP; ok is false if it is of none.
func (m *Manager) Owner(frame []byte) (service string, backend netip.AddrPort, ok bool) {
	e, ok := sender(frame)
	if !ok {
		return "", netip.AddrPort{}, false
	}
	k, ok := m.passages.owner(e)
	return k.service, k.backend, ok
}

// sender reads the source of a TCP or UDP packet of the kernel's own. Those have no extension headers, and are fragments
// only if they are larger than the MTU of the way to the VIP.
func sender(frame []byte) (e end, ok bool) {
	const eth, v4, v6 = 14, 20, 40
	if len(frame) < eth+v4 {
		return e, false
	}
	ip := frame[eth:]
	var addr netip.Addr
	var l4 []byte
	var proto byte
	switch ether := binary.BigEndian.Uint16(frame[12:]); {
	case ether == 0x0800 && ip[0]>>4 == 4 && int(ip[0]&15)*4 <= len(ip) && binary.BigEndian.Uint16(ip[6:])&0x1fff == 0:
		addr, l4, proto = netip.AddrFrom4([4]byte(ip[12:16])), ip[int(ip[0]&15)*4:], ip[9]
	case ether == 0x86dd && len(ip) >= v6:
		addr, l4, proto = netip.AddrFrom16([16]byte(ip[8:24])), ip[v6:], ip[6]
	default:
		return e, false
	}
	if len(l4) < 2 || proto != unix.IPPROTO_TCP && proto != unix.IPPROTO_UDP {
		return e, false
	}
	return end{proto == unix.IPPROTO_UDP, netip.AddrPortFrom(addr, binary.BigEndian.Uint16(l4))}, true
}
