//go:build !race

package sched

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Millions of picks by one goroutine: the race detector would find nothing in them, and take minutes.

func TestMaglevSharesFollowTheWeights(t *testing.T) {
	for _, weights := range [][]int{{1, 1, 1, 1}, {1, 2, 3, 4}, {300, 0, 200, 250, 250}, {63, 40, 30}} {
		checkShares(t, weights, build(t, "mh", servers(weights...), Options{TableSize: 65521}))
	}
}

func TestWeightedRoundRobinSharesFollowTheWeights(t *testing.T) {
	for _, weights := range [][]int{{1, 2, 3, 4}, {100, 1, 1, 0, 50}, {7, 11, 13, 17, 19, 23}, {65535, 40000, 30000}, {500, 1500, 2500}} {
		s := build(t, "wrr", servers(weights...), Options{})
		checkShares(t, weights, s)
	}
}

// checkShares makes a million picks with random keys and expects every server's share to be within 1 %
// of what its weight says.
func checkShares(t *testing.T, weights []int, s Scheduler) {
	t.Helper()
	const picks = 1_000_000
	r := rand.New(rand.NewPCG(8, 9))
	counts := make([]int, len(weights))
	var st State
	for range picks {
		k := randomKey(r)
		counts[s.Pick(&k, &st)]++
	}
	total := 0
	for _, w := range weights {
		total += w
	}
	for i, n := range counts {
		want := picks * float64(weights[i]) / float64(total)
		if math.Abs(float64(n)-want) > want/100 {
			t.Errorf("weights %v: server %d got %d of %d picks, want %.0f", weights, i, n, picks, want)
		}
	}
}

func TestChancesAreThoseOfTheModels(t *testing.T) {
	random := func(ss []Server) []float64 {
		chance, total := make([]float64, len(ss)), 0
		for i := range ss {
			total += ss[i].Weight
		}
		for i := range ss {
			chance[i] = float64(ss[i].Weight) / float64(total)
		}
		return chance
	}
	r := rand.New(rand.NewPCG(34, 35))
	for name, model := range map[string]func([]Server) []float64{"twos": modelTwos, "p2c": modelP2C, "random": random} {
		for _, weights := range [][]int{{1}, {1, 1}, {3, 0, 1}, {1, 2, 3, 4}, {0, 1, 90, 1}, {5, 5, 5, 5, 5, 5, 5}} {
			ss := servers(weights...)
			for i := range ss {
				ss[i].Load.Active.Store(int32(r.IntN(10)))
				ss[i].Load.Inactive.Store(int32(r.IntN(1000)))
			}
			s := build(t, name, ss, Options{})
			const picks = 100_000
			got := make([]float64, len(ss))
			var st State
			for range picks {
				k := randomKey(r)
				got[s.Pick(&k, &st)] += 1.0 / picks
			}
			for i, want := range model(ss) {
				if math.Abs(got[i]-want) > 0.008 { // 5 standard deviations
					t.Errorf("%s with weights %v: server %d got %.4f, want %.4f", name, weights, i, got[i], want)
				}
			}
		}
	}
}

// A server that starts gets that part of what it will have in the end, whatever the scheduler.
func TestServerStartsSlowlyUnderEveryScheduler(t *testing.T) {
	for _, name := range schedulers {
		weights := []int{1, 1, 1, 1}
		full := 0.25
		switch name {
		case "fo":
			weights, full = []int{1, 1, 1, 2}, 1
		case "ovf", "lblc", "lblcr":
			weights = []int{1000, 1000, 1000, 1000} // room for all, or a part of weight 1 would be 1
			if name == "ovf" {
				weights, full = []int{9000, 9000, 9000, 10000}, 1
			}
		}
		for _, share := range []uint8{10, 40, 90} {
			ss := servers(weights...)
			ss[3].Share = share
			part := full * float64(share) / 100
			if full < 1 && name != "sh" && name != "mh" && name != "dh" { // the others take over in proportion
				part = float64(share) / (300 + float64(share))
			}
			got := shareOf(t, name, ss, 3)
			if tolerance := 0.15*part + 0.008; math.Abs(got-part) > tolerance {
				t.Errorf("%s: a server at %d %% got %.3f of the connections, want %.3f", name, share, got, part)
			}
		}
	}
}
