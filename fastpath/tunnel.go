package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// encapsulate puts the outer headers of a backend in front of a packet (RFC 2003, RFC 2473, RFC 4213; encap.go), whose
// only own change is the TTL; padding behind it goes. It reports false if the buffer has no room.
func (w *Worker) encapsulate(f *port.Frame, it *item, b *Backend) bool {
	hdr := uint32(b.Hdr)
	if uint32(f.Room) < hdr {
		return false
	}
	v6 := it.v6()
	inner := unsafe.Add(f.Data, packet.EthLen)
	lowerTTL(inner, v6, 0)
	if b.Clamp && it.TCPFlags&packet.SYN != 0 && it.flow() {
		limit := b.MTU - packet.IP4Len - packet.TCPLen
		if v6 {
			limit = b.MTU - packet.IP6Len - packet.TCPLen
		}
		clampMSS(f, it, limit)
	}
	size := it.End - packet.EthLen
	f.Wrap(uint32(it.End), hdr)
	outer := unsafe.Add(f.Data, packet.EthLen)
	if b.wrap == wrapMore {
		w.wrapMore(f, inner, v6, size, b, it.hash)
		return true
	}
	if b.V6 {
		packet.Store16(f.Data, packet.EthTypeOff, packet.EtherIPv6)
		outer6(outer, inner, v6, size, b, it.hash)
	} else {
		packet.Store16(f.Data, packet.EthTypeOff, packet.EtherIPv4)
		w.outer4(outer, inner, v6, size, innerProto(v6), b)
	}
	return true
}

// trafficClass is the inner packet's TOS or traffic class: DSCP and ECN, both copied to the outer header
// (RFC 6040 section 4.1, normal mode).
func trafficClass(ip unsafe.Pointer, v6 bool) uint8 {
	if v6 {
		return uint8(packet.Swap16(packet.Load16(ip, 0)) >> 4)
	}
	return packet.Load8(ip, packet.IP4TOS)
}

func innerProto(v6 bool) uint8 {
	if v6 {
		return packet.ProtoIPv6
	}
	return packet.ProtoIPIP
}

// outer4 writes an IPv4 outer header, word by word: to change a copy of the template would make the processor wait
// for its own stores.
func (w *Worker) outer4(outer, inner unsafe.Pointer, v6 bool, size uint16, of uint8, b *Backend) {
	tos := uint64(trafficClass(inner, v6))
	frag := uint64(b.copyDF | b.setDF) // an IPv6 packet is never fragmented on the way
	if !v6 {
		frag = uint64(packet.Load16(inner, packet.IP4Frag)&b.copyDF | b.setDF)
	}
	var id uint64
	if frag == 0 { // with DF the ID is free (RFC 6864 section 4.1)
		w.ids++
		id = uint64(w.ids)
	}
	total, proto := uint64(packet.Swap16(size+packet.IP4Len)), uint64(of)
	sum := packet.Fold(uint64(b.OuterSum) + tos<<8 + total + id + frag + proto<<8)
	h := unsafe.Pointer(&b.Outer)
	packet.Store64(outer, 0, uint64(packet.Load8(h, 0))|tos<<8|total<<16|id<<32|frag<<48)
	packet.Store64(outer, packet.IP4TTL, packet.Load64(h, packet.IP4TTL)|proto<<8|uint64(^sum)<<16)
	packet.Store32(outer, packet.IP4Dst, packet.Load32(h, packet.IP4Dst))
}

// outer6 writes an IPv6 outer header; its flow label carries the inner flow's hash, so that routers and the
// receiver's RSS spread tunnelled flows (RFC 6438).
func outer6(outer, inner unsafe.Pointer, v6 bool, size uint16, b *Backend, hash uint32) {
	h := unsafe.Pointer(&b.Outer)
	label := packet.Swap32(6<<28 | uint32(trafficClass(inner, v6))<<20 | hash&0xfffff)
	packet.Store64(outer, 0, uint64(label)|uint64(packet.Swap16(size))<<32|
		uint64(innerProto(v6))<<48|uint64(packet.Load8(h, packet.IP6HopLimit))<<56)
	for off := uintptr(packet.IP6Src); off < packet.IP6Len; off += 8 {
		packet.Store64(outer, off, packet.Load64(h, off))
	}
}

// clampMSS lowers the MSS option of a SYN to limit.
func clampMSS(f *port.Frame, it *item, limit uint16) {
	const (
		optEnd = 0
		optNop = 1
		optMSS = 2
	)
	l4 := unsafe.Add(f.Data, uintptr(it.L4))
	end := uintptr(packet.Load8(l4, packet.TCPDataOffset)>>4) * 4
	for off := uintptr(packet.TCPLen); off < end; {
		kind := packet.Load8(l4, off)
		if kind == optEnd {
			return
		}
		if kind == optNop {
			off++
			continue
		}
		if off+1 >= end {
			return
		}
		size := uintptr(packet.Load8(l4, off+1))
		if size < 2 || off+size > end {
			return
		}
		if kind == optMSS && size == 4 {
			setMSS(l4, off+2, limit)
			return
		}
		off += size
	}
}

// setMSS writes the option's value if it is larger than limit. At an odd offset its bytes belong to two of
// the checksum's words, so their halves are swapped there.
func setMSS(l4 unsafe.Pointer, off uintptr, limit uint16) {
	old := packet.Load16(l4, off)
	if packet.Swap16(old) <= limit {
		return
	}
	value := packet.Swap16(limit)
	packet.Store16(l4, off, value)
	if off%2 != 0 {
		old, value = packet.Swap16(old), packet.Swap16(value)
	}
	updateL4(l4, packet.ProtoTCP, packet.Replace16(old, value))
}
