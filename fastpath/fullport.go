package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
)

// A new connection in FullNAT takes a local address and port whose tuple with the backend no other has: the same port is
// used for many backends. Which are taken is not written down anywhere but in the connection table. A walk goes through
// all addresses and ports that are this worker's, one for every backend, in an order in which each comes once before any
// comes again; so the first one tried is nearly always free, and the longest unused. Where it is not, the walk goes on,
// portTries steps for one connection: the next one takes it up where this one has left it, and the last free port of a
// backend is found after as many connections as the walk has steps, divided by portTries, at most.

const (
	// portTries is how many addresses and ports one connection tries.
	portTries = 256
	// triesPerTick bounds what all connections of a millisecond try, so that those which find nothing left do not take
	// the time of the others.
	triesPerTick = 4096
	// walkStep leads from one place of a walk to the next. It is a prime larger than any walk is long, and so goes
	// through all its places, not in a row.
	walkStep = 2_654_435_761
)

// share is what a worker has of the local ports: the first, and how many, each as many after the one before as there are
// workers.
func (f *fullNAT) share(worker, workers int) (first, n uint64) {
	lo, hi := uint64(f.first), uint64(f.last)
	first = lo + uint64((worker-int(lo%uint64(workers))+workers)%workers)
	if first > hi {
		return 0, 0
	}
	return first, (hi-first)/uint64(workers) + 1
}

// nextLocal is the walk's next step for a backend, as in conn.Entry.Local.
func (w *Worker) nextLocal(backend uint32, b *Backend) (local uint32, ok bool) {
	full := w.snap.Services[b.Service].full
	locals := full.locals[family(b.V6)]
	first, ports := full.share(w.id, w.workers)
	n := uint64(len(locals)) * ports
	if n == 0 {
		return 0, false
	}
	at := &w.walks[backend]
	*at = uint32((uint64(*at) + walkStep) % n)
	place := (uint64(*at) + w.hasher.HashOf(uint64(backend))%n) % n
	local = uint32(locals[place%uint64(len(locals))]) << 16
	return local | uint32(packet.Swap16(uint16(first+place/uint64(len(locals))*uint64(w.workers)))), true
}

// proposeLocal gives an opening the first address and port to try, whose home can be fetched meanwhile.
func (w *Worker) proposeLocal(k *conn.Key, b *Backend, o *opening) bool {
	local, ok := w.nextLocal(o.backend, b)
	if ok {
		w.tryLocal(local, k, b, o)
	}
	return ok
}

// tryLocal gives an opening an address and port, and the home of their tuple.
func (w *Worker) tryLocal(local uint32, k *conn.Key, b *Backend, o *opening) {
	var addrs [32]byte
	rk := w.fullReplyKey(local, k.Ports, k.Proto, b, &addrs)
	o.local, o.Home = local, w.hasher.KeyHome(&rk)
}

// settleLocal walks on until an opening has an address and port that are free.
func (w *Worker) settleLocal(k *conn.Key, b *Backend, o *opening) bool {
	if w.triesAt != w.now {
		w.triesAt, w.tries = w.now, 0
	}
	for range portTries {
		if w.freeLocal(k, b, o) {
			return true
		}
		if w.tries++; w.tries > triesPerTick || !w.proposeLocal(k, b, o) {
			return false
		}
	}
	return false
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
