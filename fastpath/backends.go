package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/offheap"
)

// Backends are a snapshot's real servers by their index, which one keeps while it is configured. They lie in chunks that
// are shared with the snapshot before as long as nothing in them is another: a change of one service among ten thousand
// makes a few chunks, and a list of all. An unused place has generation 0.
type Backends struct {
	chunks []*chunk
	n      uint32
}

type chunk [conn.ChunkLen]Backend

// A record is found with a shift and a mask, as conn does.
var (
	_ [conn.PeerStride - backendSize]struct{}
	_ [backendSize - conn.PeerStride]struct{}
	_ [0 - unsafe.Offsetof(Backend{}.peer)]struct{}
)

// unused stands for chunks without backends. Nobody writes it.
var unused chunk

func newBackends(n int) Backends {
	b := Backends{chunks: make([]*chunk, (n+conn.ChunkLen-1)/conn.ChunkLen), n: uint32(n)}
	for i := range b.chunks {
		b.chunks[i] = &unused
	}
	return b
}

// grown is a list of the same chunks with room for n places.
func (b *Backends) grown(n int) Backends {
	out := newBackends(max(n, int(b.n)))
	copy(out.chunks, b.chunks)
	return out
}

// Len is the number of places.
func (b *Backends) Len() int { return int(b.n) }

// At is what is at an index below Len.
func (b *Backends) At(i uint32) *Backend { return &b.chunks[i/conn.ChunkLen][i%conn.ChunkLen] }

// Shares reports whether two snapshots have the same memory at an index of both.
func (b *Backends) Shares(o *Backends, i uint32) bool { return b.At(i) == o.At(i) }

// each calls f for all places that may be used.
func (b *Backends) each(f func(i uint32, r *Backend)) {
	for c, in := range b.chunks {
		if in == &unused {
			continue
		}
		for i := range in {
			f(uint32(c*conn.ChunkLen+i), &in[i])
		}
	}
}

func (b *Backends) peers() conn.Peers { return conn.NewPeers(b.chunks, b.n) }

// place is where a builder may write a backend: in a chunk that no other snapshot has.
func (b *Builder) place(i uint32) *Backend {
	c := i / conn.ChunkLen
	if !b.own[c].Load() {
		b.claim(c)
	}
	return &b.snap.Backends.chunks[c][i%conn.ChunkLen]
}

func (b *Builder) claim(c uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.own[c].Load() {
		return
	}
	mine := b.newChunk()
	if was := b.snap.Backends.chunks[c]; was != &unused {
		*mine = *was
	}
	b.snap.Backends.chunks[c] = mine
	b.own[c].Store(true)
}

// slabLen is how many chunks of a snapshot without a base are one piece of memory, 8 MiB, which is written page by page for
// the first time: with huge pages in a fraction of the time. One chunk in use keeps all of it.
const slabLen = 256

func (b *Builder) newChunk() *chunk {
	if b.spec.Base != nil {
		return new(chunk)
	}
	if len(b.slab) == 0 {
		b.slab = make([]chunk, min(slabLen, len(b.own)-b.taken))
		b.taken += len(b.slab)
		offheap.Huge(unsafe.Pointer(unsafe.SliceData(b.slab)), uintptr(len(b.slab))*unsafe.Sizeof(chunk{}))
	}
	c := &b.slab[0]
	b.slab = b.slab[1:]
	return c
}
