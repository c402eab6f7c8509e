package fastpath

import (
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/weirlb/weir/fastpath/prefetch"
	"golang.org/x/sys/unix"
)

// Idle is what a worker does in a round that found nothing.
type Idle uint8

// The policies.
const (
	Spin  Idle = iota // poll again at once
	Pause             // let the processor rest for about a microsecond, then poll again
	Sleep             // sleep for a fraction of a millisecond, once nothing has come for a while
)

const (
	// linger is how long a sleeping worker keeps polling after the last packet: the next one of a busy
	// moment finds it awake.
	linger = 100 * time.Microsecond
	// nap bounds how late the first packet after a quiet time is seen. With what the kernel adds to it,
	// it stays under a millisecond. Half of it would cost twice the processor time: 3 % of a core here.
	nap = 600 * time.Microsecond
	// pauses is about a microsecond of pause instructions.
	pauses = 32
)

// Run polls until stop is set. The caller has locked the goroutine to a thread that the queues'
// implementation knows.
func (w *Worker) Run(stop *atomic.Bool, idle Idle) {
	var quiet uint64 // clock when the last packet was seen
	for !stop.Load() {
		if w.Poll() > 0 {
			quiet = w.nowNs
			continue
		}
		switch idle {
		case Pause:
			prefetch.Pause(pauses)
		case Sleep:
			if w.nowNs-quiet > uint64(linger) && w.flushed() {
				takeNap()
				w.polledNs = 0
			}
		}
	}
}

// flushed reports whether no frame waits for transmission.
func (w *Worker) flushed() bool {
	for i := range w.ports {
		if w.ports[i].b.NTX > 0 {
			return false
		}
	}
	return true
}

// takeNap sleeps without telling the Go scheduler. Told, it would take the worker's processor away after 20
// microseconds and look for other work on a thread that spins: measured here as 30 % of a core instead of 2. A
// signal cuts the nap short, so the garbage collector does not wait for its end.
func takeNap() {
	ts := unix.NsecToTimespec(int64(nap))
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0)
}
