package sched

// Keyless reports whether a scheduler does not look at the key when it picks: it may be given any, and whoever calls it
// for every new connection need not make one.
func Keyless(s Scheduler) bool {
	_, ok := s.(interface{ IgnoresKey() })
	return ok
}

// Those that choose by nothing but what the servers have and who is next say so.

// IgnoresKey marks a scheduler that is Keyless.
func (*rr) IgnoresKey() {}

// IgnoresKey marks a scheduler that is Keyless.
func (*wrr) IgnoresKey() {}

// IgnoresKey marks a scheduler that is Keyless.
func (*lc) IgnoresKey() {}

// IgnoresKey marks a scheduler that is Keyless.
func (*wlc) IgnoresKey() {}

// IgnoresKey marks a scheduler that is Keyless.
func (*sed) IgnoresKey() {}

// IgnoresKey marks a scheduler that is Keyless.
func (*nq) IgnoresKey() {}

// IgnoresKey marks a scheduler that is Keyless.
func (*ovf) IgnoresKey() {}

// IgnoresKey marks a scheduler that is Keyless.
func (*fo) IgnoresKey() {}
