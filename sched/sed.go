package sched

func init() {
	Register("sed", "Shortest expected delay: the server with the fewest active connections for its weight, the new one counted. "+
		"As wlc, for servers that differ much: idle, the heaviest comes first.", newSED, SlowByWeight())
}

// delay is LVS's estimate of what a new connection would wait for: inactive ones do not count.
func (c *candidate) delay() int64 { return int64(c.load.Active.Load()) + 1 }

type sed struct{ candidates []candidate }

func newSED(servers []Server, _ Options) (Scheduler, error) { return &sed{candidates(servers)}, nil }

// Pick returns the first of the servers with the least delay/weight.
func (s *sed) Pick(*Key, *State) int {
	cs := s.candidates
	if len(cs) == 0 {
		return -1
	}
	best, least := &cs[0], cs[0].delay()
	for i := 1; i < len(cs); i++ {
		c := &cs[i]
		if d := c.delay(); d*int64(best.weight) < least*int64(c.weight) {
			best, least = c, d
		}
	}
	return int(best.index)
}
