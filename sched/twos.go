package sched

func init() {
	Register("twos", "LVS's power of two choices: the less loaded of two servers drawn by weight. As p2c, which is rid of its "+
		"oddities.", newTwos, SlowByWeight())
}

type twos struct{ lottery }

func newTwos(servers []Server, _ Options) (Scheduler, error) { return &twos{newLottery(servers)}, nil }

// Pick draws two servers, perhaps the same, and returns the one with the smaller overhead/weight; the first
// of equals. As in LVS there is a ticket 0, too, which is the first server's.
func (s *twos) Pick(k *Key, st *State) int {
	if s.total == 0 {
		return -1
	}
	a, b := s.draw0(st.random(k)), s.draw0(st.random(k))
	if a == nil || b == nil {
		return -1
	}
	if a.overhead()*int64(b.weight) > b.overhead()*int64(a.weight) {
		a = b
	}
	return int(a.index)
}

// draw0 draws with a ticket 0, nil if all are full.
func (s *twos) draw0(random uint64) *candidate {
	c := s.holder(below(s.total+1, random))
	if s.bounded && c.full() {
		return s.among(random, 0)
	}
	return c
}
