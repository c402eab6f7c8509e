package sched

// slowly builds a scheduler for servers of which some start slowly. It may not write to servers.
type slowly func(e *entry, servers []Server, opt Options) (Scheduler, error)

// startsSlowly reports a server that is to get less than its weight.
func startsSlowly(s Server) bool { return s.Weight > 0 && s.Share > 0 && s.Share < 100 }

func newSlow(e *entry, servers []Server, opt Options) (Scheduler, error) {
	if e.slowly != nil {
		return e.slowly(e, servers, opt)
	}
	return newReluctant(e.build, servers, opt, true)
}

// SlowByWeight is for schedulers that follow the ratio of the weights and nothing else: a server starts with
// a part of its weight.
func SlowByWeight() Trait {
	return func(e *entry) {
		e.slowly = func(e *entry, servers []Server, opt Options) (Scheduler, error) {
			return e.build(reweighed(servers, finest(servers), func(s *Server) int { return s.Weight }), opt)
		}
	}
}

// slowByCapacity is for those to which a weight is a number of connections, too: it is not multiplied to make
// a part of it exact.
func slowByCapacity() Trait {
	return func(e *entry) {
		e.slowly = func(e *entry, servers []Server, opt Options) (Scheduler, error) {
			return e.build(reweighed(servers, 1, func(s *Server) int { return s.Weight }), opt)
		}
	}
}

// slowAs is for those that do not look at weights: while servers start, one that does takes their place, with
// the same weight for all the others.
func slowAs(weighted Builder) Trait {
	return func(e *entry) {
		e.slowly = func(_ *entry, servers []Server, opt Options) (Scheduler, error) {
			return weighted(reweighed(servers, 100, func(s *Server) int { return min(s.Weight, 1) }), opt)
		}
	}
}

// slowByClient is for those that choose by the client's address, or with it the port, alone: a client that a
// starting server gets once is not taken from it again.
func slowByClient() Trait {
	return func(e *entry) {
		e.slowly = func(e *entry, servers []Server, opt Options) (Scheduler, error) {
			return newReluctant(e.build, servers, opt, opt.Ports)
		}
	}
}

// finest is what to multiply the weights with so that parts of them in percent are whole numbers, or nearly so
// if there is no room.
func finest(servers []Server) int {
	heaviest := 1
	for i := range servers {
		heaviest = max(heaviest, servers[i].Weight)
	}
	return min(100, MaxWeight/heaviest)
}

// reweighed copies servers with their weights multiplied, and reduced to their shares.
func reweighed(servers []Server, times int, weight func(*Server) int) []Server {
	out := make([]Server, len(servers))
	for i := range servers {
		s := servers[i]
		s.Weight = weight(&s) * times
		if startsSlowly(s) {
			s.Weight = max(1, s.Weight*int(s.Share)/100)
		}
		out[i] = s
	}
	return out
}

// reluctant makes any scheduler start servers slowly. It has two: one of all servers, and one without those
// that start, which is what there was before they came. A server that starts keeps a share of the connections
// that the first one gives it; the others go where they would have gone without it.
type reluctant struct {
	all, before Scheduler
	limits      []uint64 // by server: of 2⁶⁴ hashes, those below are its; 0 if it does not start
	ports       bool
}

// slowKey is independent of mh's hashes, by which a server has already been chosen.
var slowKey = newSipKey("weir:slow\x00\x00\x00\x00\x00\x00\x00")

func newReluctant(build Builder, servers []Server, opt Options, ports bool) (Scheduler, error) {
	s := &reluctant{limits: make([]uint64, len(servers)), ports: ports}
	without := make([]Server, len(servers))
	copy(without, servers)
	for i := range servers {
		if startsSlowly(servers[i]) {
			s.limits[i] = ^uint64(0) / 100 * uint64(servers[i].Share)
			without[i].Weight, without[i].Down, without[i].Last = 0, true, servers[i].Weight
		}
	}
	var err error
	if s.all, err = build(servers, opt); err != nil {
		return nil, err
	}
	s.before, err = build(without, opt)
	return s, err
}

func (s *reluctant) Pick(k *Key, st *State) int {
	server := s.all.Pick(k, st)
	if uint(server) >= uint(len(s.limits)) || s.limits[server] == 0 || slowKey.sumSource(k, s.ports) < s.limits[server] {
		return server
	}
	if other := s.before.Pick(k, st); other >= 0 {
		return other
	}
	return server
}
