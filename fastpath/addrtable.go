package fastpath

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"unsafe"

	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
)

// endpoint is an address as loaded, IPv4 in the low half of lo, with the rest of what is looked up: for services, the
// port as loaded and the protocol. It is a struct of three words so that it travels in registers.
type endpoint struct{ lo, hi, rest uint64 }

const endpointV6 = 1 << 32

// endpointAt reads the address at p in a packet.
func endpointAt(p unsafe.Pointer, v6 bool, port uint16, proto uint8) endpoint {
	rest := uint64(port) | uint64(proto)<<16
	if v6 {
		return endpoint{packet.Load64(p, 0), packet.Load64(p, 8), rest | endpointV6}
	}
	return endpoint{uint64(packet.Load32(p, 0)), 0, rest}
}

// addrAt is the address at p in a packet.
func addrAt(p unsafe.Pointer, v6 bool) (a nexthop.Addr) {
	if v6 {
		return *(*nexthop.Addr)(p)
	}
	packet.Store32(unsafe.Pointer(&a), 0, packet.Load32(p, 0))
	return a
}

// endpointOf is the endpoint of an address and port.
func endpointOf(a netip.Addr, port uint16, proto uint8) endpoint {
	addr := AddrOf(a)
	return endpointAt(unsafe.Pointer(&addr), a.Is6(), packet.Swap16(port), proto)
}

func (e endpoint) hash() uint32 {
	h := (e.lo ^ bits.RotateLeft64(e.hi, 29) ^ e.rest*0xff51afd7ed558ccd) * 0x9e3779b97f4a7c15
	return uint32(h >> 32)
}

// endpointTable maps endpoints to small numbers: open addressing, at most a quarter full, immutable once the
// snapshot it is part of is published.
type endpointTable struct {
	slots []endpointSlot
	mask  uint32
	used  int
}

type endpointSlot struct {
	endpoint
	value uint32 // 0: free
}

func newEndpointTable(n int) *endpointTable {
	size := 16
	for size < 4*n {
		size *= 2
	}
	return &endpointTable{slots: make([]endpointSlot, size), mask: uint32(size - 1)}
}

// get returns the value of an endpoint, 0 if it has none.
func (t *endpointTable) get(e endpoint) uint32 {
	for i := e.hash(); ; i++ {
		s := &t.slots[i&t.mask]
		if s.value == 0 || s.endpoint == e {
			return s.value
		}
	}
}

// addrs lists the addresses of all endpoints.
func (t *endpointTable) addrs() (out []netip.Addr) {
	for i := range t.slots {
		if s := &t.slots[i]; s.value != 0 {
			out = append(out, addrOf([16]byte(binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(nil, s.lo), s.hi)), s.rest&endpointV6 != 0))
		}
	}
	return out
}

// ref returns where the value of an endpoint is kept, added with value 0 if it was not there; the caller
// must set it.
func (t *endpointTable) ref(e endpoint) *uint32 {
	if 4*(t.used+1) > len(t.slots) {
		t.grow()
	}
	for i := e.hash(); ; i++ {
		s := &t.slots[i&t.mask]
		if s.value == 0 {
			s.endpoint = e
			t.used++
			return &s.value
		}
		if s.endpoint == e {
			return &s.value
		}
	}
}

func (t *endpointTable) grow() {
	old := t.slots
	*t = *newEndpointTable(len(old) / 2)
	for i := range old {
		if old[i].value != 0 {
			*t.ref(old[i].endpoint) = old[i].value
		}
	}
}

// addrSet is a set of addresses, at most an eighth full: nearly every look ends at the first place. Immutable once
// the snapshot it is part of is published.
type addrSet struct {
	slots []addrSlot // one is used also in an empty set
	shift uint8
}

// addrSlot is an address as loaded; zero is none.
type addrSlot struct{ lo, hi uint64 }

// slot4 is the slot of an IPv4 address. As an IPv6 address it would be multicast, which no service has.
func slot4(a uint32) addrSlot { return addrSlot{uint64(a)<<8 | 0xff, 0} }

func newAddrSet(addrs []netip.Addr) *addrSet {
	bits := uint8(3)
	for 1<<bits < 8*len(addrs) {
		bits++
	}
	s := &addrSet{slots: make([]addrSlot, 1<<bits), shift: 64 - bits}
	for _, a := range addrs {
		b := AddrOf(a)
		k := addrSlot{packet.Load64(unsafe.Pointer(&b), 0), packet.Load64(unsafe.Pointer(&b), 8)}
		if a.Is4() {
			k = slot4(uint32(k.lo))
		}
		for i := k.place(s.shift); !s.has(k); i = (i + 1) & (1<<bits - 1) {
			if s.slots[i] == (addrSlot{}) {
				s.slots[i] = k
			}
		}
	}
	return s
}

func (k addrSlot) place(shift uint8) uint64 {
	return (k.lo ^ bits.RotateLeft64(k.hi, 29)) * 0x9e3779b97f4a7c15 >> (shift & 63)
}

// at4 is the first place of an IPv4 address: what is left of place where hi is 0, which the compiler does not see. If lo there is the
// address's, that is in the set.
func (s *addrSet) at4(k addrSlot) *addrSlot {
	return (*addrSlot)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(s.slots)), uintptr(k.lo*0x9e3779b97f4a7c15>>(s.shift&63))*unsafe.Sizeof(k)))
}

// lacks reports whether an address is not in the set for certain, by a look at its first place.
func (s *addrSet) lacks(k addrSlot) bool {
	at := &s.slots[k.place(s.shift)&uint64(len(s.slots)-1)]
	return at.lo|at.hi == 0
}

func (s *addrSet) has(k addrSlot) bool {
	for i := k.place(s.shift); ; i++ {
		switch s.slots[i&uint64(len(s.slots)-1)] {
		case k:
			return true
		case addrSlot{}:
			return false
		}
	}
}
