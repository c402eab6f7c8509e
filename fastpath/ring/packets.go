package ring

import (
	"sync/atomic"
	"unsafe"

	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/reason"
)

// Meta travels with a packet's bytes.
type Meta struct {
	Len    uint32
	Reason reason.Reason // why it was punted
	Port   uint8         // where it came in, or for an injected packet and PuntNeighbor where it shall go out
	V6     bool          // of Addr
	_      uint8
	Addr   nexthop.Addr // PuntNeighbor: the next hop whose MAC is missing
	// Backend and Gen name the backend that an injected packet goes to in its service's mode; Gen 0: it is finished,
	// and leaves as it is.
	Backend, Gen uint32
}

const metaSize = int(unsafe.Sizeof(Meta{}))

// Packets carries copies of packets between a worker and the slow path: punts one way, packets to
// send the other. Copying keeps the buffers with the worker, so that nothing outside the workers
// ever touches a memory pool.
type Packets struct {
	buf  []byte
	mask uint32

	_    line
	head atomic.Uint32 // bytes read so far; written by the reader
	_    line
	tail atomic.Uint32 // bytes written so far; written by the writer
	_    line

	waiting atomic.Bool // the reader sleeps until the bell
	bell    func()
}

// NewPackets makes a queue of size bytes, a power of two. If bell is not nil the writer's Ring calls it
// once after the reader has said with Wait that it is going to sleep.
func NewPackets(size int, bell func()) *Packets {
	if size < 4096 || size&(size-1) != 0 {
		panic("ring: the size must be a power of two, at least 4096")
	}
	return &Packets{buf: make([]byte, size), mask: uint32(size - 1), bell: bell}
}

// room is what a record takes: the Meta and the frame, both padded to 8 bytes.
func room(n uint32) uint32 { return uint32(metaSize) + (n+7)&^7 }

// Push copies a packet in. It reports false if there is no room.
func (r *Packets) Push(m *Meta, frame []byte) bool {
	m.Len = uint32(len(frame))
	t := r.tail.Load()
	if uint64(room(m.Len)) > uint64(len(r.buf))-uint64(t-r.head.Load()) {
		return false
	}
	r.copyIn(t, unsafe.Slice((*byte)(unsafe.Pointer(m)), metaSize))
	r.copyIn(t+uint32(metaSize), frame)
	r.tail.Store(t + room(m.Len))
	return true
}

// Pop copies the oldest packet into buf and returns its length; a packet longer than buf is cut off.
// It reports false if there is none.
func (r *Packets) Pop(m *Meta, buf []byte) (int, bool) {
	h := r.head.Load()
	if h == r.tail.Load() {
		return 0, false
	}
	r.copyOut(unsafe.Slice((*byte)(unsafe.Pointer(m)), metaSize), h)
	n := min(int(m.Len), len(buf))
	r.copyOut(buf[:n], h+uint32(metaSize))
	r.head.Store(h + room(m.Len))
	return n, true
}

func (r *Packets) copyIn(at uint32, b []byte) {
	n := copy(r.buf[at&r.mask:], b)
	copy(r.buf, b[n:])
}

func (r *Packets) copyOut(b []byte, at uint32) {
	n := copy(b, r.buf[at&r.mask:])
	copy(b[n:], r.buf)
}

// Empty reports whether the reader would find nothing.
func (r *Packets) Empty() bool { return r.head.Load() == r.tail.Load() }

// Fill is how many bytes are waiting, and how many there is room for; for any goroutine.
func (r *Packets) Fill() (used, size int) { return int(r.tail.Load() - r.head.Load()), len(r.buf) }

// Wait announces that the reader is going to sleep until the bell. It reports false if a packet has come
// meanwhile: then the reader must not sleep.
func (r *Packets) Wait() bool {
	r.waiting.Store(true)
	if !r.Empty() {
		r.waiting.Store(false)
		return false
	}
	return true
}

// Ring wakes a sleeping reader if there is something to read; the writer calls it once a burst.
func (r *Packets) Ring() {
	if r.bell != nil && r.waiting.Load() && !r.Empty() && r.waiting.CompareAndSwap(true, false) {
		r.bell()
	}
}
