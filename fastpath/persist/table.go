// Package persist remembers which backend a client is bound to: LVS's persistence, its templates. A client's connections
// live with several workers, so all of them share one table. Nobody locks it or waits for another; who comes second
// with a client's first connection gets the first one's backend.
//
// The table is made of sets. A template stands in the set that its key's hash leads to, at any of its places, and once:
//
//	control: version | places taken | places published
//
// To add a template is to take a place, to fill it, and to publish it with one compare-and-swap of the control word. Its
// version counts what is published and what is removed: it fails if that has changed since the set was searched. A
// published template's key never changes; to remove it is to mark it dead, so that nobody can hold it any more, and
// then to take it out of the control word. Whoever meets a step that another has not finished finishes it himself.
package persist

import (
	"fmt"
	"math/bits"
	"sync/atomic"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/offheap"
)

// MaxCapacity is the most templates of a table: a Ref has to fit into less than 32 bits.
const MaxCapacity = 1 << 28

const setSize = 15

// set is two lines to search, and its templates.
type set struct {
	control   atomic.Uint64
	keys      [setSize]atomic.Uint64
	templates [setSize]template
	_         [5]uint64
}

// template is a client's. Its target is a backend's index in the lower 20 bits, its generation in the middle 32, and in the
// upper 12 how often it was changed.
type template struct {
	state   atomic.Uint64
	target  atomic.Uint64
	addr    [2]atomic.Uint64 // of the client, masked
	service atomic.Uint64    // index << 1, and 1 for IPv6
}

// Parts of a control word.
const (
	published = 1<<setSize - 1
	taken     = published << 16
	version   = 1 << 32
)

// A state is the tick at which the template expires in the lower half, above it 24 bits with the number of connections it
// controls, and above those 8 bits that differ from what was in the place before.
const (
	one      = 1 << 32
	heldMask = 1<<24 - 1
	life     = 1 << 56
	// Numbers of connections that are none: of a template that is removed, and of one that its maker has not let live
	// yet, which nobody may hold before it is published.
	dead   = heldMask
	unborn = heldMask - 1
	most   = heldMask - 2
)

func expires(state uint64) conn.Tick { return conn.Tick(state) }
func held(state uint64) uint64       { return state >> 32 & heldMask }

// Key is a client of a service.
type Key struct {
	Addr    [2]uint64 // masked; as loaded, IPv4 in the lower half of the first word
	Service uint32    // index
	V6      bool
}

// Target is a backend: its index and generation in snapshots.
type Target struct {
	Index, Gen uint32
}

const indexBits = 20

func (t Target) word(changes uint64) uint64 {
	return uint64(t.Index)&(1<<indexBits-1) | uint64(t.Gen)<<indexBits | changes<<52
}

func targetOf(word uint64) Target {
	return Target{uint32(word) & (1<<indexBits - 1), uint32(word >> indexBits)}
}

// Ref names a template that a connection holds; it is Release's to end that. 0 is none.
type Ref uint32

// Table is the templates of all services. Any goroutine may use it.
type Table struct {
	sets         []set
	mem          *offheap.Region
	seed0, seed1 uint64
}

// New makes a table for capacity templates (1 to MaxCapacity). Memory is taken as it is used.
func New(capacity int, seed conn.Seed) (*Table, error) {
	if capacity < 1 || capacity > MaxCapacity {
		return nil, fmt.Errorf("a table of persistence templates holds 1 to %d, not %d", MaxCapacity, capacity)
	}
	n := (capacity + setSize - 1) / setSize
	mem, err := offheap.Reserve(n * int(setBytes))
	if err != nil {
		return nil, fmt.Errorf("memory for %d persistence templates: %w", capacity, err)
	}
	t := over(offheap.Slice[set](mem, n), seed)
	t.mem = mem
	return t, nil
}

func over(sets []set, seed conn.Seed) *Table {
	return &Table{sets: sets, seed0: seed[0], seed1: seed[1]}
}

// Close gives the memory back. Nobody may use the table any more.
func (t *Table) Close() error {
	t.sets = nil
	return t.mem.Free()
}

// Cap is the most templates there can be.
func (t *Table) Cap() int { return len(t.sets) * setSize }

const (
	mix1 = 0xa0761d6478bd642f
	mix2 = 0xe7037ed1a0b428db
)

func mum(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// hash identifies a key: that two have the same is as good as impossible, and whoever chooses addresses cannot foresee it.
// 0 is no key's.
func (t *Table) hash(k *Key) uint64 {
	family := uint64(k.Service) << 1
	if k.V6 {
		family |= 1
	}
	x := mum(k.Addr[0]^t.seed0, k.Addr[1]^t.seed1^mix1)
	return max(1, mum(x^mix2, family^t.seed0^mix1)^mum(k.Addr[0]^t.seed1^mix2, k.Addr[1]^family^t.seed0))
}

func (t *Table) setOf(hash uint64) (s *set, index uint32) {
	i, _ := bits.Mul64(hash, uint64(len(t.sets)))
	return &t.sets[i], uint32(i)
}

func refOf(set uint32, place int) Ref { return Ref(set*setSize + uint32(place) + 1) }

func (t *Table) at(r Ref) *template {
	i := uint32(r) - 1
	return &t.sets[i/setSize].templates[i%setSize]
}

// find returns the place of a published template, -1 if there is none.
func (s *set) find(control, hash uint64) int {
	for left := control & published; left != 0; left &= left - 1 {
		if i := bits.TrailingZeros64(left); s.keys[i].Load() == hash {
			return i
		}
	}
	return -1
}

// Hold looks for a client's template and holds it for a connection: it does not end before now + timeout, nor while it is
// held.
func (t *Table) Hold(k *Key, now conn.Tick, timeout uint32) (Ref, Target, bool) {
	hash := t.hash(k)
	s, index := t.setOf(hash)
	if i := s.find(s.control.Load(), hash); i >= 0 && s.hold(i, hash, now, timeout) {
		return refOf(index, i), targetOf(s.templates[i].target.Load()), true
	}
	return 0, Target{}, false
}

// hold fails if the template has expired, is held by as many as it can count, or the place is another key's by now.
func (s *set) hold(i int, hash uint64, now conn.Tick, timeout uint32) bool {
	state := &s.templates[i].state
	for {
		was := state.Load()
		// The key is looked at after the state: if the place was given to another key since, its state is another, too.
		n := held(was)
		if n == dead || n == most || s.keys[i].Load() != hash || n == 0 && !now.Before(expires(was)) {
			return false
		}
		next := was&^(1<<32-1) + one | uint64(now+conn.Tick(timeout))
		if n == unborn {
			if s.control.Load()>>i&1 == 0 || state.Load() != was {
				return false
			}
			next = next&^(heldMask*one) | 2*one // its maker and this one
		}
		if state.CompareAndSwap(was, next) {
			return true
		}
	}
}

// Add makes a template that leads a client to a target and holds it, unless somebody has been quicker: then it holds
// that one, and returns its target. With no room left, it gives up the template that would end first and is not held; if
// all are, it makes none and returns 0.
func (t *Table) Add(k *Key, to Target, now conn.Tick, timeout uint32) (r Ref, target Target, evicted bool) {
	hash := t.hash(k)
	s, index := t.setOf(hash)
	for {
		was := s.control.Load()
		if i := s.find(was, hash); i >= 0 {
			if s.hold(i, hash, now, timeout) {
				return refOf(index, i), targetOf(s.templates[i].target.Load()), evicted
			}
			if held(s.templates[i].state.Load()) == most {
				return 0, targetOf(s.templates[i].target.Load()), evicted
			}
			s.remove(i, hash, now, false)
			continue
		}
		free := ^(was >> 16) & published
		if free == 0 {
			gone, room := s.makeRoom(now)
			if evicted = evicted || gone; !room {
				return 0, to, evicted
			}
			continue
		}
		i := bits.TrailingZeros64(free)
		if !s.control.CompareAndSwap(was, was|1<<(16+i)) {
			continue
		}
		state := s.fill(i, hash, k, to, now+conn.Tick(timeout))
		if s.publish(i, was, hash) {
			s.templates[i].state.CompareAndSwap(state, state&^(heldMask*one)|one) // or somebody has done that already
			return refOf(index, i), to, evicted
		}
	}
}

// fill writes an unborn template to a place that is taken and not published, and returns its state.
func (s *set) fill(i int, hash uint64, k *Key, to Target, end conn.Tick) uint64 {
	p := &s.templates[i]
	p.addr[0].Store(k.Addr[0])
	p.addr[1].Store(k.Addr[1])
	family := uint64(0)
	if k.V6 {
		family = 1
	}
	p.service.Store(uint64(k.Service)<<1 | family)
	p.target.Store(to.word(0))
	s.keys[i].Store(hash)
	state := (p.state.Load()+life)&^(life-1) | unborn*one | uint64(end)
	p.state.Store(state)
	return state
}

// publish makes a place's template one that others find, unless its key has got another one since the control word was
// searched: then the place is given back.
func (s *set) publish(i int, searched, hash uint64) bool {
	for {
		now := s.control.Load()
		if now/version != searched/version {
			if s.find(now, hash) >= 0 {
				s.giveBack(i)
				return false
			}
			searched = now
		}
		if s.control.CompareAndSwap(now, now+version|1<<i) {
			return true
		}
	}
}

// giveBack frees a place that was not published.
func (s *set) giveBack(i int) {
	for {
		was := s.control.Load()
		if s.control.CompareAndSwap(was, was&^(1<<(16+i))) {
			return
		}
	}
}

// remove ends a template that nobody holds and that has expired, or may be ended before. False: it is held, or its place
// is another key's.
func (s *set) remove(i int, hash uint64, now conn.Tick, early bool) bool {
	state := &s.templates[i].state
	was := state.Load()
	if s.keys[i].Load() != hash {
		return false
	}
	if held(was) != dead {
		if held(was) != 0 || !early && now.Before(expires(was)) || !state.CompareAndSwap(was, was|dead*one) {
			return false
		}
		was |= dead * one
	}
	for {
		control := s.control.Load()
		// The state is looked at after the control word: if it is still this one, so is what the word says of the place.
		if control>>i&1 == 0 || state.Load() != was ||
			s.control.CompareAndSwap(control, control&^(1<<i|1<<(16+i))+version) {
			return true
		}
	}
}

// makeRoom frees a place of a full set. Gone tells that it was a template's that had not expired.
func (s *set) makeRoom(now conn.Tick) (gone, room bool) {
	best, first := -1, conn.Tick(0)
	control := s.control.Load()
	for left := control & published; left != 0; left &= left - 1 {
		i := bits.TrailingZeros64(left)
		state := s.templates[i].state.Load()
		if held(state) == 0 && (best < 0 || expires(state).Before(first)) {
			best, first = i, expires(state)
		}
	}
	if best < 0 {
		return false, false
	}
	return s.remove(best, s.keys[best].Load(), now, true) && now.Before(first), true
}

// Redirect leads a template that is held to another target, if it still leads to the first one: its backend is gone. It
// returns where it leads.
func (t *Table) Redirect(r Ref, from, to Target) Target {
	target := &t.at(r).target
	was := target.Load()
	if targetOf(was) == from && target.CompareAndSwap(was, to.word(was>>52+1)) {
		return to
	}
	return targetOf(target.Load())
}

// prolong is LVS's step: a template whose time is up while it is held is looked at again after so many milliseconds.
const prolong = 60_000

// Release ends a connection's hold.
func (t *Table) Release(r Ref, now conn.Tick) {
	state := &t.at(r).state
	for {
		was := state.Load()
		next := was - one
		if end := expires(was); held(next) == 0 && !now.Before(end) {
			end += (now-end)/prolong*prolong + prolong
			next = next&^(1<<32-1) | uint64(end)
		}
		if state.CompareAndSwap(was, next) {
			return
		}
	}
}
