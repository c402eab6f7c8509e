package sched

import (
	"sync/atomic"
	"unsafe"
)

// Load is what the least-connection schedulers compare, and what thresholds bound: the connections of one backend,
// exact across workers. Any worker may change it; that happens when a connection is made, ends, or passes from one
// count to the other, never per packet.
type Load struct {
	_        [0]atomic.Uint64 // the two counts are one word: see both
	Active   atomic.Int32     // TCP connections from the first SYN until they begin to close
	Inactive atomic.Int32     // TCP connections in any other state, and all UDP ones
	// upper is the number of connections at which the backend gets no new ones until it has fewer than lower again;
	// 0: as many as may come.
	upper, lower atomic.Int32
	full         atomic.Bool
	_            [44]byte // a cache line of its own
}

var _ [64 - unsafe.Sizeof(Load{})]struct{}
var _ [unsafe.Sizeof(Load{}) - 64]struct{}

// Parts of the word of both counts.
const (
	oneActive   = 1
	oneInactive = 1 << 32
)

// both is Active in the lower half and Inactive in the upper, so that a connection is at no moment in both or none.
func (l *Load) both() *atomic.Uint64 { return (*atomic.Uint64)(unsafe.Pointer(&l.Active)) }

// total is the number of connections of a word of both.
func total(both uint64) int64 { return int64(int32(both)) + int64(int32(both>>32)) }

// Total is the number of connections.
func (l *Load) Total() int { return int(total(l.both().Load())) }

// SetThresholds changes the bounds, LVS's u_threshold and l_threshold; upper 0 is none. With lower 0 a full backend gets
// connections again below three quarters of upper.
func (l *Load) SetThresholds(upper, lower int) {
	if lower == 0 {
		lower = (3*upper + 3) / 4 // n < this is 4n < 3·upper
	}
	raised := upper == 0 || int32(upper) > l.upper.Load()
	l.lower.Store(int32(lower))
	l.upper.Store(int32(upper))
	if raised {
		l.full.Store(false)
	}
}

// Full reports whether the backend gets no new connections because of its thresholds.
func (l *Load) Full() bool { return l.full.Load() }

// Reserve counts a new, inactive connection if there may be one more: no two workers get the last place.
func (l *Load) Reserve() bool {
	if upper := l.upper.Load(); upper != 0 {
		return l.reserveBounded(upper)
	}
	l.both().Add(oneInactive)
	return true
}

func (l *Load) reserveBounded(upper int32) bool {
	for !l.full.Load() {
		was := l.both().Load()
		n := total(was) + 1
		if n > int64(upper) { // it was lowered, or connections were added that nothing bounds
			l.fill(upper)
			return false
		}
		if l.both().CompareAndSwap(was, was+oneInactive) {
			if n == int64(upper) {
				l.fill(upper)
			}
			return true
		}
	}
	return false
}

// Add counts a new, inactive connection whatever the thresholds say.
func (l *Load) Add() {
	n := total(l.both().Add(oneInactive))
	if upper := l.upper.Load(); upper != 0 && n >= int64(upper) {
		l.fill(upper)
	}
}

// fill notes that the backend is full by a bound. Connections that end meanwhile, and who changes the bound, may have been
// too quick to find it noted.
func (l *Load) fill(upper int32) {
	l.full.Store(true)
	if l.upper.Load() != upper {
		l.full.Store(false) // if the new bound is reached, the next connection will tell
		return
	}
	l.settle(l.both().Load())
}

// settle notes that the backend gets connections again if it has few enough.
func (l *Load) settle(both uint64) {
	if total(both) < int64(l.lower.Load()) {
		l.full.Store(false)
	}
}

// Move passes a connection to the other count.
func (l *Load) Move(active bool) {
	if active {
		l.both().Add(^uint64(oneInactive - oneActive - 1)) // minus the difference
	} else {
		l.both().Add(oneInactive - oneActive)
	}
}

// Remove counts a connection no longer.
func (l *Load) Remove(active bool) {
	one := uint64(oneInactive)
	if active {
		one = oneActive
	}
	if left := l.both().Add(-one); l.full.Load() {
		l.settle(left)
	}
}
