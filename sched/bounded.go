package sched

// bounds are the loads of a service's servers by index, for schedulers that look at no loads otherwise; empty if none of
// them has thresholds.
type bounds []*Load

func boundsOf(servers []Server) bounds {
	var b bounds
	for i := range servers {
		if servers[i].Bounded && servers[i].Load != nil {
			if b == nil {
				b = make(bounds, len(servers))
			}
			b[i] = servers[i].Load
		}
	}
	return b
}

// full reports whether a server gets no connections for now, because of its thresholds.
func (b bounds) full(server int32) bool {
	return len(b) > 0 && server >= 0 && b[server] != nil && b[server].Full()
}
