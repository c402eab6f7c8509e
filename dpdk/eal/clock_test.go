package eal

import (
	"math/bits"
	"testing"
	"time"
)

// at is the clock's reading as package ethdev computes it in C.
func (c Clock) at(tsc uint64) uint64 {
	hi, lo := bits.Mul64(tsc-c.Start, c.Mult)
	return hi<<32 | lo>>32
}

func TestClockTurnsTicksIntoNanoseconds(t *testing.T) {
	const year = 365 * 24 * uint64(time.Hour)
	for _, tc := range []struct {
		name string
		hz   uint64
	}{
		{"1 GHz", 1e9},
		{"2.9 GHz", 2_900_000_000},
		{"5.1 GHz", 5_100_000_000},
		{"a counter of 24 MHz", 24_000_000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const start = 1 << 50
			c := newClock(sample{tsc: start, ns: 77}, sample{tsc: start + tc.hz/10, ns: 77 + 1e8})
			if got := c.at(start); got != 0 {
				t.Errorf("at the start it is %d ns", got)
			}
			ns := c.at(start + tc.hz*(year/1e9))
			if diff := time.Duration(year - ns).Abs(); diff > time.Second {
				t.Errorf("after a year it is off by %v", diff)
			}
		})
	}
}

func TestClockOfACounterThatStandsStill(t *testing.T) {
	c := newClock(sample{tsc: 5, ns: 0}, sample{tsc: 5, ns: 1e9})
	if got := c.at(1 << 40); got != 0 {
		t.Errorf("time runs: %d ns", got)
	}
}

func TestClockKeepsPaceWithTheKernel(t *testing.T) {
	from := takeSample()
	c := calibrate(from)
	then := takeSample()
	if passed := time.Duration(then.ns - from.ns); passed < calibration {
		t.Fatalf("the clock was measured over %v, want at least %v", passed, calibration)
	}
	kernel, ours := then.ns-from.ns, c.at(then.tsc)
	if off := time.Duration(ours - kernel).Abs(); off > time.Millisecond {
		t.Errorf("after %v the clock is off by %v", time.Duration(kernel), off)
	}
}
