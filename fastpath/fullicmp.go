package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
)

// In FullNAT an ICMP error changes at both ends, as the packet does that it quotes. Its source, a router that neither
// side has anything to do with, becomes the address that the receiver knows: the local one for a backend, the VIP for a
// client.

// fullErrorToBackend sends a client-side error on.
func (w *Worker) fullErrorToBackend(f *port.Frame, it *item, q *quote, e *conn.Entry, b *Backend) verdict {
	if int(it.End)-packet.EthLen > int(b.MTU) {
		return drop(reason.TooBig)
	}
	n := w.toBackend(e, b)
	if n.v6 != it.v6() {
		if r := w.crossError(f, it, q, &n, nil); r != reason.Unset {
			return drop(r)
		}
		return w.sendTo(f, b.Hop)
	}
	q.translateEnds(f, it, &n, 0)
	return w.sendTo(f, b.Hop)
}

// fullErrorToClient sends a backend-side error on.
func (w *Worker) fullErrorToClient(f *port.Frame, it *item, q *quote, e *conn.Entry) verdict {
	n := toClient(e)
	out, ok := w.wayTo(unsafe.Pointer(&e.Addrs), n.v6, it.hash)
	if !ok {
		return drop(reason.NoRoute)
	}
	if int(it.End)-packet.EthLen > w.ports[out.port].mtu {
		return drop(reason.TooBig)
	}
	if n.v6 != it.v6() {
		if r := w.crossError(f, it, q, &n, e); r != reason.Unset {
			return drop(r)
		}
		return w.sendWay(f, n.v6, out)
	}
	q.translateEnds(f, it, &n, w.unshift(q, e))
	return w.sendWay(f, n.v6, out)
}

// unshift makes the sequence number of a quoted packet to the backend the client's again, and returns the change. That of
// the SYN and of the PROXY header itself, which have been acknowledged if it is not pending, is none of the client's.
func (w *Worker) unshift(q *quote, e *conn.Entry) packet.Delta {
	if e.Shift == 0 || q.later || q.proto != packet.ProtoTCP {
		return 0
	}
	old := packet.Load32(q.l4, packet.TCPSeq)
	seq := packet.Swap32(old)
	if e.Flags&conn.Pending != 0 && int32(seq-w.start(e).isn-1) < int32(e.Shift) {
		return 0
	}
	word := packet.Swap32(seq - uint32(e.Shift))
	packet.Store32(q.l4, packet.TCPSeq, word)
	return packet.Replace32(old, word)
}

// translateEnds gives an ICMP error these ends, and the packet that it quotes the same, turned round. As in translate,
// every checksum is updated; more is what else has changed in the quoted L4 header.
func (q *quote) translateEnds(f *port.Frame, it *item, n *ends, more packet.Delta) {
	inner := n.turned()
	dAddr := inner.writeAddrs(q.addrs)
	total, dCRC := dAddr.Plus(more), packet.Delta(0)
	if !q.later {
		dCRC = q.updateCRC(inner.ports)
		total = total.Plus(inner.writePorts(q.l4))
	}
	d := total
	if !n.v6 {
		old := packet.Load16(q.ip, packet.IP4Checksum)
		sum := dAddr.Update(old)
		packet.Store16(q.ip, packet.IP4Checksum, sum)
		total = total.Plus(packet.Replace16(old, sum))
	}
	total = total.Plus(q.updateL4(d)).Plus(dCRC)
	dOuter := n.writeAddrs(unsafe.Add(f.Data, addrsOff(n.v6)))
	lowerTTL(unsafe.Add(f.Data, packet.EthLen), n.v6, dOuter)
	if n.v6 {
		total = total.Plus(dOuter) // the pseudo-header (RFC 4443 section 2.3)
	}
	l4 := unsafe.Add(f.Data, uintptr(it.L4))
	packet.Store16(l4, packet.ICMPChecksum, total.Update(packet.Load16(l4, packet.ICMPChecksum)))
}
