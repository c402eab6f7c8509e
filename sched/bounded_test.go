package sched

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// someFull gives servers thresholds and fills some of them; the others' loads are random, but below the thresholds.
func someFull(r *rand.Rand, ss []Server) (full []bool) {
	full = make([]bool, len(ss))
	for i := range ss {
		ss[i].Load = new(Load)
		if r.IntN(4) == 0 {
			continue
		}
		ss[i].Bounded = true
		ss[i].Load.SetThresholds(10, 0)
		n := r.IntN(10)
		if full[i] = r.IntN(2) == 0; full[i] {
			n = 10
		}
		for range n {
			ss[i].Load.Add()
			if r.IntN(2) == 0 {
				ss[i].Load.Move(true)
			}
		}
	}
	return full
}

func TestNoSchedulerPicksAFullServer(t *testing.T) {
	for _, name := range schedulers {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(51, 52))
			for range rounds(300) {
				ss := randomServers(r)
				full := someFull(r, ss)
				opt := Options{TableSize: smallTable, Ports: r.IntN(2) == 0, Fallback: r.IntN(2) == 0}
				s := build(t, name, ss, opt)
				left := slices.Clone(ss)
				for i := range left {
					if full[i] {
						left[i].Weight = 0
					}
				}
				var st State
				for range 30 {
					k := randomKey(r)
					got := s.Pick(&k, &st)
					if got >= 0 && full[got] {
						t.Fatalf("picked the full server %d of %v", got, weightsOf(ss))
					}
					opt.Fallback = opt.Fallback && name != "sh" // those that are left may have none of its buckets
					checkPick(t, name, left, opt, got)
				}
			}
		})
	}
}

// TestFullServersCountAsAbsentByLoad compares with what is chosen where full servers have no weight.
func TestFullServersCountAsAbsentByLoad(t *testing.T) {
	r := rand.New(rand.NewPCG(53, 54))
	for range 2000 {
		ss := randomServers(r)
		clearShares(ss)
		full := someFull(r, ss)
		left := slices.Clone(ss)
		for i := range left {
			if full[i] {
				left[i].Weight = 0
			}
		}
		for _, name := range []string{"lc", "wlc", "sed", "nq", "fo", "ovf"} {
			got, want := build(t, name, ss, Options{}).Pick(&Key{}, &State{}), build(t, name, left, Options{}).Pick(&Key{}, &State{})
			if got != want {
				t.Fatalf("%s picked %d, want %d of %v without %v", name, got, want, weightsOf(ss), full)
			}
		}
	}
}

// TestRoundRobinPassesFullServersAsLVS lets servers fill and empty under the walk.
func TestRoundRobinPassesFullServersAsLVS(t *testing.T) {
	r := rand.New(rand.NewPCG(55, 56))
	for range rounds(200) {
		weights := randomWeights(r)
		ss := servers(weights...)
		full := make([]bool, len(ss))
		for i := range ss {
			ss[i].Bounded = true
			ss[i].Load.SetThresholds(1, 0)
		}
		turn := func(i int) {
			if full[i] = !full[i]; full[i] {
				ss[i].Load.Add()
			} else {
				ss[i].Load.Remove(false)
			}
		}
		open := func(i int) bool { return weights[i] > 0 && !full[i] }
		var naive naiveWRR
		naive.reweigh(weights)
		wrr, rr := build(t, "wrr", ss, Options{}), build(t, "rr", ss, Options{})
		var st, rst State
		last := -1
		for i := range 500 {
			if r.IntN(5) == 0 {
				turn(r.IntN(len(ss)))
			}
			any := false
			for j := range ss {
				any = any || open(j)
			}
			want, rwant := -1, -1
			if any {
				for want = naive.pick(); full[want]; want = naive.pick() {
				}
				for rwant = (last + 1) % len(ss); !open(rwant); rwant = (rwant + 1) % len(ss) {
				}
				last = rwant
			}
			if got := wrr.Pick(nil, &st); got != want {
				t.Fatalf("weights %v, full %v: pick %d of wrr was %d, want %d", weights, full, i, got, want)
			}
			if got := rr.Pick(nil, &rst); got != rwant {
				t.Fatalf("weights %v, full %v: pick %d of rr was %d, want %d", weights, full, i, got, rwant)
			}
		}
	}
}

func TestDrawsAmongThoseThatAreNotFullFollowTheirWeights(t *testing.T) {
	for _, name := range []string{"random", "twos", "p2c"} {
		ss := servers(5, 1, 3, 7)
		for i := range ss {
			ss[i].Bounded = true
			ss[i].Load.SetThresholds(1, 0)
		}
		ss[0].Load.Add()
		ss[3].Load.Add()
		s := build(t, name, ss, Options{})
		var st State
		var got [4]int
		const picks = 40000
		for i := range picks {
			k := Key{SrcPort: uint16(i)}
			got[s.Pick(&k, &st)]++
		}
		if name == "random" && (got[1] < picks/4*9/10 || got[1] > picks/4*11/10) || got[1] == 0 || got[2] < picks/2 {
			t.Errorf("%s: %v", name, got)
		}
	}
}
