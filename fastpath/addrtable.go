package fastpath

import (
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
	"unsafe"
)

// endpoint is an address with, for services, a port (as loaded) and protocol; both 0 for an address alone.
type endpoint struct {
	addr  nexthop.Addr
	port  uint16
	proto uint8
	v6    bool
}

// endpointAt reads the address at p in a packet.
func endpointAt(p unsafe.Pointer, v6 bool, port uint16, proto uint8) (e endpoint) {
	if v6 {
		e.addr = *(*nexthop.Addr)(p)
	} else {
		packet.Store32(unsafe.Pointer(&e.addr), 0, packet.Load32(p, 0))
	}
	e.port, e.proto, e.v6 = port, proto, v6
	return e
}

func (e *endpoint) hash() uint32 {
	p := unsafe.Pointer(e)
	h := packet.Load64(p, 0)*0x9e3779b97f4a7c15 ^ packet.Load64(p, 8)*0xff51afd7ed558ccd ^ uint64(packet.Load32(p, 16))*0xc4ceb9fe1a85ec53
	h ^= h >> 29
	return uint32((h * 0xbf58476d1ce4e5b9) >> 32)
}

// endpointTable maps endpoints to small numbers: open addressing, at most half full, immutable once the
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
	for size < 2*n {
		size *= 2
	}
	return &endpointTable{slots: make([]endpointSlot, size), mask: uint32(size - 1)}
}

// get returns the value of an endpoint, 0 if it has none.
func (t *endpointTable) get(e *endpoint) uint32 {
	for i := e.hash(); ; i++ {
		s := &t.slots[i&t.mask]
		if s.value == 0 || s.endpoint == *e {
			return s.value
		}
	}
}

// ref returns where the value of an endpoint is kept, added with value 0 if it was not there; the caller
// must set it.
func (t *endpointTable) ref(e *endpoint) *uint32 {
	if 2*(t.used+1) > len(t.slots) {
		t.grow()
	}
	for i := e.hash(); ; i++ {
		s := &t.slots[i&t.mask]
		if s.value == 0 {
			s.endpoint = *e
			t.used++
			return &s.value
		}
		if s.endpoint == *e {
			return &s.value
		}
	}
}

func (t *endpointTable) grow() {
	old := t.slots
	*t = *newEndpointTable(len(old))
	for i := range old {
		if old[i].value != 0 {
			*t.ref(&old[i].endpoint) = old[i].value
		}
	}
}
