package sched

func init() {
	Register("rr", "Round robin: one server after the other, whatever their weights. For equal servers and connections "+
		"that all cost about the same.", newRR, slowAs(newWRR))
}

// rr uses State.Pos: the position behind the server picked last. Weight 0 only hides a server, so the
// walk goes on where it was when a server is drained or comes back.
type rr struct {
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
	return &rr{next, boundsOf(servers)}, nil
}

func (s *rr) Pick(_ *Key, st *State) int {
	pos := uint(uint32(st.Pos))
	if pos >= uint(len(s.next)) {
		pos = 0
	}
	server := s.next[pos]
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
		st.Pos = server + 1
	}
	return int(server)
}
