package conn

import "unsafe"

// SweepPeriod is the time in milliseconds in which the sweep passes the whole table: the most that an
// expired connection's memory is kept longer than it must be. What has expired is never found again,
// whether swept or not.
const SweepPeriod = 1000

// Dead collects what a sweep found expired.
type Dead [64]*Entry

// Sweep looks for expired connections as a clock's hand: it walks on over the entries in memory order,
// as far as the time since the last call allows, and never further than budget entries or len(dead)
// finds at once; what it could not do stays owed. No connection stands in a list, so a packet that
// prolongs one writes nothing but the entry it has in its cache anyway, and the walk is sequential.
//
// The caller deletes what it got before anything else happens to the table.
func (t *Table) Sweep(now Tick, budget int, dead *Dead) int {
	if !t.swept {
		t.swept, t.last = true, now // the clock may have started anywhere
	}
	if now.Before(t.last) {
		return 0
	}
	size := uint64(t.fresh - 1)
	t.owed = min(t.owed+uint64(now-t.last)*size, size*SweepPeriod)
	t.last = now
	steps := min(t.owed/SweepPeriod, uint64(max(budget, 0)))
	found := 0
	var walked uint64
	for walked < steps && found < len(dead) {
		if t.hand >= t.fresh {
			t.hand = 1
		}
		n, total := scan(t.entryAt(t.hand), int(min(steps-walked, uint64(t.fresh-t.hand))), now, dead, found)
		t.hand += uint32(n)
		walked += uint64(n)
		found = total
	}
	t.owed -= walked * SweepPeriod
	return found
}

// scanInGo is what scan does but for the prefetch, for processors without one of their own and for the test that both
// agree.
func scanInGo(first *Entry, n int, now Tick, dead *Dead, found int) (walked, total int) {
	for ; walked < n && found < len(dead); walked++ {
		e := (*Entry)(unsafe.Add(unsafe.Pointer(first), uintptr(walked)*EntrySize))
		if e.Proto != 0 && !now.Before(e.Expires) {
			dead[found] = e
			found++
		}
	}
	return walked, found
}

// PrefetchHomes starts loading the index lines that deleting an entry will write.
func (t *Table) PrefetchHomes(e *Entry) { prefetchHomes(t.indexBase, e.fwd, e.rev) }

// PrefetchHome starts loading the index line of a home.
func (t *Table) PrefetchHome(h Home) { prefetchHome(t.indexBase, h) }

// Behind is how many entries the sweep still has to look at to be up to date.
func (t *Table) Behind() int { return int(t.owed / SweepPeriod) }
