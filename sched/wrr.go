package sched

func init() {
	Register("wrr", "Weighted round robin: servers in turn, as often as their weights say, interleaved. For unequal "+
		"servers and connections that all cost about the same.", newWRR, SlowByWeight())
}

// wrr walks the servers in rounds. Each round has a level and picks, in order, the servers whose weight
// is at least the level; the level falls from round to round by the greatest common divisor of the
// weights and starts again at the top. So a server is picked in weight/step of the top/step rounds.
//
// State.Pos is the position behind the server picked last. State.Weight is the level in the lower 16
// bits and the tag of the weights it belongs to in the upper 16: when the weights change, LVS starts
// again at the first server with a level fit for the new weights, and so does wrr.
type wrr struct {
	top  int32 // first level of the cycle; 0 if no server takes connections
	step int32
	tag  uint16
	// ahead tells, for each position 0 to len(servers), which part of rises lies ahead of it.
	ahead []span
	rises []rise
	// weights is empty if nothing bounds the servers.
	weights []int32
	bounds  bounds
}

type span struct{ from, to int32 }

// rise is a server with a larger weight than all between it and the position it is listed for.
type rise struct{ weight, server int32 }

func newWRR(servers []Server, _ Options) (Scheduler, error) {
	var s wrr
	heaviest, tag := 0, uint32(2166136261) // FNV-1a
	divisor := 0
	for i := range servers {
		w := servers[i].Weight
		heaviest = max(heaviest, w)
		divisor = gcd(divisor, w)
		tag = (tag ^ uint32(w)) * 16777619
	}
	if heaviest > 0 {
		s.step = int32(divisor)
		s.top = int32(heaviest - (divisor - 1)) // levels are 1 modulo step, the last one is 1
		s.tag = uint16(tag ^ tag>>16)
		s.look(servers)
		s.bound(servers)
	}
	return &s, nil
}

// look fills ahead and rises. A walk from a server only asks for weights up to that server's own, so
// its list ends with the first server at least as heavy; all lists together have less than three
// entries a server.
func (s *wrr) look(servers []Server) {
	s.ahead = make([]span, len(servers)+1)
	var skyline []rise // what a walk from position p meets that is heavier than all before; nearest last
	for p := len(servers); p >= 0; p-- {
		limit := int32(MaxWeight)
		if p > 0 {
			limit = int32(servers[p-1].Weight)
		}
		from := len(s.rises)
		for i := len(skyline) - 1; i >= 0; i-- {
			s.rises = append(s.rises, skyline[i])
			if skyline[i].weight >= limit {
				break
			}
		}
		s.ahead[p] = span{int32(from), int32(len(s.rises))}
		if p == 0 || limit == 0 {
			continue
		}
		for len(skyline) > 0 && skyline[len(skyline)-1].weight <= limit {
			skyline = skyline[:len(skyline)-1]
		}
		skyline = append(skyline, rise{limit, int32(p - 1)})
	}
}

func (s *wrr) Pick(_ *Key, st *State) int {
	if s.top == 0 {
		return -1
	}
	pos, level := st.Pos, st.Weight&0xffff
	if uint16(st.Weight>>16) != s.tag || level == 0 || level > s.top || uint(uint32(pos)) >= uint(len(s.ahead)) {
		pos, level = 0, s.fit(level)
	}
	server, level := s.walk(pos, level)
	if s.bounds.full(server) {
		if server, level = s.around(server+1, level); server < 0 {
			return -1
		}
	}
	st.Pos, st.Weight = server+1, int32(s.tag)<<16|level
	return int(server)
}

// walk finds the next server of this round, or the first of the next one.
func (s *wrr) walk(pos, level int32) (server, at int32) {
	if server = s.next(pos, level); server >= 0 {
		return server, level
	}
	if level -= s.step; level <= 0 {
		level = s.top
	}
	return s.next(0, level), level
}

func (s *wrr) bound(servers []Server) {
	if s.bounds = boundsOf(servers); s.bounds == nil {
		return
	}
	s.weights = make([]int32, len(servers))
	for i := range servers {
		s.weights[i] = int32(servers[i].Weight)
	}
}

// around goes on with the walk past servers that are full: through what is left of this round, then at the first level
// that somebody who is not full can have. -1 if all are full.
func (s *wrr) around(pos, level int32) (server, at int32) {
	for server = s.next(pos, level); server >= 0; server = s.next(server+1, level) {
		if !s.bounds.full(server) {
			return server, level
		}
	}
	heaviest := int32(0)
	for i, w := range s.weights {
		if w > heaviest && !s.bounds.full(int32(i)) {
			heaviest = w
		}
	}
	if heaviest == 0 {
		return -1, level
	}
	if level -= s.step; level <= 0 || level > heaviest {
		level = heaviest - (heaviest-1)%s.step // levels are 1 modulo step
	}
	for server = s.next(0, level); server >= 0; server = s.next(server+1, level) {
		if !s.bounds.full(server) {
			return server, level
		}
	}
	return -1, level
}

// next returns the first server from a position on whose weight is at least level, or -1. Going from
// the heaviest down it meets, over a round, each server of the round at most twice: two servers of a
// round are looked at together only if all between them are lighter.
func (s *wrr) next(pos, level int32) int32 {
	ahead := s.ahead[pos]
	server := int32(-1)
	for i := ahead.to - 1; i >= ahead.from && s.rises[i].weight >= level; i-- {
		server = s.rises[i].server
	}
	return server
}

// fit returns the level to go on with after a level of other weights. The start (0) is the last level:
// LVS adds servers one by one, and the first one alone has only level 1, which then fits any weights.
func (s *wrr) fit(level int32) int32 {
	switch {
	case level == 0:
		return 1
	case level > s.top:
		return s.top
	case s.step > 1:
		return level/s.step*s.step + 1
	}
	return level
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
