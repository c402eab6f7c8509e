package conn

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// TestProbeFindsWhatTheSearchInGoFinds fills a table so that buckets overflow and tags collide, and probes for
// connections, strangers and the home of packets that are no flow.
func TestProbeFindsWhatTheSearchInGoFinds(t *testing.T) {
	const capacity = 3000
	tab := crowded(t, capacity)
	r := rand.New(rand.NewPCG(21, 22))
	var homes []Home
	for range capacity {
		p := randomTuple(r)
		back := p.reply(uint32(r.IntN(len(testPeers))))
		if insert(tab, p.key(), back.key()) == nil {
			t.Fatal("no room")
		}
		stranger := randomTuple(r)
		homes = append(homes, tab.KeyHome(p.key()), tab.KeyHome(back.key()), tab.KeyHome(stranger.key()), 0)
	}
	r.Shuffle(len(homes), func(i, j int) { homes[i], homes[j] = homes[j], homes[i] })
	type place struct {
		before uint64
		Probe
		after uint64
	}
	const stride = unsafe.Sizeof(place{})
	found := 0
	for len(homes) > 0 {
		n := min(r.IntN(65), len(homes))
		got := make([]place, n+1)
		for i, h := range homes[:n] {
			got[i].Home = h
		}
		const untouched = 0xdead
		got[n].Guess = untouched
		want := slices.Clone(got)
		tab.PrefetchIndex(&got[0].Probe, n, stride)
		gotFound, gotReplies := tab.Probe(&got[0].Probe, n, stride)
		wantFound, wantReplies := probeInGo(&want[0].Probe, n, stride, tab.indexBase)
		if !slices.Equal(got, want) || gotFound != wantFound || gotReplies != wantReplies {
			t.Fatalf("%v, %b found, %b replies; in Go %v, %b, %b", got, gotFound, gotReplies, want, wantFound, wantReplies)
		}
		for i, p := range got[:n] {
			if gotFound>>i&1 != 0 != (p.Guess != 0) || gotReplies>>i&1 != 0 != p.Guess.Reply() {
				t.Fatalf("of %v %b are found, %b are replies", got, gotFound, gotReplies)
			}
			if p.Guess != 0 {
				if r := tab.Ref(p.Guess); tab.Slot(r) != p.Guess {
					t.Fatalf("slot %d leads to %v, which has slot %d", p.Guess, r, tab.Slot(r))
				}
				found++
			}
		}
		homes = homes[n:]
	}
	if found < 3*capacity/2 { // the others stand in their second bucket
		t.Errorf("only %d slots found for %d tuples", found, 2*capacity)
	}
}
