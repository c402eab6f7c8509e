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
	best, least, weight := int32(-1), int64(1), int64(0)
	for i := range s.candidates {
		c := &s.candidates[i]
		if d := c.delay(); d*weight < least*int64(c.weight) && !c.full() {
			best, least, weight = c.index, d, int64(c.weight)
		}
	}
	return int(best)
}
