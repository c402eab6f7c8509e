package sched

func init() {
	Register("p2c", "Power of two choices: of two servers drawn by weight, the one with fewer connections for its weight. For many "+
		"servers, and where several balancers or workers must not all rush to the same one.", newP2C, SlowByWeight())
}

type p2c struct{ lottery }

func newP2C(servers []Server, _ Options) (Scheduler, error) { return &p2c{newLottery(servers)}, nil }

// redraws bounds the search for a second server where one has nearly all of the weight.
const redraws = 3

// Pick compares, as sed does, what the load would be with the new connection, so that an idle light server
// is not preferred to an idle heavy one.
func (s *p2c) Pick(k *Key, st *State) int {
	if s.total == 0 {
		return -1
	}
	a := s.draw(st.random(k))
	b := s.draw(st.random(k))
	if a == nil || b == nil {
		return -1
	}
	for i := 0; i < redraws && a == b && len(s.candidates) > 1; i++ {
		if c := s.draw(st.random(k)); c != nil {
			b = c
		}
	}
	if (a.overhead()+activeCost)*int64(b.weight) > (b.overhead()+activeCost)*int64(a.weight) {
		a = b
	}
	return int(a.index)
}
