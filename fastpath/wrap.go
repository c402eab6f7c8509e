package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// wrap4 is encapsulate for a plain IPv4 packet without SYN in IPv4, in a third of the instructions.
func (w *Worker) wrap4(f *port.Frame, it *item, b *Backend) bool {
	if f.Room < packet.IP4Len {
		return false
	}
	d := f.Data
	head := packet.Load64(d, packet.EthLen)              // version to fragment field
	mid := packet.Load32(d, packet.EthLen+packet.IP4TTL) // TTL, protocol and checksum
	packet.Store32(d, packet.EthLen+packet.IP4TTL, mid&0xffff-1|uint32(packet.TTLDelta.Update(uint16(mid>>16)))<<16)
	tos := head & 0xff00
	frag := head>>48&uint64(b.copyDF) | uint64(b.setDF)
	var id uint64
	if frag == 0 { // with DF the ID is free (RFC 6864 section 4.1)
		w.ids++
		id = uint64(w.ids)
	}
	total := uint64(packet.Swap16(it.End - packet.EthLen + packet.IP4Len))
	sum := uint64(b.OuterSum) + tos + total + id + frag + packet.ProtoIPIP<<8
	sum = sum>>16 + sum&0xffff // at most 16 words: twice is enough
	sum = sum>>16 + sum&0xffff
	h := unsafe.Pointer(&b.Outer)
	o := unsafe.Add(d, packet.EthLen-packet.IP4Len)
	packet.Store64(o, 0, uint64(packet.Load8(h, 0))|tos|total<<16|id<<32|frag<<48)
	packet.Store64(o, packet.IP4TTL, packet.Load64(h, packet.IP4TTL)|packet.ProtoIPIP<<8|uint64(uint16(^sum))<<16)
	packet.Store32(o, packet.IP4Dst, packet.Load32(h, packet.IP4Dst))
	f.Wrap(uint32(it.End), packet.IP4Len)
	packet.Store16(f.Data, packet.EthTypeOff, packet.EtherIPv4)
	return true
}

// wrap6 is the same for IPv6 in IPv6.
func (w *Worker) wrap6(f *port.Frame, it *item, b *Backend) bool {
	if f.Room < packet.IP6Len {
		return false
	}
	d := f.Data
	packet.Store8(d, packet.EthLen+packet.IP6HopLimit, packet.Load8(d, packet.EthLen+packet.IP6HopLimit)-1)
	// The inner version and traffic class, and a flow label of the outer header's own.
	label := packet.Load32(d, packet.EthLen)&packet.Swap32(0xfff00000) | packet.Swap32(it.hash&0xfffff)
	h := unsafe.Pointer(&b.Outer)
	o := unsafe.Add(d, packet.EthLen-packet.IP6Len)
	packet.Store64(o, 0, uint64(label)|uint64(packet.Swap16(it.End-packet.EthLen))<<32|
		packet.ProtoIPv6<<48|uint64(packet.Load8(h, packet.IP6HopLimit))<<56)
	packet.Store64(o, 8, packet.Load64(h, 8))
	packet.Store64(o, 16, packet.Load64(h, 16))
	packet.Store64(o, 24, packet.Load64(h, 24))
	packet.Store64(o, 32, packet.Load64(h, 32))
	f.Wrap(uint32(it.End), packet.IP6Len)
	packet.Store16(f.Data, packet.EthTypeOff, packet.EtherIPv6)
	return true
}
