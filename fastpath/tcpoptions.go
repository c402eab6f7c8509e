package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// TCP options (RFC 9293 section 3.2, RFC 2018).
const (
	optionEnd  = 0
	optionNop  = 1
	optionMSS  = 2
	optionSACK = 5
	// optionTOA is the number that Alibaba's LVS, DPVS and their kernel modules use: kind, length, the client's port and
	// address.
	optionTOA = 254

	mostOptions = 40 // bytes
)

// headerLen is the length of a packet's TCP header.
func headerLen(f *port.Frame, it *item) uint32 {
	return uint32(packet.Load8(f.Data, uintptr(it.L4)+packet.TCPDataOffset)>>4) * 4
}

// payloadOf is the number of bytes behind a packet's TCP header.
func payloadOf(f *port.Frame, it *item) int { return int(it.End) - int(it.L4) - int(headerLen(f, it)) }

// findOption returns the offset of a TCP option from the header and its length, 0 if there is none. The parser has made
// sure that the header is whole.
func findOption(l4 unsafe.Pointer, kind uint8) (off, size uintptr) {
	end := uintptr(packet.Load8(l4, packet.TCPDataOffset)>>4) * 4
	for off = packet.TCPLen; off < end; {
		k := packet.Load8(l4, off)
		if k == optionNop {
			off++
			continue
		}
		if k == optionEnd || off+1 >= end {
			break
		}
		if size = uintptr(packet.Load8(l4, off+1)); size < 2 || off+size > end {
			break
		}
		if k == kind {
			return off, size
		}
		off += size
	}
	return 0, 0
}

// setWord writes 4 bytes of a TCP header at an even offset and updates the checksum. At an odd one, an option's, each byte
// belongs to the other half of the checksum's words, and so the halves of the change are swapped.
func setWord(l4 unsafe.Pointer, off uintptr, value uint32) {
	old, word := packet.Load32(l4, off), packet.Swap32(value)
	packet.Store32(l4, off, word)
	d := packet.Replace32(old, word)
	if off%2 != 0 {
		d = packet.Delta(packet.Swap16(uint16(d)))
	}
	updateTCP(l4, 0, d)
}

// setFlags writes a TCP header's flags; the caller changes the checksum.
func setFlags(l4 unsafe.Pointer, flags uint8) packet.Delta {
	old := packet.Load16(l4, packet.TCPDataOffset)
	word := old&0xff | uint16(flags)<<8
	packet.Store16(l4, packet.TCPDataOffset, word)
	return packet.Replace16(old, word)
}

// shiftSACK takes what acknowledgments are ahead off the edges of SACK blocks, too.
func shiftSACK(l4 unsafe.Pointer, shift uint8) {
	off, size := findOption(l4, optionSACK)
	for end := off + size; off != 0 && off+2+4 <= end; off += 4 {
		setWord(l4, off+2, packet.Swap32(packet.Load32(l4, off+2))-uint32(shift))
	}
}

// lowerMSS takes some bytes off the MSS that a SYN announces.
func lowerMSS(f *port.Frame, it *item, by uint32) {
	l4 := unsafe.Add(f.Data, uintptr(it.L4))
	if off, size := findOption(l4, optionMSS); size == 4 {
		if mss := packet.Swap16(packet.Load16(l4, off+2)); uint32(mss) > by {
			setMSS(l4, off+2, mss-uint16(by))
		}
	}
}

// toaSize is the length of a client's TOA option.
func toaSize(v6 bool) uint32 {
	if v6 {
		return 20
	}
	return 8
}

// addTOA puts the client's address into a TCP packet, as the first option, if there is room for it. The header, which is
// shorter than the data, moves.
func addTOA(f *port.Frame, it *item, e *conn.Entry, mtu int) {
	v6 := e.Flags&conn.V6 != 0
	n := toaSize(v6)
	if it.firstOfSeveral(f) || headerLen(f, it)+n > packet.TCPLen+mostOptions || uint32(f.Room) < n || int(it.End)+int(n)-packet.EthLen > mtu {
		return
	}
	if uint16(e.Ports) == fastOpenMagic && it.TCPFlags&packet.SYN != 0 {
		return
	}
	head := uint32(it.L4) + packet.TCPLen
	old := f.Data
	f.Data = unsafe.Add(f.Data, -int(n))
	f.Room -= uint16(n)
	f.Len += n
	copy(packet.Bytes(f.Data, head), packet.Bytes(old, head))
	l4 := unsafe.Add(f.Data, uintptr(it.L4))
	opt := unsafe.Add(l4, packet.TCPLen)
	packet.Store16(opt, 0, uint16(optionTOA)|uint16(n)<<8)
	packet.Store16(opt, 2, uint16(e.Ports))
	copy(packet.Bytes(unsafe.Add(opt, 4), n-4), packet.Bytes(unsafe.Pointer(&e.Addrs), n-4))
	word := packet.Load16(l4, packet.TCPDataOffset)
	packet.Store16(l4, packet.TCPDataOffset, word+uint16(n/4)<<4)
	d := packet.Replace16(word, word+uint16(n/4)<<4)
	d = d.Plus(packet.Delta(packet.Fold(packet.Sum(opt, int(n), 0)))).Plus(resize(f, it, int(n)))
	updateTCP(l4, 0, d)
}

// fastOpenMagic is a port, as loaded, that would make the option of a SYN look like that of TCP Fast Open's experiments
// (RFC 6994, RFC 7413), which shares the number.
const fastOpenMagic = 0x89f9

// resize writes the length of an IP packet that has grown by n bytes, and returns what that changes in the pseudo-header.
func resize(f *port.Frame, it *item, n int) packet.Delta {
	before := it.End - it.L4
	it.End += uint16(n)
	ip := unsafe.Add(f.Data, packet.EthLen)
	if it.v6() {
		packet.Store16(ip, packet.IP6Payload, packet.Swap16(it.End-packet.EthLen-packet.IP6Len))
	} else {
		old, size := packet.Load16(ip, packet.IP4Total), packet.Swap16(it.End-packet.EthLen)
		packet.Store16(ip, packet.IP4Total, size)
		packet.Store16(ip, packet.IP4Checksum, packet.Replace16(old, size).Update(packet.Load16(ip, packet.IP4Checksum)))
	}
	return packet.Replace16(packet.Swap16(before), packet.Swap16(it.End-it.L4))
}

// trimTCP cuts off the data of a TCP packet.
func trimTCP(f *port.Frame, it *item) {
	n := payloadOf(f, it)
	if n == 0 || it.firstOfSeveral(f) {
		return
	}
	l4 := unsafe.Add(f.Data, uintptr(it.L4))
	at := unsafe.Add(f.Data, uintptr(it.End)-uintptr(n))
	d := packet.Delta(packet.Fold(packet.Sum(at, n, 0))).Neg().Plus(resize(f, it, -n))
	updateTCP(l4, 0, d)
	f.Tail += uint16(f.Len - uint32(it.End))
	f.Len = uint32(it.End)
}

// sealTCP computes the checksums of a packet of Weir's own.
func sealTCP(f *port.Frame, it *item) {
	ip, l4 := unsafe.Add(f.Data, packet.EthLen), unsafe.Add(f.Data, uintptr(it.L4))
	size := int(it.End - it.L4)
	if !it.v6() {
		packet.Store16(ip, packet.IP4Frag, packet.Load16(ip, packet.IP4Frag)&packet.IP4DontFragment)
		packet.Store16(ip, packet.IP4Checksum, 0)
		packet.Store16(ip, packet.IP4Checksum, ^packet.Fold(packet.Sum(ip, int(it.L4)-packet.EthLen, 0)))
	}
	packet.Store16(l4, packet.TCPChecksum, 0)
	sum := packet.PseudoHeader(unsafe.Add(f.Data, addrsOff(it.v6())), it.v6(), packet.ProtoTCP, size)
	packet.Store16(l4, packet.TCPChecksum, ^packet.Fold(packet.Sum(l4, size, sum)))
}
