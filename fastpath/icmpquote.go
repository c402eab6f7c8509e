package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
)

// quote is the packet that an ICMP error quotes. At least its IP header and the 8 bytes after it are there.
type quote struct {
	ip    unsafe.Pointer
	l4    unsafe.Pointer // after the IP header and its extensions
	addrs unsafe.Pointer
	ports uint32 // of TCP, UDP or SCTP
	proto uint8
	v6    bool
	size  int    // bytes quoted from l4 on
	part  bool   // it was a fragment of a packet
	later bool   // not the first: at l4 there is no header, and ports have to be known from elsewhere
	id    uint32 // part: the identification, as loaded
}

// find reads the quoted packet of an ICMP error; false if there is none of TCP, UDP or SCTP to be found, or the error
// does not go to the one that sent it, as every true one does.
func (q *quote) find(f *port.Frame, it *item) bool {
	return q.first(f, it) && q.flow() && q.sentByReceiver(f)
}

// findTunnelled is find for an error about one of Weir's own tunnel packets: q becomes the packet inside, outer
// what was around it.
func (q *quote) findTunnelled(f *port.Frame, it *item, outer *quote, snap *Snapshot) bool {
	if !outer.first(f, it) || !outer.sentByReceiver(f) {
		return false
	}
	off, v6, ok := snap.inside(f, outer, int(it.End))
	return ok && q.read(f, off, int(it.End), v6) && q.flow()
}

// first reads what an ICMP error quotes first.
func (q *quote) first(f *port.Frame, it *item) bool {
	off := int(it.L4) + packet.ICMPLen
	return off <= int(it.End) && isError(packet.Load8(f.Data, uintptr(it.L4)), it.v6()) && q.read(f, off, int(it.End), it.v6())
}

// read reads the beginning of a packet at an offset of a frame, of which no more than up to end is there. It
// reports false for too little of it, or a fragment that is not the first: q.later, then.
func (q *quote) read(f *port.Frame, off, end int, v6 bool) bool {
	q.ip, q.v6 = unsafe.Add(f.Data, off), v6
	var l4 int
	var ok bool
	if v6 {
		l4, ok = q.read6(f, off, end)
	} else {
		l4, ok = q.read4(off, end)
	}
	if !ok || l4 > end || !q.later && end-l4 < packet.L4QuoteLen {
		q.later = false
		return false
	}
	q.l4, q.size = unsafe.Add(f.Data, l4), end-l4
	q.addrs = unsafe.Add(q.ip, addrsOff(v6)-packet.EthLen)
	if q.later {
		return false
	}
	q.ports = packet.Load32(q.l4, 0)
	return true
}

func (q *quote) read4(off, end int) (l4 int, ok bool) {
	if end-off < packet.IP4Len || packet.Load8(q.ip, packet.IP4VerIHL)>>4 != 4 {
		return 0, false
	}
	const offset = 0xff1f // of the fragment field, as loaded: only a first fragment has ports
	hl := int(packet.Load8(q.ip, packet.IP4VerIHL)&0x0f) * 4
	if hl < packet.IP4Len {
		return 0, false
	}
	field := packet.Load16(q.ip, packet.IP4Frag)
	q.proto, q.part, q.later = packet.Load8(q.ip, packet.IP4Proto), field&packet.IP4FragMask != 0, field&offset != 0
	q.id = uint32(packet.Load16(q.ip, packet.IP4ID))
	return off + hl, true
}

func (q *quote) read6(f *port.Frame, off, end int) (l4 int, ok bool) {
	if end-off < packet.IP6Len || packet.Load8(q.ip, 0)>>4 != 6 {
		return 0, false
	}
	proto, at, fault := packet.Extensions(f.Data, uint32(off+packet.IP6Len), uint32(end), packet.Load8(q.ip, packet.IP6Next))
	if fault != reason.Unset {
		return 0, false
	}
	q.part, q.later = proto == packet.ProtoFragment, false
	if q.part {
		const fragmentOff, idOff, size, offset = 2, 4, 8, 0xf8ff // the header's length; the offset in its field, as loaded
		q.later = packet.Load16(f.Data, uintptr(at)+fragmentOff)&offset != 0
		q.id = packet.Load32(f.Data, uintptr(at)+idOff)
		proto, at = packet.Load8(f.Data, uintptr(at)), at+size
	}
	q.proto = proto
	return int(at), true
}

func (q *quote) flow() bool {
	return q.proto == packet.ProtoTCP || q.proto == packet.ProtoUDP || q.proto == packet.ProtoSCTP
}

// length is how many bytes the quoted packet had from l4 on when it was whole; false if that is not in the quote.
func (q *quote) length() (n int, ok bool) {
	if n = int(packet.Swap16(packet.Load16(q.ip, packet.IP4Total))); q.v6 {
		n = packet.IP6Len + int(packet.Swap16(packet.Load16(q.ip, packet.IP6Payload)))
	}
	n -= int(uintptr(q.l4) - uintptr(q.ip))
	return n, !q.part && n >= packet.L4QuoteLen
}

// sentByReceiver reports whether the error goes to the one that sent the quoted packet.
func (q *quote) sentByReceiver(f *port.Frame) bool {
	to := destination(unsafe.Add(f.Data, addrsOff(q.v6)), q.v6)
	if q.v6 {
		return *(*[16]byte)(to) == *(*[16]byte)(q.addrs)
	}
	return packet.Load32(to, 0) == packet.Load32(q.addrs, 0)
}

// turned is the tuple of the packets that travel the same way as the ICMP error: the quoted one reversed;
// addrs is its memory.
func (q *quote) turned(addrs *[32]byte) conn.Key {
	k := q.key()
	return turned(&k, addrs)
}

// turned is the tuple of the packets that travel the other way; addrs is its memory.
func turned(k *conn.Key, addrs *[32]byte) conn.Key {
	n := uint32(destinationOff(k.V6))
	b := packet.Bytes(k.Addrs, 2*n)
	copy(addrs[:n], b[n:])
	copy(addrs[n:], b[:n])
	return conn.Key{Addrs: unsafe.Pointer(addrs), Ports: k.Ports>>16 | k.Ports<<16, Proto: k.Proto, V6: k.V6}
}

// key is the quoted packet's own tuple.
func (q *quote) key() conn.Key {
	return conn.Key{Addrs: q.addrs, Ports: q.ports, Proto: q.proto, V6: q.v6}
}
