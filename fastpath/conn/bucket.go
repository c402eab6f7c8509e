package conn

import (
	"math/bits"
	"unsafe"
)

const slotsPerBucket = 12

// bucket is one line of the index. A tag of 0 marks a free slot. overflow counts the tuples whose
// home this is but which stand in their other bucket; it sticks at 255.
type bucket struct {
	tags     [slotsPerBucket]uint8
	overflow uint8
	_        [3]uint8
	slots    [slotsPerBucket]Slot
}

const bucketSize = 64

var _ [bucketSize - unsafe.Sizeof(bucket{})]struct{}
var _ [unsafe.Sizeof(bucket{}) - bucketSize]struct{}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// match returns a mask with bit 8i+7 set for slots i whose tag may be tag. Above a true match a false
// one is possible (the borrow of the subtraction); the entry decides.
func (b *bucket) match(tag uint8) (lo, hi uint64) {
	p := unsafe.Pointer(b)
	pattern := uint64(tag) * lowBits
	lo = *(*uint64)(p) ^ pattern
	hi = uint64(*(*uint32)(unsafe.Add(p, 8))) ^ pattern&0xffffffff | 0xffffffff<<32
	lo = (lo - lowBits) &^ lo & highBits
	hi = (hi - lowBits) &^ hi & highBits
	return lo, hi
}

// first returns the lowest slot of a match, and whether there is one.
func first(lo, hi uint64) (int, bool) {
	if lo != 0 {
		return bits.TrailingZeros64(lo) >> 3, true
	}
	if hi != 0 {
		return 8 + bits.TrailingZeros64(hi)>>3, true
	}
	return 0, false
}

// rest is a match without its lowest slot.
func rest(lo, hi uint64) (uint64, uint64) {
	if lo != 0 {
		return lo & (lo - 1), hi
	}
	return lo, hi & (hi - 1)
}

// room returns a free slot, -1 if there is none.
func (b *bucket) room() int {
	if i, ok := first(b.match(0)); ok {
		return i
	}
	return -1
}

// other is the second bucket in which a tuple of this tag may stand; it leads back from there. So an
// index line can be moved without knowing the tuple (partial-key cuckoo hashing, Fan et al., 2013).
func (t *Table) other(b uint32, tag uint8) uint32 {
	o := t.spread[tag] - b
	if t.spread[tag] < b {
		o += t.nbuckets
	}
	return o
}

// placeRest puts those slots of a connection elsewhere, of which done says that they found no place at home. If there is
// none, the index is as it was before both.
func (t *Table) placeRest(done uint8, at, back Home, s Slot) bool {
	if done&forwardSlot == 0 && !t.placeElsewhere(at, s) {
		if back != 0 && done&replySlot != 0 {
			t.displace(back, s|1)
		}
		return false
	}
	if done&replySlot == 0 && !t.placeElsewhere(back, s|1) {
		t.displace(at, s)
		return false
	}
	return true
}

// displaceRest removes those slots of a connection from the index, of which done says that they do not stand at home.
func (t *Table) displaceRest(done uint8, at, back Home, s Slot) {
	if done&forwardSlot == 0 {
		t.displaceElsewhere(at, s)
	}
	if done&replySlot == 0 {
		t.displaceElsewhere(back, s|1)
	}
}

func (t *Table) displace(h Home, s Slot) {
	if !displaceInGo(t.indexBase, h, s) {
		t.displaceElsewhere(h, s)
	}
}

// placeElsewhere puts a slot under a home whose bucket is full: in the other bucket, or by moving one other slot.
func (t *Table) placeElsewhere(h Home, s Slot) bool {
	b, tag := h.bucket(), h.tag()
	if placeInGo(t.indexBase, t.Other(h), s) {
		t.buckets[b].overflowed()
		return true
	}
	if i := t.makeRoom(b); i >= 0 {
		t.buckets[b].set(i, tag, s)
		return true
	}
	o := t.other(b, tag)
	if i := t.makeRoom(o); i >= 0 {
		t.buckets[o].set(i, tag, s)
		t.buckets[b].overflowed()
		return true
	}
	return false
}

func (b *bucket) set(i int, tag uint8, s Slot) { b.tags[i], b.slots[i] = tag, s }

func (b *bucket) overflowed() {
	if b.overflow < 255 {
		b.overflow++
	}
}

func (b *bucket) returned() {
	if b.overflow > 0 && b.overflow < 255 {
		b.overflow--
	}
}

// makeRoom moves one slot of bucket b to its other bucket and returns its place, -1 if none can move.
func (t *Table) makeRoom(b uint32) int {
	from := &t.buckets[b]
	for i, tag := range from.tags {
		o := t.other(b, tag)
		j := t.buckets[o].room()
		if j < 0 {
			continue
		}
		s := from.slots[i]
		t.buckets[o].set(j, tag, s)
		if t.home(s).bucket() == b {
			from.overflowed()
		} else {
			t.buckets[o].returned()
		}
		return i
	}
	return -1
}

func (t *Table) home(s Slot) Home {
	e := &t.entries[s.entry()]
	if s.Reply() {
		return e.rev
	}
	return e.fwd
}

// displaceElsewhere removes a slot that is not in its home bucket from the index.
func (t *Table) displaceElsewhere(h Home, s Slot) {
	if displaceInGo(t.indexBase, t.Other(h), s) {
		t.buckets[h.bucket()].returned()
	}
}
