package fastpath

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"unsafe"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/sched"
)

func TestEndpointTableAgainstAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 5))
	for _, size := range []int{0, 1, 1000} { // what was asked for; more is put in
		tab, oracle := newEndpointTable(size), map[endpoint]uint32{}
		random := func() endpoint {
			a := netip.AddrFrom4([4]byte{byte(r.IntN(8)), byte(r.IntN(256))})
			if r.IntN(2) == 0 {
				b := [16]byte{15: byte(r.IntN(3))}
				copy(b[:], a.AsSlice())
				a = netip.AddrFrom16(b)
			}
			return endpointOf(a, uint16(r.IntN(3)), uint8(r.IntN(2)))
		}
		for i := range uint32(5000) {
			e := random()
			*tab.ref(e) = i + 1
			oracle[e] = i + 1
			if e = random(); tab.get(e) != oracle[e] {
				t.Fatalf("%+v has %d, want %d", e, tab.get(e), oracle[e])
			}
		}
		for e, want := range oracle {
			if got := tab.get(e); got != want {
				t.Fatalf("%+v has %d, want %d", e, got, want)
			}
		}
		if tab.used != len(oracle) || 4*tab.used > len(tab.slots) {
			t.Errorf("%d slots for %d endpoints, %d used", len(tab.slots), len(oracle), tab.used)
		}
	}
}

func TestAddrSetAgainstAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 7))
	random := func() netip.Addr {
		a := netip.AddrFrom4([4]byte{byte(r.IntN(8)), byte(r.IntN(256)), byte(r.IntN(2))})
		if r.IntN(2) == 0 {
			b := [16]byte{15: byte(r.IntN(3))}
			copy(b[:], a.AsSlice())
			a = netip.AddrFrom16(b)
		}
		return a
	}
	for _, n := range []int{0, 1, 2, 700} {
		oracle := map[netip.Addr]bool{}
		var addrs []netip.Addr
		for range n {
			addrs = append(addrs, random())
			oracle[addrs[len(addrs)-1]] = true
		}
		snap := &Snapshot{vips: newAddrSet(addrs)}
		for range 5000 {
			a := random()
			b := AddrOf(a)
			if got := snap.vip(unsafe.Pointer(&b), a.Is6()); got != oracle[a] {
				t.Fatalf("of %d: %s %t", n, a, got)
			}
		}
	}
}

// way looks up where packets to an address leave.
func (s *Snapshot) way(addr string, hash uint32) way {
	a := netip.MustParseAddr(addr)
	b := AddrOf(a)
	return s.Routes.lookup(unsafe.Pointer(&b), a.Is6(), hash)
}

func TestWaysLeadToNetworksAndGateways(t *testing.T) {
	r := newRig(t, nil)
	gw4, gw6 := r.spec.Gateways[0].Hop, r.spec.Gateways[1].Hop
	snap := r.snap.Load()
	for addr, want := range map[string]way{
		"203.0.113.1":   {port: wan, onLink: true, ok: true},
		"203.0.113.255": {port: wan, onLink: true, ok: true},
		"203.0.114.0":   {hop: gw4, ok: true},
		"10.0.0.77":     {port: lan, onLink: true, ok: true},
		"10.0.1.77":     {hop: gw4, ok: true},
		"0.0.0.0":       {hop: gw4, ok: true},
		"2001:db8::77":  {port: wan, onLink: true, ok: true},
		"fd00::1":       {port: lan, onLink: true, ok: true},
		"fd00:0:0:1::1": {hop: gw6, ok: true},
		"2001:db9::":    {hop: gw6, ok: true},
	} {
		if got := snap.way(addr, 1); got != want {
			t.Errorf("%s: %+v, want %+v", addr, got, want)
		}
	}
	r.spec.Gateways = nil
	r.publish()
	for _, addr := range []string{"192.0.2.1", "2001:db9::"} {
		if got := r.snap.Load().way(addr, 1); got.ok {
			t.Errorf("%s without a gateway: %+v", addr, got)
		}
	}
}

func TestWithoutAWayBackRepliesAreDropped(t *testing.T) {
	for _, f := range families {
		r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: NAT, peers: []string{f.rs1}}})
		out := r.send(wan, pk{from: f.client, to: f.vip, udp: true}.frame(t))
		one(t, out, lan)
		r.spec.Gateways = nil
		r.publish()
		r.send(lan, pk{from: f.rs1, to: f.client, udp: true, srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t))
		r.send(lan, icmpFrame(netipAddr(f.rs1).String(), netipAddr(f.client).String(), errorKind(f.v6), 3, quoteOf(out[0].data, 8), rs1MAC, lanMAC, 64))
		if n := r.reasons()["no_route"]; n != 2 {
			t.Errorf("%s: reasons %v", f.name, r.reasons())
		}
	}
}

func TestFlowsAreSpreadOverGatewaysAndKeepToOne(t *testing.T) {
	r := newRig(t, tcp4())
	second := [6]byte{2, 0, 0, 0, 0, 9}
	r.spec.Gateways = append(r.spec.Gateways, GatewaySpec{Port: wan, Hop: r.hop(wan, "203.0.113.9", second)})
	r.publish()
	used := map[string]int{}
	for i := range 60 {
		client := fmt.Sprintf("198.51.100.7:%d", 1000+i)
		backend := r.backendOf(pk{from: client, to: vip4, flags: "S"})
		reply := pk{from: backend + ":80", to: client, flags: "SA", srcMAC: rs1MAC, dstMAC: lanMAC}
		first := one(t, r.send(lan, reply.frame(t)), wan).dstMAC
		reply.flags = "A"
		if again := one(t, r.send(lan, reply.frame(t)), wan).dstMAC; again != first {
			t.Fatalf("%s: by way of %s, then of %s", client, first, again)
		}
		used[first]++
	}
	if used[mac(gwMAC)] < 15 || used[mac(second)] < 15 || len(used) != 2 {
		t.Errorf("gateways used: %v", used)
	}
}

func TestSnapshotsTooLargeOrUnsoundAreErrors(t *testing.T) {
	r := newRig(t, tcp4())
	for want, change := range map[string]func(s *Spec){
		"the most is":     func(s *Spec) { s.Backends = make([]BackendSpec, MaxBackends+1) },
		"names service 7": func(s *Spec) { s.Backends[0].Service = 7 },
	} {
		spec := *r.spec
		spec.Backends = append([]BackendSpec{}, spec.Backends...)
		change(&spec)
		if _, err := NewSnapshot(&spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
}

func TestUnusedPlacesInASnapshotMeanNothing(t *testing.T) {
	r := newRig(t, tcp4())
	r.spec.Services = append(r.spec.Services, ServiceSpec{})
	r.spec.Backends = append(r.spec.Backends, BackendSpec{Load: new(sched.Load)})
	r.publish()
	if got := r.backendOf(pk{from: client4, to: vip4, flags: "S"}); got != "10.0.0.11" {
		t.Errorf("went to %q", got)
	}
	zero := netip.MustParseAddr("0.0.0.0")
	a := AddrOf(zero)
	if r.snap.Load().local(unsafe.Pointer(&a), false) != 0 {
		t.Error("an unused service made 0.0.0.0 a VIP")
	}
}

func TestAnAddressThatIsVIPAndOwnServesBoth(t *testing.T) {
	r := newRig(t, []rigService{{vip: "203.0.113.2:80", proto: packet.ProtoTCP, mode: NAT}}, withTAP())
	if got := r.backendOf(pk{from: client4, to: "203.0.113.2:80", flags: "S"}); got != "10.0.0.11" {
		t.Errorf("the service's packet went to %q", got)
	}
	r.send(wan, pk{from: client4, to: "203.0.113.2:22", flags: "S"}.frame(t))
	if r.reasons()["punt_local"] != 1 {
		t.Errorf("reasons %v", r.reasons())
	}
}
