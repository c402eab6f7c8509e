// Package prefetch asks the processor for cache lines before they are needed. Go has no such
// intrinsic for users, so one call asks for a whole burst's.
package prefetch

import "unsafe"

// Max is the most lines one call takes.
const Max = 64

// Lines starts loading the cache lines that the first n pointers lead to into the nearest cache. n is 0
// to Max. Pointers may lead anywhere, also nowhere: a prefetch never faults.
//
//go:noescape
func Lines(p *[Max]unsafe.Pointer, n int)

// Pause tells the processor that this is a polling loop, n times (about 40 cycles each on x86).
func Pause(n int)
