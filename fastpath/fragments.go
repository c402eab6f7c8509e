package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
)

// Fragments are not put together: each goes on by itself, as soon as it is known whose it is. Only the first of a
// datagram has the ports. All of a datagram come together at one worker, computed from addresses and identification,
// which knows the ports once the first has come, lets those wait that come before it, and hands every fragment to the
// worker that owns the connection. There the first goes the way of whole packets, and the others follow it. A first one
// that needs the datagram's length waits until the last has come: see unmeasured.go.

// joined marks, in Frame.Flags, a fragment whose datagram is known: Frame.Proto has the protocol, Frame.Hash, of the first,
// how long the datagram is from the L4 header on, 0 if that is not known, and of any other the ports.
const joined uint16 = 1 << 14

// isFragment reports whether the frame is a fragment that is not known as a flow's.
func (it *item) isFragment() bool { return it.Kind == packet.Fragment4 || it.Kind == packet.Fragment6 }

// fragmentsOf are those of a group's items that are fragments, a bit each.
func fragmentsOf(items []item) (some uint64) {
	for i := range items {
		if items[i].isFragment() {
			some |= 1 << i
		}
	}
	return some
}

// datagramsOwner is the worker that keeps the datagram of a fragment.
func (w *Worker) datagramsOwner(f *port.Frame, it *item) int {
	if it.Group {
		return w.id
	}
	p := it.Piece(f.Data)
	k := keyOfDatagram(f, it, &p)
	return int(k.hash(w.hasher) >> 32 * uint64(w.workers) >> 32)
}

// fragment handles a fragment: at the worker that keeps its datagram or, with known ports, at the connection's owner.
// There a first one becomes a newcomer, any other a follower.
func (w *Worker) fragment(f *port.Frame, it *item) verdict {
	v6 := it.v6()
	local := w.local(f, destination(unsafe.Add(f.Data, addrsOff(v6)), v6), v6)
	if local&(localOwn|localVIP) == localOwn {
		return w.other(f, it, reason.Unset) // the kernel puts them together
	}
	p := it.Piece(f.Data)
	if f.Flags&joined != 0 {
		return w.arrived(f, it, p.From == 0)
	}
	k := keyOfDatagram(f, it, &p)
	d := w.datagram(&k)
	if d.fate == refused {
		return drop(d.why)
	}
	if r := d.add(&p); r != reason.Unset {
		if r == reason.FragmentOverlap {
			w.refuse(d, r)
		}
		return drop(r)
	}
	v := sent
	switch {
	case p.From == 0:
		v = w.firstFragment(f, it, d, local)
	case d.fate == unmeasured && d.size != 0:
		w.measured(d)
		v = w.join(f, it, d, false)
	case d.fate == flowing:
		v = w.join(f, it, d, false)
	case d.fate == echoed:
		v = w.echoPart(f, it)
	case !w.datagrams.hold(d, f, false):
		v = drop(reason.FragmentQueueFull)
	}
	if d.fate > unmeasured && d.complete() {
		d.proto = 0
	}
	return v
}

// datagram finds the datagram of a key, or begins it.
func (w *Worker) datagram(k *datagramKey) *datagram {
	d, known := w.datagrams.find(k, k.hash(w.hasher))
	if known && w.now.Before(d.ends) {
		return d
	}
	if d.held > 0 {
		r := reason.FragmentQueueFull
		if !w.now.Before(d.ends) {
			r = reason.FragmentTimeout
		}
		w.refuse(d, r)
	}
	d.begin(k, w.now)
	return d
}

// refuse drops what waits for a datagram, and whatever else may come of it.
func (w *Worker) refuse(d *datagram, r reason.Reason) {
	d.fate, d.why = refused, r
	var f port.Frame
	for c := d.release(); w.datagrams.take(&c, &f); {
		w.drop(&f, r)
	}
}

// firstFragment decides by its first fragment about a datagram, and about what has waited for that.
func (w *Worker) firstFragment(f *port.Frame, it *item, d *datagram, local uint32) verdict {
	if it.Proto == packet.ProtoICMP || it.Proto == packet.ProtoICMP6 {
		d.ends = d.begun + restWithin
		return w.firstOfICMP(f, it, d, local)
	}
	d.ports, d.carries = packet.Load32(f.Data, uintptr(it.L4)), it.Proto
	if d.size == 0 && w.needsLength(f, it, d) {
		return w.holdFirst(f, d)
	}
	return w.lead(f, it, d)
}

// lead sends a datagram's first fragment on, and behind it what has waited.
func (w *Worker) lead(f *port.Frame, it *item, d *datagram) verdict {
	d.ends, d.fate = d.begun+restWithin, flowing
	waiting := d.release()
	owner := w.ownerOfPart(f, it, d)
	v := w.join(f, it, d, true)
	for at := waiting.head; at != 0; at = w.datagrams.held[at-1].next {
		d.mark(&w.datagrams.held[at-1].frame, d.ports)
	}
	if owner == w.id {
		w.datagrams.append(&w.datagrams.ripe, waiting)
		return v
	}
	var g port.Frame
	for w.datagrams.take(&waiting, &g) {
		w.handTo(&g, owner)
	}
	return v
}

// mark tells a fragment what it belongs to: see joined.
func (d *datagram) mark(f *port.Frame, of uint32) {
	f.Flags |= joined
	f.Hash, f.Proto = of, d.carries
}

// ownerOfPart is the owner of the connection that a fragment belongs to.
func (w *Worker) ownerOfPart(f *port.Frame, it *item, d *datagram) int {
	v6 := it.v6()
	return w.tupleOwner(unsafe.Add(f.Data, addrsOff(v6)), d.ports, v6)
}

// join gives a fragment to the owner of its connection.
func (w *Worker) join(f *port.Frame, it *item, d *datagram, first bool) verdict {
	if first {
		d.mark(f, d.length(it))
	} else {
		d.mark(f, d.ports)
	}
	if o := w.ownerOfPart(f, it, d); o != w.id {
		w.handTo(f, o)
		return sent
	}
	return w.arrived(f, it, first)
}

// arrived takes a fragment whose ports are known, at its connection's owner: a first one for a packet like any other.
func (w *Worker) arrived(f *port.Frame, it *item, first bool) verdict {
	it.Proto, it.datagram = f.Proto, f.Hash
	ports := f.Hash
	if first {
		ports = packet.Load32(f.Data, uintptr(it.L4))
	}
	k := conn.Key{Addrs: unsafe.Add(f.Data, addrsOff(it.v6())), Ports: ports, Proto: f.Proto, V6: it.v6()}
	hash := w.hashOf(&k)
	it.hash, it.Home, it.Guess, it.steady = uint32(hash), w.hasher.HomeOf(hash), 0, 0
	f.Flags &^= joined
	if !first {
		return follower
	}
	if k.Proto == packet.ProtoSCTP && it.datagram == 0 && !w.asItIs(&k, f.Port) {
		return drop(reason.SCTPFragment) // the service was another one when the fragment came
	}
	it.Kind = packet.Flow4
	if k.V6 {
		it.Kind = packet.Flow6
	}
	return newcomer
}

// followRipe sends on what has waited for first fragments that are through now.
func (w *Worker) followRipe() {
	var f port.Frame
	var it item
	for w.datagrams.take(&w.datagrams.ripe, &f) {
		w.parse(&f, &it, w.ports[f.Port].mac)
		v := w.arrived(&f, &it, false)
		if v == follower {
			v = w.follow(&f, &it)
		}
		w.settle(&f, v)
	}
}

// follow sends a later fragment the way of its connection, which only the first one can have begun.
func (w *Worker) follow(f *port.Frame, it *item) verdict {
	v6 := it.v6()
	k := conn.Key{Addrs: unsafe.Add(f.Data, addrsOff(v6)), Ports: it.datagram, Proto: it.Proto, V6: v6}
	r := w.table.FindHome(&k, it.Home)
	e, reply := r.Entry, r.Reply
	if e == nil || !w.now.Before(e.Expires) {
		if e, reply = w.onceOfPart(f, it, &k); e == nil {
			return w.other(f, it, reason.FragmentOrphan)
		}
	}
	b := w.backendOf(e)
	switch {
	case b == nil || !w.hasLocal(e):
		return drop(reason.BackendGone)
	case b.Mode != DR && ttlOut(f, v6):
		return drop(reason.TTLExceeded) // no error about a fragment but the first (RFC 1122 section 3.2.2)
	}
	came := it.arriving(f).id
	if b.Mode == FullNAT && !reply && !w.renumberPart(f, it, b) {
		return drop(reason.FragmentOrphan)
	}
	w.rememberLeaving(f, it, e, b, reply, came)
	switch {
	case reply:
		return w.replyPart(f, it, e, b)
	case !fits(f, it, b):
		return w.partTooBig(f, it, roomFor(f, it, b.side6(it), int(b.MTU)))
	}
	c := &w.backends[e.Backend]
	c.PacketsIn++
	c.BytesIn += uint64(it.End - packet.EthLen)
	return w.convey(f, it, e, b)
}

// replyPart is reply for a later fragment.
func (w *Worker) replyPart(f *port.Frame, it *item, e *conn.Entry, b *Backend) verdict {
	out, ok := w.wayTo(unsafe.Pointer(&e.Addrs), e.Flags&conn.V6 != 0, it.hash)
	if !ok {
		return drop(reason.NoRoute)
	}
	most := roomFor(f, it, e.Flags&conn.V6 != 0, w.ports[out.port].mtu)
	large := int(it.End)-packet.EthLen > most
	if large && !mayFragment(f, it) {
		return w.partTooBig(f, it, most)
	}
	return w.carryBack(f, it, e, b, out, large)
}

// partTooBig answers only where no first fragment is asked for (RFC 4443 section 3.2, against RFC 1122 section 3.2.2).
func (w *Worker) partTooBig(f *port.Frame, it *item, mtu int) verdict {
	if it.v6() {
		return w.tooBig(f, it, mtu)
	}
	return drop(reason.TooBig)
}

// sweepDatagrams drops what has waited too long, a bounded number of datagrams a round.
func (w *Worker) sweepDatagrams() {
	const most = 64
	t := w.datagrams
	n := most
	if w.unhurried {
		n = len(t.places)
	}
	for ; n > 0; n-- {
		d := &t.places[t.hand]
		t.hand = (t.hand + 1) % len(t.places)
		if d.held > 0 && !w.now.Before(d.ends) {
			w.refuse(d, reason.FragmentTimeout)
			d.proto = 0
		}
	}
}

// freeHeld gives the buffers of waiting fragments back.
func (w *Worker) freeHeld() {
	t := w.datagrams
	var f port.Frame
	for i := range t.places {
		for c := t.places[i].release(); t.take(&c, &f); {
			w.free(&f)
		}
	}
	for t.take(&t.ripe, &f) {
		w.free(&f)
	}
}
