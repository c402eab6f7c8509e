package conn

import (
	"fmt"
	"unsafe"

	"github.com/weirlb/weir/fastpath/offheap"
)

// MaxCapacity is the most connections of one table: as many as stand in the index twice without filling it by more than
// 67 %.
const MaxCapacity = 64 << 20

const (
	// loadPercent is how full the index is when every connection is a nat one and the table is full, unless that takes more
	// than maxBuckets. A fuller one costs time: a slot whose bucket is full stands in one that nobody has asked for, so that
	// with 85 % a new nat connection took a quarter longer. An emptier one costs memory and saves no more.
	loadPercent = 60
	maxBuckets  = 1 << 24 // a Home has 24 bits for the bucket
)

// Table is one worker's connections. See the package comment for who may use it.
type Table struct {
	buckets []bucket
	entries []Entry // entry 0 is never used
	Hasher
	spread [256]uint32 // see other
	peers  Peers
	locals []Local

	free  uint32 // head of the list of freed entries, 0 if none
	fresh uint32 // the first entry never used: nothing at or after it is live
	live  int
	hand  uint32 // the sweep's next entry
	owed  uint64 // of the sweep, in entries × milliseconds
	last  Tick   // of the sweep
	swept bool   // last is set

	entryMem, indexMem   *offheap.Region
	entryBase, indexBase unsafe.Pointer // of entries and buckets, for Probe
}

// New makes a table for capacity connections (1 to MaxCapacity), in huge pages if huge and there are
// enough.
func New(capacity int, huge bool, seed Seed) (*Table, error) {
	if capacity < 1 || capacity > MaxCapacity {
		return nil, fmt.Errorf("a connection table holds 1 to %d connections, not %d", MaxCapacity, capacity)
	}
	return newTable(capacity, bucketsFor(capacity, loadPercent), huge, seed)
}

// bucketsFor is how many buckets fill to some percent.
func bucketsFor(capacity, percent int) int {
	return min(max(2*capacity*100/(percent*slotsPerBucket)+1, 2), maxBuckets)
}

func newTable(capacity, n int, huge bool, seed Seed) (*Table, error) {
	t := &Table{Hasher: Hasher{seed0: seed[0], seed1: seed[1], nbuckets: uint32(n)}, fresh: 1, hand: 1}
	var err error
	if t.entryMem, err = offheap.Alloc((capacity+1)*EntrySize, huge); err != nil {
		return nil, fmt.Errorf("connection table for %d connections: %w", capacity, err)
	}
	if t.indexMem, err = offheap.Alloc(n*bucketSize, huge); err != nil {
		_ = t.entryMem.Free()
		return nil, fmt.Errorf("connection index for %d connections: %w", capacity, err)
	}
	t.entries = offheap.Slice[Entry](t.entryMem, capacity+1)
	t.buckets = offheap.Slice[bucket](t.indexMem, n)
	t.entries[0].Gen = NoGen
	t.entryBase, t.indexBase = t.entryMem.Pointer(), t.indexMem.Pointer()
	for tag := range t.spread {
		h := mum(mum(uint64(tag)^seed[0]^mix1, mix2)^seed[1], mix1)
		t.spread[tag] = uint32((h >> 32) * uint64(n) >> 32)
	}
	return t, nil
}

// Close gives the memory back. Nobody may use the table or a Dump of it any more.
func (t *Table) Close() error {
	t.entries, t.buckets = nil, nil
	if err := t.entryMem.Free(); err != nil {
		return err
	}
	return t.indexMem.Free()
}

// SetPeers tells the table where the indices of backends and local addresses lead from now on. Both are only read and must
// not change.
func (t *Table) SetPeers(p Peers, l []Local) { t.peers, t.locals = p, l }

// Len is the number of connections; Cap the most there can be; Bytes the memory they take.
func (t *Table) Len() int { return t.live }

// Cap is the most connections the table can hold.
func (t *Table) Cap() int { return len(t.entries) - 1 }

// Bytes is the size of the table's memory.
func (t *Table) Bytes() int { return t.entryMem.Size() + t.indexMem.Size() }

// Ref names an entry and the direction of the packet that led to it. Zero is none.
type Ref struct {
	Entry *Entry
	Reply bool
}

// Ref is the entry and direction that a slot names.
func (t *Table) Ref(s Slot) Ref {
	if s == 0 {
		return Ref{}
	}
	return Ref{t.Entry(s), s.Reply()}
}

// Slot is what a Ref of this table would be found by.
func (t *Table) Slot(r Ref) Slot {
	s := Slot(t.indexOf(r.Entry) << 1)
	if r.Reply {
		s |= 1
	}
	return s
}

// Check reports whether a guess is the packet's connection. It is right also if the entry has been freed
// or used anew since.
func (t *Table) Check(r Ref, k *Key) bool {
	e := r.Entry
	if e == nil || e.Proto != k.Proto {
		return false
	}
	if r.Reply && e.Flags&Full != 0 {
		return t.isFullReply(e, k)
	}
	if e.Flags&V6 != 0 != k.V6 {
		return false
	}
	if r.Reply {
		return t.isReply(e, k)
	}
	if e.Ports != k.Ports {
		return false
	}
	a := (*[4]uint64)(k.Addrs)
	if !k.V6 {
		return e.Addrs[0] == *(*uint64)(k.Addrs)
	}
	return e.Addrs == *a
}

// isReply compares the reply's tuple: from the backend's address to the client's.
func (t *Table) isReply(e *Entry, k *Key) bool {
	if e.Flags&Reverse == 0 {
		return false
	}
	p := t.peers.of(e)
	if p == nil || uint16(k.Ports) != p.PortOf(e) || uint16(k.Ports>>16) != uint16(e.Ports) {
		return false
	}
	if !k.V6 {
		return *(*uint64)(k.Addrs) == p.Addr[0]|e.Addrs[0]<<32
	}
	a := (*[4]uint64)(k.Addrs)
	return a[0] == p.Addr[0] && a[1] == p.Addr[1] && a[2] == e.Addrs[0] && a[3] == e.Addrs[1]
}

// isFullReply compares the reply's tuple in fullnat: from the backend's address to the connection's local one. Its family
// need not be the client's.
func (t *Table) isFullReply(e *Entry, k *Key) bool {
	if e.Flags&Reverse == 0 || int(e.LocalIndex()) >= len(t.locals) {
		return false
	}
	p, l := t.peers.of(e), &t.locals[e.LocalIndex()]
	if p == nil || !l.Used || p.V6 != k.V6 || k.Ports != uint32(p.PortOf(e))|e.Local<<16 {
		return false
	}
	if !k.V6 {
		return *(*uint64)(k.Addrs) == p.Addr[0]|l.Addr[0]<<32
	}
	a := (*[4]uint64)(k.Addrs)
	return a[0] == p.Addr[0] && a[1] == p.Addr[1] && a[2] == l.Addr[0] && a[3] == l.Addr[1]
}

// Find looks a tuple up.
func (t *Table) Find(k *Key) Ref { return t.FindHome(k, t.KeyHome(k)) }

// Vacant reports whether no tuple of this home can be in the table, after a look at nothing but its bucket.
func (t *Table) Vacant(h Home) bool {
	b := &t.buckets[h.bucket()]
	lo, hi := b.match(h.tag())
	return lo|hi == 0 && b.overflow == 0
}

// Overflowed reports whether tuples whose home this is stand in the bucket that Other leads to.
func (t *Table) Overflowed(h Home) bool { return t.buckets[h.bucket()].overflow != 0 }

// Other is a home's second place, to prefetch its line.
func (t *Table) Other(h Home) Home {
	return Home(t.other(h.bucket(), h.tag())<<8) | Home(h.tag())
}

// FindHome is Find where the tuple's home is known.
func (t *Table) FindHome(k *Key, h Home) Ref {
	b := &t.buckets[h.bucket()]
	if r := t.findIn(b, k, h.tag()); r.Entry != nil || b.overflow == 0 {
		return r
	}
	return t.findIn(&t.buckets[t.other(h.bucket(), h.tag())], k, h.tag())
}

func (t *Table) findIn(b *bucket, k *Key, tag uint8) Ref {
	lo, hi := b.match(tag)
	for {
		i, ok := first(lo, hi)
		if !ok {
			return Ref{}
		}
		s := b.slots[i]
		r := t.Ref(s)
		if t.Check(r, k) {
			return r
		}
		lo, hi = rest(lo, hi)
	}
}

// Insert adds a connection under the client's tuple k, whose home is at, and with back not zero also under the
// reply's tuple, whose home that is. The caller has made sure that k is not there, and fills in the rest of the entry.
// Nil means that the table is full: see Victim.
func (t *Table) Insert(k *Key, at, back Home) *Entry {
	e := t.Claim(at, back)
	if e == nil {
		return nil
	}
	e.Ports, e.Proto = k.Ports, k.Proto
	if k.V6 {
		e.Addrs, e.Flags = *(*[4]uint64)(k.Addrs), V6
	} else {
		e.Addrs[0] = *(*uint64)(k.Addrs)
	}
	if back != 0 {
		e.Flags |= Reverse
	}
	return e
}

// Claim is Insert for a caller who fills in the tuple as well, and Reverse in the flags, before anything else happens to the
// table. In IPv4 all addresses but the first word are 0 already.
func (t *Table) Claim(at, back Home) *Entry {
	i := t.free
	if i != 0 {
		t.free = uint32(t.entryAt(i).Addrs[0])
	} else if int(t.fresh) < len(t.entries) {
		i = t.fresh
		t.fresh++
	} else {
		return nil
	}
	e := t.entryAt(i) // a free entry is all zeros but for the link
	e.fwd, e.rev = at, back
	if done := placeBoth(t.indexBase, at, back, Slot(i<<1)); done != bothSlots && !t.placeRest(done, at, back, Slot(i<<1)) {
		t.release(i, e)
		return nil
	}
	t.live++
	return e
}

func (t *Table) entryAt(i uint32) *Entry {
	return (*Entry)(unsafe.Add(t.entryBase, uintptr(i)*EntrySize))
}

func (t *Table) release(i uint32, e *Entry) {
	*e = Entry{}
	e.Addrs[0] = uint64(t.free)
	t.free = i
}

// Delete removes a live connection; the entry may be used anew at once.
func (t *Table) Delete(e *Entry) {
	i := t.indexOf(e)
	if done := displaceBoth(t.indexBase, e.fwd, e.rev, Slot(i<<1)); done != bothSlots {
		t.displaceRest(done, e.fwd, e.rev, Slot(i<<1))
	}
	t.release(i, e)
	t.live--
}

// Index is an entry's place in the table, 1 to Cap: for what somebody keeps beside it.
func (t *Table) Index(e *Entry) uint32 { return t.indexOf(e) }

func (t *Table) indexOf(e *Entry) uint32 {
	return uint32((uintptr(unsafe.Pointer(e)) - uintptr(t.entryBase)) / EntrySize)
}
