package sched

func init() {
	Register("nq", "Never queue: the first server without active connections, else as sed. For few long and costly connections, where "+
		"no server should idle.", newNQ, SlowByWeight())
}

type nq struct{ candidates []candidate }

func newNQ(servers []Server, _ Options) (Scheduler, error) { return &nq{candidates(servers)}, nil }

func (s *nq) Pick(*Key, *State) int {
	best, least, weight := int32(-1), int64(1), int64(0)
	for i := range s.candidates {
		c := &s.candidates[i]
		d := c.delay()
		if (d == 1 || d*weight < least*int64(c.weight)) && !c.full() {
			if best, least, weight = c.index, d, int64(c.weight); d == 1 {
				break
			}
		}
	}
	return int(best)
}
