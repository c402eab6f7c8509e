//go:build !amd64

package conn

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/prefetch"
)

func prefetchIndex(p *Probe, n int, stride uintptr, buckets unsafe.Pointer) {
	var lines [prefetch.Max]unsafe.Pointer
	for i := range min(n, len(lines)) {
		q := (*Probe)(unsafe.Add(unsafe.Pointer(p), uintptr(i)*stride))
		lines[i] = unsafe.Add(buckets, uintptr(q.Home.bucket())*bucketSize)
	}
	prefetch.Lines(&lines, min(n, len(lines)))
}

func probe(p *Probe, n int, stride uintptr, buckets, entries unsafe.Pointer) {
	probeInGo(p, n, stride, buckets)
	var lines [prefetch.Max]unsafe.Pointer
	for i := range min(n, len(lines)) {
		q := (*Probe)(unsafe.Add(unsafe.Pointer(p), uintptr(i)*stride))
		lines[i] = unsafe.Add(entries, uintptr(q.Guess.entry())*EntrySize)
	}
	prefetch.Lines(&lines, min(n, len(lines)))
}
