package main

import (
	"slices"

	"github.com/weirlb/weir/sched"
)

// disruption is the part of a million connections that would go to another backend than before.
type disruption struct{ leave, join float64 }

func measureDisruption(c *contender, backends, n int) disruption {
	all := servers(slices.Repeat([]int{1}, backends), c.capacity*10/backends)
	gone := slices.Clone(all)
	leaves := backends / 2
	gone[leaves].Last, gone[leaves].Weight, gone[leaves].Down = gone[leaves].Weight, 0, true
	more := servers(slices.Repeat([]int{1}, backends+1), c.capacity*10/backends)
	return disruption{leave: c.moved(all, gone, n), join: c.moved(more[:backends], more, n)}
}

// moved is how many connections go elsewhere once after has taken the place of before.
func (c *contender) moved(before, after []sched.Server, n int) float64 {
	if c.name == "lblc" || c.name == "lblcr" {
		return c.movedDestinations(before, after, n)
	}
	a, b := c.build(before, nil), c.build(after, nil)
	t := newTraffic(before)
	moved := 0
	for range n {
		k, _ := t.key()
		if a.Pick(&k, nil) != b.Pick(&k, nil) {
			moved++
		}
	}
	return float64(moved) / float64(n)
}

// movedDestinations does so for schedulers with a memory: connections that go where none to their destination went
// before.
func (c *contender) movedDestinations(before, after []sched.Server, n int) float64 {
	memory := sched.NewMemory(c.name)
	t := newTraffic(after)
	used := make([]bool, destinations*len(after))
	moved := 0
	for phase, ss := range [][]sched.Server{before, after} {
		s := c.build(ss, memory)
		for range n {
			t.step()
			k, destination := t.key()
			server := s.Pick(&k, nil)
			if server < 0 {
				continue
			}
			t.begin(server)
			place := &used[destination*len(after)+server]
			if phase == 0 {
				*place = true
			} else if !*place {
				moved++
			}
		}
	}
	return float64(moved) / float64(n)
}
