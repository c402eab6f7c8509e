// Package ring holds the bounded queues between goroutines of the packet path. Each has one writer and
// one reader, never blocks, and refuses what does not fit.
package ring

import (
	"sync/atomic"

	"github.com/weirlb/weir/fastpath/port"
)

// line keeps what two sides write on different cache lines.
type line [64]byte

// Frames carries frames, and with them the ownership of their buffers, from one worker to another.
type Frames struct {
	slots []port.Frame
	mask  uint32

	_    line
	head atomic.Uint32 // next to read; written by the reader
	_    line
	tail atomic.Uint32 // next to write; written by the writer
	_    line
	// Writer's own: filled but not yet published, and what it last saw of head.
	next, seen uint32
}

// NewFrames makes a queue for size frames, a power of two.
func NewFrames(size int) *Frames {
	if size <= 0 || size&(size-1) != 0 {
		panic("ring: the size must be a power of two")
	}
	return &Frames{slots: make([]port.Frame, size), mask: uint32(size - 1)}
}

// Push adds a frame, to be seen by the reader after Publish. It reports false if the queue is full; the
// frame then stays the caller's.
func (r *Frames) Push(f *port.Frame) bool {
	if r.next-r.seen > r.mask {
		r.seen = r.head.Load()
		if r.next-r.seen > r.mask {
			return false
		}
	}
	f.MoveTo(&r.slots[r.next&r.mask])
	r.next++
	return true
}

// Publish shows the reader what was pushed: once a burst.
func (r *Frames) Publish() {
	if r.tail.Load() != r.next {
		r.tail.Store(r.next)
	}
}

// Len is how many frames were published and not yet taken: exact while neither side is at work.
func (r *Frames) Len() int { return int(r.tail.Load() - r.head.Load()) }

// Fill is how many frames are waiting, and how many there is room for; for any goroutine.
func (r *Frames) Fill() (used, size int) { return int(r.tail.Load() - r.head.Load()), len(r.slots) }

// Pop moves at most len(dst) frames out and returns how many.
func (r *Frames) Pop(dst []port.Frame) int {
	h, t := r.head.Load(), r.tail.Load()
	n := min(int(t-h), len(dst))
	for i := range n {
		s := &r.slots[(h+uint32(i))&r.mask]
		s.MoveTo(&dst[i])
	}
	if n > 0 {
		r.head.Store(h + uint32(n))
	}
	return n
}

// Next is the position of the next frame to be pushed, and At the frame at a position that was pushed but not yet
// published: for the writer to look at what it has done.
func (r *Frames) Next() uint32 { return r.next }

// At is the frame at a position: see Next.
func (r *Frames) At(position uint32) *port.Frame { return &r.slots[position&r.mask] }
