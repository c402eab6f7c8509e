//go:build !amd64

package conn

import "unsafe"

func place(buckets unsafe.Pointer, h Home, s Slot) bool { return placeInGo(buckets, h, s) }

func sift(p *Probe, n int, stride uintptr, buckets unsafe.Pointer) { siftInGo(p, n, stride, buckets) }

func displace(buckets unsafe.Pointer, h Home, s Slot) bool { return displaceInGo(buckets, h, s) }
