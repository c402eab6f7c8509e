package sched

func init() {
	Register("nq", "Never queue: the first server without active connections, else as sed. For few long and costly connections, where "+
		"no server should idle.", newNQ, SlowByWeight())
}

type nq struct{ candidates []candidate }

func newNQ(servers []Server, _ Options) (Scheduler, error) { return &nq{candidates(servers)}, nil }

func (s *nq) Pick(*Key, *State) int {
	cs := s.candidates
	if len(cs) == 0 {
		return -1
	}
	best, least := &cs[0], cs[0].delay()
	for i := range cs {
		c := &cs[i]
		d := c.delay()
		if d == 1 {
			return int(c.index)
		}
		if d*int64(best.weight) < least*int64(c.weight) {
			best, least = c, d
		}
	}
	return int(best.index)
}
