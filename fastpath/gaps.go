package fastpath

import "math/bits"

// A gap is the time from one round's look at its last queue to the next round's: how long a packet may lie there
// before its worker sees it. Gaps are counted in buckets, of which every doubling of the time has 4.
const (
	// GapBuckets reach up to 2^36 ns, a good minute; the last one has also what is longer.
	GapBuckets    = 35 * gapsPerOctave
	gapsPerOctave = 1 << gapBits
	gapBits       = 2
)

// gapBucket is the number of a gap's bucket.
func gapBucket(ns uint64) int {
	if ns < gapsPerOctave {
		return int(ns)
	}
	shift := bits.Len64(ns) - 1 - gapBits
	return min((shift+1)<<gapBits|int(ns>>shift)&(gapsPerOctave-1), GapBuckets-1)
}

// GapBound is the longest gap, in nanoseconds, that belongs into a bucket.
func GapBound(bucket int) uint64 {
	if bucket < gapsPerOctave {
		return uint64(bucket)
	}
	shift := bucket>>gapBits - 1
	return uint64(bucket&(gapsPerOctave-1)|gapsPerOctave)<<shift + 1<<shift - 1
}

// countGap counts the time since the last round, unless the worker has napped meanwhile.
func (w *Worker) countGap() {
	if last := w.polledNs; last != 0 {
		gap := w.nowNs - last
		w.counters.Gaps[gapBucket(gap)]++
		w.counters.GapNs += gap
	}
	w.polledNs = w.nowNs
}
