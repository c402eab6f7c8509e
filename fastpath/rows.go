package fastpath

import (
	"net/netip"
	"slices"
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/sched"
)

// Row is backends of one service, in places side by side, that are made when they are used for the first time: by each
// worker for itself, in memory of its own. What they are made of is shared by all services that have the same backends, so
// that ten million places are no more than some lists. A worker finds that a backend is not made yet where it finds that
// one is gone, off the steady way.
type Row struct {
	First uint32 // index of the first; those of the others follow
	Gen   uint32 // of the first; likewise
	Reals []Real
	Loads []sched.Load // as many
	// Like is what the backends have in common. Its tunnel is plain.
	Like BackendSpec
	recipe
}

// Real is a real server of a Row.
type Real struct {
	Address netip.AddrPort
	Source  netip.Addr
	Hop     nexthop.ID
	MTU     uint16 // of its port
	Accepts bool   // else its weight is 0
	Shared  bool
}

// rows are those with places in one chunk.
type rows struct{ list []*Row }

func (r *Row) last() uint32 { return r.First + uint32(len(r.Reals)) - 1 }

// in finds the row that an index is in.
func (r *rows) in(i uint32) *Row {
	if r != nil {
		for _, row := range r.list {
			if i-row.First < uint32(len(row.Reals)) {
				return row
			}
		}
	}
	return nil
}

// build makes the backend with an index.
func (r *Row) build(i uint32, out *Backend, load *sched.Load) {
	n := i - r.First
	real, b := &r.Reals[n], r.Like
	b.Gen, b.Address, b.Source, b.Hop, b.Load = r.Gen+n, real.Address, real.Source, real.Hop, &r.Loads[n]
	b.Accepts, b.Quiescent, b.Shared = real.Accepts, !real.Accepts, real.Shared
	b.Wide = b.Wide || real.Address.Port() == 0
	if load != nil {
		b.Load = load
	}
	out.build(&b, r.recipe, int(real.MTU))
}

// SetRow puts a row into its places; for any goroutine, as SetBackend. The row's service has been filled in.
func (b *Builder) SetRow(r *Row) {
	if len(r.Reals) == 0 {
		return
	}
	r.recipe = b.spec.Services[r.Like.Service].recipe()
	b.clearFor(r)
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := r.First / conn.ChunkLen; c <= r.last()/conn.ChunkLen; c++ {
		list := b.rowsOf(c)
		list.list = append(slices.DeleteFunc(list.list, func(o *Row) bool { return o.First == r.First }), r)
	}
}

// clearFor takes out of a row's places what the base has there one by one, which would hide the row.
func (b *Builder) clearFor(r *Row) {
	for c := r.First / conn.ChunkLen; c <= r.last()/conn.ChunkLen; c++ {
		b.mu.Lock()
		is := b.snap.Backends.chunks[c]
		b.mu.Unlock()
		if is == &unused {
			continue
		}
		for i := max(r.First, c*conn.ChunkLen); i <= min(r.last(), c*conn.ChunkLen+conn.ChunkLen-1); i++ {
			if is[i%conn.ChunkLen].peer.Gen != 0 {
				*b.place(i) = Backend{}
			}
		}
	}
}

// rowsOf are those of a chunk, to be changed.
func (b *Builder) rowsOf(c uint32) *rows {
	at := &b.snap.Backends.rows[c]
	if !b.ownRows[c] {
		b.ownRows[c] = true
		was := *at
		if *at = new(rows); was != nil {
			(*at).list = slices.Clone(was.list)
		}
	}
	return *at
}

// dropRow takes out the row that an index is in. Of its backends, those that stay are set.
func (b *Builder) dropRow(i uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.snap.Backends.rows[i/conn.ChunkLen].in(i)
	if r == nil {
		return
	}
	for c := r.First / conn.ChunkLen; c <= r.last()/conn.ChunkLen; c++ {
		list := b.rowsOf(c)
		list.list = slices.DeleteFunc(list.list, func(o *Row) bool { return o == r })
	}
}

// made is the backend with an index, if there is one.
func (w *Worker) made(i uint32) *Backend {
	b := w.real(i)
	if b.peer.Gen == 0 {
		return w.make(i)
	}
	return b
}

// make is made for one that is not made yet, or unused.
func (w *Worker) make(i uint32) *Backend {
	all := &w.snap.Backends
	if i >= all.n {
		return w.real(i)
	}
	row := all.rows[i/conn.ChunkLen].in(i)
	if row == nil {
		return w.real(i)
	}
	out := &w.chunkOf(i / conn.ChunkLen)[i%conn.ChunkLen]
	row.build(i, out, all.load)
	return out
}

// lateBackendOf is backendOf for a backend that is not made yet or gone.
func (w *Worker) lateBackendOf(e *conn.Entry) *Backend {
	if b := w.made(e.Backend); b.Gen == e.Gen {
		return b
	}
	return nil
}

// What is in the memory of a worker's own chunk.
const (
	untouched uint8 = iota // nothing
	inUse                  // what its index leads to
	leftOver               // what it led to
)

// chunkOf is the worker's own chunk of an index, with what the snapshot has there. It is no part of the heap: the loads that
// its backends point to are kept by the snapshot's rows and chunks. A backend is only made where there is none, so that the
// collector's write barrier never meets what was there before.
func (w *Worker) chunkOf(c uint32) *chunk {
	mine := (*chunk)(unsafe.Add(w.chunkMem.Pointer(), uintptr(c)*unsafe.Sizeof(chunk{})))
	if w.chunkState[c] == inUse {
		return mine
	}
	if is := w.snap.Backends.chunks[c]; is != &unused || w.chunkState[c] == leftOver {
		*mine = *is
	}
	w.chunkState[c], w.chunks[c] = inUse, mine
	return mine
}

// adoptBackends lets indices lead to a snapshot's backends, after those of another.
func (w *Worker) adoptBackends(s, before *Snapshot) {
	now := &s.Backends
	switch {
	case before == nil:
		for c := range w.chunks {
			w.adoptChunk(uint32(c), now)
		}
	case now.version != nil && now.version == before.Backends.version:
	case now.after != nil && now.after == before.Backends.version:
		for _, c := range now.changed {
			w.adoptChunk(c, now)
		}
	default:
		was := &before.Backends
		for c := range uint32(max(len(now.chunks), len(was.chunks))) {
			if int(c) >= min(len(now.chunks), len(was.chunks)) || now.chunks[c] != was.chunks[c] || now.rows[c] != was.rows[c] {
				w.adoptChunk(c, now)
			}
		}
	}
	w.realCount = now.n
}

func (w *Worker) adoptChunk(c uint32, now *Backends) {
	w.chunks[c] = &unused
	if int(c) < len(now.chunks) {
		w.chunks[c] = now.chunks[c]
	}
	if w.chunkState[c] == inUse {
		w.chunkState[c] = leftOver
	}
}
