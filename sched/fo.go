package sched

import "slices"

func init() {
	Register("fo", "Failover: all connections to the server with the largest weight that is up. For a primary and its stand-ins.",
		newFO)
}

// fo has its candidates in the order in which they stand in for each other.
type fo struct{ candidates []candidate }

func newFO(servers []Server, _ Options) (Scheduler, error) {
	cs := candidates(servers)
	slices.SortStableFunc(cs, func(a, b candidate) int { return int(b.weight - a.weight) })
	return &fo{cs}, nil
}

// Pick returns the first of the heaviest servers that is not full.
func (s *fo) Pick(*Key, *State) int {
	for i := range s.candidates {
		if c := &s.candidates[i]; !c.full() {
			return int(c.index)
		}
	}
	return -1
}
