package compile

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/sched"
)

func picks(snap *fastpath.Snapshot, service, n int) map[uint32]int {
	out := map[uint32]int{}
	var k sched.Key
	var st sched.State
	s := &snap.Services[service]
	for range n {
		if i := s.Sched.Pick(&k, &st); i >= 0 {
			out[s.Backends[i]]++
		}
	}
	return out
}

func TestHealthAndWeightDecideWhoTakesConnections(t *testing.T) {
	r := newRig(t)
	s := web(first, second, third)
	s.Scheduler = "wrr"
	s.Backends[0].Weight, s.Backends[1].Weight, s.Backends[2].Weight = 3, 0, 1
	r.compile(s)
	a, b, c := r.place(s, first).Index, r.place(s, second).Index, r.place(s, third).Index
	accepts := func(want ...bool) {
		t.Helper()
		for i, index := range []uint32{a, b, c} {
			if got := r.snap.Backends.At(index).Accepts; got != want[i] {
				t.Errorf("backend %d accepts: %v", i, got)
			}
		}
	}
	accepts(true, false, true)
	if got := r.picks(100); got[a] != 75 || got[c] != 25 {
		t.Errorf("picked %v", got)
	}
	r.down[first] = true
	r.compile(s)
	accepts(false, false, true)
	if got := r.picks(100); got[c] != 100 {
		t.Errorf("with the first down: picked %v", got)
	}
	r.down[third] = true
	r.compile(s)
	accepts(false, false, false)
	if got := r.picks(100); len(got) != 0 {
		t.Errorf("with all down: picked %v", got)
	}
	r.down = map[string]bool{}
	r.compile(s)
	accepts(true, false, true)
}

func TestNextHops(t *testing.T) {
	r := newRig(t)
	s := web(first, "198.51.100.9:80")
	r.compile(s)
	for backend, hop := range map[string]string{first: "1 10.0.0.11", "198.51.100.9:80": "0 203.0.113.1"} {
		if b := r.snap.Backends.At(r.place(s, backend).Index); b.Hop != r.links.ids[hop] || b.Hop == 0 {
			t.Errorf("%s has next hop %d, want that of %s, %d", backend, b.Hop, hop, r.links.ids[hop])
		}
	}
	if r.links.ids["0 fe80::1"] == 0 {
		t.Error("the IPv6 gateway was not resolved")
	}
}

func TestWay(t *testing.T) {
	cfg := config()
	for addr, want := range map[string]struct {
		port int
		via  string
	}{
		"203.0.113.9":  {0, "203.0.113.9"},
		"10.0.0.11":    {1, "10.0.0.11"},
		"10.0.1.11":    {1, "10.0.1.11"},
		"10.0.2.11":    {0, "203.0.113.1"},
		"2001:db8::9":  {0, "2001:db8::9"},
		"fd00::9":      {1, "fd00::9"},
		"2001:db8:1::": {0, "fe80::1"},
	} {
		port, via, ok := Way(cfg, netip.MustParseAddr(addr))
		if !ok || port != want.port || via.String() != want.via {
			t.Errorf("%s leaves on %d by way of %s (%v), want %d by way of %s", addr, port, via, ok, want.port, want.via)
		}
	}
	cfg.Ports[0].Gateways = cfg.Ports[0].Gateways[:1]
	if _, via, ok := Way(cfg, netip.MustParseAddr("2001:db8:1::")); ok {
		t.Errorf("without an IPv6 gateway there is a way by %s", via)
	}
}

func TestSourceFor(t *testing.T) {
	cfg := config()
	for _, c := range []struct {
		port            int
		addr, via, want string
	}{
		{1, "10.0.1.11", "10.0.1.11", "10.0.1.1"},
		{1, "10.0.0.11", "10.0.0.11", "10.0.0.1"},
		{1, "10.9.0.1", "10.0.1.9", "10.0.1.1"},
		{1, "10.9.0.1", "192.0.2.1", "10.0.0.1"},
		{1, "fd00::9", "fd00::9", "fd00::1"},
		// A router does not pass on what comes from a link-local address.
		{0, "2001:db8:1::9", "fe80::1", "2001:db8::2"},
		{0, "fe80::9", "fe80::9", "fe80::2"},
	} {
		src, ok := SourceFor(&cfg.Ports[c.port], netip.MustParseAddr(c.addr), netip.MustParseAddr(c.via))
		if !ok || src.String() != c.want {
			t.Errorf("to %s by way of %s: source %s (%v), want %s", c.addr, c.via, src, ok, c.want)
		}
	}
	only4 := conf.Port{Addresses: prefixes("10.0.0.1/24")}
	if src, ok := SourceFor(&only4, netip.MustParseAddr("fd00::9"), netip.MustParseAddr("fd00::9")); ok {
		t.Errorf("a port without IPv6 has the source %s", src)
	}
}

func TestTunnelHasItsOuterHeader(t *testing.T) {
	r := newRig(t)
	s := web("10.0.1.11:80", "[fd00::9]:80")
	s.Mode, s.Tunnel = conf.TUN, conf.Tunnel{MSSClamp: true}
	r.compile(s)
	b := r.snap.Backends.At(r.place(s, "10.0.1.11:80").Index)
	if b.Mode != fastpath.TUN || !b.Clamp || [4]byte(b.Outer[12:]) != [4]byte{10, 0, 1, 1} {
		t.Errorf("the backend is %+v", b)
	}
	if b := r.snap.Backends.At(r.place(s, "[fd00::9]:80").Index); netip.AddrFrom16([16]byte(b.Outer[8:])).String() != "fd00::1" {
		t.Errorf("the outer source is %x", b.Outer[8:24])
	}
}

func TestErrorsNameWhatCannotBe(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*conf.Config, *links)
		want  string
	}{
		"gateway": {
			func(_ *conf.Config, l *links) { l.failed[netip.MustParseAddr("203.0.113.1")] = errFull },
			"gateway 203.0.113.1 of port wan: no room",
		},
		"next hop": {
			func(_ *conf.Config, l *links) { l.failed[netip.MustParseAddr("10.0.0.11")] = errFull },
			"service web: backend 10.0.0.11:8080: next hop 10.0.0.11 on port lan: no room",
		},
		"no way": {
			func(cfg *conf.Config, _ *links) { cfg.Ports = cfg.Ports[1:]; cfg.Services[0] = web("198.51.100.9:80") },
			"service web: backend 198.51.100.9:80: no port's network and no gateway leads to it",
		},
		"scheduler": {
			func(cfg *conf.Config, _ *links) { cfg.Services[0].Scheduler = "guess" },
			`service web: unknown scheduler "guess"`,
		},
		"tunnel source": {
			func(cfg *conf.Config, _ *links) {
				cfg.Services[0] = web("[2001:db8:1::9]:80")
				cfg.Services[0].Mode = conf.TUN
				cfg.Ports[0].Addresses = cfg.Ports[0].Addresses[:2]
			},
			"service web: backend [2001:db8:1::9]:80: port wan has no address of its family to send the tunnel from",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			cfg := config(web(first))
			c.spoil(cfg, r.links)
			snap, commit, err := r.c.Compile(r.now, cfg, r.status, 0)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || snap != nil || commit != nil {
				t.Errorf("error %v, want %s", err, c.want)
			}
			if strings.HasSuffix(c.want, "no room") && !errors.Is(err, errFull) {
				t.Error("the cause is lost")
			}
		})
	}
}

func TestTheMSSIsLoweredWhereTheModesKeySays(t *testing.T) {
	for _, c := range []struct {
		mode            conf.Mode
		service, tunnel bool
		want            bool
	}{
		{conf.NAT, true, false, true},
		{conf.NAT, false, true, false}, // a tunnel's is true by default
		{conf.TUN, false, true, true},
		{conf.TUN, true, false, false},
	} {
		r := newRig(t)
		s := web("10.0.1.11:80")
		s.Mode, s.MSSClamp, s.Tunnel = c.mode, c.service, conf.Tunnel{MSSClamp: c.tunnel}
		r.compile(s)
		if got := r.snap.Backends.At(r.place(s, "10.0.1.11:80").Index).Clamp; got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
}
