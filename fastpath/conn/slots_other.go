//go:build !amd64

package conn

import "unsafe"

func placeBoth(buckets unsafe.Pointer, at, back Home, s Slot) uint8 {
	return placeBothInGo(buckets, at, back, s)
}

func sift(p *Probe, n int, stride uintptr, buckets unsafe.Pointer) { siftInGo(p, n, stride, buckets) }

func displaceBoth(buckets unsafe.Pointer, at, back Home, s Slot) uint8 {
	return displaceBothInGo(buckets, at, back, s)
}
