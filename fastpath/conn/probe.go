package conn

import "unsafe"

// Slot names an entry and the direction under which it stands in the index: index << 1 | reply. Zero is none.
type Slot uint32

// Reply reports whether the slot stands for the backend's packets.
func (s Slot) Reply() bool { return s&1 != 0 }

func (s Slot) entry() uint32 { return uint32(s) >> 1 }

// Entry is the entry that a slot of this table names; the zero slot names one that is no connection.
func (t *Table) Entry(s Slot) *Entry {
	return (*Entry)(unsafe.Add(t.entryBase, uintptr(s>>1)*EntrySize))
}

// Probe is one lookup of a burst. Probes stand within the caller's own structures, a fixed number of bytes apart.
type Probe struct {
	Home Home
	// Guess is the first slot of the home bucket whose tag matches, to be checked, or none. A tuple that stands
	// elsewhere gets another one's slot.
	Guess Slot
}

// PrefetchIndex starts loading the index lines of n homes, the first one's probe being p.
func (t *Table) PrefetchIndex(p *Probe, n int, stride uintptr) {
	prefetchIndex(p, n, stride, t.indexBase)
}

// Probe fills in the guesses of n probes, 64 at most, and starts loading the entries that they name. Of each probe, from the
// lowest bit on, found tells whether there is a guess, and replies whether it stands for the backend's packets.
func (t *Table) Probe(p *Probe, n int, stride uintptr) (found, replies uint64) {
	return probe(p, n, stride, t.indexBase, t.entryBase)
}

// Sift finds those among n probes whose tuples may be in the table: it leaves a Guess that is not 0, and no slot, with
// them. Their index lines should have been loaded.
func (t *Table) Sift(p *Probe, n int, stride uintptr) { sift(p, n, stride, t.indexBase) }

// Entries is where entry 0 lies, see Entry.
func (t *Table) Entries() unsafe.Pointer { return t.entryBase }

// guess is Probe for one home.
func (b *bucket) guess(tag uint8) Slot {
	i, ok := first(b.match(tag))
	if !ok {
		return 0
	}
	return b.slots[i]
}

// probeInGo is what probe does but for the prefetch, for processors without one of their own and for the test that
// both agree.
func probeInGo(p *Probe, n int, stride uintptr, buckets unsafe.Pointer) (found, replies uint64) {
	for i := range uintptr(n) {
		q := (*Probe)(unsafe.Add(unsafe.Pointer(p), i*stride))
		b := (*bucket)(unsafe.Add(buckets, uintptr(q.Home.bucket())*bucketSize))
		if q.Guess = b.guess(q.Home.tag()); q.Guess != 0 {
			found |= 1 << i
		}
		replies |= uint64(q.Guess&1) << i
	}
	return found, replies
}
