package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
)

// Answer is what a client is told whose connection no backend takes.
type Answer uint8

// The answers.
const (
	AnswerICMP  Answer = iota // port unreachable, as LVS
	AnswerReset               // TCP: a RST; others: as AnswerICMP
	AnswerDrop                // nothing
)

// turnAway drops the first packet of a connection that no backend takes, and tells the client as its service does.
func (w *Worker) turnAway(f *port.Frame, it *item, svc *Service, v verdict) verdict {
	if v.fate != dropped || v.reason != reason.NoBackend && v.reason != reason.BackendsFull && v.reason != reason.NoLocalPort {
		return v
	}
	switch {
	case svc.OnEmpty == AnswerDrop:
		return v
	case svc.OnEmpty == AnswerReset && it.Proto == packet.ProtoTCP:
		return w.answerReset(f, it, v.reason)
	}
	return w.unreachable(f, it, v.reason)
}

// unreachable answers with ICMP port unreachable. It comes from the VIP, as from the host whose port it is (RFC 792, RFC
// 4443 section 3.1).
func (w *Worker) unreachable(f *port.Frame, it *item, r reason.Reason) verdict {
	v6 := it.v6()
	vip := addrAt(destination(unsafe.Add(f.Data, addrsOff(v6)), v6), v6)
	if v6 {
		return w.answerFrom(f, it, &vip, packet.ICMP6Unreachable, packet.ICMP6PortUnreachable, 0, r)
	}
	return w.answerFrom(f, it, &vip, packet.ICMP4Unreachable, packet.ICMP4PortUnreachable, 0, r)
}

// segment is what of a TCP packet the answer to it depends on.
type segment struct {
	flags    uint8
	seq, ack uint32
	length   uint32 // in sequence numbers
}

// segmentOf reads a frame's TCP header. A first fragment's length is that of the datagram, if it is known.
func segmentOf(f *port.Frame, it *item) segment {
	tcp := unsafe.Add(f.Data, uintptr(it.L4))
	s := segment{
		flags: packet.Load8(tcp, packet.TCPFlags), seq: packet.Swap32(packet.Load32(tcp, packet.TCPSeq)),
		ack: packet.Swap32(packet.Load32(tcp, packet.TCPAck)),
	}
	header := uint32(packet.Load8(tcp, packet.TCPDataOffset)>>4) * 4
	s.length = uint32(it.End) - uint32(it.L4) - header
	if it.firstOfSeveral(f) && it.datagram != 0 {
		s.length = it.datagram - header
	}
	for _, flag := range []uint8{packet.SYN, packet.FIN} {
		if s.flags&flag != 0 {
			s.length++
		}
	}
	return s
}

// reset is the sequence number, acknowledgement and flags of the RST that answers a segment: RFC 9293 section 3.10.7.1.
func (s *segment) reset() (seq, ack uint32, flags uint8) {
	if s.flags&packet.ACK != 0 {
		return s.ack, 0, packet.RST
	}
	return 0, s.seq + s.length, packet.RST | packet.ACK
}

// answerReset drops a TCP packet for a reason and sends a RST to where it came from, made in the packet's own buffer. A
// RST is not answered.
func (w *Worker) answerReset(f *port.Frame, it *item, r reason.Reason) verdict {
	s := segmentOf(f, it)
	v6 := it.v6()
	size := uint32(packet.EthLen + resetLen(v6))
	if s.flags&packet.RST != 0 || f.Len < size {
		return drop(r)
	}
	w.count(f, r, f.Port)
	var t answerEnds
	t.read(f, it)
	seq, ack, flags := s.reset()
	w.writeReset(unsafe.Add(f.Data, packet.EthLen), &t, seq, ack, flags)
	f.Tail += uint16(f.Len - size)
	f.Len = size
	w.counters.Own++
	w.sendBack(f)
	return sent
}

// answerEnds are the ends of a packet's answer.
type answerEnds struct {
	v6       bool
	src, dst nexthop.Addr
	ports    uint32 // as loaded
}

// read takes a packet's ends, the other way round.
func (t *answerEnds) read(f *port.Frame, it *item) {
	t.v6 = it.v6()
	addrs := unsafe.Add(f.Data, addrsOff(t.v6))
	t.src, t.dst = addrAt(destination(addrs, t.v6), t.v6), addrAt(addrs, t.v6)
	ports := packet.Load32(f.Data, uintptr(it.L4))
	t.ports = ports<<16 | ports>>16
}

// resetLen is the length of the IP packet that a RST is.
func resetLen(v6 bool) int {
	if v6 {
		return packet.IP6Len + packet.TCPLen
	}
	return packet.IP4Len + packet.TCPLen
}

// writeReset writes a RST, from the IP header on, with its checksums.
func (w *Worker) writeReset(ip unsafe.Pointer, t *answerEnds, seq, ack uint32, flags uint8) {
	w.ids++
	hl := packet.IP4Len
	if t.v6 {
		hl = packet.IP6Len
		packet.Store32(ip, 0, packet.Swap32(6<<28))
		packet.Store16(ip, packet.IP6Payload, packet.Swap16(packet.TCPLen))
		packet.Store8(ip, packet.IP6Next, packet.ProtoTCP)
		packet.Store8(ip, packet.IP6HopLimit, outerTTL)
		*(*nexthop.Addr)(unsafe.Add(ip, packet.IP6Src)) = t.src
		*(*nexthop.Addr)(unsafe.Add(ip, packet.IP6Dst)) = t.dst
	} else {
		packet.Store32(ip, 0, 0)
		packet.Store8(ip, packet.IP4VerIHL, 4<<4|packet.IP4Len/4)
		packet.Store16(ip, packet.IP4Total, packet.Swap16(packet.IP4Len+packet.TCPLen))
		packet.Store16(ip, packet.IP4ID, packet.Swap16(w.ids))
		packet.Store16(ip, packet.IP4Frag, packet.IP4DontFragment)
		packet.Store8(ip, packet.IP4TTL, outerTTL)
		packet.Store8(ip, packet.IP4Proto, packet.ProtoTCP)
		packet.Store16(ip, packet.IP4Checksum, 0)
		packet.Store32(ip, packet.IP4Src, packet.Load32(unsafe.Pointer(&t.src), 0))
		packet.Store32(ip, packet.IP4Dst, packet.Load32(unsafe.Pointer(&t.dst), 0))
		packet.Store16(ip, packet.IP4Checksum, ^packet.Fold(packet.Sum(ip, packet.IP4Len, 0)))
	}
	tcp := unsafe.Add(ip, hl)
	packet.Store32(tcp, 0, t.ports)
	packet.Store32(tcp, packet.TCPSeq, packet.Swap32(seq))
	packet.Store32(tcp, packet.TCPAck, packet.Swap32(ack))
	packet.Store32(tcp, packet.TCPDataOffset, packet.TCPLen/4<<4) // no options, flags and window 0
	packet.Store8(tcp, packet.TCPFlags, flags)
	packet.Store32(tcp, packet.TCPChecksum, 0)
	sum := packet.PseudoHeader(unsafe.Add(ip, addrsOff(t.v6)-packet.EthLen), t.v6, packet.ProtoTCP, packet.TCPLen)
	packet.Store16(tcp, packet.TCPChecksum, ^packet.Fold(packet.Sum(tcp, packet.TCPLen, sum)))
}

// nobody is the reason why no backend of a service takes a connection.
func (w *Worker) nobody(svc *Service) reason.Reason {
	for _, i := range svc.Backends { // one that is not made yet has no thresholds
		if b := w.real(i); b.Accepts && b.Load.Full() {
			return reason.BackendsFull
		}
	}
	return reason.NoBackend
}
