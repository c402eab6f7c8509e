package fastpath

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
)

// world is services at random: hosts and prefixes within each other, and ranges of ports within each other.
func world(r *rand.Rand, n int) (services []ServiceSpec) {
	taken := map[string]bool{}
	for len(services) < n {
		bits, base := 8+8*r.IntN(4), netip.MustParseAddr("10.0.0.0")
		if r.IntN(2) == 0 {
			bits, base = 32+16*r.IntN(7), netip.MustParseAddr("2001:db8::")
		}
		p, _ := randomAddr(r, base).Prefix(bits)
		// Halves of halves: of two, one holds the other, or they have nothing in common.
		first, last := 0, 65535
		for range r.IntN(17) {
			if middle := (first + last) / 2; r.IntN(2) == 0 {
				last = middle
			} else {
				first = middle + 1
			}
		}
		s := ServiceSpec{
			Sched: &roundRobin{n: 1}, Proto: []uint8{packet.ProtoTCP, packet.ProtoUDP}[r.IntN(2)],
			Addresses: []Endpoint{{p, uint16(first), uint16(last)}},
		}
		if r.IntN(2) == 0 {
			src, _ := randomAddr(r, base).Prefix([]int{8, 12, 16, 24}[r.IntN(4)])
			s.Sources = []netip.Prefix{src, netip.MustParsePrefix("192.0.2.0/24")}
		}
		if r.IntN(3) == 0 {
			s.Ingress = []uint8{uint8(r.IntN(3)), 200}
		}
		at := fmt.Sprint(p, s.Proto, first, last, s.Sources, s.Ingress)
		if !taken[at] {
			taken[at] = true
			services = append(services, s)
		}
	}
	return services
}

// randomAddr is one of few addresses, so that they meet.
func randomAddr(r *rand.Rand, base netip.Addr) netip.Addr {
	b := base.AsSlice()
	for i := len(b) / 4; i < len(b); i++ {
		b[i] = uint8(r.IntN(2)) * 0x81
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// naive looks at all services: the longest prefix counts first, then the narrowest range, the source's longest prefix and
// last whether there are certain ports of ingress.
func naive(services []ServiceSpec, k *conn.Key, in uint8) (best uint32) {
	src := addrOf(addrAt(k.Addrs, k.V6), k.V6)
	dst := addrOf(addrAt(destination(k.Addrs, k.V6), k.V6), k.V6)
	port := packet.Swap16(uint16(k.Ports >> 16))
	var rank [4]int
	for i := range services {
		s := &services[i]
		from := -1
		for _, p := range s.Sources {
			if p.Contains(src) {
				from = p.Bits()
			}
		}
		if len(s.Sources) == 0 {
			from = 0
		}
		if from < 0 || len(s.Ingress) > 0 && !slices.Contains(s.Ingress, in) {
			continue
		}
		for _, e := range s.Addresses {
			if s.Proto != k.Proto || !e.Prefix.Contains(dst) || port < e.First || port > e.Last {
				continue
			}
			is := [4]int{e.Prefix.Bits(), 1<<16 - int(e.Last) + int(e.First), from, len(s.Ingress)}
			if slices.Compare(is[:], rank[:]) > 0 {
				best, rank = uint32(i)+1, is
			}
		}
	}
	return best
}

func TestTheMostSpecificServiceIsFound(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 42))
	found := 0
	for range 40 {
		services := world(r, 1+r.IntN(120))
		table := newServiceTable(services)
		for range 500 {
			var addrs [32]byte
			base, in := netip.MustParseAddr("10.0.0.0"), uint8(r.IntN(4))
			if r.IntN(2) == 0 {
				base = netip.MustParseAddr("2001:db8::")
			}
			k := tuple(netip.AddrPortFrom(randomAddr(r, base), 40000), netip.AddrPortFrom(randomAddr(r, base), uint16(r.Uint32())),
				[]uint8{packet.ProtoTCP, packet.ProtoUDP}[r.IntN(2)], &addrs)
			got, want := table.find(&k, in), naive(services, &k, in)
			if got != want {
				t.Fatalf("%s port %d, protocol %d: service %d, want %d of %+v", addrOf(addrAt(destination(k.Addrs, k.V6), k.V6), k.V6),
					packet.Swap16(uint16(k.Ports>>16)), k.Proto, got, want, services)
			}
			if got != 0 {
				found++
			}
		}
	}
	if found < 2000 {
		t.Errorf("only %d packets had a service", found)
	}
}

func TestBordersOfARange(t *testing.T) {
	table := newServiceTable([]ServiceSpec{
		{Sched: &roundRobin{}, Proto: packet.ProtoTCP, Addresses: []Endpoint{{netip.MustParsePrefix("203.0.113.10/32"), 8000, 8100}, {netip.MustParsePrefix("203.0.113.10/32"), 65000, 65535}}},
		{Sched: &roundRobin{}, Proto: packet.ProtoTCP, Addresses: []Endpoint{{netip.MustParsePrefix("203.0.113.10/32"), 8000, 8010}, {netip.MustParsePrefix("203.0.113.10/32"), 8100, 8100}}},
	})
	for port, want := range map[uint16]uint32{0: 0, 7999: 0, 8000: 2, 8010: 2, 8011: 1, 8099: 1, 8100: 2, 8101: 0, 64999: 0, 65000: 1, 65535: 1} {
		var addrs [32]byte
		k := tuple(netip.MustParseAddrPort("198.51.100.7:1"), netip.AddrPortFrom(netip.MustParseAddr("203.0.113.10"), port), packet.ProtoTCP, &addrs)
		if got := table.find(&k, 0); got != want {
			t.Errorf("port %d: service %d, want %d", port, got, want)
		}
	}
}

func TestAddressesOfAPrefixAreVIPs(t *testing.T) {
	r := newRig(t, []rigService{{vip: "203.0.113.10:80", proto: packet.ProtoTCP, mode: NAT, peers: []string{"10.0.0.11:0"}, nets: []Endpoint{
		{netip.MustParsePrefix("203.0.113.16/28"), 8000, 8100}, {netip.MustParsePrefix("2001:db8:1::/64"), 80, 80},
	}}})
	snap := r.snap.Load()
	for a, want := range map[string]bool{
		"203.0.113.10": true, "203.0.113.15": false, "203.0.113.16": true, "203.0.113.31": true, "203.0.113.32": false,
		"2001:db8:1::1": true, "2001:db8:1::ffff:ffff": true, "2001:db8:1:1::": false,
	} {
		addr := netip.MustParseAddr(a)
		raw := AddrOf(addr)
		if vip, own := snap.Local(addr); vip != want || own >= 0 || snap.vip(unsafe.Pointer(&raw), addr.Is6()) != want {
			t.Errorf("%s is a VIP: %t, to the workers %t", a, vip, snap.vip(unsafe.Pointer(&raw), addr.Is6()))
		}
	}
	echo := icmpFrame("198.51.100.7", "203.0.113.20", packet.ICMP4Echo, 0, []byte{0, 1, 0, 1, 9}, gwMAC, wanMAC, 64)
	if s := one(t, r.send(wan, echo), wan); s.src.Addr().String() != "203.0.113.20" || s.dst.Addr().String() != "198.51.100.7" {
		t.Errorf("the answer: %s", &s)
	}
	r.send(wan, pk{from: "198.51.100.7:1000", to: "203.0.113.20:80", flags: "S"}.frame(t))
	r.send(wan, pk{from: "203.0.113.21:1000", to: "203.0.113.20:8000", flags: "S"}.frame(t))
	if got := r.reasons(); got["no_service"] != 1 || got["spoofed_source"] != 1 {
		t.Errorf("%v", got)
	}
}

func TestBothDirectionsOfAPrefixMeetAtTheOwner(t *testing.T) {
	for _, c := range []struct {
		prefix, vip, client, backend string
	}{
		{"203.0.113.16/28", "203.0.113.21:8042", "198.51.100.7", "10.0.0.11:8042"},
		{"2001:db8:1::/64", "[2001:db8:1::21]:8042", "2001:db8:c::7", "[fd00::11]:8042"},
	} {
		backend := netip.MustParseAddrPort(c.backend)
		p := netip.MustParsePrefix(c.prefix)
		r := newRig(t, []rigService{{vip: netip.AddrPortFrom(p.Addr(), 80).String(), proto: packet.ProtoUDP, mode: NAT,
			peers: []string{netip.AddrPortFrom(backend.Addr(), 0).String()}, nets: []Endpoint{{p, 0, 65535}}}}, withWorkers(3, 3))
		for id := range 3 {
			client := clientOf(t, c.client, id, 3).String()
			for in := range 3 {
				s := one(t, r.sendTo(in, wan, pk{from: client, to: c.vip, udp: true, payload: 9}.frame(t), 0), lan)
				if s.dst.String() != c.backend {
					t.Fatalf("%s", &s)
				}
				s = one(t, r.sendTo((in+1)%3, lan, pk{from: c.backend, to: client, udp: true, payload: 9, srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t), 0), wan)
				if s.src.String() != c.vip {
					t.Fatalf("%s", &s)
				}
			}
		}
		for id, w := range r.workers {
			if n := w.Counters().Live; n != 1 {
				t.Errorf("worker %d has %d connections, want its own one", id, n)
			}
		}
	}
}

func BenchmarkServiceLookup(b *testing.B) {
	const n = 10_000
	var services []ServiceSpec
	for i := range n {
		a := netip.AddrFrom4([4]byte{198, 18, uint8(i >> 8), uint8(i)})
		e := Endpoint{netip.PrefixFrom(a, 32), 80, 80}
		switch i % 4 {
		case 1:
			e.Last = 90
		case 2:
			e.First, e.Last = 0, 65535
		case 3:
			e.Prefix = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, uint8(i >> 8), uint8(i), 0}), 24)
		}
		services = append(services, ServiceSpec{Sched: &roundRobin{}, Proto: packet.ProtoTCP, Addresses: []Endpoint{e}})
	}
	table := newServiceTable(services)
	for i, name := range []string{"port", "range", "all ports", "prefix"} {
		var addrs [n / 4][32]byte
		var keys []conn.Key
		for j := range addrs {
			a := services[4*j+i].Addresses[0].Prefix.Addr()
			keys = append(keys, tuple(netip.MustParseAddrPort("192.0.2.1:1000"), netip.AddrPortFrom(a, 80), packet.ProtoTCP, &addrs[j]))
		}
		b.Run(name, func(b *testing.B) {
			at := 0
			for b.Loop() {
				if table.find(&keys[at], 0) == 0 {
					b.Fatal("not found")
				}
				if at++; at == len(keys) {
					at = 0
				}
			}
		})
	}
}

func TestASourceAndAPortOfIngressChooseTheService(t *testing.T) {
	r := newRig(t, []rigService{
		{vip: "203.0.113.10:80", proto: packet.ProtoTCP, mode: NAT, peers: []string{"10.0.0.11:80"}},
		{vip: "203.0.113.10:80", proto: packet.ProtoTCP, mode: NAT, peers: []string{"10.0.0.12:80"}},
		{vip: "203.0.113.11:80", proto: packet.ProtoTCP, mode: NAT, peers: []string{"10.0.0.13:80"}},
	})
	r.spec.Services[1].Sources = prefixes("198.51.100.0/24")
	r.spec.Services[2].Ingress = []uint8{lan}
	r.publish()
	for client, backend := range map[string]string{"198.51.100.7:1000": "10.0.0.12:80", "198.51.101.7:1000": "10.0.0.11:80"} {
		if s := one(t, r.send(wan, pk{from: client, to: "203.0.113.10:80", flags: "S"}.frame(t)), lan); s.dst.String() != backend {
			t.Errorf("%s is sent to %s, want %s", client, s.dst, backend)
		}
		// What belongs to the connection need not match again.
		r.spec.Services[1].Sources = prefixes("192.0.2.0/24")
		r.publish()
		if s := one(t, r.send(wan, pk{from: client, to: "203.0.113.10:80", flags: "A"}.frame(t)), lan); s.dst.String() != backend {
			t.Errorf("later %s is sent to %s, want %s", client, s.dst, backend)
		}
		r.spec.Services[1].Sources = prefixes("198.51.100.0/24")
		r.publish()
	}
	r.send(wan, pk{from: "198.51.100.7:1000", to: "203.0.113.11:80", flags: "S"}.frame(t))
	if got := r.reasons(); got["no_service"] != 1 {
		t.Errorf("by the other port: %v", got)
	}
	s := one(t, r.send(lan, pk{from: "198.51.100.7:1000", to: "203.0.113.11:80", flags: "S", dstMAC: lanMAC}.frame(t)), lan)
	if s.dst.String() != "10.0.0.13:80" {
		t.Errorf("by the port that is asked for: %s", s.dst)
	}
}
