package conn

import (
	"math/rand/v2"
	"slices"
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

func TestSiftFindsWhoMayStandInTheTable(t *testing.T) {
	const capacity = 300
	tab := newTable(t, capacity)
	r := rand.New(rand.NewPCG(53, 54))
	var homes []Home
	for range capacity {
		p := randomTuple(r)
		back := p.reply(uint32(r.IntN(len(testPeers))))
		if insert(tab, p.key(), back.key()) == nil {
			t.Fatal("no room")
		}
		homes = append(homes, tab.KeyHome(p.key()))
	}
	type place struct {
		before uint32
		Probe
		after uint32
	}
	const stride = unsafe.Sizeof(place{})
	vacant := 0
	for i := range 500 {
		n := r.IntN(20)
		got := make([]place, n+1)
		inserted := make([]bool, n)
		for j := range n {
			if inserted[j] = r.IntN(2) == 0; inserted[j] {
				got[j].Home = homes[r.IntN(len(homes))]
			} else {
				p := randomTuple(r)
				got[j].Home = tab.KeyHome(p.key())
			}
		}
		got[n].Guess = 77
		want := slices.Clone(got)
		tab.Sift(&got[0].Probe, n, stride)
		siftInGo(&want[0].Probe, n, stride, tab.indexBase)
		if !slices.Equal(got, want) {
			t.Fatalf("%d: %v, in Go %v", i, got, want)
		}
		for j := range n {
			if inserted[j] && got[j].Guess == 0 {
				t.Fatalf("a connection that is there is sifted out: %+v", got[j])
			}
			if got[j].Guess == 0 {
				vacant++
			}
		}
	}
	if vacant == 0 {
		t.Error("nothing was sifted out")
	}
}

func count(yes bool, a, b int) (int, int) {
	if yes {
		return a + 1, b
	}
	return a, b + 1
}
