package sched

import "sync/atomic"

func init() {
	Register("lblcr", "As lblc, but a destination that is too much for one server is given more of them, and one less again after a day "+
		"without a change. For services with many addresses, of which some are very popular.", newLBLCR, slowByCapacity(),
		remembers(func() *Memory { return &Memory{lblcr: make([]lblcrSlot, sets*setSize)} }))
}

// replicas is how many servers of a destination are remembered. A further one takes the place of the most loaded.
const replicas = 11

// lblcr gives a destination's connections to the least loaded of its servers.
type lblcr struct {
	roster
	slots []lblcrSlot
}

// lblcrSlot is a destination and its servers, a cache line. Whoever finds busy set goes without changing what
// the slot holds; whoever reads meanwhile may meet a server twice or not at all, or that of another destination.
type lblcrSlot struct {
	dest    atomic.Uint64
	used    atomic.Uint32 // when the destination was last asked for
	changed atomic.Uint32 // when the servers last changed
	busy    atomic.Uint32
	servers [replicas]atomic.Uint32 // IDs, the newest last; then zeros
}

func newLBLCR(servers []Server, opt Options) (Scheduler, error) {
	m := opt.Memory
	if m == nil || m.lblcr == nil {
		m = NewMemory("lblcr")
	}
	return &lblcr{newRoster(servers), m.lblcr}, nil
}

func (s *lblcr) Pick(k *Key, _ *State) int {
	dest := destination(k)
	set := setOf(s.slots, dest)
	slot := lblcrFind(set, dest, k.Now)
	if slot != nil {
		if age(k.Now, slot.used.Load()) >= touchEvery {
			slot.used.Store(k.Now)
		}
		server := s.leastOf(slot)
		if slot.servers[1].Load() != 0 && age(k.Now, slot.changed.Load()) > shrinkAfter {
			s.shrink(slot, k.Now)
		}
		if server >= 0 && !s.overloaded(server) {
			return s.index(server)
		}
	}
	server := leastLoaded(s.candidates)
	switch {
	case server < 0:
		return -1
	case slot == nil:
		lblcrTake(set, dest, s.ids[server], k.Now)
	default:
		s.add(slot, server, k.Now)
	}
	return s.index(server)
}

func lblcrFind(set []lblcrSlot, dest uint64, now uint32) *lblcrSlot {
	for i := range set {
		if set[i].dest.Load() == dest && age(now, set[i].used.Load()) < forgetAfter {
			return &set[i]
		}
	}
	return nil
}

// leastOf returns the least loaded of a destination's servers, of equals the one added last, as LVS's list begins
// with it.
func (s *lblcr) leastOf(slot *lblcrSlot) int {
	best := -1
	for i := replicas - 1; i >= 0; i-- {
		id := slot.servers[i].Load()
		if id == 0 {
			continue
		}
		if server := s.find(id); server >= 0 && (best < 0 || s.lighter(server, best)) && !s.candidates[server].full() {
			best = server
		}
	}
	return best
}

// lighter compares two candidates' overhead/weight.
func (s *lblcr) lighter(a, b int) bool {
	x, y := &s.candidates[a], &s.candidates[b]
	return x.overhead()*int64(y.weight) < y.overhead()*int64(x.weight)
}

// shrink takes the most loaded server out of a destination's, of equals the one added last.
func (s *lblcr) shrink(slot *lblcrSlot, now uint32) {
	if !slot.busy.CompareAndSwap(0, 1) {
		return
	}
	if place := s.mostOf(slot); place >= 0 && slot.servers[1].Load() != 0 {
		slot.remove(place)
		slot.changed.Store(now)
	}
	slot.busy.Store(0)
}

// mostOf returns the place in a slot of the most loaded server that takes connections, -1 if none does.
func (s *lblcr) mostOf(slot *lblcrSlot) int {
	most, place := -1, -1
	for i := replicas - 1; i >= 0; i-- {
		if server := s.find(slot.servers[i].Load()); server >= 0 && (most < 0 || s.lighter(most, server)) {
			most, place = server, i
		}
	}
	return place
}

// makeRoom takes those servers out of a full slot that are gone or take no connections, or else the most loaded
// one, and returns the first place that is free.
func (s *lblcr) makeRoom(slot *lblcrSlot) int {
	free := replicas
	for i := replicas - 1; i >= 0; i-- {
		if s.find(slot.servers[i].Load()) < 0 {
			slot.remove(i)
			free--
		}
	}
	if free == replicas {
		slot.remove(max(0, s.mostOf(slot)))
		free--
	}
	return free
}

// remove closes the gap.
func (slot *lblcrSlot) remove(place int) {
	for ; place < replicas-1; place++ {
		slot.servers[place].Store(slot.servers[place+1].Load())
	}
	slot.servers[replicas-1].Store(0)
}

// add gives a destination one more server, unless it has it.
func (s *lblcr) add(slot *lblcrSlot, server int, now uint32) {
	if !slot.busy.CompareAndSwap(0, 1) {
		return
	}
	defer slot.busy.Store(0)
	place := 0
	for ; place < replicas && slot.servers[place].Load() != 0; place++ {
		if slot.servers[place].Load() == s.ids[server] {
			return
		}
	}
	if place == replicas {
		place = s.makeRoom(slot)
	}
	slot.servers[place].Store(s.ids[server])
	slot.changed.Store(now)
}

// lblcrTake gives a destination a slot with one server: an empty one, or that of the destination that has not been
// used for longest.
func lblcrTake(set []lblcrSlot, dest uint64, id, now uint32) {
	victim, oldest := &set[0], uint32(0)
	for i := range set {
		slot := &set[i]
		if d := slot.dest.Load(); d == 0 || d == dest {
			victim = slot
			break
		}
		if a := age(now, slot.used.Load()); a > oldest {
			victim, oldest = slot, a
		}
	}
	if !victim.busy.CompareAndSwap(0, 1) {
		return
	}
	victim.dest.Store(0)
	for i := range victim.servers {
		victim.servers[i].Store(0)
	}
	victim.servers[0].Store(id)
	victim.used.Store(now)
	victim.changed.Store(now)
	victim.dest.Store(dest)
	victim.busy.Store(0)
}
