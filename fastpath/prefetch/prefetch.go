// Package prefetch asks the processor for cache lines before they are needed. Go has no such
// intrinsic for users, so one call asks for a whole burst's.
package prefetch

import "unsafe"

// Lines starts loading the cache lines that n pointers lead to into the nearest cache; the first of them is at p, and they stand stride
// bytes apart. They may lead anywhere, also nowhere: a prefetch never faults. With n below 1 nothing happens.
//
//go:noescape
func Lines(p unsafe.Pointer, n int, stride uintptr)

// Pause tells the processor that this is a polling loop, n times (about 40 cycles each on x86).
func Pause(n int)
