package prefetch

import (
	"testing"
	"unsafe"
)

func TestPrefetchTakesAnyPointerAndAnyCount(t *testing.T) {
	var p [64]unsafe.Pointer
	word := uint64(0x0123456789abcdef)
	for i := range p {
		if i%2 == 0 {
			p[i] = unsafe.Pointer(&word)
		}
	}
	for n := -1; n <= len(p); n++ {
		Lines(unsafe.Pointer(&p), n, unsafe.Sizeof(p[0]))
		Lines(unsafe.Pointer(&p), n/2, 2*unsafe.Sizeof(p[0]))
	}
	for _, n := range []int{-1, 0, 1, 10} {
		Pause(n)
	}
	if word != 0x0123456789abcdef {
		t.Error("a prefetch wrote")
	}
}
