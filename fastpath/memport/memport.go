// Package memport is a port in memory: what tests and replay put in comes out of Exchange, and what the
// worker sends can be taken out. It follows the same rules as the DPDK port, so the packet path cannot
// tell the difference; it counts its buffers, so a leak shows.
package memport

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/weirlb/weir/fastpath/port"
)

// bufSize is a buffer's size, with port.Headroom in front: as large as DPDK's for jumbo frames.
const bufSize = MaxFrame + port.Headroom

// MaxFrame is the largest frame a buffer holds.
const MaxFrame = 9216

type buffer struct {
	mem  [bufSize]byte
	pool *Pool
	used bool
}

// Pool gives buffers to the queues of one test or replay. It is safe for concurrent use.
type Pool struct {
	mu   sync.Mutex
	free []*buffer
	all  []*buffer // keeps those in use alive, see port.Frame
	used int
	// Limit is the most buffers in use at one time; 0: no limit.
	Limit int
}

// InUse is the number of buffers that somebody holds; 0 when nothing has leaked, the queues' spares being
// counted as in use until Drain.
func (p *Pool) InUse() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used
}

func (p *Pool) get() *buffer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Limit > 0 && p.used >= p.Limit {
		return nil
	}
	p.used++
	if n := len(p.free); n > 0 {
		b := p.free[n-1]
		p.free = p.free[:n-1]
		b.used = true
		return b
	}
	b := &buffer{pool: p, used: true}
	p.all = append(p.all, b)
	return b
}

func (p *Pool) put(ref unsafe.Pointer) {
	b := (*buffer)(ref)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !b.used {
		panic("memport: a buffer was freed twice")
	}
	b.used = false
	p.used--
	p.free = append(p.free, b)
}

// Queue is a port's queue in memory. Put and Take may run on another goroutine than the worker's.
type Queue struct {
	burst port.Burst
	pool  *Pool
	clock func() uint64
	rx    bool
	tx    bool

	mu   sync.Mutex
	in   []port.Frame
	out  [][]byte
	sink func(frame []byte)
	// stuck makes the device take nothing for transmission.
	stuck bool
	err   error
}

// New makes a queue with both sides. clock gives Burst.Now in nanoseconds.
func New(pool *Pool, clock func() uint64) *Queue {
	return &Queue{pool: pool, clock: clock, rx: true, tx: true}
}

// NewPartial makes a queue that lacks a side, as a device with too few queues gives.
func NewPartial(pool *Pool, clock func() uint64, rx, tx bool) *Queue {
	return &Queue{pool: pool, clock: clock, rx: rx, tx: tx}
}

// Burst implements port.Queue.
func (q *Queue) Burst() *port.Burst { return &q.burst }

// HasRX implements port.Queue.
func (q *Queue) HasRX() bool { return q.rx }

// HasTX implements port.Queue.
func (q *Queue) HasTX() bool { return q.tx }

// SetStuck makes the device refuse frames, or take them again.
func (q *Queue) SetStuck(stuck bool) {
	q.mu.Lock()
	q.stuck = stuck
	q.mu.Unlock()
}

// OnSend calls f with every frame sent, in the worker's goroutine, instead of keeping it for Take. The slice
// is only valid during the call.
func (q *Queue) OnSend(f func(frame []byte)) { q.sink = f }

// Put lets a frame arrive, with flags as port.Frame has them. It fails if the frame is larger than a buffer or
// the pool's limit is reached.
func (q *Queue) Put(frame []byte, flags uint16) error {
	if len(frame) > MaxFrame {
		return fmt.Errorf("a frame of %d bytes does not fit a buffer of %d", len(frame), MaxFrame)
	}
	b := q.pool.get()
	if b == nil {
		return fmt.Errorf("all %d buffers are in use", q.pool.Limit)
	}
	f := newFrame(b)
	copy(b.mem[port.Headroom:], frame)
	f.Len, f.Tail, f.Flags = uint32(len(frame)), f.Tail-uint16(len(frame)), flags
	q.mu.Lock()
	q.in = append(q.in, f)
	q.mu.Unlock()
	return nil
}

// Last is the frame that was put in last, for a test to change what its device says of it.
func (q *Queue) Last() *port.Frame { return &q.in[len(q.in)-1] }

func newFrame(b *buffer) port.Frame {
	return port.Frame{
		Data: unsafe.Pointer(&b.mem[port.Headroom]), Buf: unsafe.Pointer(b),
		Room: port.Headroom, Tail: MaxFrame,
	}
}

// Take returns the frames sent since the last call.
func (q *Queue) Take() [][]byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := q.out
	q.out = nil
	return out
}

// Waiting is the number of frames that have not been received yet.
func (q *Queue) Waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.in)
}

// Exchange implements port.Queue.
func (q *Queue) Exchange(limit int) {
	b := &q.burst
	for i := range b.NFree {
		q.pool.put(b.Free[i])
		b.Free[i] = nil
	}
	b.NFree = 0
	q.send()
	for b.NSpare < port.SpareSize {
		buf := q.pool.get()
		if buf == nil {
			break
		}
		b.Spare[b.NSpare] = newFrame(buf)
		b.NSpare++
	}
	q.receive(limit)
	b.Now = max(b.Now, q.clock())
}

func (q *Queue) send() {
	b := &q.burst
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stuck {
		return
	}
	if b.NTX > 0 && !q.tx {
		panic("memport: frames sent on a queue without a transmit side")
	}
	for i := range b.NTX {
		f := &b.TX[i]
		if err := check(f); err == nil {
			q.deliver(unsafe.Slice((*byte)(f.Data), f.Len))
		} else if q.err == nil {
			q.err = err
		}
		q.pool.put(f.Buf)
		*f = port.Frame{}
	}
	b.NTX = 0
}

func (q *Queue) deliver(frame []byte) {
	q.burst.TxFrames++
	q.burst.TxBytes += uint64(len(frame))
	if q.sink != nil {
		q.sink(frame)
	} else {
		q.out = append(q.out, append([]byte(nil), frame...))
	}
}

// check compares where a frame lies in its buffer with what the frame says of it.
func check(f *port.Frame) error {
	room := uintptr(f.Data) - uintptr(f.Buf) // mem is the buffer's first field
	if room > bufSize || uintptr(f.Len) > bufSize-room {
		return fmt.Errorf("a frame of %d bytes was sent that reaches out of its buffer", f.Len)
	}
	if tail := bufSize - room - uintptr(f.Len); uintptr(f.Room) != room || uintptr(f.Tail) != tail {
		return fmt.Errorf("a frame of %d bytes was sent as if %d bytes before it and %d behind it were free, not %d and %d",
			f.Len, f.Room, f.Tail, room, tail)
	}
	return nil
}

// Err tells what was wrong with the first frame that was not sent for it; nil: nothing.
func (q *Queue) Err() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

func (q *Queue) receive(limit int) {
	b := &q.burst
	b.NRX = 0
	if !q.rx {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	n := copy(b.RX[:limit], q.in)
	q.in = q.in[:copy(q.in, q.in[n:])]
	b.NRX = uint32(n)
}

// Drain gives the spares and all that has not been received back to the pool, after the worker was closed.
func (q *Queue) Drain() {
	b := &q.burst
	for i := range b.NSpare {
		q.pool.put(b.Spare[i].Buf)
	}
	b.NSpare = 0
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.in {
		q.pool.put(q.in[i].Buf)
	}
	q.in = nil
}
