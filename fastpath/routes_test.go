package fastpath

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"unsafe"

	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
)

// TestRepliesLeaveByTheGatewayThatLookupFinds compares the short way to a gateway with the search for it, for networks of all sizes
// and addresses in and beside them.
func TestRepliesLeaveByTheGatewayThatLookupFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(81, 82))
	address := func(v6 bool) netip.Addr {
		var b [16]byte
		for i := range b {
			b[i] = byte(r.IntN(3)) << r.IntN(8)
		}
		if v6 {
			return netip.AddrFrom16(b)
		}
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	beyond := 0
	for range rounds(2000) {
		var s Spec
		var nets []netip.Prefix
		for range 1 + r.IntN(3) {
			v6 := r.IntN(2) == 0
			p := netip.PrefixFrom(address(v6), 1+r.IntN(address(v6).BitLen()))
			nets = append(nets, p)
			s.Ports = append(s.Ports, PortSpec{Addresses: []netip.Prefix{p}})
		}
		for id := range r.IntN(4) {
			s.Gateways = append(s.Gateways, GatewaySpec{Hop: nexthop.ID(id + 1), V6: r.IntN(2) == 0})
		}
		var routes Routes
		routes.build(&s)
		for range 50 {
			a, hash := address(r.IntN(2) == 0), r.Uint32()
			if n := nets[r.IntN(len(nets))]; r.IntN(3) == 0 {
				a = n.Masked().Addr()
			}
			b := AddrOf(a)
			at := unsafe.Pointer(&b)
			want := routes.lookup(at, a.Is6(), hash)
			var got nexthop.ID
			if a.Is6() {
				got = routes.gateway6(packet.Load64(at, 0), packet.Load64(at, 8), hash)
			} else {
				got = routes.gateway4(packet.Load32(at, 0), hash)
			}
			if got != want.hop {
				t.Fatalf("%v leaves by %d, not %+v; networks %v, gateways %+v", a, got, want, nets, s.Gateways)
			}
			if got != 0 && len(s.Gateways) == 1 {
				beyond++
			}
		}
	}
	if beyond == 0 {
		t.Error("no address was behind the only gateway")
	}
}
