package fastpath

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/weirlb/weir/fastpath/conn"
)

func TestServersOfSeveralConnectionsAreMarked(t *testing.T) {
	r := rand.New(rand.NewPCG(51, 52))
	for range 20 {
		n := 1 + r.IntN(2000)
		s := &Spec{
			Ports: []PortSpec{{MTU: 1500}}, Timeouts: make([]conn.Timeouts, 1),
			Services: []ServiceSpec{
				{Mode: NAT, Sched: &roundRobin{n: 1}, Addresses: []Endpoint{endpointAtPort(netip.MustParseAddrPort(vip4))}},
				{Mode: DR, Sched: &roundRobin{n: 1}, Addresses: []Endpoint{endpointAtPort(netip.MustParseAddrPort(vip4))}},
			},
		}
		all := map[netip.Addr]map[uint16]int{}
		for i := range n {
			addr := netip.AddrFrom4([4]byte{10, 0, uint8(r.IntN(16)), uint8(r.IntN(250))})
			if r.IntN(4) == 0 {
				addr = netip.AddrFrom16([16]byte{0: 0xfd, 15: uint8(r.IntN(250))})
			}
			b := BackendSpec{Gen: uint32(i + 1), Address: netip.AddrPortFrom(addr, uint16(80+r.IntN(2)))}
			if r.IntN(200) == 0 {
				b.Address, b.Wide = netip.AddrPortFrom(addr, 0), true
			}
			if r.IntN(4) == 0 {
				b.Service = 1
			} else {
				if all[addr] == nil {
					all[addr] = map[uint16]int{}
				}
				all[addr][b.Address.Port()]++
			}
			s.Backends = append(s.Backends, b)
		}
		snap, err := NewSnapshot(s)
		if err != nil {
			t.Fatal(err)
		}
		for i := range s.Backends {
			b, is := &s.Backends[i], snap.Backends.At(uint32(i))
			ports := all[b.Address.Addr()]
			want := b.Service == 0 && (b.Wide || ports[b.Address.Port()] > 1 || ports[0] > 0)
			if is.shared != want {
				t.Fatalf("backend %d of %d, ports %v: shared %t", i, n, ports, is.shared)
			}
		}
	}
}
