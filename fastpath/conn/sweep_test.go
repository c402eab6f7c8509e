package conn

import (
	"math/rand/v2"
	"testing"
)

// sweepAll deletes what is found until the sweep has caught up, and returns how many that were.
func sweepAll(tab *Table, now Tick) (n int) {
	var dead Dead
	for {
		found := tab.Sweep(now, 100, &dead)
		for _, e := range dead[:found] {
			tab.Delete(e)
		}
		n += found
		if found == 0 && tab.Behind() == 0 {
			return n
		}
	}
}

func TestASweepFindsAllThatHasExpiredWithinAPeriod(t *testing.T) {
	for _, start := range []Tick{0, 5, 1 << 31, 1<<31 + 12345, ^Tick(0) - 700, ^Tick(0)} {
		const capacity = 5000
		r := rand.New(rand.NewPCG(2, 2))
		late := 0
		tab := fill(t, capacity, func(_ int, e *Entry) {
			e.Expires = start + 1 + Tick(r.IntN(4000))
			if r.IntN(4) == 0 {
				e.Expires = start + 100_000
				late++
			}
		})
		sweepAll(tab, start)
		now := start
		for range 200 {
			now += Tick(1 + r.IntN(50)) // ends after 5 s on average, each step shorter than a period
			sweepAll(tab, now)
			for i := range tab.entries {
				if e := &tab.entries[i]; e.Proto != 0 && e.Expires.Before(now-SweepPeriod) {
					t.Fatalf("start %d: at %d a connection is left that ended at %d", start, now, e.Expires)
				}
			}
		}
		if now-start < 4000+SweepPeriod {
			t.Fatal("the test is too short")
		}
		if tab.Len() != late {
			t.Errorf("start %d: %d connections are left, want %d", start, tab.Len(), late)
		}
	}
}

func TestASweepNeverExceedsItsBudgetAndCatchesUp(t *testing.T) {
	const capacity, budget = 10000, 64
	tab := fill(t, capacity, func(i int, e *Entry) {
		if i%100 == 0 {
			e.Expires = 1
		}
	})
	var dead Dead
	tab.Sweep(0, budget, &dead)
	found := 0
	for turn := range capacity/budget + 1 {
		hand := tab.hand
		n := tab.Sweep(SweepPeriod, budget, &dead)
		if walked := (tab.hand + capacity - hand) % capacity; walked > budget {
			t.Fatalf("turn %d walked over %d entries", turn, walked)
		}
		for _, e := range dead[:n] {
			tab.Delete(e)
		}
		found += n
	}
	if found != capacity/100 || tab.Behind() != 0 {
		t.Errorf("found %d, want %d; %d entries behind", found, capacity/100, tab.Behind())
	}
}

func TestASweepStopsWhenItsHandsAreFullAndForgetsNothing(t *testing.T) {
	const capacity = 1000
	tab := fill(t, capacity, func(_ int, e *Entry) { e.Expires = 1 })
	var dead Dead
	tab.Sweep(0, capacity, &dead)
	for left := capacity; left > 0; left -= len(dead) {
		n := tab.Sweep(SweepPeriod, capacity, &dead)
		if n != min(left, len(dead)) {
			t.Fatalf("found %d of %d", n, left)
		}
		for _, e := range dead[:n] {
			tab.Delete(e)
		}
	}
	if tab.Len() != 0 {
		t.Errorf("%d connections are left", tab.Len())
	}
}

func TestASweepAfterALongPauseIsOneTurnBehind(t *testing.T) {
	tab := fill(t, 100, func(_ int, e *Entry) { e.Expires = 1 << 30 })
	var dead Dead
	tab.Sweep(0, 0, &dead)
	tab.Sweep(1<<29, 0, &dead)
	if got := tab.Behind(); got != 100 {
		t.Errorf("%d entries behind, want 100", got)
	}
}

func TestASweepOfAnEmptyTableOwesNothing(t *testing.T) {
	tab := crowded(t, 3)
	var dead Dead
	for now := Tick(0); now < 5000; now += 999 {
		if tab.Sweep(now, 10, &dead) != 0 || tab.Behind() != 0 {
			t.Fatalf("%d entries behind", tab.Behind())
		}
	}
}

func TestAScanFindsWhatGoFinds(t *testing.T) {
	const capacity = 1000
	r := rand.New(rand.NewPCG(55, 56))
	now := ^Tick(0) - 100
	tab := fill(t, capacity, func(_ int, e *Entry) {
		switch e.Expires = now + Tick(r.IntN(5)) - 2; r.IntN(8) {
		case 0:
			e.Expires = now + 1<<31
		case 1:
			e.Expires = now + 1<<31 - 1
		}
	})
	for i := range tab.entries {
		if r.IntN(3) == 0 {
			tab.entries[i].Proto = 0
		}
	}
	full, ended := 0, 0
	for range 5000 {
		at, n, found := 1+r.IntN(capacity), r.IntN(200), r.IntN(len(Dead{})+1)
		n = min(n, capacity+1-at)
		var got, want Dead
		walked, total := scan(tab.entryAt(uint32(at)), n, now, &got, found)
		walkedInGo, totalInGo := scanInGo(tab.entryAt(uint32(at)), n, now, &want, found)
		if walked != walkedInGo || total != totalInGo {
			t.Fatalf("%d entries from %d on with %d found: looked at %d and found %d, in Go %d and %d",
				n, at, found, walked, total, walkedInGo, totalInGo)
		}
		for i := found; i < total; i++ {
			if got[i] != want[i] {
				t.Fatalf("%d entries from %d on: found %d, in Go %d", n, at, tab.indexOf(got[i]), tab.indexOf(want[i]))
			}
		}
		full, ended = count(total == len(got), full, ended)
	}
	if full == 0 || ended == 0 {
		t.Errorf("%d scans stopped because the list was full, %d at their end", full, ended)
	}
}

func TestTimesWrap(t *testing.T) {
	for _, c := range []struct {
		a, b Tick
		want bool
	}{{0, 1, true}, {1, 0, false}, {5, 5, false}, {^Tick(0), 0, true}, {^Tick(0) - 10, 1 << 30, true}, {3, ^Tick(0), false}} {
		if c.a.Before(c.b) != c.want {
			t.Errorf("%d before %d: %t", c.a, c.b, !c.want)
		}
	}
	timeouts := NewTimeouts(900_000, 0, 0, 0)
	e := Entry{State: Established}
	now := ^Tick(0) - 1000
	e.Touch(now, &timeouts)
	if !now.Before(e.Expires) || (now + 900_000).Before(e.Expires) || !(now + 899_999).Before(e.Expires) {
		t.Errorf("touched at %d, it ends at %d", now, e.Expires)
	}
}
