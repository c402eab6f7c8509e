package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/sched"
)

// Packets whose connection is not where it is expected wait until the rest of their group has gone: nearly all of them
// are the first of new connections. Then everything is done for all of them at a time, so that the cache lines that
// one step needs are on their way while the step before is done for the others: the second place in which the
// connection may stand (seek), the decision about a new one (admit), the making (open).

// opening is a packet whose connection is not known.
type opening struct {
	conn.Probe        // the tuple's home, which Sift looks at; then the reply's, to prefetch, 0 if replies do not pass here
	backend    uint32 // index
	real       *Backend
	hold       hold   // what the connection has already
	local      uint32 // fullnat: as in conn.Entry
	at         uint8  // in the group
	state      openState
}

type openState uint8

const (
	settled  openState = iota
	admitted           // for open
	usual              // for openUsual
	repeated           // another packet of the connection is before it
)

// openAll handles the packets of a group whose connections were not found. What an opening has besides home and place is
// written here.
func (w *Worker) openAll(frames []port.Frame, items []item, all []opening) {
	w.sift(all)
	var homes [4]uint64 // a bit for each that has been seen
	for i := range all {
		o := &all[i]
		f, it := frameAt(frames, items, int(o.at))
		seen, bit := &homes[it.hash>>6%4], uint64(1)<<(it.hash%64)
		if *seen&bit != 0 && follows(it, items, all[:i]) {
			o.state = repeated
			continue
		}
		*seen |= bit
		v := newcomer
		if o.Guess != 0 {
			v = w.seek(frames[o.at:], items[o.at:])
		}
		if v.fate == fresh {
			v = w.admitUsual(f, it, o)
		}
		if v.fate == fresh {
			if o.Home != 0 {
				w.table.PrefetchHome(o.Home)
			}
		} else {
			o.state = settled
			w.settle(f, v)
		}
	}
	for i := range all {
		o := &all[i]
		f, it := frameAt(frames, items, int(o.at))
		var v verdict
		switch o.state {
		case usual:
			v = w.openUsual(f, it, o)
		case admitted:
			v = w.open(f, it, o)
		case repeated:
			v = w.again(f, it, o)
		default:
			continue
		}
		if v.fate != gone {
			w.settle(f, v)
		}
	}
}

// begin makes an opening that of the packet at a place of its group.
func (o *opening) begin(it *item, at int) { o.Home, o.at = it.Home, uint8(at) }

// sift finds out which of the connections may be known after all, and asks for the second places of those.
func (w *Worker) sift(all []opening) {
	w.table.Sift(&all[0].Probe, len(all), unsafe.Sizeof(all[0]))
	elsewhere := false
	for i := range all {
		if o := &all[i]; o.Guess != 0 && w.table.Overflowed(o.Home) {
			o.Home = w.table.Other(o.Home)
			elsewhere = true
		}
	}
	if elsewhere {
		w.prefetch(all)
	}
}

func (w *Worker) prefetch(all []opening) {
	w.table.PrefetchIndex(&all[0].Probe, len(all), unsafe.Sizeof(all[0]))
}

// seek looks for the first packet's connection wherever it may stand, and sends the packet on if there is one.
func (w *Worker) seek(frames []port.Frame, items []item) verdict {
	f, it := &frames[0], &items[0]
	k := it.key(f)
	r := w.table.FindHome(&k, it.Home)
	if r.Entry == nil {
		return newcomer
	}
	if it.Guess = w.table.Slot(r); w.steadySide(frames, items, 1, r.Reply) == 0 {
		w.counters.Out++
		return sent
	}
	return w.known(f, it, r)
}

// again handles a packet of a connection that another one before it may have begun.
func (w *Worker) again(f *port.Frame, it *item, o *opening) verdict {
	k := it.key(f)
	v := newcomer
	if r := w.table.FindHome(&k, it.Home); r.Entry != nil {
		v = w.known(f, it, r)
	}
	if v == newcomer {
		if v = w.admit(f, it, o); v == newcomer {
			v = w.open(f, it, o)
		}
	}
	return v
}

// follows reports whether an earlier one may be of the same connection.
func follows(it *item, items []item, earlier []opening) bool {
	for i := range earlier {
		if items[earlier[i].at].Home == it.Home {
			return true
		}
	}
	return false
}

// admit decides about the first packet of a connection. It stays a newcomer if it may begin one.
func (w *Worker) admit(f *port.Frame, it *item, o *opening) verdict {
	k := it.key(f)
	service := w.snap.services.find(&k, f.Port)
	if service == 0 {
		return w.notForService(f, it, &k)
	}
	if k.V6 || !w.snap.ordinary4(packet.Load32(k.Addrs, 0)) {
		if r := w.badSource(f, k.Addrs, k.V6); r != reason.Unset {
			return drop(r)
		}
	}
	return w.schedule(f, it, &k, service-1, o)
}

// notForService says what becomes of a TCP, UDP or SCTP packet of no connection and no service.
func (w *Worker) notForService(f *port.Frame, it *item, k *conn.Key) verdict {
	local := w.local(f, destination(k.Addrs, k.V6), k.V6)
	if local == 0 {
		if v, ok := w.answerOnce(f, it, k); ok {
			return v
		}
		return drop(reason.Foreign)
	}
	if r := w.badSource(f, k.Addrs, k.V6); r != reason.Unset && !(r == reason.SpoofedSource && local&localOwn != 0 && w.probed(k)) {
		return drop(r)
	}
	switch {
	case local&localOwn != 0:
		return w.toKernel(f, local)
	case local&localVIP == 0:
		return drop(reason.NoConnection)
	}
	return drop(reason.NoService)
}

// schedule chooses a service's backend for a connection's first packet.
func (w *Worker) schedule(f *port.Frame, it *item, k *conn.Key, service uint32, o *opening) verdict {
	svc := &w.snap.Services[service]
	if !it.begins() && !(svc.sloppy && it.continues()) {
		return drop(reason.NoConnection)
	}
	if svc.Mode != DR {
		if k.V6 && linkLocal(k.Addrs) {
			return drop(reason.MartianSource)
		}
		if ttlOut(f, k.V6) {
			return w.timeExceeded(f, it)
		}
	}
	v := w.choose(k, svc, service, o)
	if v.fate != fresh {
		return w.turnAway(f, it, svc, v)
	}
	if v = w.prepare(f, it, k, o); v.fate != fresh {
		w.giveBack(o)
		return w.turnAway(f, it, svc, v)
	}
	return v
}

// giveBack undoes what choose has done for a connection that is not made after all.
func (w *Worker) giveBack(o *opening) {
	o.real.Load.Remove(false)
	w.release(o.hold, &w.snap.Services[o.real.Service], w.now)
}

// prepare finds out whether the packet can go to the backend that was chosen, and by which tuple the replies will come.
func (w *Worker) prepare(f *port.Frame, it *item, k *conn.Key, o *opening) verdict {
	b := o.real
	if (it.End > b.maxEnd || b.wide) && !fits(f, it, b) {
		return w.tooBig(f, it, roomFor(f, it, b.side6(it), int(b.MTU)))
	}
	o.Home = 0
	switch b.Mode {
	case NAT:
		o.Home = w.replyHome(k, b)
	case FullNAT:
		if !w.proposeLocal(k, b, o) {
			return drop(reason.NoLocalPort)
		}
	}
	return newcomer
}

// choose finds a backend for a new connection and counts it there.
func (w *Worker) choose(k *conn.Key, svc *Service, service uint32, o *opening) verdict {
	o.hold = 0
	if svc.limits != nil {
		if r := svc.limits.admit(int64(w.nowNs)); r != reason.Unset {
			return drop(r)
		}
		o.hold = heldLimit
	}
	var v verdict
	if svc.persist != nil {
		v = w.choosePersistent(k, svc, service, o)
	} else {
		v = w.pick(k, svc, service, o)
	}
	if v.fate != fresh {
		w.release(o.hold, svc, w.now)
	}
	return v
}

// pick lets the service's scheduler choose.
func (w *Worker) pick(k *conn.Key, svc *Service, service uint32, o *opening) verdict {
	// Another worker may have got the last place of the backend that was picked.
	const tries = 8
	if !svc.keyless {
		w.schedulerKey(k)
	}
	state := w.schedulerState(service, svc.gen)
	for range tries {
		n := svc.Sched.Pick(&w.key, state)
		if uint(n) >= uint(len(svc.Backends)) {
			break
		}
		o.backend = svc.Backends[n]
		b := w.real(o.backend)
		if b.peer.Gen == 0 {
			b = w.make(o.backend)
		}
		if b.Load.Reserve() {
			o.real = b
			return newcomer
		}
	}
	return drop(w.nobody(svc))
}

// schedulerState is what a service's scheduler keeps on this worker; nothing yet if another service had the index.
func (w *Worker) schedulerState(service, gen uint32) *sched.State {
	s := &w.states[service]
	if s.gen != gen {
		*s = serviceState{gen: gen}
	}
	return &s.State
}

func (w *Worker) schedulerKey(k *conn.Key) {
	d := &w.key
	d.V6, d.Now = k.V6, uint32(w.now)
	d.SrcPort, d.DstPort = packet.Swap16(uint16(k.Ports)), packet.Swap16(uint16(k.Ports>>16))
	if k.V6 {
		d.Src, d.Dst = *(*[16]byte)(k.Addrs), *(*[16]byte)(unsafe.Add(k.Addrs, 16))
		return
	}
	d.Src, d.Dst = [16]byte{}, [16]byte{}
	packet.Store32(unsafe.Pointer(&d.Src), 0, packet.Load32(k.Addrs, 0))
	packet.Store32(unsafe.Pointer(&d.Dst), 0, packet.Load32(k.Addrs, 4))
}

// open makes an admitted connection and forwards its first packet.
func (w *Worker) open(f *port.Frame, it *item, o *opening) verdict {
	k := it.key(f)
	b := o.real
	if b.Mode == FullNAT && !w.settleLocal(&k, b, o) {
		svc := &w.snap.Services[b.Service]
		if b = w.settleElsewhere(f, it, &k, o); b == nil {
			return w.turnAway(f, it, svc, drop(reason.NoLocalPort))
		}
	}
	if w.snap.Services[b.Service].once != nil {
		return w.sendOnce(f, it, &k, o)
	}
	e := w.insert(&k, it.Home, b, o)
	if e == nil {
		w.giveBack(o)
		return drop(reason.TableFull)
	}
	return w.carry(f, it, e, b)
}

// insert adds a connection, which its backend's load has counted, to the table, in place of a less worthy one if it is
// full.
func (w *Worker) insert(k *conn.Key, home conn.Home, b *Backend, o *opening) *conn.Entry {
	if b.shared {
		w.endOther(k, b, o.Home)
	}
	e := w.table.Insert(k, home, o.Home)
	if e == nil {
		victim := w.table.Victim(w.now)
		if victim == nil {
			return nil
		}
		w.forget(victim)
		w.counters.Evicted++
		if e = w.table.Insert(k, home, o.Home); e == nil {
			return nil
		}
	}
	e.Backend, e.Gen = o.backend, b.Gen
	w.setHold(e, o.hold)
	switch b.Mode {
	case NAT:
		e.Local = w.stamp()
	case FullNAT:
		e.Flags |= conn.Full
		e.Local = o.local
		w.locals[e.LocalIndex()]++
		w.beginTelling(e, b)
	default:
		e.Flags |= conn.OneWay
	}
	if k.Proto == packet.ProtoUDP {
		e.State = conn.UDPFlow
	}
	w.backends[o.backend].NewConns++
	w.counters.NewConns++
	return e
}

// replyHome is the home of the tuple that replyKey makes.
func (w *Worker) replyHome(k *conn.Key, b *Backend) conn.Home {
	if !k.V6 && b.peer.Port != 0 {
		addrs := b.peer.Addr[0] | uint64(packet.Load32(k.Addrs, 0))<<32
		return w.hasher.HomeOf(w.hasher.Hash4(addrs, uint32(b.peer.Port)|k.Ports<<16, k.Proto))
	}
	var addrs [32]byte
	rk := b.replyKey(k, &addrs)
	return w.hasher.KeyHome(&rk)
}

// replyKey is the tuple of the backend's packets to the client of a tuple; addrs is its memory.
func (b *Backend) replyKey(k *conn.Key, addrs *[32]byte) conn.Key {
	p, at := &b.peer, unsafe.Pointer(addrs)
	from := uint32(p.Port)
	if from == 0 {
		from = k.Ports >> 16
	}
	if k.V6 {
		packet.Store64(at, 0, p.Addr[0])
		packet.Store64(at, 8, p.Addr[1])
		packet.Store64(at, 16, packet.Load64(k.Addrs, 0))
		packet.Store64(at, 24, packet.Load64(k.Addrs, 8))
	} else {
		packet.Store32(at, 0, uint32(p.Addr[0]))
		packet.Store32(at, 4, packet.Load32(k.Addrs, 0))
	}
	return conn.Key{Addrs: at, Ports: from | k.Ports<<16, Proto: k.Proto, V6: k.V6}
}
