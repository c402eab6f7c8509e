package persist

import (
	"math/bits"
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
)

const setBytes = unsafe.Sizeof(set{})

var _ [setBytes % 64]struct{}
var _ = [1]struct{}{}[setBytes%64] // whole cache lines

// Template is a copy of one.
type Template struct {
	Key
	Target
	Held    int // connections that it controls
	Expires conn.Tick
}

// Peek copies a client's template; it may be changing at that moment.
func (t *Table) Peek(k *Key, now conn.Tick) (Template, bool) {
	hash := t.hash(k)
	s, _ := t.setOf(hash)
	if i := s.find(s.control.Load(), hash); i >= 0 {
		return s.read(i, now)
	}
	return Template{}, false
}

func (s *set) read(i int, now conn.Tick) (Template, bool) {
	p := &s.templates[i]
	state, service, target := p.state.Load(), p.service.Load(), p.target.Load()
	n := held(state)
	if n >= unborn || n == 0 && !now.Before(expires(state)) {
		return Template{}, false
	}
	return Template{
		Key:    Key{Addr: [2]uint64{p.addr[0].Load(), p.addr[1].Load()}, Service: uint32(service >> 1), V6: service&1 != 0},
		Target: targetOf(target), Held: int(n), Expires: expires(state),
	}, true
}

// Dump gives copies of all templates until f returns false. One that changes at that moment may be missing, or of two
// clients.
func (t *Table) Dump(now conn.Tick, f func(Template) bool) {
	for i := range t.sets {
		s := &t.sets[i]
		for left := s.control.Load() & published; left != 0; left &= left - 1 {
			if c, ok := s.read(bits.TrailingZeros64(left), now); ok && !f(c) {
				return
			}
		}
	}
}

// Len is the number of templates, expired ones that nobody has met yet included.
func (t *Table) Len() (n int) {
	for i := range t.sets {
		n += bits.OnesCount64(t.sets[i].control.Load() & published)
	}
	return n
}

// Sweep removes what has expired among some of the sets, from the one numbered from on, and returns where to go on.
func (t *Table) Sweep(now conn.Tick, from, count int) (next int) {
	for range min(count, len(t.sets)) {
		if from >= len(t.sets) {
			from = 0
		}
		s := &t.sets[from]
		for left := s.control.Load() & published; left != 0; left &= left - 1 {
			i := bits.TrailingZeros64(left)
			s.remove(i, s.keys[i].Load(), now, false)
		}
		from++
	}
	return from
}

// Sets is how many there are to sweep.
func (t *Table) Sets() int { return len(t.sets) }
