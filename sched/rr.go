package sched

import "slices"

func init() {
	Register("rr", "Round robin: one server after the other, whatever their weights. For equal servers and connections "+
		"that all cost about the same.", newRR, slowAs(newWRR))
}

// rr uses State.Pos, the position behind the server picked last, and State.Weight, that server's ID: when servers come
// and go, the walk goes on behind the same one, as in LVS. Weight 0 only hides a server.
type rr struct {
	ids []int32
	// next holds, for every position 0 to len(servers), the first server from there on that takes
	// connections, round the end; -1 if none does.
	next   []int32
	bounds bounds
}

func newRR(servers []Server, _ Options) (Scheduler, error) {
	n := len(servers)
	next := make([]int32, n+1)
	first := int32(-1)
	for i := n - 1; i >= 0; i-- {
		if servers[i].Weight > 0 {
			first = int32(i)
		}
	}
	next[n] = first
	for i := n - 1; i >= 0; i-- {
		next[i] = next[i+1]
		if servers[i].Weight > 0 {
			next[i] = int32(i)
		}
	}
	s := &rr{next: next, bounds: boundsOf(servers), ids: make([]int32, n)}
	for i := range servers {
		s.ids[i] = int32(servers[i].ID)
		if s.ids[i] == 0 {
			s.ids[i] = int32(i + 1)
		}
	}
	return s, nil
}

// behind is the position behind the server picked last; if that has left, the one where it was.
func (s *rr) behind(st *State) uint {
	pos := uint(uint32(st.Pos))
	if last := pos - 1; pos == 0 || last < uint(len(s.ids)) && s.ids[last] == st.Weight {
		return pos
	}
	if i := slices.Index(s.ids, st.Weight); i >= 0 {
		return uint(i + 1)
	}
	if pos > uint(len(s.next)) {
		return 0
	}
	return pos - 1
}

func (s *rr) Pick(_ *Key, st *State) int {
	server := s.next[s.behind(st)]
	for range s.bounds {
		if !s.bounds.full(server) {
			break
		}
		server = s.next[server+1]
	}
	if s.bounds.full(server) {
		return -1
	}
	if server >= 0 {
		st.Pos, st.Weight = server+1, s.ids[server]
	}
	return int(server)
}
