package fastpath

import (
	"math/bits"
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// steadyFull is the steady way of a FullNAT connection whose client and backend are of one IP version. Both ends of a
// packet change, and by what depends on the connection, so nothing is prepared but the comparison of the ends is also the
// checksums' difference. It sends the packet, or leaves it untouched and reports false.
func (w *Worker) steadyFull(f *port.Frame, it *item, e *conn.Entry, b *Backend) bool {
	if int(e.LocalIndex()) >= len(w.snap.Locals) {
		return false
	}
	l := &w.snap.Locals[e.LocalIndex()]
	v6 := it.Kind == packet.Flow6
	if !l.Used || l.V6 != v6 || b.V6 != v6 || e.Flags&conn.V6 != 0 != v6 {
		return false
	}
	d, l4 := f.Data, uintptr(it.L4)
	ports := packet.Load32(d, l4)
	local := e.Local<<16 | uint32(b.peer.PortOf(e)) // the reply's ports
	reply := it.Guess.Reply()
	var id nexthop.ID
	var to uint32 // the new ports
	var end uint32
	if reply {
		if uint32(e.Head()>>32)&steadyReplyMask != it.steady&^(uint32(conn.Several)<<8)|steadyReply || ports != local {
			return false
		}
		to = e.Ports<<16 | e.Ports>>16
	} else {
		if e.Head()&steadyHead != uint64(it.steady)<<32|uint64(ports) {
			return false
		}
		id, end, to = b.Hop, uint32(b.maxEnd), local<<16|local>>16
	}
	if e.Shift != 0 && (e.Flags&conn.Pending != 0 || !plainTCP(d, l4, reply)) || reply && it.Proto == packet.ProtoTCP && e.Flags&conn.Pending != 0 {
		return false
	}
	if v6 {
		n := ends6(e, l, b, reply)
		a := (*[4]uint64)(unsafe.Add(d, packet.EthLen+packet.IP6Src))
		if *a != n[0] || packet.Load8(d, packet.EthLen+packet.IP6HopLimit) <= 1 {
			return false
		}
		if reply {
			id = w.snap.Routes.gateway6(e.Addrs[0], e.Addrs[1], it.hash)
		}
		h, x := w.steadyExit(id, &end, reply)
		if x == nil || uint32(it.End) > end {
			return false
		}
		// As turn6, without a call: 16 instructions.
		dAddr := change(n[0][0], n[1][0]) + change(n[0][1], n[1][1]) + change(n[0][2], n[1][2]) + change(n[0][3], n[1][3])
		*a = n[1]
		packet.Store8(d, packet.EthLen+packet.IP6HopLimit, packet.Load8(d, packet.EthLen+packet.IP6HopLimit)-1)
		turnPorts(f, it, e, ports, to, dAddr, reply)
		w.countFull(it, e, b, reply)
		x.put(f, h)
		return true
	}
	was, now := e.Addrs[0], l.Addr[0]|b.peer.Addr[0]<<32
	if reply {
		was, now = b.peer.Addr[0]|l.Addr[0]<<32, bits.RotateLeft64(e.Addrs[0], 32)
		id = w.snap.Routes.gateway4(uint32(e.Addrs[0]), it.hash)
	}
	mid := packet.Load32(d, packet.EthLen+packet.IP4TTL) // TTL, protocol and checksum
	if packet.Load64(d, packet.EthLen+packet.IP4Src) != was || uint8(mid) <= 1 {
		return false
	}
	h, x := w.steadyExit(id, &end, reply)
	if x == nil || uint32(it.End) > end {
		return false
	}
	turnPorts(f, it, e, ports, to, turn4(d, mid, was, now), reply)
	w.countFull(it, e, b, reply)
	x.put(f, h)
	return true
}

// fullPlain rewrites a client's plain packet, whose backend is of the same family, as steadyFull does.
func (w *Worker) fullPlain(f *port.Frame, it *item, e *conn.Entry, b *Backend) {
	d, l := f.Data, &w.snap.Locals[e.LocalIndex()]
	to := uint32(e.LocalPort()) | uint32(b.peer.PortOf(e))<<16
	var dAddr uint64
	if it.v6() {
		dAddr = turn6(d, &e.Addrs, &[4]uint64{l.Addr[0], l.Addr[1], b.peer.Addr[0], b.peer.Addr[1]})
	} else {
		dAddr = turn4(d, packet.Load32(d, packet.EthLen+packet.IP4TTL), e.Addrs[0], l.Addr[0]|b.peer.Addr[0]<<32)
	}
	turnPorts(f, it, e, e.Ports, to, dAddr, false)
}

// turn4 gives a plain IPv4 packet other addresses, takes one off its TTL, and returns the change of the addresses. mid is the word
// with the TTL.
func turn4(d unsafe.Pointer, mid uint32, was, now uint64) (dAddr uint64) {
	dAddr = change(was, now)
	sum := packet.Delta(packet.Fold(dAddr)).Plus(packet.TTLDelta).Update(uint16(mid >> 16))
	packet.Store32(d, packet.EthLen+packet.IP4TTL, mid&0xffff-1|uint32(sum)<<16)
	packet.Store64(d, packet.EthLen+packet.IP4Src, now)
	return dAddr
}

// turn6 is turn4 for IPv6.
func turn6(d unsafe.Pointer, was, now *[4]uint64) (dAddr uint64) {
	dAddr = change(was[0], now[0]) + change(was[1], now[1]) + change(was[2], now[2]) + change(was[3], now[3])
	*(*[4]uint64)(unsafe.Add(d, packet.EthLen+packet.IP6Src)) = *now
	packet.Store8(d, packet.EthLen+packet.IP6HopLimit, packet.Load8(d, packet.EthLen+packet.IP6HopLimit)-1)
	return dAddr
}

// steadyExit is where a frame leaves by a next hop, and the end of the largest one of replies there; nil if it cannot now.
func (w *Worker) steadyExit(id nexthop.ID, end *uint32, reply bool) (nexthop.Hop, *exit) {
	h := w.hops.Use(id)
	x := &w.exits[h.Port()]
	if !h.Usable() || !x.room() {
		return h, nil
	}
	if reply {
		*end = x.maxEnd
	}
	return h, x
}

// change is what the change of a word adds to a sum that is still to be folded.
func change(old, new uint64) uint64 {
	return uint64(^uint32(old)) + uint64(^uint32(old>>32)) + uint64(uint32(new)) + new>>32
}

// ends6 are the addresses of a packet as it comes and as it leaves.
func ends6(e *conn.Entry, l *conn.Local, b *Backend, reply bool) [2][4]uint64 {
	out := [4]uint64{l.Addr[0], l.Addr[1], b.peer.Addr[0], b.peer.Addr[1]}
	if reply {
		return [2][4]uint64{{out[2], out[3], out[0], out[1]}, {e.Addrs[2], e.Addrs[3], e.Addrs[0], e.Addrs[1]}}
	}
	return [2][4]uint64{e.Addrs, out}
}

// plainTCP reports whether a packet of a connection with a PROXY header has nothing to be moved but its sequence number
// or, in a reply, its acknowledgment: no SACK blocks. What nearly all segments have is no options, or timestamps.
func plainTCP(d unsafe.Pointer, l4 uintptr, reply bool) bool {
	const timestamps = 0x0a080101 // NOP, NOP, kind 8, length 10, as loaded
	if !reply {
		return true
	}
	switch packet.Load8(d, l4+packet.TCPDataOffset) >> 4 {
	case packet.TCPLen / 4:
		return true
	case packet.TCPLen/4 + 3:
		return packet.Load32(d, l4+packet.TCPLen) == timestamps
	}
	return false
}

// turnPorts rewrites what is behind the IP header, whose addresses have changed by dAddr.
func turnPorts(f *port.Frame, it *item, e *conn.Entry, ports, to uint32, dAddr uint64, reply bool) {
	d, l4 := f.Data, uintptr(it.L4)
	switch it.Proto {
	case packet.ProtoSCTP:
		setSCTPPorts(unsafe.Add(d, l4), to, uint16(it.datagram))
	case packet.ProtoTCP:
		dAddr += uint64(^ports) + uint64(to)
		if e.Shift != 0 {
			off, by := uintptr(packet.TCPSeq), uint32(e.Shift)
			if reply {
				off, by = packet.TCPAck, -uint32(e.Shift)
			}
			old := packet.Load32(d, l4+off)
			word := packet.Swap32(packet.Swap32(old) + by)
			packet.Store32(d, l4+off, word)
			dAddr += uint64(^old) + uint64(word)
		}
		packet.Store32(d, l4, to)
		updateTCP(d, l4, packet.Delta(packet.Fold(dAddr)))
	default:
		packet.Store32(d, l4, to)
		updateUDP(d, l4, packet.Delta(packet.Fold(dAddr+uint64(^ports)+uint64(to))))
	}
}

// countFull counts a packet, and puts its connection's end off.
func (w *Worker) countFull(it *item, e *conn.Entry, b *Backend, reply bool) {
	c := w.total(e.Backend)
	if reply {
		c.PacketsOut++
		c.BytesOut += uint64(it.End) - packet.EthLen
	} else {
		c.PacketsIn++
		c.BytesIn += uint64(it.End) - packet.EthLen
	}
	e.Touch(w.now, w.idle(b))
}
