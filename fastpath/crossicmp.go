package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
)

// crossError makes an ICMP error one of the other IP version, with these ends, and so what it quotes, turned round (RFC
// 7915 sections 4.2, 4.3, 5.2 and 5.3). Of a connection with a PROXY header, what the backend's side quotes is moved back.
// The new message's checksum is computed, and so the old one's must be right.
func (w *Worker) crossError(f *port.Frame, it *item, q *quote, n *ends, quoted *conn.Entry) reason.Reason {
	if q.later {
		return reason.ICMPFragment // its quote would need a fragment header, for which there may be no room
	}
	kind, code, rest, ok := crossICMP(f, it)
	if !ok {
		return reason.ICMPUnsupported
	}
	if !icmpSound(f, it) {
		return reason.BadICMP
	}
	inner := n.turned()
	d := addrsSum(unsafe.Pointer(&inner.addrs), inner.v6).Plus(addrsSum(q.addrs, q.v6).Neg())
	if quoted != nil {
		d = d.Plus(w.unshift(q, quoted))
	}
	q.updateCRC(inner.ports)
	q.updateL4(d.Plus(inner.writePorts(q.l4)))
	w.requote(f, it, q, n, &inner, kind, code, rest)
	return reason.Unset
}

// requote writes an error of the other version over one whose quote has the new ends' ports already. It is at most 40 bytes
// longer, for which every frame has room.
func (w *Worker) requote(f *port.Frame, it *item, q *quote, n, inner *ends, kind, code uint8, rest uint32) {

	hl, most := uint32(packet.IP4Len), uint32(quote4)
	if n.v6 {
		hl, most = packet.IP6Len, quote6
	}
	buf := w.scratch.bytes[:]
	size := min(uint32(q.size), most-hl)
	copy(buf[hl:], packet.Bytes(q.l4, size))
	q.header(unsafe.Pointer(unsafe.SliceData(buf)), inner)
	quoted := hl + size

	total := packet.EthLen + hl + packet.ICMPLen + quoted
	f.Tail += uint16(f.Len - uint32(it.End))
	move := max(int(it.End)-int(total), -int(f.Room))
	f.Data = unsafe.Add(f.Data, move)
	f.Room = uint16(int(f.Room) + move)
	f.Len = total
	ip := unsafe.Add(f.Data, packet.EthLen)
	copy(packet.Bytes(unsafe.Add(ip, hl+packet.ICMPLen), quoted), buf[:quoted])
	from, to := addrAt(unsafe.Pointer(&n.addrs), n.v6), destination(unsafe.Pointer(&n.addrs), n.v6)
	if n.v6 {
		packet.Store16(f.Data, packet.EthTypeOff, packet.EtherIPv6)
		icmpHeader6(ip, to, &from, quoted)
	} else {
		packet.Store16(f.Data, packet.EthTypeOff, packet.EtherIPv4)
		w.icmpHeader4(ip, to, &from, quoted)
	}
	sealICMP(ip, hl, quoted, kind, code, rest, n.v6)
}

// header writes the other version's header of a quoted packet.
func (q *quote) header(at unsafe.Pointer, n *ends) {
	length, _ := q.length()
	if n.v6 {
		packet.Store32(at, 0, packet.Swap32(6<<28|uint32(packet.Load8(q.ip, packet.IP4TOS))<<20))
		packet.Store16(at, packet.IP6Payload, packet.Swap16(uint16(length)))
		packet.Store8(at, packet.IP6Next, q.proto)
		packet.Store8(at, packet.IP6HopLimit, packet.Load8(q.ip, packet.IP4TTL))
		*(*[4]uint64)(unsafe.Add(at, packet.IP6Src)) = n.addrs
		return
	}
	packet.Store8(at, packet.IP4VerIHL, 4<<4|packet.IP4Len/4)
	packet.Store8(at, packet.IP4TOS, trafficClass(q.ip, true))
	packet.Store16(at, packet.IP4Total, packet.Swap16(uint16(length+packet.IP4Len)))
	packet.Store32(at, packet.IP4ID, uint32(packet.IP4DontFragment)<<16)
	packet.Store8(at, packet.IP4TTL, packet.Load8(q.ip, packet.IP6HopLimit))
	packet.Store8(at, packet.IP4Proto, q.proto)
	packet.Store16(at, packet.IP4Checksum, 0)
	packet.Store64(at, packet.IP4Src, n.addrs[0])
	packet.Store16(at, packet.IP4Checksum, ^packet.Fold(packet.Sum(at, packet.IP4Len, 0)))
}

// icmpSound reports whether an ICMP message's checksum is right.
func icmpSound(f *port.Frame, it *item) bool {
	size := int(it.End - it.L4)
	var sum uint64
	if it.v6() {
		sum = packet.PseudoHeader(unsafe.Add(f.Data, addrsOff(true)), true, packet.ProtoICMP6, size)
	}
	return packet.Fold(packet.Sum(unsafe.Add(f.Data, uintptr(it.L4)), size, sum)) == 0xffff
}

// What ICMPv4's codes of "unreachable" are in ICMPv6, and the other way round; noCode: nothing.
const noCode = 255

var (
	unreachable4to6 = [16]uint8{0, 0, noCode, 4, noCode, 0, 0, 0, 0, 1, 1, 0, 0, 1, noCode, 1}
	unreachable6to4 = [5]uint8{1, 10, 1, 1, 3}
	// Of "parameter problem": which byte of one header is which of the other's (RFC 7915 figures 3 and 6).
	pointer4to6 = [20]uint8{0, 1, 4, 4, noCode, noCode, noCode, noCode, 7, 6, noCode, noCode, 8, 8, 8, 8, 24, 24, 24, 24}
	pointer6to4 = [8]uint8{0, 1, noCode, noCode, 2, 2, 9, 8}
)

// crossICMP is the type, code and the four bytes after the checksum, in host order, of the error that stands for one in the
// other version; false: there is none.
func crossICMP(f *port.Frame, it *item) (kind, code uint8, rest uint32, ok bool) {
	l4 := unsafe.Add(f.Data, uintptr(it.L4))
	kind, code, rest = packet.Load8(l4, packet.ICMPType), packet.Load8(l4, packet.ICMPCode), packet.Swap32(packet.Load32(l4, packet.ICMPRest))
	if it.v6() {
		return cross6to4(kind, code, rest)
	}
	return cross4to6(kind, code, rest)
}

func cross4to6(kind, code uint8, rest uint32) (uint8, uint8, uint32, bool) {
	switch kind {
	case packet.ICMP4Unreachable:
		switch {
		case code == 2: // protocol: the next header field
			return packet.ICMP6ParamProblem, 1, packet.IP6Next, true
		case code == packet.ICMP4FragNeeded:
			return packet.ICMP6TooBig, 0, max(rest&0xffff+crossGrowth, minMTU6), true
		case int(code) < len(unreachable4to6) && unreachable4to6[code] != noCode:
			return packet.ICMP6Unreachable, unreachable4to6[code], 0, true
		}
	case packet.ICMP4TimeExceeded:
		return packet.ICMP6TimeExceeded, code, 0, true
	case packet.ICMP4ParamProblem:
		if p := rest >> 24; (code == 0 || code == 2) && p < uint32(len(pointer4to6)) && pointer4to6[p] != noCode {
			return packet.ICMP6ParamProblem, 0, uint32(pointer4to6[p]), true
		}
	}
	return 0, 0, 0, false
}

func cross6to4(kind, code uint8, rest uint32) (uint8, uint8, uint32, bool) {
	switch kind {
	case packet.ICMP6Unreachable:
		if int(code) < len(unreachable6to4) {
			return packet.ICMP4Unreachable, unreachable6to4[code], 0, true
		}
	case packet.ICMP6TooBig:
		return packet.ICMP4Unreachable, packet.ICMP4FragNeeded, min(max(rest, minMTU6)-crossGrowth, 1<<16-1), true
	case packet.ICMP6TimeExceeded:
		return packet.ICMP4TimeExceeded, code, 0, true
	case packet.ICMP6ParamProblem:
		if code == 1 {
			return packet.ICMP4Unreachable, 2, 0, true
		}
		p := uint8(noCode)
		switch {
		case code != 0:
		case rest < uint32(len(pointer6to4)):
			p = pointer6to4[rest]
		case rest < packet.IP6Dst:
			p = packet.IP4Src
		case rest < packet.IP6Len:
			p = packet.IP4Dst
		}
		if p != noCode {
			return packet.ICMP4ParamProblem, 0, uint32(p) << 24, true
		}
	}
	return 0, 0, 0, false
}
