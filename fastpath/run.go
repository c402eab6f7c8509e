package fastpath

import (
	"sync/atomic"
	"time"

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
	// it stays well under a millisecond, at some 3000 naps a second.
	nap = 250 * time.Microsecond
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
				ts := unix.NsecToTimespec(int64(nap))
				_ = unix.Nanosleep(&ts, nil) // a signal that cuts it short does no harm
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
