package fastpath

import "github.com/weirlb/weir/fastpath/packet"

// walkStep leads from one place of a walk to the next. It is a prime of which no number of places is a multiple, as it is larger
// than MaxLocals and than any port, and so goes through all of them, not in a row.
const walkStep = 2_654_435_761

// walk is a worker's way through a service's local addresses and ports to a backend, and how far it has come. The worker
// writes it; any goroutine may read at.
type walk struct {
	at     uint32 // the walk of nextLocal
	direct uint32 // that of nextDirect
	// The rest is computed once for a fullNAT and a family, by many divisions, of which each takes as long as ten other instructions.
	of     uint32 // the fullNAT's id, 0 for none
	step   uint32
	offset uint32 // where the backend's begins
	places uint32 // less than 2^32: no port is 0. 0: there is nowhere to go
	first  uint16 // port
	locals uint16 // how many addresses, less one
	v6     bool   // of the backend
}

// walkTo is the worker's way to a backend of a service in FullNAT.
func (w *Worker) walkTo(backend uint32, b *Backend) *walk {
	k, full := &w.walks[backend], w.snap.Services[b.Service].full
	if k.of != full.id || k.v6 != b.V6 {
		w.layOut(k, full, backend, b)
	}
	return k
}

// layOut prepares a walk for a fullNAT. How far it has come stays, as far as there are as many places.
func (w *Worker) layOut(k *walk, full *fullNAT, backend uint32, b *Backend) {
	locals := full.locals[family(b.V6)]
	first, ports := full.share(w.id, w.workers)
	places := uint64(len(locals)) * ports
	k.of, k.v6, k.places = full.id, b.V6, uint32(places)
	if places == 0 {
		return
	}
	k.first, k.locals = uint16(first), uint16(len(locals)-1)
	k.step, k.offset = uint32(walkStep%places), uint32(w.hasher.HashOf(uint64(backend))%places)
	k.at, k.direct = uint32(uint64(k.at)%places), uint32(uint64(k.direct)%places)
}

// step goes a step from a place of a walk, and returns what is there, as in conn.Entry.Local.
func (w *Worker) step(at *uint32, k *walk, b *Backend) (local uint32) {
	*at = k.past(*at, k.step)
	place, n := k.past(*at, k.offset), uint32(k.locals)+1
	turn := place / n
	locals := w.snap.Services[b.Service].full.locals[family(b.V6)]
	return uint32(locals[place-turn*n])<<16 | uint32(packet.Swap16(k.first+uint16(turn*uint32(w.workers))))
}

// past is the place that is by places past another; by is less than there are.
func (k *walk) past(at, by uint32) uint32 {
	to := uint64(at) + uint64(by)
	if to >= uint64(k.places) {
		to -= uint64(k.places)
	}
	return uint32(to)
}

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
