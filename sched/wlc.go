package sched

func init() {
	Register("wlc", "Weighted least connections: the server with the fewest for its weight. The default, and right for "+
		"most services.", newWLC)
}

type wlc struct{ candidates []candidate }

func newWLC(servers []Server, _ Options) (Scheduler, error) {
	return &wlc{candidates(servers)}, nil
}

// Pick returns the first of the servers with the least overhead/weight. The quotients are compared by
// cross-multiplication, exactly: an overhead has at most 40 bits and a weight 16.
func (s *wlc) Pick(*Key, *State) int {
	cs := s.candidates
	if len(cs) == 0 {
		return -1
	}
	first := &cs[0]
	best, least, weight := first.index, first.overhead(), int64(first.weight)
	for i := 1; i < len(cs); i++ {
		c := &cs[i]
		if o := c.overhead(); o*weight < least*int64(c.weight) {
			best, least, weight = c.index, o, int64(c.weight)
		}
	}
	return int(best)
}
