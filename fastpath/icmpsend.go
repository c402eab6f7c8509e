package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
)

// icmpPerSecond bounds the ICMP errors a worker sends (RFC 1812 section 4.3.2.8); as many may come at once.
const icmpPerSecond = 1000

// limiter is a token bucket that is filled by the millisecond; full at the start.
type limiter struct {
	spent uint32 // of the bucket's icmpPerSecond tokens
	last  conn.Tick
}

func (l *limiter) allow(now conn.Tick) bool {
	if back := uint32(now - l.last); back >= l.spent {
		l.spent = 0
	} else {
		l.spent -= back
	}
	l.last = now
	if l.spent >= icmpPerSecond {
		return false
	}
	l.spent++
	return true
}

// What an ICMP error may quote: as much of the packet as keeps IPv4 within 576 bytes (RFC 1812 section
// 4.3.2.3) and IPv6 within its minimum MTU (RFC 4443 section 3.1).
const (
	quote4 = 576 - packet.IP4Len - packet.ICMPLen
	quote6 = minMTU6 - packet.IP6Len - packet.ICMPLen
)

// minMTU6 is the least MTU an IPv6 link can have (RFC 8200 section 5).
const minMTU6 = 1280

func (w *Worker) timeExceeded(f *port.Frame, it *item) verdict {
	if it.v6() {
		return w.answer(f, it, packet.ICMP6TimeExceeded, 0, 0, reason.TTLExceeded)
	}
	return w.answer(f, it, packet.ICMP4TimeExceeded, 0, 0, reason.TTLExceeded)
}

// tooBig answers a packet that is larger than mtu and must not be fragmented.
func (w *Worker) tooBig(f *port.Frame, it *item, mtu int) verdict {
	if it.v6() {
		return w.answer(f, it, packet.ICMP6TooBig, 0, uint32(max(mtu, minMTU6)), reason.TooBig)
	}
	return w.answer(f, it, packet.ICMP4Unreachable, packet.ICMP4FragNeeded, uint32(mtu), reason.TooBig)
}

// answer drops a packet for a reason and sends an ICMP error about it to where it came from, made in the
// packet's own buffer: the new headers go in front of what they quote.
func (w *Worker) answer(f *port.Frame, it *item, kind, code uint8, rest uint32, r reason.Reason) verdict {
	own := &w.ports[f.Port].own4
	if it.v6() {
		own = &w.ports[f.Port].own6
	}
	return w.answerFrom(f, it, own, kind, code, rest, r)
}

// answerFrom is answer with the error's source, the packet's destination if that is zero.
func (w *Worker) answerFrom(f *port.Frame, it *item, from *nexthop.Addr, kind, code uint8, rest uint32, r reason.Reason) verdict {
	v6 := it.v6()
	if w.badSource(f, unsafe.Add(f.Data, addrsOff(v6)), v6) != reason.Unset {
		return drop(r)
	}
	if !w.icmp.allow(w.now) {
		return drop(reason.ICMPRateLimited)
	}
	hl, most, own := uint32(packet.IP4Len), uint32(quote4), *from
	if v6 {
		hl, most = packet.IP6Len, quote6
	}
	grow := hl + packet.ICMPLen
	if uint32(f.Room) < grow {
		return drop(r)
	}
	w.count(f, r, f.Port)
	eth := *(*[packet.EthLen]byte)(f.Data)
	quoted := min(uint32(it.End)-packet.EthLen, most)
	old := unsafe.Add(f.Data, addrsOff(v6))
	if own == (nexthop.Addr{}) {
		own = addrAt(destination(old, v6), v6)
	}
	f.Data = unsafe.Add(f.Data, -int(grow))
	f.Room -= uint16(grow)
	f.Tail += uint16(f.Len - packet.EthLen - quoted)
	f.Len = packet.EthLen + grow + quoted
	*(*[packet.EthLen]byte)(f.Data) = eth
	ip := unsafe.Add(f.Data, packet.EthLen)
	if v6 {
		icmpHeader6(ip, old, &own, quoted)
	} else {
		w.icmpHeader4(ip, old, &own, quoted)
	}
	sealICMP(ip, hl, quoted, kind, code, rest, v6)
	w.counters.Own++
	w.sendBack(f)
	return sent
}

// icmpHeader4 writes the IPv4 header of an error to the source of the packet whose addresses are at old.
func (w *Worker) icmpHeader4(ip, old unsafe.Pointer, own *nexthop.Addr, quoted uint32) {
	w.ids++
	packet.Store32(ip, 0, 0)
	packet.Store8(ip, packet.IP4VerIHL, 4<<4|packet.IP4Len/4)
	packet.Store8(ip, packet.IP4TOS, 0xc0) // internetwork control (RFC 1812 section 4.3.2.5)
	packet.Store16(ip, packet.IP4Total, packet.Swap16(uint16(packet.IP4Len+packet.ICMPLen+quoted)))
	packet.Store16(ip, packet.IP4ID, packet.Swap16(w.ids))
	packet.Store16(ip, packet.IP4Frag, 0)
	packet.Store8(ip, packet.IP4TTL, outerTTL)
	packet.Store8(ip, packet.IP4Proto, packet.ProtoICMP)
	packet.Store16(ip, packet.IP4Checksum, 0)
	packet.Store32(ip, packet.IP4Src, packet.Load32(unsafe.Pointer(own), 0))
	packet.Store32(ip, packet.IP4Dst, packet.Load32(old, 0))
	packet.Store16(ip, packet.IP4Checksum, ^packet.Fold(packet.Sum(ip, packet.IP4Len, 0)))
}

func icmpHeader6(ip, old unsafe.Pointer, own *nexthop.Addr, quoted uint32) {
	packet.Store32(ip, 0, packet.Swap32(6<<28))
	packet.Store16(ip, packet.IP6Payload, packet.Swap16(uint16(packet.ICMPLen+quoted)))
	packet.Store8(ip, packet.IP6Next, packet.ProtoICMP6)
	packet.Store8(ip, packet.IP6HopLimit, outerTTL)
	*(*nexthop.Addr)(unsafe.Add(ip, packet.IP6Src)) = *own
	*(*[16]byte)(unsafe.Add(ip, packet.IP6Dst)) = *(*[16]byte)(old)
}

// sealICMP writes the ICMP header after the IP header and its checksum. rest is the header's last word: an
// MTU, which in IPv4 has only its lower half (RFC 1191 section 4).
func sealICMP(ip unsafe.Pointer, hl, quoted uint32, kind, code uint8, rest uint32, v6 bool) {
	icmp := unsafe.Add(ip, hl)
	packet.Store8(icmp, packet.ICMPType, kind)
	packet.Store8(icmp, packet.ICMPCode, code)
	packet.Store16(icmp, packet.ICMPChecksum, 0)
	packet.Store32(icmp, packet.ICMPRest, packet.Swap32(rest))
	size := int(packet.ICMPLen + quoted)
	var sum uint64
	if v6 {
		sum = packet.PseudoHeader(unsafe.Add(ip, packet.IP6Src), true, packet.ProtoICMP6, size)
	}
	packet.Store16(icmp, packet.ICMPChecksum, ^packet.Fold(packet.Sum(icmp, size, sum)))
}
