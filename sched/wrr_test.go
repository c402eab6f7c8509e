package sched

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// naiveWRR is weighted round robin as LVS does it: rounds with a falling level, each looking at all
// servers.
type naiveWRR struct {
	weights          []int
	top, step, level int
	pos              int
}

// reweigh starts again with other weights, of which one at least is not 0.
func (n *naiveWRR) reweigh(weights []int) {
	n.weights, n.pos = weights, 0
	n.step = slices.Max(weights)
	for slices.ContainsFunc(weights, func(w int) bool { return w%n.step != 0 }) {
		n.step--
	}
	n.top = slices.Max(weights) - (n.step - 1)
	switch {
	case n.level == 0:
		n.level = 1
	case n.level > n.top:
		n.level = n.top
	case n.step > 1:
		n.level = n.level/n.step*n.step + 1
	}
}

func (n *naiveWRR) pick() int {
	for {
		for n.pos < len(n.weights) {
			n.pos++
			if n.weights[n.pos-1] >= n.level {
				return n.pos - 1
			}
		}
		n.pos = 0
		if n.level -= n.step; n.level <= 0 {
			n.level = n.top
		}
	}
}

func TestWeightedRoundRobinMatchesANaiveOne(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var st State
		var naive naiveWRR
		for range 3 { // changes of the weights on the way
			weights := randomWeights(r)
			naive.reweigh(weights)
			s := build(t, "wrr", servers(weights...), Options{})
			for i := range 2000 {
				if got, want := s.Pick(nil, &st), naive.pick(); got != want {
					t.Fatalf("weights %v: pick %d was %d, want %d", weights, i, got, want)
				}
			}
		}
	}
}

// randomWeights makes weights of all kinds: rising and falling, few and many, alike, with a common
// divisor, with zeros; but not only zeros.
func randomWeights(r *rand.Rand) []int {
	weights := make([]int, 1+r.IntN(30))
	limit, factor := []int{1, 3, 10, 1000}[r.IntN(4)], []int{1, 1, 2, 50}[r.IntN(4)]
	for i := range weights {
		weights[i] = r.IntN(limit+1) * factor
	}
	switch r.IntN(4) {
	case 0:
		slices.Sort(weights)
	case 1:
		slices.Sort(weights)
		slices.Reverse(weights)
	case 2:
		weights[r.IntN(len(weights))] = MaxWeight
	}
	if slices.Max(weights) == 0 {
		weights[0] = factor
	}
	return weights
}

// The lists that spare a walk the light servers must not grow with the square of the servers.
func TestWeightedRoundRobinTakesLittleMemory(t *testing.T) {
	const n = 1000
	r := rand.New(rand.NewPCG(6, 6))
	rising, random, oneHeavy := make([]int, n), make([]int, n), slices.Repeat([]int{1}, n)
	for i := range n {
		rising[i] = i + 1
		random[i] = r.IntN(MaxWeight + 1)
	}
	oneHeavy[n/2] = MaxWeight
	falling := slices.Clone(rising)
	slices.Reverse(falling)
	for _, weights := range [][]int{rising, falling, random, oneHeavy} {
		s := build(t, "wrr", servers(weights...), Options{}).(*wrr)
		if len(s.rises) > 3*n {
			t.Errorf("%d entries for %d servers", len(s.rises), n)
		}
	}
}
