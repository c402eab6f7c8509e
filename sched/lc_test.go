package sched

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

// naiveLeast returns the first server with the least (256*active + inactive) / weight, in exact
// fractions.
func naiveLeast(ss []Server, weighted bool) int {
	best, least := -1, new(big.Rat)
	for i, s := range ss {
		if s.Weight == 0 {
			continue
		}
		var load Load
		if s.Load != nil {
			load.Active.Store(s.Load.Active.Load())
			load.Inactive.Store(s.Load.Inactive.Load())
		}
		overhead := big.NewRat(256*int64(load.Active.Load())+int64(load.Inactive.Load()), 1)
		if weighted {
			overhead.Quo(overhead, big.NewRat(int64(s.Weight), 1))
		}
		if best < 0 || overhead.Cmp(least) < 0 {
			best, least = i, overhead
		}
	}
	return best
}

func TestLeastConnectionsMatchANaiveSearch(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 11))
	for range 3000 {
		ss := randomServers(r)
		for name, weighted := range map[string]bool{"lc": false, "wlc": true} {
			clearShares(ss)
			if got, want := build(t, name, ss, Options{}).Pick(nil, nil), naiveLeast(ss, weighted); got != want {
				t.Fatalf("%s picked %d, want %d of %v", name, got, want, weightsOf(ss))
			}
		}
	}
}

func TestLeastConnectionsFollowTheLoad(t *testing.T) {
	tests := []struct {
		name     string
		weights  []int
		active   []int32
		inactive []int32
		lc, wlc  int
	}{
		{"a tie goes to the first", []int{2, 2, 2}, []int32{5, 5, 5}, []int32{1, 1, 1}, 0, 0},
		{"256 inactive connections are worth an active one", []int{1, 1}, []int32{1, 0}, []int32{0, 256}, 0, 0},
		{"255 are worth less", []int{1, 1}, []int32{1, 0}, []int32{0, 255}, 1, 1},
		{"only wlc looks at the weight", []int{1, 10}, []int32{2, 10}, []int32{0, 0}, 0, 1},
		{"equal by weight goes to the first", []int{2, 4}, []int32{10, 20}, []int32{2, 4}, 0, 0},
		{"idle servers are equal whatever their weight", []int{1, 65535}, []int32{0, 0}, []int32{0, 0}, 0, 0},
		{"weight 0 is passed over", []int{0, 1, 0}, []int32{0, 9, 0}, []int32{0, 0, 0}, 1, 1},
		{"more connections than fit LVS's 32 bits", []int{65535, 65534}, []int32{1<<31 - 1, 1<<31 - 1}, []int32{1<<31 - 1, 1<<31 - 2}, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ss := servers(tt.weights...)
			for i := range ss {
				ss[i].Load.Active.Store(tt.active[i])
				ss[i].Load.Inactive.Store(tt.inactive[i])
			}
			if got := build(t, "lc", ss, Options{}).Pick(nil, nil); got != tt.lc {
				t.Errorf("lc picked %d, want %d", got, tt.lc)
			}
			if got := build(t, "wlc", ss, Options{}).Pick(nil, nil); got != tt.wlc {
				t.Errorf("wlc picked %d, want %d", got, tt.wlc)
			}
		})
	}
}

func TestAServerWithoutLoadCountsAsIdle(t *testing.T) {
	ss := servers(1, 1)
	ss[1].Load = nil
	ss[0].Load.Inactive.Store(1)
	for _, name := range []string{"lc", "wlc"} {
		if got := build(t, name, ss, Options{}).Pick(nil, nil); got != 1 {
			t.Errorf("%s picked %d, want the idle server 1", name, got)
		}
	}
}

// clearShares makes all servers start at once.
func clearShares(ss []Server) {
	for i := range ss {
		ss[i].Share = 0
	}
}
