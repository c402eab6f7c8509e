package sched

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestKeylessSchedulersDoNotLookAtTheKey gives each scheduler no key at all, if it says that it needs none.
func TestKeylessSchedulersDoNotLookAtTheKey(t *testing.T) {
	r := rand.New(rand.NewPCG(71, 72))
	keyless := []string{"fo", "lc", "nq", "ovf", "rr", "sed", "wlc", "wrr"}
	for _, name := range schedulers {
		servers := make([]Server, 7)
		for i := range servers {
			servers[i] = Server{Address: fmt.Sprintf("10.0.0.%d:80", i), ID: uint32(i + 1), Weight: 1 + r.IntN(9), Load: new(Load)}
			servers[i].Load.Active.Store(int32(r.IntN(20)))
		}
		s, err := New(name, servers, Options{TableSize: smallTable})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := Keyless(s), slices.Contains(keyless, name); got != want {
			t.Errorf("%s: keyless %t, want %t", name, got, want)
		}
		if !Keyless(s) {
			continue
		}
		var a, b State
		for range 100 {
			k := Key{SrcPort: uint16(r.Uint32()), DstPort: 80, Now: r.Uint32()}
			k.Src[0], k.Dst[3] = byte(r.Uint32()), byte(r.Uint32())
			if with, without := s.Pick(&k, &a), s.Pick(nil, &b); with != without {
				t.Fatalf("%s: picks %d with a key, %d without", name, with, without)
			}
		}
	}
}
