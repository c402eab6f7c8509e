package main

import (
	"slices"

	"github.com/weirlb/weir/sched"
)

// The weights of ten backends.
var (
	even   = slices.Repeat([]int{1}, 10)
	skewed = []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
)

// balance is the most that any backend had, for its weight, over the mean: 1 is even.
type balance struct {
	connections float64 // of those made
	open        float64 // of those open at a time, on average
}

func measureBalance(c *contender, weights []int, n int) balance {
	ss := servers(weights, c.capacity)
	s := c.build(ss, nil)
	t := newTraffic(ss)
	var st sched.State
	var b balance
	samples := 0
	active := make([]int, len(ss))
	for i := range n {
		t.step()
		k, _ := t.key()
		if server := s.Pick(&k, &st); server >= 0 {
			t.begin(server)
		}
		if i >= 2*open && i%1000 == 0 {
			for j := range ss {
				active[j] = int(ss[j].Load.Active.Load())
			}
			b.open += worst(active, weights)
			samples++
		}
	}
	b.connections = worst(t.opened, weights)
	b.open /= float64(max(1, samples))
	return b
}

// worst compares numbers with what they would be by the weights.
func worst(numbers, weights []int) (most float64) {
	sum, total := 0, 0
	for i := range numbers {
		sum, total = sum+numbers[i], total+weights[i]
	}
	for i := range numbers {
		most = max(most, float64(numbers[i])*float64(total)/(float64(sum)*float64(weights[i])))
	}
	return most
}
