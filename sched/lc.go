package sched

import "math"

func init() {
	Register("lc", "Least connections: the server with the fewest, whatever their weights. For equal servers and "+
		"connections of very different length.", newLC, slowAs(newWLC))
}

// candidate is a server that takes connections, as the least-connection schedulers walk them.
type candidate struct {
	load   *Load
	weight int32 // 1 to MaxWeight
	index  int32 // in the slice given to New
}

// noLoad stands for the Load of a server that has none. Nobody writes it.
var noLoad Load

// full reports whether a candidate gets no connections for now, because of its thresholds.
func (c *candidate) full() bool { return c.load.Full() }

func candidates(servers []Server) []candidate {
	cs := make([]candidate, 0, len(servers))
	for i := range servers {
		s := &servers[i]
		if s.Weight == 0 {
			continue
		}
		load := s.Load
		if load == nil {
			load = &noLoad
		}
		cs = append(cs, candidate{load, int32(s.Weight), int32(i)})
	}
	return cs
}

// activeCost is how many inactive connections cost a server as much as an active one.
const activeCost = 256

// overhead is LVS's estimate of what a server's connections cost it. Unlike LVS's 32 bits it does not
// overflow.
func (c *candidate) overhead() int64 {
	return int64(c.load.Active.Load())*activeCost + int64(c.load.Inactive.Load())
}

type lc struct{ candidates []candidate }

func newLC(servers []Server, _ Options) (Scheduler, error) {
	return &lc{candidates(servers)}, nil
}

// Pick returns the first of the servers with the least overhead.
func (s *lc) Pick(*Key, *State) int {
	best, least := int32(-1), int64(math.MaxInt64)
	for i := range s.candidates {
		c := &s.candidates[i]
		if o := c.overhead(); o < least && !c.full() {
			best, least = c.index, o
		}
	}
	return int(best)
}
