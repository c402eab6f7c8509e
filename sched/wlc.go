package sched

func init() {
	Register("wlc", "Weighted least connections: the server with the fewest for its weight. The default, and right for "+
		"most services.", newWLC, SlowByWeight())
}

type wlc struct{ candidates []candidate }

func newWLC(servers []Server, _ Options) (Scheduler, error) {
	return &wlc{candidates(servers)}, nil
}

func (s *wlc) Pick(*Key, *State) int {
	i := leastLoaded(s.candidates)
	if i < 0 {
		return -1
	}
	return int(s.candidates[i].index)
}

// leastLoaded returns the first of those with the least overhead/weight, -1 if there are none or all are full. The
// quotients are compared by cross-multiplication, exactly: an overhead has at most 40 bits and a weight 16.
func leastLoaded(cs []candidate) int {
	best, least, weight := -1, int64(1), int64(0) // 1/0 is more than any
	for i := range cs {
		c := &cs[i]
		if o := c.overhead(); o*weight < least*int64(c.weight) && !c.full() {
			best, least, weight = i, o, int64(c.weight)
		}
	}
	return best
}
