package fastpath

import (
	"net/netip"
	"unsafe"

	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
)

// Routes says where a packet for an address leaves: on a port whose network the address is in, or
// through a gateway. Weir is no router: there is nothing else.
type Routes struct {
	nets4 []net4
	nets6 []net6
	gws   [2][]nexthop.ID // IPv4, IPv6
	// beyond are the gateway of the addresses with a certain key, none of which is on a link: nearly all clients' way. It is 0
	// where some are, or where there is another number of gateways than one. See beyondShift4.
	beyond4, beyond6 [256]nexthop.ID
}

// net4 is a connected network, as loaded.
type net4 struct {
	addr, mask uint32
	last       uint32 // the network's broadcast address; 0 if it has none (RFC 3021)
	port       uint8
}

type net6 struct {
	addr, mask [2]uint64
	port       uint8
}

// way is the outcome of a lookup: a gateway's record, or a port on whose link the address itself is.
type way struct {
	hop    nexthop.ID
	port   uint8
	onLink bool
	ok     bool
}

func (r *Routes) build(s *Spec) {
	for i, p := range s.Ports {
		for _, a := range p.Addresses {
			r.addNet(uint8(i), a)
		}
	}
	for _, g := range s.Gateways {
		f := 0
		if g.V6 {
			f = 1
		}
		r.gws[f] = append(r.gws[f], g.Hop)
	}
	if len(r.gws[0]) == 1 {
		fillBeyond(&r.beyond4, r.gws[0][0])
		for i := range r.nets4 {
			clearBeyond(&r.beyond4, uint8(r.nets4[i].addr>>beyondShift4), uint8(r.nets4[i].mask>>beyondShift4))
		}
	}
	if len(r.gws[1]) == 1 {
		fillBeyond(&r.beyond6, r.gws[1][0])
		for i := range r.nets6 {
			clearBeyond(&r.beyond6, uint8(r.nets6[i].addr[0]>>beyondShift6), uint8(r.nets6[i].mask[0]>>beyondShift6))
		}
	}
}

// Where the key of Routes.beyond is in an address, or its first half, as loaded: 4 bits each of the first two bytes in IPv4, of the
// fifth and sixth in IPv6, in which clients differ from networks of usual sizes. All addresses of a network that is small enough have one key.
const (
	beyondShift4 = 4
	beyondShift6 = 36
)

func fillBeyond(beyond *[256]nexthop.ID, gw nexthop.ID) {
	for i := range beyond {
		beyond[i] = gw
	}
}

// clearBeyond takes out the keys that a network's addresses may have.
func clearBeyond(beyond *[256]nexthop.ID, addr, mask uint8) {
	for i := range beyond {
		if uint8(i)&mask == addr {
			beyond[i] = 0
		}
	}
}

func (r *Routes) addNet(port uint8, p netip.Prefix) {
	addr, mask := AddrOf(p.Masked().Addr()), prefixMask(p.Bits())
	if p.Addr().Is4() {
		n := net4{
			addr: packet.Load32(unsafe.Pointer(&addr), 0),
			mask: packet.Load32(unsafe.Pointer(&mask), 0),
			port: port,
		}
		if p.Bits() <= 30 {
			n.last = n.addr | ^n.mask
		}
		r.nets4 = append(r.nets4, n)
		return
	}
	r.nets6 = append(r.nets6, net6{
		addr: *(*[2]uint64)(unsafe.Pointer(&addr)),
		mask: *(*[2]uint64)(unsafe.Pointer(&mask)),
		port: port,
	})
}

func prefixMask(n int) (m nexthop.Addr) {
	for i := range n {
		m[i/8] |= 0x80 >> (i % 8)
	}
	return m
}

// broadcast reports whether an IPv4 address, as loaded, stands for every station of a connected network.
func (r *Routes) broadcast(a uint32) bool {
	for i := range r.nets4 {
		if a == r.nets4[i].last {
			return true
		}
	}
	return false
}

// broadcasts lists the networks' broadcast addresses.
func (r *Routes) broadcasts() (out []netip.Addr) {
	for i := range r.nets4 {
		if n := &r.nets4[i]; n.last != 0 {
			out = append(out, netip.AddrFrom4(*(*[4]byte)(unsafe.Pointer(&n.last))))
		}
	}
	return out
}

// lookup finds the way to the address at p. hash chooses among several gateways, so that a flow keeps to
// one.
func (r *Routes) lookup(p unsafe.Pointer, v6 bool, hash uint32) way {
	f := 0
	if v6 {
		f = 1
		a0, a1 := packet.Load64(p, 0), packet.Load64(p, 8)
		for i := range r.nets6 {
			n := &r.nets6[i]
			if a0&n.mask[0] == n.addr[0] && a1&n.mask[1] == n.addr[1] {
				return way{port: n.port, onLink: true, ok: true}
			}
		}
	} else {
		a := packet.Load32(p, 0)
		for i := range r.nets4 {
			n := &r.nets4[i]
			if a&n.mask == n.addr {
				return way{port: n.port, onLink: true, ok: true}
			}
		}
	}
	if len(r.gws[f]) == 0 {
		return way{}
	}
	return way{hop: choose(r.gws[f], hash), ok: true}
}

func choose(gws []nexthop.ID, hash uint32) nexthop.ID {
	return gws[uint64(hash)*uint64(len(gws))>>32]
}

// gateway4 is lookup for an IPv4 address, as loaded, that a gateway is asked for; 0 if there is none or the address
// is on a link of ours.
func (r *Routes) gateway4(a, hash uint32) nexthop.ID {
	if id := r.beyond4[uint8(a>>beyondShift4)]; id != 0 {
		return id
	}
	return r.searchGateway4(a, hash)
}

// searchGateway4 is gateway4 for what beyond4 does not tell. It is kept out of gateway4, and searchGateway6 out of gateway6, as
// those are inlined only if they are small: this saves 24 instructions for a reply in IPv6.
//
//go:noinline
func (r *Routes) searchGateway4(a, hash uint32) nexthop.ID {
	for i := range r.nets4 {
		if n := &r.nets4[i]; a&n.mask == n.addr {
			return 0
		}
	}
	if len(r.gws[0]) == 0 {
		return 0
	}
	return choose(r.gws[0], hash)
}

// gateway6 is gateway4 for IPv6.
func (r *Routes) gateway6(a0, a1 uint64, hash uint32) nexthop.ID {
	if id := r.beyond6[uint8(a0>>beyondShift6)]; id != 0 {
		return id
	}
	return r.searchGateway6(a0, a1, hash)
}

// searchGateway6 is searchGateway4 for IPv6.
//
//go:noinline
func (r *Routes) searchGateway6(a0, a1 uint64, hash uint32) nexthop.ID {
	for i := range r.nets6 {
		if n := &r.nets6[i]; a0&n.mask[0] == n.addr[0] && a1&n.mask[1] == n.addr[1] {
			return 0
		}
	}
	if len(r.gws[1]) == 0 {
		return 0
	}
	return choose(r.gws[1], hash)
}
