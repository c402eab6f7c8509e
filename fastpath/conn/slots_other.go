//go:build !amd64

package conn

import "unsafe"

func place(buckets unsafe.Pointer, h Home, s Slot) bool { return placeInGo(buckets, h, s) }

func displace(buckets unsafe.Pointer, h Home, s Slot) bool { return displaceInGo(buckets, h, s) }
