//go:build !amd64

package conn

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/prefetch"
)

func scan(first *Entry, n int, now Tick, dead *Dead, found int) (walked, total int) {
	return scanInGo(first, n, now, dead, found)
}

func prefetchHome(buckets unsafe.Pointer, h Home) { prefetchHomes(buckets, h, h) }

func prefetchHomes(buckets unsafe.Pointer, a, b Home) {
	var lines [2]unsafe.Pointer
	lines[0] = unsafe.Add(buckets, uintptr(a.bucket())*bucketSize)
	lines[1] = unsafe.Add(buckets, uintptr(b.bucket())*bucketSize)
	prefetch.Lines(unsafe.Pointer(&lines), len(lines), unsafe.Sizeof(lines[0]))
}
