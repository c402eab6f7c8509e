package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
)

// In FullNAT a client and its backend may be of different IP versions. A packet then gets another IP header (RFC 7915):
//
//	IPv4 → IPv6: options go; 20 bytes longer, with a fragment header 28
//	IPv6 → IPv4: extension headers go, as they have done their work
//
// What stands behind it changes as in any NAT: TCP and UDP checksums by the difference of the addresses, as the rest of the
// pseudo-header is the same.

const (
	crossGrowth = packet.IP6Len - packet.IP4Len
	fragmentLen = 8 // of IPv6's fragment header
	// freelyCut is the size up to which a packet made of an IPv6 one may be fragmented on its way (RFC 7915 section 5.1):
	// its sender takes it for one that never has to be.
	freelyCut = 1260
)

// roomFor is the size of the largest packet like this one that fits an MTU on the other side.
func roomFor(f *port.Frame, it *item, to6 bool, mtu int) int {
	switch {
	case it.v6() == to6:
		return mtu
	case it.v6():
		return mtu + crossGrowth
	case packet.Load16(f.Data, packet.EthLen+packet.IP4Frag)&packet.IP4FragMask != 0:
		return mtu - crossGrowth - fragmentLen
	}
	return mtu - crossGrowth
}

// turn gives a packet its ends on the other side, where it fits.
func (w *Worker) turn(f *port.Frame, it *item, n *ends) reason.Reason {
	if it.v6() == n.v6 {
		n.write(f, it)
		return reason.Unset
	}
	return w.cross(f, it, n)
}

// turnPieces does so with a packet that must be cut up, and gives the pieces to emit.
func (w *Worker) turnPieces(f *port.Frame, it *item, n *ends, mtu int, emit func(*Worker, *piece) verdict) verdict {
	if it.v6() == n.v6 {
		n.write(f, it)
		return w.sendPieces(f, it, mtu, emit)
	}
	if !fillChecksum(f, it) {
		return drop(reason.NoChecksum)
	}
	return w.sendPieces(f, it, mtu-crossGrowth-fragmentLen, func(w *Worker, p *piece) verdict {
		if r := w.cross(&p.frame, &p.item, n); r != reason.Unset {
			return drop(r)
		}
		return emit(w, p)
	})
}

// fillChecksum computes a UDP checksum that IPv4's sender has left out, as IPv6 needs one (RFC 7915 section 4.5). It
// reports false if it cannot: for a fragment.
func fillChecksum(f *port.Frame, it *item) bool {
	frag := packet.Load16(f.Data, packet.EthLen+packet.IP4Frag) & packet.IP4FragMask
	l4 := unsafe.Add(f.Data, uintptr(it.L4))
	if it.Proto != packet.ProtoUDP || frag&^packet.IP4MoreFragments != 0 || packet.Load16(l4, packet.UDPChecksum) != 0 {
		return true
	}
	if frag != 0 {
		return false
	}
	size := int(packet.Swap16(packet.Load16(l4, packet.UDPLength)))
	sum := ^packet.Fold(packet.Sum(l4, size, packet.PseudoHeader(unsafe.Add(f.Data, addrsOff(false)), false, packet.ProtoUDP, size)))
	if sum == 0 {
		sum = 0xffff
	}
	packet.Store16(l4, packet.UDPChecksum, sum)
	return true
}

// outer is what of an IP header goes on into the other version's.
type outerFields struct {
	tos, limit uint8
	fragment   bool
	id         uint32 // in network order
	field      uint16 // offset and "more fragments" as IPv4 has them, in host order
}

// cross gives a packet the header of the other version.
func (w *Worker) cross(f *port.Frame, it *item, n *ends) reason.Reason {
	ip := unsafe.Add(f.Data, packet.EthLen)
	var h outerFields
	if n.v6 {
		if !fillChecksum(f, it) {
			return reason.NoChecksum
		}
		field := packet.Swap16(packet.Load16(ip, packet.IP4Frag)) & 0x3fff
		h = outerFields{
			tos: packet.Load8(ip, packet.IP4TOS), limit: packet.Load8(ip, packet.IP4TTL),
			fragment: field != 0, field: field, id: uint32(packet.Swap16(packet.Load16(ip, packet.IP4ID))),
		}
	} else {
		h = outerFields{tos: trafficClass(ip, true), limit: packet.Load8(ip, packet.IP6HopLimit)}
		if it.L4 != plain6L4 && it.Frag != 0 {
			field := packet.Swap16(packet.Load16(f.Data, uintptr(it.Frag)+2))
			h.fragment, h.field = true, field>>3|field&1<<13
			h.id = packet.Swap32(packet.Load32(f.Data, uintptr(it.Frag)+4))
		}
	}
	h.limit--
	old := addrsSum(unsafe.Add(f.Data, addrsOff(it.v6())), it.v6())
	d := addrsSum(unsafe.Pointer(&n.addrs), n.v6).Plus(old.Neg())
	if h.field&0x1fff == 0 {
		l4 := unsafe.Add(f.Data, uintptr(it.L4))
		if it.Proto == packet.ProtoSCTP {
			setSCTPPorts(l4, n.ports, uint16(it.datagram))
		} else {
			updateL4(l4, it.Proto, d.Plus(n.writePorts(l4)))
		}
	}
	size := uint32(packet.IP4Len)
	if n.v6 {
		size = packet.IP6Len
		if h.fragment {
			size += fragmentLen
		}
	}
	if !reheader(f, it, size) {
		return reason.NoBuffer
	}
	if n.v6 {
		h.write6(f, it, n)
	} else {
		w.write4(f, it, n, &h)
	}
	return reason.Unset
}

// addrsSum is what two addresses in a row add to a checksum.
func addrsSum(at unsafe.Pointer, v6 bool) packet.Delta {
	n := 8
	if v6 {
		n = 32
	}
	return packet.Delta(packet.Fold(packet.Sum(at, n, 0)))
}

// reheader makes room for size bytes of IP header in place of the present one, and cuts off what lies behind the packet.
func reheader(f *port.Frame, it *item, size uint32) bool {
	had := uint32(it.L4) - packet.EthLen
	if size > had && uint32(f.Room) < size-had {
		return false
	}
	f.Tail += uint16(f.Len - uint32(it.End))
	move := int(had) - int(size)
	f.Data = unsafe.Add(f.Data, move)
	f.Room = uint16(int(f.Room) + move)
	f.Len = uint32(int(it.End) - move)
	it.End = uint16(f.Len)
	it.L4 = uint16(packet.EthLen + size)
	return true
}

// crossed are the kinds of the other version.
func crossed(k packet.Kind) packet.Kind {
	switch k {
	case packet.Flow4:
		return packet.Flow6
	case packet.Flow6:
		return packet.Flow4
	case packet.Fragment4:
		return packet.Fragment6
	}
	return packet.Fragment4
}

// write6 writes an IPv6 header, and a fragment header if there is to be one.
func (h *outerFields) write6(f *port.Frame, it *item, n *ends) {
	it.Kind = crossed(it.Kind)
	packet.Store16(f.Data, packet.EthTypeOff, packet.EtherIPv6)
	ip := unsafe.Add(f.Data, packet.EthLen)
	packet.Store32(ip, 0, packet.Swap32(6<<28|uint32(h.tos)<<20))
	packet.Store16(ip, packet.IP6Payload, packet.Swap16(it.End-packet.EthLen-packet.IP6Len))
	packet.Store8(ip, packet.IP6Next, it.Proto)
	packet.Store8(ip, packet.IP6HopLimit, h.limit)
	*(*[4]uint64)(unsafe.Add(ip, packet.IP6Src)) = n.addrs
	if !h.fragment {
		return
	}
	packet.Store8(ip, packet.IP6Next, packet.ProtoFragment)
	at := unsafe.Add(ip, packet.IP6Len)
	packet.Store16(at, 0, uint16(it.Proto))
	packet.Store16(at, 2, packet.Swap16(h.field<<3|h.field>>13&1))
	packet.Store32(at, 4, packet.Swap32(h.id))
}

// write4 writes an IPv4 header. Small packets may be fragmented on the way, and so need an identification.
func (w *Worker) write4(f *port.Frame, it *item, n *ends, h *outerFields) {
	it.Kind = crossed(it.Kind)
	packet.Store16(f.Data, packet.EthTypeOff, packet.EtherIPv4)
	ip := unsafe.Add(f.Data, packet.EthLen)
	size := it.End - packet.EthLen
	field, id := h.field, uint16(h.id)
	if !h.fragment {
		if size > freelyCut {
			field = 0x4000
		} else {
			w.ids++
			id = w.ids
		}
	}
	packet.Store8(ip, packet.IP4VerIHL, 4<<4|packet.IP4Len/4)
	packet.Store8(ip, packet.IP4TOS, h.tos)
	packet.Store16(ip, packet.IP4Total, packet.Swap16(size))
	packet.Store16(ip, packet.IP4ID, packet.Swap16(id))
	packet.Store16(ip, packet.IP4Frag, packet.Swap16(field))
	packet.Store8(ip, packet.IP4TTL, h.limit)
	packet.Store8(ip, packet.IP4Proto, it.Proto)
	packet.Store16(ip, packet.IP4Checksum, 0)
	packet.Store64(ip, packet.IP4Src, n.addrs[0])
	packet.Store16(ip, packet.IP4Checksum, ^packet.Fold(packet.Sum(ip, packet.IP4Len, 0)))
}
