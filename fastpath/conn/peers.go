package conn

import "unsafe"

// How peers lie in memory: each at the start of a record, and so many records in a chunk.
const (
	PeerStride = 128
	ChunkBits  = 8
	ChunkLen   = 1 << ChunkBits
)

var _ [PeerStride - unsafe.Sizeof(Peer{})]struct{}

// Peers say where backends' indices lead. They are parts of the records of a snapshot, which has those in chunks: what a
// snapshot shares with the one before need not be copied.
type Peers struct {
	chunks unsafe.Pointer // an array of pointers to them
	n      uint32
	// late makes a peer whose record is not there yet.
	late func(i uint32) *Peer
}

// NewPeers are the peers of n records in chunks. late, if not nil, is asked for those of records with generation 0.
func NewPeers[C any](chunks []*C, n uint32, late func(i uint32) *Peer) Peers {
	var c C
	if unsafe.Sizeof(c) != ChunkLen*PeerStride || int(n) > len(chunks)*ChunkLen {
		return Peers{}
	}
	return Peers{unsafe.Pointer(unsafe.SliceData(chunks)), n, late}
}

// At is where an index leads that is below the number of peers.
func (p *Peers) At(i uint32) *Peer {
	chunk := *(*unsafe.Pointer)(unsafe.Add(p.chunks, uintptr(i>>ChunkBits)*unsafe.Sizeof(p.chunks)))
	return (*Peer)(unsafe.Add(chunk, uintptr(i%ChunkLen)*PeerStride))
}

// of is where an entry's backend leads, nil if it is gone.
func (p *Peers) of(e *Entry) *Peer {
	if e.Backend >= p.n {
		return nil
	}
	at := p.At(e.Backend)
	if at.Gen == 0 && p.late != nil {
		at = p.late(e.Backend)
	}
	if at.Gen != e.Gen {
		return nil
	}
	return at
}
