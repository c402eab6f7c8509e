package health

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weirlb/weir/conf"
)

// frameFrom is the beginning of a packet of a family and protocol with a source.
func frameFrom(src netip.AddrPort, proto byte) []byte {
	a := src.Addr().Unmap()
	f := make([]byte, 14, 80)
	if a.Is4() {
		binary.BigEndian.PutUint16(f[12:], 0x0800)
		ip := make([]byte, 20)
		ip[0], ip[9] = 0x45, proto
		copy(ip[12:], a.AsSlice())
		f = append(f, ip...)
	} else {
		binary.BigEndian.PutUint16(f[12:], 0x86dd)
		ip := make([]byte, 40)
		ip[0], ip[6] = 0x60, proto
		copy(ip[8:], a.AsSlice())
		f = append(f, ip...)
	}
	return binary.BigEndian.AppendUint16(f, src.Port())
}

// through is a target whose service is on this machine, where all its backends are the same.
func through(kind conf.Check, backend string, vip netip.AddrPort) Target {
	t := Target{Service: "web", Backend: netip.MustParseAddrPort(backend), Check: quick(kind), Through: vip, From: vip.Addr()}
	t.Check.Interval = 200 * time.Millisecond
	return t
}

func TestPacketsOfAProbeThroughTheServiceAreKnownByTheirSource(t *testing.T) {
	for _, loopback := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", loopback)
		if err != nil {
			t.Fatal(err)
		}
		at := l.Addr().(*net.TCPAddr).AddrPort()
		m := New(func(e Event) { t.Errorf("%+v", e) })
		var mu sync.Mutex
		seen := map[string]bool{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				src := c.RemoteAddr().(*net.TCPAddr).AddrPort()
				service, backend, ok := m.Owner(frameFrom(src, 6))
				_, _, udp := m.Owner(frameFrom(src, 17))
				mu.Lock()
				seen[fmt.Sprint(service, " ", backend, " ", ok, " ", udp)] = true
				mu.Unlock()
				_ = c.Close()
			}
		}()
		set(t, m, []Target{through("tcp", "192.0.2.11:80", at), through("tcp", "192.0.2.12:80", at)})
		eventually(t, "both backends' checks are told apart", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(seen) == 2 && seen["web 192.0.2.11:80 true false"] && seen["web 192.0.2.12:80 true false"]
		})
		m.Close()
		_ = l.Close()
		<-done
	}
}

func TestDatagramsGoThroughTheServiceToo(t *testing.T) {
	s, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	m := New(func(e Event) { t.Errorf("%+v", e) })
	owners := make(chan string, 1)
	go func() {
		defer close(owners)
		buf := make([]byte, 100)
		n, from, err := s.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		service, backend, ok := m.Owner(frameFrom(from, 17))
		_, _ = s.WriteToUDPAddrPort(buf[:n], from)
		owners <- fmt.Sprint(service, " ", backend, " ", ok)
	}()
	target := through("udp", "192.0.2.11:53", s.LocalAddr().(*net.UDPAddr).AddrPort())
	target.Check.UDP = conf.UDPCheck{Send: "hello", Expect: "hello"}
	set(t, m, []Target{target})
	if got := <-owners; got != "web 192.0.2.11:53 true" {
		t.Errorf("%s", got)
	}
	eventually(t, "it passes", func() bool {
		st, _ := m.Status("web", target.Backend)
		return st.Passed > 0
	})
	m.Close()
	_ = s.Close()
}

func TestWhatNoProbeSentBelongsToNobody(t *testing.T) {
	m := New(func(Event) {})
	defer m.Close()
	src := netip.MustParseAddrPort("192.0.2.1:40000")
	m.passages.enter(end{false, src}, key{"web", src})
	if _, _, ok := m.Owner(frameFrom(src, 6)); !ok {
		t.Fatal("the test is wrong")
	}
	fragment := frameFrom(src, 6)
	fragment[21] = 9
	options := frameFrom(src, 6)
	options[14] = 0x4f
	for name, f := range map[string][]byte{
		"nothing": nil, "half an Ethernet header": make([]byte, 13), "ICMP": frameFrom(src, 1), "another port's": frameFrom(netip.AddrPortFrom(src.Addr(), 1), 6),
		"cut off": frameFrom(src, 6)[:34], "a later fragment": fragment, "more options than bytes": options,
		"IPv6 cut off": frameFrom(netip.MustParseAddrPort("[2001:db8::1]:7"), 6)[:50],
	} {
		if service, _, ok := m.Owner(f); ok {
			t.Errorf("%s is %s's", name, service)
		}
	}
}

func TestPassagesAreForgottenAfterAWhileUnlessTheirPortIsUsedAgain(t *testing.T) {
	var s passages
	a, b := end{local: netip.MustParseAddrPort("192.0.2.1:1")}, end{local: netip.MustParseAddrPort("192.0.2.1:2")}
	first, second := s.enter(a, key{service: "first"}), s.enter(b, key{service: "second"})
	if !first.mayWait() {
		t.Fatal("the first may not wait")
	}
	first.leave()
	second.leave()
	if k, ok := s.owner(a); !ok || k.service != "first" {
		t.Errorf("what is still on its way is %v's", k)
	}
	s.enter(b, key{service: "third"})
	s.mu.Lock()
	s.forget(time.Now().Add(passAfter + time.Second))
	s.mu.Unlock()
	if _, ok := s.owner(a); ok {
		t.Error("a passage outlives everything")
	}
	if k, _ := s.owner(b); k.service != "third" || len(s.left) != 0 || s.orderly != 0 {
		t.Errorf("owner %v; %+v", k, &s)
	}
}

// Ten thousand connections closed in order hold a third of all ports for a minute; what is more must not.
func TestBeyondSomeThousandsConnectionsAreReset(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	at := l.Addr().(*net.TCPAddr).AddrPort()
	m := New(func(Event) {})
	defer m.Close()
	ended := func() error {
		t.Helper()
		p, err := compile([]Target{through("tcp", "192.0.2.11:80", at)}, m)
		if err != nil {
			t.Fatal(err)
		}
		result := make(chan error, 1)
		go func() {
			c, err := l.Accept()
			if err == nil {
				_, err = c.Read(make([]byte, 1))
				_ = c.Close()
			}
			result <- err
		}()
		ctx, cancel := deadline(patience)
		defer cancel()
		o, hangUp := askServer(ctx, p[0])
		hangUp()
		if o.verdict != pass {
			t.Errorf("%v", o)
		}
		return <-result
	}
	if err := ended(); !errors.Is(err, io.EOF) {
		t.Errorf("the first: %v", err)
	}
	m.passages.orderly = maxOrderly
	if err := ended(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("with %d closed in order: %v", maxOrderly, err)
	}
}

func TestACheckThroughTheServiceSaysSoWhenItTimesOut(t *testing.T) {
	s, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m := New(func(Event) {})
	defer m.Close()
	target := through("udp", "192.0.2.11:53", s.LocalAddr().(*net.UDPAddr).AddrPort())
	target.Check.UDP = conf.UDPCheck{Expect: "hello"}
	target.Check.Timeout = 20 * time.Millisecond
	p, err := compile([]Target{target}, m)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := deadline(target.Check.Timeout)
	defer cancel()
	o, hangUp := askServer(ctx, p[0])
	hangUp()
	if got := o.String(); got != "timeout after 20ms waiting for an answer, through the service" {
		t.Errorf("%s", got)
	}
}

func TestAProbeThroughTheServiceNeedsAnAddressOfItsFamily(t *testing.T) {
	m := New(func(Event) {})
	defer m.Close()
	target := through("tcp", "192.0.2.11:80", netip.MustParseAddrPort("[::1]:80"))
	target.From = netip.MustParseAddr("127.0.0.1")
	if err := m.Set([]Target{target}); err == nil || err.Error() != "health check of backend 192.0.2.11:80 of service web: there is no address to check [::1]:80 from" {
		t.Errorf("%v", err)
	}
}
