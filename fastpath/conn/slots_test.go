package conn

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// TestSlotsAreChangedAsInGo fills and empties buckets, with tags that collide, full and empty ones among them.
func TestSlotsAreChangedAsInGo(t *testing.T) {
	r := rand.New(rand.NewPCG(51, 52))
	tab := crowded(t, 60)
	got := tab.buckets
	want := make([]bucket, len(got))
	in := unsafe.Pointer(unsafe.SliceData(want))
	counts := map[string]int{}
	for range 200_000 {
		at := Home(r.IntN(len(got))<<8 | 1 + r.IntN(3))
		back := Home(r.IntN(len(got))<<8 | 1 + r.IntN(3))
		if r.IntN(4) == 0 {
			back = 0
		}
		s := Slot(1+r.IntN(100)) << 1
		what, both, bothInGo := "placed", placeBoth, placeBothInGo
		if r.IntN(2) == 0 {
			what, both, bothInGo = "displaced", displaceBoth, displaceBothInGo
		}
		a, b := both(tab.indexBase, at, back, s), bothInGo(in, at, back, s)
		if a != b {
			t.Fatalf("slot %d in homes %x and %x: %s %b, in Go %b", s, at, back, what, a, b)
		}
		counts[fmt.Sprintf("%s %02b", what, a)]++
		for _, h := range []Home{at, back} {
			if i := h.bucket(); got[i] != want[i] {
				t.Fatalf("%s: bucket %d is %v, in Go %v", what, i, got[i], want[i])
			}
		}
		if r.IntN(50) == 0 {
			got[at.bucket()].overflowed()
			want[at.bucket()].overflowed()
		}
	}
	for _, what := range []string{"placed", "displaced"} {
		for done := range bothSlots + 1 {
			if counts[fmt.Sprintf("%s %02b", what, done)] == 0 {
				t.Errorf("%s %02b: never", what, done)
			}
		}
	}
}

func TestSiftFindsWhoMayStandInTheTable(t *testing.T) {
	const capacity = 300
	tab := crowded(t, capacity)
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
