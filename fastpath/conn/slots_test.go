package conn

import (
	"math/rand/v2"
	"testing"
	"unsafe"
)

// TestSlotsAreChangedAsInGo fills and empties buckets, with tags that collide, full and empty ones among them.
func TestSlotsAreChangedAsInGo(t *testing.T) {
	r := rand.New(rand.NewPCG(51, 52))
	tab := newTable(t, 60)
	got := tab.buckets
	want := make([]bucket, len(got))
	in := unsafe.Pointer(unsafe.SliceData(want))
	placed, refused, displaced, missing := 0, 0, 0, 0
	for range 200_000 {
		h := Home(r.IntN(len(got))<<8 | 1 + r.IntN(3))
		s := Slot(1 + r.IntN(200))
		if r.IntN(2) == 0 {
			a, b := place(tab.indexBase, h, s), placeInGo(in, h, s)
			if a != b {
				t.Fatalf("slot %d in home %x: placed %t, in Go %t", s, h, a, b)
			}
			placed, refused = count(a, placed, refused)
		} else {
			a, b := displace(tab.indexBase, h, s), displaceInGo(in, h, s)
			if a != b {
				t.Fatalf("slot %d in home %x: displaced %t, in Go %t", s, h, a, b)
			}
			displaced, missing = count(a, displaced, missing)
		}
		if i := h.bucket(); got[i] != want[i] {
			t.Fatalf("bucket %d is %v, in Go %v", i, got[i], want[i])
		}
		if r.IntN(50) == 0 {
			got[h.bucket()].overflowed()
			want[h.bucket()].overflowed()
		}
	}
	if placed == 0 || refused == 0 || displaced == 0 || missing == 0 {
		t.Errorf("%d placed, %d refused, %d displaced, %d missing", placed, refused, displaced, missing)
	}
}

func count(yes bool, a, b int) (int, int) {
	if yes {
		return a + 1, b
	}
	return a, b + 1
}
