package fastpath

import (
	"net/netip"
	"strconv"
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
)

// maxProxyHeader is more than any header is long: those of version 1 have at most 107 bytes.
const maxProxyHeader = 108

// proxySignature begins a header of version 2 (https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt section 2.2).
const proxySignature = "\r\n\r\n\x00\r\nQUIT\n"

// proxyV2Size is the length of a header of version 2: signature, version, family, length, addresses and ports.
func proxyV2Size(v6 bool) int {
	if v6 {
		return 16 + 36
	}
	return 16 + 12
}

// proxyHeader writes what tells of a connection's client and VIP.
func proxyHeader(e *conn.Entry, version ClientAddress, buf *[maxProxyHeader]byte) []byte {
	v6 := e.Flags&conn.V6 != 0
	if version == TellProxyV1 {
		return proxyV1(e, v6, buf[:0])
	}
	const (
		proxied    = 0x21 // version 2, command PROXY
		tcp4, tcp6 = 0x11, 0x21
	)
	h := append(buf[:0], proxySignature...)
	addrs, family := uint32(8), byte(tcp4)
	if v6 {
		addrs, family = 32, tcp6
	}
	h = append(h, proxied, family, 0, byte(addrs+4))
	h = append(h, packet.Bytes(unsafe.Pointer(&e.Addrs), addrs)...)
	return append(h, packet.Bytes(unsafe.Pointer(&e.Ports), 4)...)
}

// proxyV1 is the header in words: PROXY TCP4 198.51.100.7 203.0.113.10 40000 80.
func proxyV1(e *conn.Entry, v6 bool, h []byte) []byte {
	word := "PROXY TCP4 "
	if v6 {
		word = "PROXY TCP6 "
	}
	at := unsafe.Pointer(&e.Addrs)
	h = append(h, word...)
	for _, a := range [2]nexthop.Addr{addrAt(at, v6), addrAt(destination(at, v6), v6)} {
		addr := netip.AddrFrom4([4]byte(a[:4]))
		if v6 {
			addr = netip.AddrFrom16(a)
		}
		h = append(addr.AppendTo(h), ' ')
	}
	h = append(strconv.AppendUint(h, uint64(packet.Swap16(uint16(e.Ports))), 10), ' ')
	h = strconv.AppendUint(h, uint64(packet.Swap16(uint16(e.Ports>>16))), 10)
	return append(h, "\r\n"...)
}
