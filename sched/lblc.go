package sched

import "sync/atomic"

func init() {
	Register("lblc", "Locality-based least connections: a destination address keeps its server until that has more connections than its "+
		"weight. For services with many addresses in front of caches.", newLBLC, slowByCapacity(),
		remembers(func() *Memory { return &Memory{lblc: make([]lblcSlot, sets*setSize)} }))
}

// lblc gives new destinations to the least loaded server and remembers it.
type lblc struct {
	roster
	slots []lblcSlot
}

// lblcSlot is a destination and its server. Any worker writes it, with no lock: what is between two writes is
// a destination without a server.
type lblcSlot struct {
	dest atomic.Uint64
	// server is an ID in the upper half, 0 for none, and when the destination was last asked for in the lower.
	server atomic.Uint64
}

func newLBLC(servers []Server, opt Options) (Scheduler, error) {
	m := opt.Memory
	if m == nil || m.lblc == nil {
		m = NewMemory("lblc")
	}
	return &lblc{newRoster(servers), m.lblc}, nil
}

func (s *lblc) Pick(k *Key, _ *State) int {
	dest := destination(k)
	set := setOf(s.slots, dest)
	slot := lblcFind(set, dest, k.Now)
	if slot != nil {
		server := s.find(slot.touch(k.Now))
		if server >= 0 && !s.overloaded(server) && !s.candidates[server].full() {
			return s.index(server)
		}
	}
	server := leastLoaded(s.candidates)
	if server < 0 {
		return -1
	}
	if slot == nil {
		slot = lblcTake(set, dest, k.Now)
	}
	if slot != nil {
		slot.server.Store(uint64(s.ids[server])<<32 | uint64(k.Now))
	}
	return s.index(server)
}

// lblcFind returns a destination's slot if it has one that is not out of date.
func lblcFind(set []lblcSlot, dest uint64, now uint32) *lblcSlot {
	for i := range set {
		if set[i].dest.Load() == dest && age(now, uint32(set[i].server.Load())) < forgetAfter {
			return &set[i]
		}
	}
	return nil
}

// touch notes that a slot was used and returns its server's ID.
func (slot *lblcSlot) touch(now uint32) uint32 {
	was := slot.server.Load()
	if a := age(now, uint32(was)); a >= touchEvery {
		slot.server.CompareAndSwap(was, was>>32<<32|uint64(now))
	}
	return uint32(was >> 32)
}

// lblcTake gives a destination a slot: an empty one, or that of the destination that has not been used for
// longest. It returns nil if another worker was quicker.
func lblcTake(set []lblcSlot, dest uint64, now uint32) *lblcSlot {
	victim, oldest := &set[0], uint32(0)
	for i := range set {
		slot := &set[i]
		if d := slot.dest.Load(); d == 0 || d == dest {
			victim = slot
			break
		}
		if a := age(now, uint32(slot.server.Load())); a > oldest {
			victim, oldest = slot, a
		}
	}
	was := victim.dest.Load()
	victim.server.Store(uint64(now))
	if !victim.dest.CompareAndSwap(was, dest) {
		return nil
	}
	return victim
}
