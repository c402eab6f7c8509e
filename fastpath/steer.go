package fastpath

import (
	"math/bits"
	"net/netip"
	"unsafe"

	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
)

// Owner is the worker, of n, that handles every packet of the connections from this client address and
// port: both directions, and the ICMP errors about them. It is computed, never looked up, and the
// same in every process.
func Owner(client netip.AddrPort, n int) int {
	a := AddrOf(client.Addr())
	return owner(&a, packet.Swap16(client.Port()), n)
}

func owner(a *nexthop.Addr, port uint16, n int) int {
	p := unsafe.Pointer(a)
	hi, lo := bits.Mul64(packet.Load64(p, 0)^0xa0761d6478bd642f, packet.Load64(p, 8)^uint64(port)<<40^0xe7037ed1a0b428db)
	h := (hi ^ lo) * 0x9e3779b97f4a7c15
	return int((h >> 32) * uint64(n) >> 32)
}
