package nexthop

import (
	"encoding/binary"
	"sync/atomic"
)

// Table is the set of known neighbours. Lookup, Load and Touch may be called by any number of
// workers; everything else belongs to one writer.
type Table struct {
	recs  []record
	index atomic.Pointer[index]

	// Writer's own.
	next uint32   // first record never used; 0 is reserved
	free []uint32 // freed records, oldest first
	live int

	// OnMiss, if set before the first lookup, is asked for a neighbour that is not known. It must only
	// be set where one goroutine does everything (replay, tests).
	OnMiss func(Key) (ID, bool)
}

// index maps keys to records: open addressing, at most half full. A slot is written once and never
// cleared; deletions build a new index.
type index struct {
	slots []atomic.Uint32
	mask  uint32
	used  int
}

// NewTable returns an empty table.
func NewTable() *Table {
	t := &Table{recs: make([]record, MaxRecords), next: 1}
	t.index.Store(newIndex(1024))
	return t
}

func newIndex(size int) *index {
	return &index{slots: make([]atomic.Uint32, size), mask: uint32(size - 1)}
}

func (k *Key) hash() uint32 {
	lo := binary.LittleEndian.Uint64(k.Addr[:8])
	hi := binary.LittleEndian.Uint64(k.Addr[8:])
	h := (lo ^ hi*0x9e3779b97f4a7c15 ^ uint64(k.Port)) * 0xff51afd7ed558ccd
	return uint32(h >> 32)
}

func (x *index) find(recs []record, k *Key) ID {
	for i := k.hash(); ; i++ {
		id := x.slots[i&x.mask].Load()
		if id == 0 || recs[id].key == *k {
			return ID(id)
		}
	}
}

func (x *index) add(recs []record, id uint32) {
	i := recs[id].key.hash()
	for x.slots[i&x.mask].Load() != 0 {
		i++
	}
	x.slots[i&x.mask].Store(id)
	x.used++
}

// Lookup finds the record of a neighbour; 0 if there is none.
func (t *Table) Lookup(k *Key) ID {
	id := t.index.Load().find(t.recs, k)
	if id == 0 && t.OnMiss != nil {
		id, _ = t.OnMiss(*k)
	}
	return id
}

// Load returns what is known of a neighbour now. An ID out of range gives an unusable Hop.
func (t *Table) Load(id ID) Hop {
	if int(id) >= len(t.recs) {
		return 0
	}
	return Hop(t.recs[id].hop.Load())
}

// Touch marks a neighbour as in use. It writes only when the mark is not set, so the line stays
// shared between the workers' caches.
func (t *Table) Touch(id ID) {
	if u := &t.recs[id].used; u.Load() == 0 {
		u.Store(1)
	}
}

// Use is Load and Touch in one.
func (t *Table) Use(id ID) Hop {
	if uint(id) >= uint(len(t.recs)) {
		return 0
	}
	r := &t.recs[id]
	if r.used.Load() == 0 {
		r.used.Store(1)
	}
	return Hop(r.hop.Load())
}

// TakeUsed returns and clears the mark that Touch sets.
func (t *Table) TakeUsed(id ID) bool { return t.recs[id].used.Swap(0) != 0 }

// Key returns what a live record stands for.
func (t *Table) Key(id ID) Key { return t.recs[id].key }

// Len is the number of live records.
func (t *Table) Len() int { return t.live }

// Clone copies the table, the IDs staying the same, for its writer. Uses of the copy do not count as uses here.
func (t *Table) Clone() *Table {
	c := &Table{recs: make([]record, len(t.recs)), next: t.next, free: append([]uint32(nil), t.free...), live: t.live}
	for i := range t.next {
		c.recs[i].key = t.recs[i].key
		c.recs[i].hop.Store(t.recs[i].hop.Load())
	}
	x := t.index.Load()
	n := &index{slots: make([]atomic.Uint32, len(x.slots)), mask: x.mask, used: x.used}
	for i := range x.slots {
		n.slots[i].Store(x.slots[i].Load())
	}
	c.index.Store(n)
	return c
}

// Ensure returns the record of a neighbour, made unresolved if there was none. It fails only with
// ErrFull.
func (t *Table) Ensure(k Key) (ID, error) {
	x := t.index.Load()
	if id := x.find(t.recs, &k); id != 0 {
		return id, nil
	}
	id := t.next
	switch {
	case id < uint32(len(t.recs)):
		t.next++
	case len(t.free) > 0:
		// The one freed longest ago: a worker that looked its ID up just before should not meet another
		// neighbour behind it.
		id, t.free = t.free[0], t.free[1:]
	default:
		return 0, ErrFull
	}
	r := &t.recs[id]
	r.key = k
	r.hop.Store(uint64(pack([6]byte{}, k.Port, Unresolved)))
	t.live++
	if 2*(x.used+1) > len(x.slots) {
		t.rebuild(id)
	} else {
		x.add(t.recs, id)
	}
	return ID(id), nil
}

// Set publishes a neighbour's MAC and state to the workers.
func (t *Table) Set(id ID, mac [6]byte, s State) {
	r := &t.recs[id]
	r.hop.Store(uint64(pack(mac, r.key.Port, s)))
}

// Remove forgets neighbours, at the cost of one pass over the whole index however many they are. The
// caller makes sure no snapshot names the IDs any more.
func (t *Table) Remove(ids ...ID) {
	gone := make(map[ID]bool, len(ids))
	for _, id := range ids {
		k := t.recs[id].key
		if id == 0 || gone[id] || t.index.Load().find(t.recs, &k) != id {
			continue
		}
		gone[id] = true
		t.recs[id].hop.Store(0)
		t.free = append(t.free, uint32(id))
		t.live--
	}
	if len(gone) > 0 {
		t.rebuildWithout(gone)
	}
}

func (t *Table) rebuild(added uint32) {
	x := t.index.Load()
	n := newIndex(max(len(x.slots), nextPow2(4*(t.live+1))))
	for i := range x.slots {
		if id := x.slots[i].Load(); id != 0 {
			n.add(t.recs, id)
		}
	}
	n.add(t.recs, added)
	t.index.Store(n)
}

func (t *Table) rebuildWithout(gone map[ID]bool) {
	x := t.index.Load()
	n := newIndex(len(x.slots))
	for i := range x.slots {
		if id := x.slots[i].Load(); id != 0 && !gone[ID(id)] {
			n.add(t.recs, id)
		}
	}
	t.index.Store(n)
}

func nextPow2(n int) int {
	p := 1
	for p < n {
		p <<= 1
	}
	return p
}
