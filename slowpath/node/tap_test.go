package node

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/memport"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/slowpath/tap"
)

// patience is how long a test waits for what should happen soon.
const patience = 10 * time.Second

// lab is a node whose wan port is joined to the kernel of a client, and its kernel side to another kernel:
//
//	namespace client                                              namespace weir
//	sockets ── eth0 (a TAP) ── memory port ── Weir ── weir0 (the TAP) ── sockets
type lab struct {
	t            *testing.T
	weir, client netns.NsHandle
	tap, eth0    *tap.Device
	node         *Node
	wan          *memport.Queue
	stop         atomic.Bool
	work         sync.WaitGroup
}

// ToKernel implements Kernel.
func (l *lab) ToKernel(port int, frame []byte) bool { return port == wan && l.tap.Write(frame) == nil }

func newLab(t *testing.T) *lab {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("CI") == "true":
		t.Fatal("root is missing")
	default:
		t.Skip("SKIPPED, NOT TESTED: root is missing")
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	l := &lab{t: t}
	cfg := configured()
	l.weir = l.namespace()
	l.tap = l.open(tap.Options{Name: "weir0", MAC: wanMAC, MTU: 1500, Addresses: cfg.Ports[wan].Addresses})
	l.client = l.namespace()
	l.eth0 = l.open(tap.Options{Name: "eth0", MAC: clientMAC, MTU: 1500, Addresses: []netip.Prefix{netip.PrefixFrom(client, 24), netip.PrefixFrom(client6, 64)}})
	if err := os.WriteFile("/proc/sys/net/ipv4/conf/eth0/arp_ignore", []byte("0"), 0); err != nil { // a client answers
		t.Fatal(err)
	}
	pool := &memport.Pool{}
	now := func() uint64 { return uint64(time.Now().UnixNano()) }
	l.wan = memport.New(pool, now)
	l.wan.OnSend(func(frame []byte) { _ = l.eth0.Write(frame) }) // what is lost is sent again
	var err error
	l.node, err = New(Options{
		Config: cfg, Ports: []Port{{MAC: wanMAC, Queues: 1, HasTAP: true}, {MAC: lanMAC, Queues: 1}},
		Queues: [][]port.Queue{{l.wan, memport.New(pool, now)}}, Kernel: l, Seed: conn.Seed{1, 1},
		OnConflict: func(_ int, addr netip.Addr, mac [6]byte) { t.Errorf("conflict about %s with %x", addr, mac) },
	}, time.Now(), up)
	if err != nil {
		t.Fatal(err)
	}
	l.work.Go(l.run)
	l.work.Go(func() { pass(l.tap, func(frame []byte) { l.node.FromKernel(wan, frame) }) })
	l.work.Go(func() { pass(l.eth0, func(frame []byte) { _ = l.wan.Put(frame, 0) }) })
	t.Cleanup(l.close)
	return l
}

func (l *lab) namespace() netns.NsHandle {
	l.t.Helper()
	h, err := netns.New()
	if err != nil {
		l.t.Fatal(err)
	}
	return h
}

func (l *lab) open(o tap.Options) *tap.Device {
	l.t.Helper()
	d, err := tap.Open(o)
	if err != nil {
		l.t.Fatal(err)
	}
	return d
}

// pass takes what a kernel sends.
func pass(from *tap.Device, to func(frame []byte)) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		to(buf[:n])
	}
}

// run is the worker and the slow path in one.
func (l *lab) run() {
	for w := l.node.Workers()[0]; !l.stop.Load(); {
		n := w.Poll() + l.node.HandlePunts(time.Now())
		l.node.Tick(time.Now())
		if n == 0 {
			time.Sleep(100 * time.Microsecond)
		}
	}
}

func (l *lab) close() {
	l.stop.Store(true)
	l.tap.Interrupt()
	l.eth0.Interrupt()
	l.work.Wait()
	drops := l.node.Drops()
	for r, n := range drops {
		if n > 0 {
			l.t.Errorf("the slow path has dropped %d for %s", n, reason.Reason(r))
		}
	}
	if err := errors.Join(l.node.Close(), l.tap.Close(), l.eth0.Close(), l.weir.Close(), l.client.Close()); err != nil {
		l.t.Error(err)
	}
}

// in puts the test's thread, and the sockets it makes, into a namespace.
func (l *lab) in(ns netns.NsHandle) {
	l.t.Helper()
	if err := netns.Set(ns); err != nil {
		l.t.Fatal(err)
	}
}

func TestPingOfAnOwnAddressIsAnsweredByTheKernel(t *testing.T) {
	for _, c := range []struct {
		name, network, from, to string
		echo, reply             icmp.Type
		proto                   int
	}{
		{"IPv4", "ip4:icmp", "203.0.113.9", "203.0.113.2", ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply, 1},
		{"IPv6", "ip6:ipv6-icmp", "2001:db8::9", "2001:db8::2", ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply, 58},
		{"link-local", "ip6:ipv6-icmp", "fe80::ff:fe00:9%eth0", "fe80::ff:fe00:2%eth0", ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply, 58},
		{"configured link-local", "ip6:ipv6-icmp", "fe80::ff:fe00:9%eth0", "fe80::2%eth0", ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply, 58},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			l.in(l.client)
			s, err := icmp.ListenPacket(c.network, c.from)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			m := icmp.Message{Type: c.echo, Body: &icmp.Echo{ID: 7, Seq: 1, Data: []byte("hello")}}
			b, err := m.Marshal(nil)
			if err != nil {
				t.Fatal(err)
			}
			to, err := net.ResolveIPAddr(c.network[:3], c.to)
			if err != nil {
				t.Fatal(err)
			}
			expectReply(t, s, b, to, c.reply, c.proto)
		})
	}
}

// expectReply sends an echo request until it is answered.
func expectReply(t *testing.T, s *icmp.PacketConn, echo []byte, to net.Addr, reply icmp.Type, proto int) {
	t.Helper()
	buf := make([]byte, 1500)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if _, err := s.WriteTo(echo, to); err != nil {
			t.Fatal(err)
		}
		_ = s.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		for {
			n, from, err := s.ReadFrom(buf)
			if err != nil {
				break
			}
			m, err := icmp.ParseMessage(proto, buf[:n])
			if err == nil && m.Type == reply && from.String() == to.String() && bytes.HasSuffix(buf[:n], []byte("hello")) {
				return
			}
		}
	}
	t.Error("no answer")
}

func TestTCPWithTheKernel(t *testing.T) {
	for _, c := range []struct {
		name            string
		server          netip.Addr
		serverIsAtWeirs bool
	}{
		{"a client comes to Weir's address", wanOwn, true},
		{"a client comes to Weir's IPv6 address", netip.MustParseAddr("2001:db8::2"), true},
		{"a health check goes out", client, false},
		{"a health check goes out over IPv6", client6, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			here, there := l.weir, l.client
			if !c.serverIsAtWeirs {
				here, there = there, here
			}
			l.in(here)
			server, err := net.Listen("tcp", net.JoinHostPort(c.server.String(), "0"))
			if err != nil {
				t.Fatal(err)
			}
			data := bytes.Repeat([]byte("weir"), 1<<18)
			got := make(chan []byte, 1)
			go func() {
				s, err := server.Accept()
				if err != nil {
					got <- nil
					return
				}
				b, _ := io.ReadAll(s)
				_ = s.Close()
				got <- b
			}()
			l.in(there)
			s, err := net.DialTimeout("tcp", server.Addr().String(), patience)
			if err != nil {
				_ = server.Close()
				<-got
				t.Fatal(err)
			}
			_ = s.SetDeadline(time.Now().Add(patience))
			if _, err := s.Write(data); err != nil {
				t.Error(err)
			}
			_ = s.Close()
			if b := <-got; !bytes.Equal(b, data) {
				t.Errorf("%d bytes have arrived, want %d", len(b), len(data))
			}
			_ = server.Close()
		})
	}
}

// A server that moves announces itself. Weir follows, and a health check must, too: it would fail otherwise.
func TestKernelFollowsAGratuitousARP(t *testing.T) {
	l := newLab(t)
	l.in(l.weir)
	s, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(wanOwn, 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	link, err := netlink.LinkByName("weir0")
	if err != nil {
		t.Fatal(err)
	}
	known := func(mac [6]byte) func() bool {
		return func() bool {
			list, err := netlink.NeighList(link.Attrs().Index, netlink.FAMILY_V4)
			if err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(list, func(n netlink.Neigh) bool {
				return n.IP.Equal(client.AsSlice()) && bytes.Equal(n.HardwareAddr, mac[:])
			})
		}
	}
	if _, err := s.WriteToUDPAddrPort([]byte("hello"), netip.AddrPortFrom(client, 9)); err != nil {
		t.Fatal(err)
	}
	until(t, "the client is resolved", known(clientMAC))
	if err := l.wan.Put(frame(whoHas(client, spareMAC, client)...), 0); err != nil {
		t.Fatal(err)
	}
	until(t, "the client has another MAC", known(spareMAC))
}

func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
