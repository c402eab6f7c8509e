package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirlb/weir/internal/netnstest"
)

const udpServices = `services:
  - {name: nat4, address: "203.0.113.10:7", protocol: udp, mode: nat, backends: [{address: "10.0.0.11:7"}]}
  - {name: nat6, address: "[2001:db8::10]:7", protocol: udp, mode: nat, backends: [{address: "[fd00::11]:7"}]}
  - {name: tun4, address: "203.0.113.11:7", protocol: udp, mode: tun, backends: [{address: "10.0.0.11"}]}
  - {name: tun6, address: "[2001:db8::11]:7", protocol: udp, mode: tun, backends: [{address: "fd00::11"}]}
`

// probe is a UDP socket of the client that never fragments and keeps the ICMP errors that come back.
type probe struct {
	fd int
	v6 bool
}

func newProbe(t *testing.T, ns, to string) *probe {
	t.Helper()
	a := netip.MustParseAddrPort(to)
	p := &probe{v6: a.Addr().Is6()}
	err := netnstest.In(ns, func() (err error) {
		family, level, discover, recv, always := unix.AF_INET, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_RECVERR, unix.IP_PMTUDISC_DO
		var sa unix.Sockaddr
		if !p.v6 {
			sa = &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
		} else {
			family, level, discover, recv, always = unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_RECVERR, unix.IPV6_PMTUDISC_DO
			sa = &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
		}
		if p.fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return errors.Join(unix.SetsockoptInt(p.fd, level, discover, always), unix.SetsockoptInt(p.fd, level, recv, 1), unix.Connect(p.fd, sa))
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(p.fd) })
	return p
}

func (p *probe) setTTL(t *testing.T, n int) {
	t.Helper()
	var err error
	if p.v6 {
		err = unix.SetsockoptInt(p.fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, n)
	} else {
		err = unix.SetsockoptInt(p.fd, unix.IPPROTO_IP, unix.IP_TTL, n)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// icmpError is what the kernel tells of an ICMP error.
type icmpError struct {
	kind, code uint8
	info       uint32 // an MTU
	from       netip.Addr
}

// answer sends until an ICMP error comes back. A datagram can be lost while neighbours are resolved.
func (p *probe) answer(t *testing.T, size int) (e icmpError) {
	t.Helper()
	payload := make([]byte, size)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		err := unix.Send(p.fd, payload, 0)
		if err != nil && !errors.Is(err, syscall.EMSGSIZE) && !errors.Is(err, syscall.EHOSTUNREACH) && !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatal(err)
		}
		oob := make([]byte, 512)
		_, n, _, _, err := unix.Recvmsg(p.fd, nil, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if err != nil {
			continue
		}
		messages, err := unix.ParseSocketControlMessage(oob[:n])
		if err != nil || len(messages) == 0 {
			t.Fatalf("%v: %x", err, oob[:n])
		}
		d := messages[0].Data
		const origin, kind, code, info, offender = 4, 5, 6, 8, 16
		if d[origin] != unix.SO_EE_ORIGIN_ICMP && d[origin] != unix.SO_EE_ORIGIN_ICMP6 {
			continue // the socket's own: it has learned the MTU
		}
		e = icmpError{kind: d[kind], code: d[code], info: uint32(d[info]) | uint32(d[info+1])<<8}
		if p.v6 {
			e.from, _ = netip.AddrFromSlice(d[offender+8 : offender+24])
		} else {
			e.from, _ = netip.AddrFromSlice(d[offender+4 : offender+8])
		}
		return e
	}
	t.Fatal("no ICMP error came back")
	return e
}

func TestTheClientsKernelLearnsATunnelsMTU(t *testing.T) {
	l := needLab(t)
	d := l.start(t, "", udpServices)
	// What it has learned from other tests.
	l.do(t, "client", "ip", "route", "flush", "cache")
	l.do(t, "client", "ip", "-6", "route", "flush", "cache")
	for _, c := range []struct {
		to         string
		kind, code uint8
		mtu        uint32
		from       string
	}{
		{"203.0.113.11:7", 3, 4, 1480, "203.0.113.2"},
		{"[2001:db8::11]:7", 2, 0, 1460, "2001:db8::2"},
	} {
		p := newProbe(t, l.ns("client"), c.to)
		size := 1500 - 28
		if p.v6 {
			size = 1500 - 48
		}
		want := icmpError{c.kind, c.code, c.mtu, netip.MustParseAddr(c.from)}
		if got := p.answer(t, size); got != want {
			t.Errorf("%s: got %+v, want %+v", c.to, got, want)
		}
	}
	d.accounted()
}

func TestTracerouteSeesWeir(t *testing.T) {
	l := needLab(t)
	d := l.start(t, "", udpServices)
	for _, c := range []struct {
		to   string
		kind uint8
		from string
	}{
		{"203.0.113.10:7", 11, "203.0.113.2"}, {"203.0.113.11:7", 11, "203.0.113.2"},
		{"[2001:db8::10]:7", 3, "2001:db8::2"}, {"[2001:db8::11]:7", 3, "2001:db8::2"},
	} {
		p := newProbe(t, l.ns("client"), c.to)
		p.setTTL(t, 2) // the router takes one
		want := icmpError{kind: c.kind, from: netip.MustParseAddr(c.from)}
		if got := p.answer(t, 10); got != want {
			t.Errorf("%s: got %+v, want %+v", c.to, got, want)
		}
	}
	d.accounted()
}

// TestARefusalByABackendReachesTheClient has no server on the backends' port: their kernels answer with ICMP port
// unreachable, which has to look as if it came from the VIP.
func TestARefusalByABackendReachesTheClient(t *testing.T) {
	l := needLab(t)
	d := l.start(t, "", udpServices)
	for _, to := range []string{"203.0.113.10:7", "[2001:db8::10]:7"} {
		c, err := netnstest.Dial(t.Context(), l.ns("client"), "udp", to)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		until(t, to+" refuses", func() bool { return refused(c) })
	}
	d.accounted()
}

// refused sends a datagram and reports whether an earlier one was answered with ICMP port unreachable.
func refused(c net.Conn) bool {
	_ = c.SetDeadline(time.Now().Add(100 * time.Millisecond)) // fails only on a closed socket
	if _, err := c.Write([]byte("anybody there?")); errors.Is(err, syscall.ECONNREFUSED) {
		return true
	}
	_, err := c.Read(make([]byte, 1))
	return errors.Is(err, syscall.ECONNREFUSED)
}

// TestUDPOfEverySize covers odd lengths and what does not fit a tunnel in one piece.
func TestUDPOfEverySize(t *testing.T) {
	l := needLab(t)
	d := l.start(t, "", udpServices)
	for _, server := range []string{"10.0.0.11:7", "[fd00::11]:7", "203.0.113.11:7", "[2001:db8::11]:7"} {
		go echoUDP(netnstest.ListenPacket(t, l.ns("rs1"), server))
	}
	for _, to := range []string{"203.0.113.10:7", "[2001:db8::10]:7", "203.0.113.11:7", "[2001:db8::11]:7"} {
		c, err := netnstest.Dial(t.Context(), l.ns("client"), "udp", to)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for _, size := range []int{1, 2, 17, 18, 19, 511, 512, 1300, 1399} {
			text := fmt.Sprintf("%0*d", size, size)
			if err := exchange(c, text); err != nil {
				t.Errorf("%s, %d bytes: %v", to, size, err)
			}
		}
	}
	d.accounted()
}

// exchange sends a datagram until it comes back: the first may get lost while neighbours are resolved.
func exchange(c net.Conn, text string) error {
	buf := make([]byte, 1<<16)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		_ = c.SetDeadline(time.Now().Add(500 * time.Millisecond))
		if _, err := c.Write([]byte(text)); err != nil {
			return err
		}
		n, err := c.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.EMSGSIZE) { // it has learned the MTU
			continue
		}
		if err != nil {
			return err
		}
		if string(buf[:n]) == text {
			return nil
		}
		return fmt.Errorf("%d bytes came back", n)
	}
	return errors.New("nothing came back")
}
