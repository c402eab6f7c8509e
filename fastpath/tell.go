package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
)

// In FullNAT a backend does not see the client's address. It can be told, in TCP, in two ways:
//
//   - TOA: the client's packets bear it in a TCP option, from the SYN until the backend has sent its first packet after the
//     handshake. The backend's kernel needs a module for it, its programs nothing.
//   - The PROXY protocol: the bytes that the client sends are preceded by a header, which Weir sends. So the backend counts
//     them Shift further than the client does, and Weir translates: sequence numbers on the way to the backend,
//     acknowledgments on the way back.
//
//	client                    Weir                      backend
//	  │ SYN isn                 │ SYN isn                  │
//	  │ ───────────────────────►│ ────────────────────────►│
//	  │          SYN, ACK isn+1 │           SYN, ACK isn+1 │
//	  │◄─────────────────────── │◄──────────────────────── │
//	  │ ACK, seq isn+1          │ ACK, seq isn+1, header   │  the handshake's ACK becomes the header's segment
//	  │ ───────────────────────►│ ────────────────────────►│
//	  │ data, seq isn+1         │ data, seq isn+1+Shift    │
//	  │ ───────────────────────►│ ────────────────────────►│
//	  │     ACK isn+1+n, banner │ ACK isn+1+Shift+n        │  whoever speaks first
//	  │◄─────────────────────── │◄──────────────────────── │
//
// Weir has no timer for the header: it rides on what the ends repeat. If the header's segment is lost, the backend still
// waits for its handshake's ACK and repeats its SYN, ACK; the client answers that with the ACK that becomes the header again. If the
// client's data overtakes the lost header, the backend acknowledges isn+1, which also the client hears until the header has
// arrived: the client repeats its data, and Weir sends the header before it. Until the header is acknowledged the connection is
// conn.Pending, which keeps it off the steady way.

// ClientAddress is how a backend is told the client's address.
type ClientAddress uint8

// The ways.
const (
	TellNone ClientAddress = iota
	TellTOA
	TellProxyV1
	TellProxyV2
)

// tell is how a FullNAT backend of a TCP service is told.
func (w *Worker) tell(b *Backend) ClientAddress { return w.snap.Services[b.Service].full.tell }

// beginTelling prepares a new connection whose backend is to be told.
func (w *Worker) beginTelling(e *conn.Entry, b *Backend) {
	how := w.tell(b)
	if e.Proto != packet.ProtoTCP || how == TellNone {
		return
	}
	e.Flags |= conn.Pending
	if how != TellTOA {
		var buf [maxProxyHeader]byte
		e.Shift = uint8(len(proxyHeader(e, how, &buf)))
		*w.start(e) = start{}
	}
}

// start is what is known of the beginning of a connection with a PROXY header.
type start struct {
	isn  uint32    // the client's initial sequence number
	sent conn.Tick // when the header was last sent; 0: it is due
}

// resendAfter is after how many milliseconds the header is sent again although nothing has told that it was lost: no TCP
// repeats anything sooner (RFC 6298 section 2.4 would have a second; Linux takes 200 ms).
const resendAfter = 200

func (w *Worker) start(e *conn.Entry) *start {
	return &w.starts[(uintptr(unsafe.Pointer(e))-uintptr(w.hot.entries))/conn.EntrySize]
}

// tellTo changes a client's TCP packet by what the backend is told, before its ends are rewritten. It is sent that
// the packet may go on, which it does as the caller's.
func (w *Worker) tellTo(f *port.Frame, it *item, e *conn.Entry, b *Backend) verdict {
	if e.Shift != 0 {
		return w.proxyTo(f, it, e, b)
	}
	if it.TCPFlags&packet.RST == 0 && w.tell(b) == TellTOA {
		addTOA(f, it, e, roomFor(f, it, b.V6, int(b.MTU)))
	}
	return sent
}

// proxyTo moves a client's packet behind the header, and sends the header before it or instead of it if it is due.
func (w *Worker) proxyTo(f *port.Frame, it *item, e *conn.Entry, b *Backend) verdict {
	l4 := unsafe.Add(f.Data, uintptr(it.L4))
	seq := packet.Swap32(packet.Load32(l4, packet.TCPSeq))
	flags := it.TCPFlags
	if flags&packet.SYN != 0 {
		if e.Flags&conn.Pending != 0 {
			*w.start(e) = start{isn: seq}
		}
		trimTCP(f, it) // data in a SYN would come before the header; the client sends it again (RFC 7413 section 4.2)
		return sent
	}
	if e.Flags&conn.Pending != 0 {
		s := w.start(e)
		due := s.sent == 0
		switch {
		case flags&packet.RST != 0 && due:
			return sent // for the backend, the client's bytes begin where they do for the client
		case seq != s.isn+1 || flags&packet.RST != 0:
		case due || uint32(w.now-s.sent) >= resendAfter:
			if payloadOf(f, it) == 0 && flags&packet.FIN == 0 && !it.firstOfSeveral(f) {
				if !w.becomeHeader(f, it, e, b) {
					return drop(reason.NoBuffer)
				}
				s.sent = max(w.now, 1)
				return sent
			}
			if !w.sendHeader(f, it, e, b) {
				return drop(reason.NoBuffer)
			}
			s.sent = max(w.now, 1)
			l4 = unsafe.Add(f.Data, uintptr(it.L4))
		}
	}
	setWord(l4, packet.TCPSeq, seq+uint32(e.Shift))
	return sent
}

// tellFrom changes a backend's TCP packet back, before its ends are rewritten.
func (w *Worker) tellFrom(f *port.Frame, it *item, e *conn.Entry, b *Backend) {
	l4 := unsafe.Add(f.Data, uintptr(it.L4))
	if e.Shift == 0 {
		switch {
		case it.TCPFlags&packet.SYN != 0:
			lowerMSS(f, it, toaSize(e.Flags&conn.V6 != 0))
		default:
			e.Flags &^= conn.Pending // it has left the handshake: its ACK has come
		}
		return
	}
	if it.TCPFlags&packet.ACK == 0 {
		return
	}
	ack := packet.Swap32(packet.Load32(l4, packet.TCPAck))
	if e.Flags&conn.Pending != 0 {
		s := w.start(e)
		first := s.isn + 1
		switch acked := int32(ack - first); {
		case it.TCPFlags&packet.SYN != 0:
			s.sent = 0 // what has been sent has not arrived
			return
		case acked >= int32(e.Shift):
			e.Flags &^= conn.Pending
		default:
			if acked == 0 {
				s.sent = 0
			} else if acked > 0 {
				setWord(l4, packet.TCPAck, first) // a part of the header: nothing of the client's
			}
			shiftSACK(l4, e.Shift)
			return
		}
	}
	if it.TCPFlags&packet.SYN == 0 {
		setWord(l4, packet.TCPAck, ack-uint32(e.Shift))
		shiftSACK(l4, e.Shift)
	}
}

// becomeHeader makes a client's ACK without data the segment that has the header.
func (w *Worker) becomeHeader(f *port.Frame, it *item, e *conn.Entry, b *Backend) bool {
	var buf [maxProxyHeader]byte
	h := proxyHeader(e, w.versionOf(e, b), &buf)
	f.Tail += uint16(f.Len - uint32(it.End)) // padding
	f.Len = uint32(it.End)
	if int(f.Tail) < len(h) {
		return false
	}
	copy(packet.Bytes(unsafe.Add(f.Data, uintptr(it.End)), uint32(len(h))), h)
	f.Len += uint32(len(h))
	f.Tail -= uint16(len(h))
	l4 := unsafe.Add(f.Data, uintptr(it.L4))
	// The payload begins at a multiple of 4 bytes, and so its words are the checksum's.
	d := packet.Delta(packet.Fold(packet.Sum(unsafe.Add(f.Data, uintptr(it.End)), len(h), 0)))
	d = d.Plus(resize(f, it, len(h))).Plus(setFlags(l4, it.TCPFlags|packet.PSH))
	updateTCP(l4, 0, d)
	return true
}

// sendHeader sends the header in a segment of Weir's own, made after the client's packet that follows it.
func (w *Worker) sendHeader(f *port.Frame, it *item, e *conn.Entry, b *Backend) bool {
	g, ok := w.spare(f.Port)
	if !ok {
		return false
	}
	own := *it
	if it.v6() {
		own.L4, own.Frag = plain6L4, 0 // without the packet's extension headers: it may be the first of several fragments
	}
	size := headerLen(f, it)
	head := uint32(own.L4) + size
	if head+maxProxyHeader > uint32(g.Tail) {
		w.free(&g)
		return false
	}
	copy(packet.Bytes(g.Data, uint32(own.L4)), packet.Bytes(f.Data, uint32(own.L4)))
	copy(packet.Bytes(unsafe.Add(g.Data, uintptr(own.L4)), size), packet.Bytes(unsafe.Add(f.Data, uintptr(it.L4)), size))
	if it.v6() {
		packet.Store8(g.Data, packet.EthLen+packet.IP6Next, packet.ProtoTCP)
	}
	g.Len, g.Tail = head, g.Tail-uint16(head)
	own.End = uint16(head)
	own.TCPFlags = it.TCPFlags &^ packet.FIN
	// As if the client had sent no data: the checksums are those of this packet, whatever the client's were.
	setFlags(unsafe.Add(g.Data, uintptr(own.L4)), own.TCPFlags)
	resize(&g, &own, 0)
	sealTCP(&g, &own)
	if !w.becomeHeader(&g, &own, e, b) {
		w.free(&g)
		return false
	}
	w.counters.Own++
	w.settle(&g, w.fullSend(&g, &own, e, b))
	return true
}

// versionOf is the version of a connection's header. The service may have been given another since it began.
func (w *Worker) versionOf(e *conn.Entry, b *Backend) ClientAddress {
	how := w.tell(b)
	var buf [maxProxyHeader]byte
	if how != TellProxyV1 && how != TellProxyV2 || len(proxyHeader(e, how, &buf)) != int(e.Shift) {
		if how = TellProxyV2; proxyV2Size(e.Flags&conn.V6 != 0) != int(e.Shift) {
			how = TellProxyV1
		}
	}
	return how
}
