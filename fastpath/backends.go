package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/sched"
)

// Backends are a snapshot's real servers by their index, which one keeps while it is configured. They lie in chunks that
// are shared with the snapshot before as long as nothing in them is another: a change of one service among ten thousand
// makes a few chunks, and a list of all. An unused place has generation 0.
type Backends struct {
	chunks []*chunk
	rows   []*rows // of each chunk; nil: none
	n      uint32
	load   *sched.Load // stands for those of all rows, if it is not nil
	// version is this state's, after the one that it was made from, and changed the chunks in which they differ.
	version, after *version
	changed        []uint32
}

// version tells states apart.
type version struct{ _ byte }

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
	many := (n + conn.ChunkLen - 1) / conn.ChunkLen
	b := Backends{chunks: make([]*chunk, many), rows: make([]*rows, many), n: uint32(n), version: new(version)}
	for i := range b.chunks {
		b.chunks[i] = &unused
	}
	return b
}

// grown is a list of the same chunks with room for n places.
func (b *Backends) grown(n int) Backends {
	out := newBackends(max(n, int(b.n)))
	copy(out.chunks, b.chunks)
	copy(out.rows, b.rows)
	out.load = b.load
	return out
}

// Len is the number of places.
func (b *Backends) Len() int { return int(b.n) }

// At is what is at an index below Len.
func (b *Backends) At(i uint32) *Backend {
	out := &b.chunks[i/conn.ChunkLen][i%conn.ChunkLen]
	if out.peer.Gen == 0 {
		if row := b.rows[i/conn.ChunkLen].in(i); row != nil {
			out = new(Backend)
			row.build(i, out, b.load)
		}
	}
	return out
}

// Shares reports whether two snapshots have the same memory at an index of both.
func (b *Backends) Shares(o *Backends, i uint32) bool {
	c := i / conn.ChunkLen
	return b.chunks[c] == o.chunks[c] && b.rows[c] == o.rows[c]
}

// each calls f for all places that may be used, but for rows.
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

func (b *Backends) peers() conn.Peers {
	return conn.NewPeers(b.chunks, b.n, func(i uint32) *conn.Peer { return b.At(i).Peer() })
}

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
	mine := new(chunk)
	if was := b.snap.Backends.chunks[c]; was != &unused {
		*mine = *was
	}
	b.snap.Backends.chunks[c] = mine
	b.own[c].Store(true)
}
