package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/rss"
)

// A new connection in FullNAT takes a local address and port whose tuple with the backend no other has: the same port is
// used for many backends. Which are taken is not written down anywhere but in the connection table. A walk goes through
// all addresses and ports that are this worker's, one for every backend, in an order in which each comes once before any
// comes again; so the first one tried is nearly always free, and the longest unused. Where it is not, the walk goes on,
// portTries steps for one connection: the next one takes it up where this one has left it, and the last free port of a
// backend is found after as many connections as the walk has steps, divided by portTries-1, at most.
//
// Where the device that the replies come in by tells its RSS, a second walk, over the same places, looks further for those
// whose replies arrive on this worker's own queue, and passes the others by. Only a connection that finds these taken goes
// the first walk.

const (
	// portTries is how many addresses and ports one connection tries; one less if directTries come before.
	portTries = 256
	// triesPerTick bounds what all connections of a millisecond try, so that those which find nothing left do not take
	// the time of the others.
	triesPerTick = 4096
	// directTries is how many addresses and ports one connection tries whose replies need not be handed over.
	directTries = 4
	// directLook is how far the walk to each of these looks, in steps for each worker. That many in a row lead elsewhere
	// about once in e^directLook times.
	directLook = 8
)

// nextLocal is the walk's next step for a backend.
func (w *Worker) nextLocal(backend uint32, b *Backend) (local uint32, ok bool) {
	k := w.walkTo(backend, b)
	if k.places == 0 {
		return 0, false
	}
	return w.step(&k.at, k, b), true
}

// nextDirect is the next place of the second walk from which a backend's replies come to this worker's queue.
func (w *Worker) nextDirect(k *conn.Key, backend uint32, b *Backend) (local uint32, ok bool) {
	s := w.ports[w.hops.Load(b.Hop).Port()].spread
	if s == nil || !s.HashesPorts(b.V6, k.Proto) {
		return 0, false
	}
	way := w.walkTo(backend, b)
	look := min(int(way.places), directLook*w.workers)
	var addrs [32]byte
	index, sum := ^uint32(0), uint32(0) // of the local address before, and its part in the hash
	for range look {
		local = w.step(&way.direct, way, b)
		rk := w.fullReplyKey(local, k.Ports, k.Proto, b, &addrs)
		if local>>16 != index {
			index, sum = local>>16, s.Addrs(addrs[:addrsLen(b.V6)])
		}
		if s.Queue(sum^s.Ports(rk.Ports, b.V6)) == w.id {
			return local, true
		}
	}
	return 0, false
}

// addrsLen is the length of two addresses.
func addrsLen(v6 bool) int { return 2 * destinationOff(v6) }

// spreadTo is how the port's device spreads what it receives, if that helps a worker, of n, to choose local ports.
func (p *PortInfo) spreadTo(worker, n int) *rss.Spread {
	if n == 1 || p.RSS == nil || !p.RSS.Reaches(worker) {
		return nil
	}
	return p.RSS
}

// Direct reports whether a worker, of n, chooses local ports by the RSS of the port's device for connections to backends
// behind it, in place of any port of its share.
func (p *PortInfo) Direct(worker, n int, v6 bool, proto uint8) bool {
	s := p.spreadTo(worker, n)
	return s != nil && s.HashesPorts(v6, proto)
}

// proposeLocal gives an opening the first address and port to try, whose home can be fetched meanwhile.
func (w *Worker) proposeLocal(k *conn.Key, b *Backend, o *opening) bool {
	return w.proposeDirect(k, b, o) || w.proposeAny(k, b, o)
}

// proposeDirect proposes one whose replies need not be handed over, if it finds any.
func (w *Worker) proposeDirect(k *conn.Key, b *Backend, o *opening) bool {
	local, ok := w.nextDirect(k, o.backend, b)
	if ok {
		w.tryLocal(local, k, b, o)
	}
	return ok
}

func (w *Worker) proposeAny(k *conn.Key, b *Backend, o *opening) bool {
	local, ok := w.nextLocal(o.backend, b)
	if ok {
		w.tryLocal(local, k, b, o)
	}
	return ok
}

// tryLocal gives an opening an address and port, and the home of their tuple.
func (w *Worker) tryLocal(local uint32, k *conn.Key, b *Backend, o *opening) {
	p, l, from := &b.peer, &w.snap.Locals[local>>16], uint32(b.peer.Port)
	if from == 0 {
		from = k.Ports >> 16
	}
	var hash uint64
	if b.V6 {
		hash = w.hasher.Hash6Of(p.Addr[0], p.Addr[1], l.Addr[0], l.Addr[1], from|local<<16, k.Proto)
	} else {
		hash = w.hasher.Hash4(p.Addr[0]|l.Addr[0]<<32, from|local<<16, k.Proto)
	}
	o.local, o.Home = local, w.hasher.HomeOf(hash)
}

// settleLocal walks on until an opening has an address and port that are free.
func (w *Worker) settleLocal(k *conn.Key, b *Backend, o *opening) bool {
	if w.triesAt != w.now {
		w.triesAt, w.tries = w.now, 0
	}
	for direct, left := directTries-1, portTries-1; ; {
		if w.freeLocal(k, b, o) {
			return true
		}
		if w.tries++; w.tries > triesPerTick {
			return false
		}
		if direct > 0 {
			direct--
			if w.proposeDirect(k, b, o) {
				continue
			}
			direct = 0
		}
		if left == 0 || !w.proposeAny(k, b, o) {
			return false
		}
		left--
	}
}

// freeLocal reports whether no connection has an opening's address and port. One that has expired gives them up.
func (w *Worker) freeLocal(k *conn.Key, b *Backend, o *opening) bool {
	if w.table.Vacant(o.Home) {
		return true
	}
	var addrs [32]byte
	rk := w.fullReplyKey(o.local, k.Ports, k.Proto, b, &addrs)
	r := w.table.FindHome(&rk, o.Home)
	if r.Entry == nil {
		return true
	}
	if w.now.Before(r.Entry.Expires) {
		return false
	}
	w.forget(r.Entry)
	return true
}

// fullReplyKey is the tuple of a backend's packets to a local address and port, for a client that sends to a port of a VIP;
// addrs is its memory.
func (w *Worker) fullReplyKey(local, ports uint32, proto uint8, b *Backend, addrs *[32]byte) conn.Key {
	p, l, at := &b.peer, &w.snap.Locals[local>>16], unsafe.Pointer(addrs)
	if b.V6 {
		packet.Store64(at, 0, p.Addr[0])
		packet.Store64(at, 8, p.Addr[1])
		packet.Store64(at, 16, l.Addr[0])
		packet.Store64(at, 24, l.Addr[1])
	} else {
		packet.Store64(at, 0, p.Addr[0]|l.Addr[0]<<32)
	}
	from := uint32(p.Port)
	if from == 0 {
		from = ports >> 16
	}
	return conn.Key{Addrs: at, Ports: from | local<<16, Proto: proto, V6: b.V6}
}
