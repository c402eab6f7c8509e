package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// translate rewrites an ICMP error for the other side of a nat: one end of the quoted packet (its source, or
// its destination) becomes addr and port, and so does the error's own opposite end. Every checksum is
// updated, never computed anew: what was wrong stays wrong, and what is cut off is not needed.
func (q *quote) translate(f *port.Frame, it *item, addr unsafe.Pointer, port uint16, source bool) {
	v6 := it.v6()
	n := 4
	if v6 {
		n = 16
	}
	inner, portOff := q.addrs, uintptr(0)
	outer := unsafe.Add(f.Data, addrsOff(v6))
	if source {
		outer = destination(outer, v6)
	} else {
		inner, portOff = destination(q.addrs, v6), 2
	}

	dAddr := packet.Replace(inner, addr, n)
	copy(packet.Bytes(inner, uint32(n)), packet.Bytes(addr, uint32(n)))
	var dPort, dCRC packet.Delta
	if !q.later {
		dPort = packet.Replace16(packet.Load16(q.l4, portOff), port)
		dCRC = q.updateCRC(q.ports&^(0xffff<<(8*portOff)) | uint32(port)<<(8*portOff))
		packet.Store16(q.l4, portOff, port)
	}
	total := dAddr.Plus(dPort).Plus(dCRC)
	if !v6 {
		old := packet.Load16(q.ip, packet.IP4Checksum)
		sum := dAddr.Update(old)
		packet.Store16(q.ip, packet.IP4Checksum, sum)
		total = total.Plus(packet.Replace16(old, sum))
	}
	total = total.Plus(q.updateL4(dAddr.Plus(dPort)))

	dOuter := packet.Replace(outer, addr, n)
	copy(packet.Bytes(outer, uint32(n)), packet.Bytes(addr, uint32(n)))
	lowerTTL(unsafe.Add(f.Data, packet.EthLen), v6, dOuter)
	if v6 {
		total = total.Plus(dOuter) // the pseudo-header (RFC 4443 section 2.3)
	}
	l4 := unsafe.Add(f.Data, uintptr(it.L4))
	packet.Store16(l4, packet.ICMPChecksum, total.Update(packet.Load16(l4, packet.ICMPChecksum)))
}

// updateL4 changes the quoted packet's TCP or UDP checksum, if it was quoted, and returns the change.
func (q *quote) updateL4(d packet.Delta) packet.Delta {
	off := uintptr(packet.UDPChecksum)
	switch {
	case q.later || q.proto == packet.ProtoSCTP: // see updateCRC
		return 0
	case q.proto == packet.ProtoTCP:
		off = packet.TCPChecksum
	}
	if q.size < int(off)+2 {
		return 0
	}
	old := packet.Load16(q.l4, off)
	updateL4(q.l4, q.proto, d)
	return packet.Replace16(old, packet.Load16(q.l4, off))
}

// updateCRC changes the quoted SCTP packet's CRC for ports that will be written, if the CRC was quoted and it can be told
// how long the packet was, and returns the change. The ends of an association look at the verification tag instead.
func (q *quote) updateCRC(ports uint32) packet.Delta {
	size, whole := q.length()
	if q.proto != packet.ProtoSCTP || !whole || size < packet.SCTPLen || q.size < packet.SCTPLen {
		return 0
	}
	field := unsafe.Add(q.l4, packet.SCTPChecksum)
	old := packet.Load32(field, 0)
	packet.Store32(field, 0, old^replacePorts(q.ports, ports, uint16(size)))
	return packet.Replace(unsafe.Pointer(&old), field, 4)
}
