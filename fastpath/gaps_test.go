package fastpath

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"
)

func TestGapBucketsFollowEachOtherWithoutHoles(t *testing.T) {
	for b := range GapBuckets - 1 {
		longest := GapBound(b)
		if got := gapBucket(longest); got != b {
			t.Errorf("bucket %d ends with %d ns, which belongs into %d", b, longest, got)
		}
		if got := gapBucket(longest + 1); got != b+1 {
			t.Errorf("%d ns belongs into %d, not into %d behind %d", longest+1, got, b+1, b)
		}
	}
	if got := gapBucket(math.MaxUint64); got != GapBuckets-1 {
		t.Errorf("an endless gap belongs into %d", got)
	}
}

func TestGapBoundIsAtMostAQuarterAboveTheGap(t *testing.T) {
	for range 10_000 {
		ns := rand.Uint64N(1 << 36)
		if bound := GapBound(gapBucket(ns)); bound < ns || bound-ns > ns/4 {
			t.Fatalf("%d ns is counted as at most %d", ns, bound)
		}
	}
}

func TestGapsBetweenRoundsAreCounted(t *testing.T) {
	r := newRig(t, tcp4())
	w := r.workers[0]
	for _, ns := range []uint64{0, 100, 0, 50_000} {
		r.now += ns
		w.Poll()
	}
	c := w.Counters()
	if c.Gaps[0] != 1 || c.Gaps[gapBucket(100)] != 1 || c.Gaps[gapBucket(50_000)] != 1 || c.GapNs != 50_100 {
		t.Errorf("%v, %d ns", c.Gaps, c.GapNs)
	}
}

func TestNapsAreNoGaps(t *testing.T) {
	r := newRig(t, tcp4())
	w := r.workers[0]
	var stop atomic.Bool
	rounds := 0
	r.clock = func() uint64 {
		if rounds++; rounds == 10 {
			stop.Store(true)
		}
		return uint64(rounds) * uint64(time.Second)
	}
	w.Run(&stop, Sleep)
	// Each round asks both ports for the time. The first nap follows the first round with nothing to do.
	if c := w.Counters(); c.GapNs != 0 {
		t.Errorf("%d ns in gaps: %v", c.GapNs, c.Gaps)
	}
}
