package sched

import "slices"

func init() {
	Register("ovf", "Overflow: the server with the largest weight, until it has more active connections than its weight; then the next. "+
		"To fill one server before another is used. Not for UDP.", newOVF)
}

// ovf has its candidates in the order in which they are filled.
type ovf struct{ candidates []candidate }

func newOVF(servers []Server, _ Options) (Scheduler, error) {
	cs := candidates(servers)
	slices.SortStableFunc(cs, func(a, b candidate) int { return int(b.weight - a.weight) })
	return &ovf{cs}, nil
}

// Pick returns the first server that is not full, -1 if all are: a weight is a limit on connections here, and
// LVS, too, takes weight + 1.
func (s *ovf) Pick(*Key, *State) int {
	for i := range s.candidates {
		if c := &s.candidates[i]; c.load.Active.Load() <= c.weight && !c.full() {
			return int(c.index)
		}
	}
	return -1
}
