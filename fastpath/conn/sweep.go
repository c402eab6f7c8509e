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
	var i uint64
	for ; i < steps && found < len(dead); i++ {
		if t.hand >= t.fresh {
			t.hand = 1
		}
		e := &t.entries[t.hand]
		t.hand++
		if e.Proto != 0 && !now.Before(e.Expires) {
			dead[found] = e
			found++
		}
	}
	t.owed -= i * SweepPeriod
	return found
}

// PrefetchHomes starts loading the index lines that deleting these entries, at most PrefetchMost, will write.
func (t *Table) PrefetchHomes(entries []*Entry) {
	var homes [2 * PrefetchMost]Probe
	n := 0
	for _, e := range entries[:min(len(entries), PrefetchMost)] {
		homes[n].Home, homes[n+1].Home = e.fwd, e.rev
		n += 2
	}
	t.PrefetchIndex(&homes[0], n, unsafe.Sizeof(homes[0]))
}

// PrefetchMost is as many entries as have about as many lines as a core can wait for at a time.
const PrefetchMost = 16

// Behind is how many entries the sweep still has to look at to be up to date.
func (t *Table) Behind() int { return int(t.owed / SweepPeriod) }
