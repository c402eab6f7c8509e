package eal

/*
#include "eal.h"
*/
import "C"

import (
	"math/bits"
	"time"
)

// Clock turns the time stamp counter into nanoseconds since DPDK was started:
// (TSC - Start) * Mult >> 32. It is the same for all queues, so that their times compare.
type Clock struct {
	Start uint64 // TSC at time 0
	Mult  uint64 // nanoseconds of one tick, as a fixed-point number with 32 fractional bits
}

// Hertz is how many ticks the counter makes in a second; 0 if it stands still.
func (c Clock) Hertz() float64 {
	if c.Mult == 0 {
		return 0
	}
	return 1e9 * (1 << 32) / float64(c.Mult)
}

// calibration is how long the counter is compared with the kernel's clock: over 100 ms the error of
// reading both (under 1 µs) is 10 ppm. DPDK's own figure is rounded to 10 MHz, which is up to 0.25 %.
const calibration = 100 * time.Millisecond

// sample is one moment on both clocks.
type sample struct{ tsc, ns uint64 }

func takeSample() sample {
	var tsc, ns C.uint64_t
	C.weir_clock_sample(&tsc, &ns)
	return sample{uint64(tsc), uint64(ns)}
}

// calibrate makes the clock out of two moments, waiting until they are far enough apart.
func calibrate(from sample) Clock {
	to := takeSample()
	if passed := time.Duration(to.ns - from.ns); passed < calibration {
		time.Sleep(calibration - passed)
		to = takeSample()
	}
	return newClock(from, to)
}

func newClock(from, to sample) Clock {
	ns, ticks := to.ns-from.ns, to.tsc-from.tsc
	hi, lo := bits.Mul64(ns, 1<<32)
	if ticks <= hi {
		// Less than one tick in 4 s: no counter to speak of. Time stands still rather than run wild.
		return Clock{Start: from.tsc}
	}
	mult, _ := bits.Div64(hi, lo, ticks)
	return Clock{Start: from.tsc, Mult: mult}
}
