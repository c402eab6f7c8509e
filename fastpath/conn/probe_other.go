//go:build !amd64

package conn

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/prefetch"
)

func prefetchIndex(p *Probe, n int, stride uintptr, buckets unsafe.Pointer) {
	var lines [64]unsafe.Pointer
	for i := range min(n, len(lines)) {
		q := (*Probe)(unsafe.Add(unsafe.Pointer(p), uintptr(i)*stride))
		lines[i] = unsafe.Add(buckets, uintptr(q.Home.bucket())*bucketSize)
	}
	prefetch.Lines(unsafe.Pointer(&lines), min(n, len(lines)), unsafe.Sizeof(lines[0]))
}

func probe(p *Probe, n int, stride uintptr, buckets, entries unsafe.Pointer) (found, replies uint64) {
	found, replies = probeInGo(p, n, stride, buckets)
	var lines [64]unsafe.Pointer
	for i := range min(n, len(lines)) {
		q := (*Probe)(unsafe.Add(unsafe.Pointer(p), uintptr(i)*stride))
		lines[i] = unsafe.Add(entries, uintptr(q.Guess.entry())*EntrySize)
	}
	prefetch.Lines(unsafe.Pointer(&lines), min(n, len(lines)), unsafe.Sizeof(lines[0]))
	return found, replies
}
