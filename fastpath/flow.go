package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
)

// key is a flow's tuple.
func (it *item) key(f *port.Frame) conn.Key {
	return conn.Key{
		Addrs: unsafe.Add(f.Data, addrsOff(it.v6())),
		Ports: packet.Load32(f.Data, uintptr(it.L4)),
		Proto: it.Proto,
		V6:    it.v6(),
	}
}

// begins reports whether a packet may begin a connection: a SYN, a packet with an INIT chunk, any of UDP.
func (it *item) begins() bool {
	switch it.Proto {
	case packet.ProtoTCP:
		return it.TCPFlags&(packet.SYN|packet.ACK) == packet.SYN
	case packet.ProtoSCTP:
		return it.Chunk == packet.ChunkInit
	}
	return true
}

// continues reports whether a packet may be of a connection whose beginning was not seen: any that does not end one.
func (it *item) continues() bool {
	switch it.Proto {
	case packet.ProtoTCP:
		return it.TCPFlags&packet.RST == 0
	case packet.ProtoSCTP:
		return it.Chunk != packet.ChunkAbort
	}
	return true
}

// flow handles a TCP, UDP or SCTP packet whose guess may be its connection; if it is not, the packet is a newcomer for now.
func (w *Worker) flow(f *port.Frame, it *item) verdict {
	k := it.key(f)
	r := w.table.Ref(it.Guess)
	if !w.table.Check(r, &k) {
		return newcomer
	}
	return w.known(f, it, r)
}

// known handles a TCP, UDP or SCTP packet of a connection. It is a newcomer if the connection has ended.
func (w *Worker) known(f *port.Frame, it *item, r conn.Ref) verdict {
	e := r.Entry
	b := w.backendOf(e)
	switch {
	case b == nil && w.snap.departure(e) != nil:
		return w.depart(f, it, r, w.snap.departure(e))
	case b == nil || !w.hasLocal(e):
		w.forget(e)
		if r.Reply || !it.begins() {
			return drop(reason.BackendGone)
		}
		return newcomer
	case !w.now.Before(e.Expires):
		w.expire(e)
		return newcomer
	case !r.Reply && w.startsAnew(it, e, b):
		w.forget(e)
		return newcomer
	case r.Reply:
		return w.reply(f, it, e, b)
	}
	return w.forward(f, it, e, b)
}

// backendOf is the backend a connection leads to, nil if it is no longer configured.
func (w *Worker) backendOf(e *conn.Entry) *Backend {
	if b := w.real(e.Backend); b.Gen == e.Gen {
		return b
	}
	return w.lateBackendOf(e)
}

// startsAnew reports whether a client's packet is a SYN or INIT that should not follow its connection: one that
// has ended, whose ports the client uses again, or one whose backend takes no new connections. LVS calls
// this conn_reuse_mode; it is rescheduled at once here, without the second that LVS may lose.
func (w *Worker) startsAnew(it *item, e *conn.Entry, b *Backend) bool {
	if it.Proto == packet.ProtoUDP || !it.begins() {
		return false
	}
	switch e.State {
	case conn.TimeWait, conn.Closed, conn.SCTPClosed:
		return true
	case conn.Established, conn.SCTPEstablished: // an INIT restarts an association where it is (RFC 9260 section 5.2.2)
		return false
	}
	return !b.Accepts
}

// forget removes a connection from the table and from its backend's load.
func (w *Worker) forget(e *conn.Entry) {
	if b := w.real(e.Backend); b.Gen == e.Gen {
		b.Load.Remove(e.Flags&conn.Active != 0)
	} else if b = w.lateBackendOf(e); b != nil {
		b.Load.Remove(e.Flags&conn.Active != 0)
	} else if d := w.snap.departure(e); d != nil {
		w.real(d.index).Load.Remove(e.Flags&conn.Active != 0)
	}
	if e.Flags&conn.Full != 0 {
		w.locals[e.LocalIndex()]--
	}
	if w.holding > 0 {
		w.letGo(e)
	}
	w.table.Delete(e)
}

// advance records a packet in its connection: state, end, and the backend's load if it changed.
func (w *Worker) advance(it *item, e *conn.Entry, b *Backend, reply bool) {
	switch it.Proto {
	case packet.ProtoTCP:
		e.AdvanceTCP(it.TCPFlags, reply)
		w.recount(e, b)
	case packet.ProtoSCTP:
		e.AdvanceSCTP(it.Chunk, reply)
		w.recount(e, b)
	default:
		if reply {
			e.Flags |= conn.Replied
		} else if e.Expires != 0 {
			e.Flags |= conn.Several
		}
	}
	e.Touch(w.now, w.idle(b))
}

// recount counts a connection as active or inactive by its state.
func (w *Worker) recount(e *conn.Entry, b *Backend) {
	if active := e.State.Active(); active != (e.Flags&conn.Active != 0) {
		w.setActive(e, b, active)
	}
}

func (w *Worker) setActive(e *conn.Entry, b *Backend, active bool) {
	e.Flags ^= conn.Active
	b.Load.Move(active)
}

// forward sends a client's packet on to the connection's backend.
func (w *Worker) forward(f *port.Frame, it *item, e *conn.Entry, b *Backend) verdict {
	if b.Mode != DR && ttlOut(f, it.v6()) {
		return w.timeExceeded(f, it)
	}
	if !fits(f, it, b) {
		return w.tooBig(f, it, roomFor(f, it, b.side6(it), int(b.MTU)))
	}
	if e.State == conn.SynRecv && it.TCPFlags&packet.SYN != 0 {
		w.unanswered(e)
	}
	return w.carry(f, it, e, b)
}

// carry counts a client's packet, which may go on, and sends it to the backend.
func (w *Worker) carry(f *port.Frame, it *item, e *conn.Entry, b *Backend) verdict {
	w.advance(it, e, b, false)
	if it.TCPFlags&packet.SYN != 0 && b.clampsBoth(it) {
		w.clampBetween(f, it, b.V6, int(b.MTU))
	}
	c := &w.backends[e.Backend]
	c.PacketsIn++
	c.BytesIn += uint64(it.End - packet.EthLen)
	return w.convey(f, it, e, b)
}

// convey rewrites a packet in the backend's mode and sends it there.
func (w *Worker) convey(f *port.Frame, it *item, e *conn.Entry, b *Backend) verdict {
	if b.Mode == FullNAT {
		return w.fullTo(f, it, e, b)
	}
	if int(it.End)-packet.EthLen > int(b.MTU) {
		return w.conveyPieces(f, it, e, b)
	}
	switch b.Mode {
	case NAT:
		w.natTo(f, it, e, b)
	case TUN:
		if !w.encapsulate(f, it, b) {
			return drop(reason.NoBuffer)
		}
	case DR: // nothing but the MACs
	default:
		return verdict{}
	}
	return w.sendTo(f, b.Hop)
}

// conveyPieces does the same with a packet that must be fragmented on the way. In a tunnel it is the inner packet
// that is, so that any kind of outer header does (RFC 2003 section 5).
func (w *Worker) conveyPieces(f *port.Frame, it *item, e *conn.Entry, b *Backend) verdict {
	if b.Mode == NAT {
		w.natTo(f, it, e, b)
	}
	return w.sendPieces(f, it, int(b.MTU), func(w *Worker, p *piece) verdict {
		if b.Mode == TUN && !w.encapsulate(&p.frame, &p.item, b) {
			return drop(reason.NoBuffer)
		}
		return w.sendTo(&p.frame, b.Hop)
	})
}

// reply sends a backend's packet on to the client, as if from the VIP.
func (w *Worker) reply(f *port.Frame, it *item, e *conn.Entry, b *Backend) verdict {
	if ttlOut(f, it.v6()) {
		return w.timeExceeded(f, it)
	}
	out, ok := w.wayTo(unsafe.Pointer(&e.Addrs), e.Flags&conn.V6 != 0, it.hash)
	if !ok {
		return drop(reason.NoRoute)
	}
	mtu := w.ports[out.port].mtu
	most := roomFor(f, it, e.Flags&conn.V6 != 0, mtu)
	large := int(it.End)-packet.EthLen > most
	if large && !mayFragment(f, it) {
		return w.tooBig(f, it, most)
	}
	if e.State == conn.SynRecv || it.TCPFlags&packet.RST != 0 {
		w.answered(it, e, b)
	}
	w.advance(it, e, b, true)
	if it.TCPFlags&packet.SYN != 0 && b.clampsBoth(it) {
		w.clampBetween(f, it, e.Flags&conn.V6 != 0, mtu)
	}
	return w.carryBack(f, it, e, b, out, large)
}

// carryBack counts a backend's packet, which may go on, and sends it to the client: in pieces if it is large.
func (w *Worker) carryBack(f *port.Frame, it *item, e *conn.Entry, b *Backend, out way, large bool) verdict {
	mtu := w.ports[out.port].mtu
	c := &w.backends[e.Backend]
	c.PacketsOut++
	c.BytesOut += uint64(it.End - packet.EthLen)
	if b.Mode == FullNAT {
		return w.fullBack(f, it, e, b, out, mtu)
	}
	w.natFrom(f, it, e, b)
	if large {
		return w.sendPieces(f, it, mtu, func(w *Worker, p *piece) verdict {
			return w.sendWay(&p.frame, false, out)
		})
	}
	return w.sendWay(f, it.v6(), out)
}

// fits reports whether a packet may take the way to a backend: in one piece, or cut up.
func fits(f *port.Frame, it *item, b *Backend) bool {
	return int(it.End)-packet.EthLen <= roomFor(f, it, b.side6(it), int(b.MTU)) || mayFragment(f, it)
}

// side6 reports whether a packet is one of IPv6 when it leaves for a backend, without an outer header.
func (b *Backend) side6(it *item) bool {
	if b.Mode == FullNAT {
		return b.V6
	}
	return it.v6()
}

// wayTo finds the way to the address at p and the port it leads out of; hash is the flow's.
func (w *Worker) wayTo(p unsafe.Pointer, v6 bool, hash uint32) (out way, ok bool) {
	out = w.snap.Routes.lookup(p, v6, hash)
	if out.ok && !out.onLink {
		out.port = w.hops.Load(out.hop).Port()
	}
	return out, out.ok
}

// sendWay sends a packet along a way: to the gateway, or to the packet's destination itself.
func (w *Worker) sendWay(f *port.Frame, v6 bool, out way) verdict {
	if !out.onLink {
		return w.sendTo(f, out.hop)
	}
	k := nexthop.Key{Port: out.port, V6: v6}
	dst := destination(unsafe.Add(f.Data, addrsOff(v6)), v6)
	if v6 {
		k.Addr = *(*nexthop.Addr)(dst)
	} else {
		packet.Store32(unsafe.Pointer(&k.Addr), 0, packet.Load32(dst, 0))
	}
	id := w.hops.Lookup(&k)
	if id == 0 {
		w.setSource(f, out.port)
		w.puntNeighbor(f, &k)
		return sent
	}
	return w.sendTo(f, id)
}

// sendTo writes the MACs of a next hop and queues the frame on its port.
func (w *Worker) sendTo(f *port.Frame, id nexthop.ID) verdict {
	h := w.hops.Load(id)
	if x := &w.exits[h.Port()]; h.Usable() && x.room() {
		w.hops.Touch(id)
		x.put(f, h)
		w.counters.Out++
		return sent
	}
	return w.sendOtherwise(f, id, h)
}

// sendOtherwise is sendTo where the MAC is not known or the frame cannot be queued at once.
func (w *Worker) sendOtherwise(f *port.Frame, id nexthop.ID, h nexthop.Hop) verdict {
	out := h.Port()
	if int(out) >= len(w.ports) {
		return drop(reason.NoRoute)
	}
	if !h.Usable() {
		if h.Failed() {
			return drop(reason.NeighborUnresolved)
		}
		k := w.hops.Key(id)
		w.setSource(f, out)
		w.puntNeighbor(f, &k)
		return sent
	}
	w.hops.Touch(id)
	mac := w.ports[out].mac
	packet.Store64(f.Data, 0, uint64(h)&(1<<48-1)|mac<<48)
	packet.Store32(f.Data, 8, uint32(mac>>16))
	w.transmit(f, out)
	return sent
}

func (w *Worker) setSource(f *port.Frame, out uint8) {
	mac := w.ports[out].mac
	packet.Store32(f.Data, packet.EthSrc, uint32(mac))
	packet.Store16(f.Data, packet.EthSrc+4, uint16(mac>>32))
}
