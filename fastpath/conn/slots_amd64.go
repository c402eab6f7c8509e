package conn

import "unsafe"

// Connections that begin and end change index lines more often than anything else does: SSE finds the slot among the
// twelve tags at once. A new nat connection and its end took 303 instructions for it in Go, and take 106 so.

//go:noescape
func placeBoth(buckets unsafe.Pointer, at, back Home, s Slot) (done uint8)

//go:noescape
func sift(p *Probe, n int, stride uintptr, buckets unsafe.Pointer)

//go:noescape
func displaceBoth(buckets unsafe.Pointer, at, back Home, s Slot) (done uint8)
