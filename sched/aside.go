package sched

// Aside returns a scheduler that picks as s would now, and changes nothing of what s remembers: for a look at what it
// would do. The caller gives it a copy of the State.
func Aside(s Scheduler) Scheduler {
	if m, ok := s.(interface{ aside() Scheduler }); ok {
		return m.aside()
	}
	return s
}

func (s *lblc) aside() Scheduler {
	c := &lblc{s.roster, make([]lblcSlot, len(s.slots))}
	for i := range s.slots {
		c.slots[i].dest.Store(s.slots[i].dest.Load())
		c.slots[i].server.Store(s.slots[i].server.Load())
	}
	return c
}

func (s *lblcr) aside() Scheduler {
	c := &lblcr{s.roster, make([]lblcrSlot, len(s.slots))}
	for i := range s.slots {
		from, to := &s.slots[i], &c.slots[i]
		to.dest.Store(from.dest.Load())
		to.used.Store(from.used.Load())
		to.changed.Store(from.changed.Load())
		for j := range from.servers {
			to.servers[j].Store(from.servers[j].Load())
		}
	}
	return c
}

func (s *reluctant) aside() Scheduler {
	return &reluctant{Aside(s.all), Aside(s.before), s.limits, s.ports}
}
