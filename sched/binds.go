package sched

// Binds reports whether a scheduler has one server for a client and gives it no other, even if that one takes no
// connection: dh, and sh and mh without their fallback.
func Binds(s Scheduler) bool {
	b, ok := s.(interface{ binds() bool })
	return ok && b.binds()
}

func (*dh) binds() bool { return true }

func (s *sh) binds() bool { return !s.fallback }

func (s *mh) binds() bool { return !s.fallback }

func (s *reluctant) binds() bool { return Binds(s.all) }
