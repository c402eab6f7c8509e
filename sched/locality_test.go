package sched

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// modelLocality is LVS's lblc, and lblcr with sets of more than one server, as far as nothing expires.
type modelLocality struct {
	replicate bool
	sets      map[[16]byte]*modelSet
}

type modelSet struct {
	ids     []uint32 // the newest first
	lastMod uint64
}

func leastOf(ss []Server, list []int) int {
	best := -1
	for _, i := range list {
		if ss[i].Weight > 0 && (best < 0 || ss[best].overhead()*int64(ss[i].Weight) > ss[i].overhead()*int64(ss[best].Weight)) {
			best = i
		}
	}
	return best
}

func mostOf(ss []Server, list []int) int {
	best := -1
	for _, i := range list {
		if ss[i].Weight > 0 && (best < 0 || ss[best].overhead()*int64(ss[i].Weight) < ss[i].overhead()*int64(ss[best].Weight)) {
			best = i
		}
	}
	return best
}

func overloaded(ss []Server, i int) bool {
	if ss[i].active() <= int64(ss[i].Weight) {
		return false
	}
	return slices.ContainsFunc(ss, func(s Server) bool { return s.active()*2 < int64(s.Weight) })
}

func (m *modelLocality) pick(ss []Server, dst [16]byte, now uint64) int {
	all := make([]int, len(ss))
	for i := range all {
		all[i] = i
	}
	set := m.sets[dst]
	if set != nil {
		var list []int
		for _, id := range set.ids {
			if i := slices.IndexFunc(ss, func(s Server) bool { return s.ID == id }); i >= 0 {
				list = append(list, i)
			}
		}
		best := leastOf(ss, list)
		if m.replicate && len(set.ids) > 1 && now > set.lastMod+shrinkAfter {
			if worst := mostOf(ss, list); worst >= 0 {
				set.ids = slices.DeleteFunc(set.ids, func(id uint32) bool { return id == ss[worst].ID })
				set.lastMod = now
			}
		}
		if best >= 0 && !overloaded(ss, best) {
			return best
		}
	}
	best := leastOf(ss, all)
	switch {
	case best < 0:
	case set == nil || !m.replicate:
		m.sets[dst] = &modelSet{[]uint32{ss[best].ID}, now}
	case !slices.Contains(set.ids, ss[best].ID):
		set.ids, set.lastMod = append([]uint32{ss[best].ID}, set.ids...), now
	}
	return best
}

// Servers come, go, drain and fill up while time passes; at most replicas of them, so that no set is cut.
func TestLocalityMatchesModelsOfLVS(t *testing.T) {
	for _, name := range []string{"lblc", "lblcr"} {
		r := rand.New(rand.NewPCG(40, 41))
		for range 30 {
			memory := NewMemory(name)
			model := modelLocality{name == "lblcr", map[[16]byte]*modelSet{}}
			now := uint64(r.Uint32())
			var pool []Server
			for i := range replicas {
				pool = append(pool, Server{ID: uint32(500 - 7*i), Load: new(Load)})
			}
			for range 60 {
				ss := slices.Clone(pool)
				r.Shuffle(len(ss), func(i, j int) { ss[i], ss[j] = ss[j], ss[i] })
				ss = ss[:r.IntN(len(ss)+1)]
				for i := range ss {
					ss[i].Weight = r.IntN(5) * r.IntN(20)
				}
				s := build(t, name, ss, Options{Memory: memory})
				for range 40 {
					now += uint64(r.IntN(3600 * 1000))
					pool[r.IntN(len(pool))].Load.Active.Store(int32(r.IntN(120)))
					pool[r.IntN(len(pool))].Load.Inactive.Store(int32(r.IntN(1000)))
					k := Key{Now: uint32(now)}
					k.Dst[3] = byte(r.IntN(4))
					if got, want := s.Pick(&k, nil), model.pick(ss, k.Dst, now); got != want {
						t.Fatalf("%s picked %d, LVS %d", name, got, want)
					}
				}
			}
		}
	}
}

func dst(n uint32, now uint32) *Key {
	k := &Key{Now: now}
	binary.BigEndian.PutUint32(k.Dst[:], n)
	return k
}

// Both keep a destination on its server although another one has fewer connections.
func TestDestinationStaysOnItsServer(t *testing.T) {
	for _, name := range []string{"lblc", "lblcr"} {
		ss := servers(100, 100)
		s := build(t, name, ss, Options{})
		for range 50 {
			if got := s.Pick(dst(7, 5), nil); got != 0 {
				t.Fatalf("%s picked %d", name, got)
			}
			ss[0].Load.Active.Add(1)
		}
		if got := s.Pick(dst(8, 5), nil); got != 1 {
			t.Errorf("%s gave a new destination to %d, not the idle server", name, got)
		}
	}
}

func TestDestinationIsForgottenAfterADayUnused(t *testing.T) {
	for _, name := range []string{"lblc", "lblcr"} {
		ss := servers(100, 100)
		s := build(t, name, ss, Options{})
		start := ^uint32(5000) // the clock wraps on the way
		s.Pick(dst(7, start), nil)
		ss[0].Load.Active.Store(50)
		for i, tt := range []struct {
			after uint32
			want  int
		}{{forgetAfter - 1, 0}, {2*forgetAfter - 2, 0}, {3*forgetAfter - 1, 1}} {
			if got := s.Pick(dst(7, start+tt.after), nil); got != tt.want {
				t.Errorf("%s, step %d: picked %d, want %d", name, i, got, tt.want)
			}
		}
	}
}

// A worker whose clock is a little behind another's must not take what that one wrote for 49 days old.
func TestClocksOfWorkersDiffer(t *testing.T) {
	for _, name := range []string{"lblc", "lblcr"} {
		ss := servers(100, 100)
		s := build(t, name, ss, Options{})
		s.Pick(dst(7, 10_000), nil)
		ss[0].Load.Active.Store(50)
		if got := s.Pick(dst(7, 9_990), nil); got != 0 {
			t.Errorf("%s picked %d", name, got)
		}
	}
}

func TestFullMemoryForgetsWhatWasUnusedForLongest(t *testing.T) {
	for _, name := range []string{"lblc", "lblcr"} {
		ss := servers(100, 100)
		s := build(t, name, ss, Options{})
		for n := range uint32(sets * setSize * 2) {
			s.Pick(dst(n, n/100), nil)
		}
		ss[0].Load.Active.Store(50)
		kept := 0
		const newest = 1000
		for n := range uint32(newest) {
			if s.Pick(dst(sets*setSize*2-1-n, sets*setSize/50), nil) == 0 {
				kept++
			}
		}
		if kept < newest*98/100 {
			t.Errorf("%s kept %d of the %d newest destinations", name, kept, newest)
		}
	}
}

func TestMemoryGoesOnWhenServersChange(t *testing.T) {
	for _, name := range []string{"lblc", "lblcr"} {
		ss := servers(100, 100, 100)
		for i := range ss {
			ss[i].ID = uint32(10 + i)
		}
		memory := NewMemory(name)
		ss[0].Load.Active.Store(10)
		ss[2].Load.Active.Store(10)
		if got := build(t, name, ss, Options{Memory: memory}).Pick(dst(7, 1), nil); got != 1 {
			t.Fatalf("%s picked %d", name, got)
		}
		ss[1].Load.Active.Store(90)
		if got := build(t, name, ss[1:], Options{Memory: memory}).Pick(dst(7, 1), nil); got != 0 {
			t.Errorf("%s picked %d, not the server it had before", name, got)
		}
		if got := build(t, name, ss[2:], Options{Memory: memory}).Pick(dst(7, 1), nil); got != 0 {
			t.Errorf("%s picked %d of one", name, got)
		}
	}
}

func TestOnlySomeSchedulersHaveAMemory(t *testing.T) {
	for _, name := range schedulers {
		m, want := NewMemory(name), name == "lblc" || name == "lblcr"
		if (m != nil) != want || !m.Of(name) || want && (m.Of("wlc") || (*Memory)(nil).Of(name)) {
			t.Errorf("%s: memory %v", name, m != nil)
		}
	}
	if size := unsafe.Sizeof(lblcrSlot{}); size != 64 {
		t.Errorf("a place of lblcr takes %d bytes", size)
	}
}

// With more servers than a place remembers, the most loaded one gives way, and those that are gone before it.
func TestSetOfServersStaysSmall(t *testing.T) {
	weights := slices.Repeat([]int{1}, 3*replicas)
	ss := servers(weights...)
	memory := NewMemory("lblcr")
	for i := range ss {
		ss[i].ID = uint32(i + 1)
		ss[i].Weight = 2
	}
	for round := range 3 {
		s := build(t, "lblcr", ss[round*3:], Options{Memory: memory})
		for range 20 * len(ss) {
			got := s.Pick(dst(7, 1), nil)
			if got < 0 {
				t.Fatal("none was picked")
			}
			ss[round*3+got].Load.Active.Add(1)
		}
	}
	slot := lblcrFind(setOf(memory.lblcr, destination(dst(7, 1))), destination(dst(7, 1)), 1)
	seen := map[uint32]bool{}
	for i := range slot.servers {
		id := slot.servers[i].Load()
		if id == 0 || seen[id] {
			t.Errorf("place %d holds %d", i, id)
		}
		seen[id] = true
	}
}
