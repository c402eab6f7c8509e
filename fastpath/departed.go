package fastpath

import (
	"sort"
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
)

// Departure is what becomes of a backend's connections when it is there no more.
type Departure uint8

// The departures. In each, a packet that begins a connection goes to another backend at once.
const (
	Stays       Departure = iota // it is there, or may keep its connections until they end
	Resets                       // TCP is reset on both sides
	Reschedules                  // as Resets; of a sloppy service, any packet may go to another backend
)

// departed is a backend whose connections are to end. In the snapshot's backends it has generation 0, so that their
// packets leave the steady way as if it were gone, at no cost to others; everything else stands there.
type departed struct {
	index, gen uint32
	how        Departure
}

// departure finds how a connection's backend, which is not there, has gone; nil: without a trace.
func (snap *Snapshot) departure(e *conn.Entry) *departed {
	d := snap.departed
	i := sort.Search(len(d), func(i int) bool { return d[i].index >= e.Backend })
	if i < len(d) && d[i].index == e.Backend && d[i].gen == e.Gen {
		return &d[i]
	}
	return nil
}

// depart handles a packet that meets a connection of a departed backend.
func (w *Worker) depart(f *port.Frame, it *item, r conn.Ref, d *departed) verdict {
	e, b := r.Entry, w.real(d.index)
	svc := &w.snap.Services[b.Service]
	switch {
	case !w.now.Before(e.Expires):
		w.expire(e)
		return newcomer
	case !r.Reply && (it.begins() || d.how == Reschedules && svc.sloppy && it.continues()):
		w.forget(e)
		return newcomer
	case it.Proto == packet.ProtoUDP: // the answer to a request from before
		return w.reply(f, it, e, b)
	case it.Proto != packet.ProtoTCP:
		w.forget(e)
		return drop(reason.BackendGone)
	}
	if b.Mode == NAT || b.Mode == FullNAT && w.hasLocal(e) {
		w.resetOther(f, it, e, b, r.Reply)
	}
	v := w.answerReset(f, it, reason.BackendGone)
	w.forget(e)
	return v
}

// resetOther sends a RST to the end that a connection's packet was for, with the packet's own sequence number and
// acknowledgement, which are the next that the end expects (RFC 9293 section 3.10.7.4, RFC 5961 section 3.2).
func (w *Worker) resetOther(f *port.Frame, it *item, e *conn.Entry, b *Backend, reply bool) {
	s := segmentOf(f, it)
	t := answerEnds{v6: it.v6()}
	addrs := unsafe.Pointer(&e.Addrs)
	client, vip := addrAt(addrs, t.v6), addrAt(destination(addrs, t.v6), t.v6)
	switch {
	case b.Mode == FullNAT:
		n := toClient(e)
		if reply {
			s.ack -= uint32(e.Shift)
		} else {
			n = w.toBackend(e, b)
			s.seq += uint32(e.Shift)
		}
		at := unsafe.Pointer(&n.addrs)
		t.v6, t.src, t.dst, t.ports = n.v6, addrAt(at, n.v6), addrAt(destination(at, n.v6), n.v6), n.ports
	case reply:
		t.src, t.dst, t.ports = vip, client, e.Ports<<16|e.Ports>>16
	default:
		k := e.Key()
		var to [32]byte
		rk := b.replyKey(&k, &to) // from the backend to the client
		t.src, t.dst, t.ports = client, addrAt(rk.Addrs, t.v6), rk.Ports<<16|rk.Ports>>16
	}
	g, ok := w.spare(f.Port)
	if !ok || int(g.Tail) < packet.EthLen+resetLen(t.v6) {
		if ok {
			w.free(&g)
		}
		return
	}
	g.Len = uint32(packet.EthLen + resetLen(t.v6))
	g.Tail -= uint16(g.Len)
	ether := packet.EtherIPv4
	if t.v6 {
		ether = packet.EtherIPv6
	}
	packet.Store16(g.Data, packet.EthTypeOff, ether)
	w.writeReset(unsafe.Add(g.Data, packet.EthLen), &t, s.seq, s.ack, packet.RST|s.flags&packet.ACK)
	w.counters.Own++
	v := drop(reason.NoRoute)
	if !reply {
		v = w.sendTo(&g, b.Hop)
	} else if out, ok := w.wayTo(unsafe.Pointer(&t.dst), t.v6, it.hash); ok {
		v = w.sendWay(&g, t.v6, out)
	}
	if v != sent {
		w.settle(&g, v)
	}
}
