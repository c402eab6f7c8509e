package sched

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestALoadFillsAndEmptiesAtItsThresholds(t *testing.T) {
	for _, c := range []struct {
		upper, lower int
		again        int // connections at which a full one gets new ones again
	}{
		{upper: 4, lower: 2, again: 1},
		{upper: 4, lower: 0, again: 2}, // 4·2 < 3·4
		{upper: 8, lower: 0, again: 5},
		{upper: 1, lower: 0, again: 0},
		{upper: 10, lower: 10, again: 9},
	} {
		var l Load
		l.SetThresholds(c.upper, c.lower)
		for n := range c.upper {
			if l.Full() || !l.Reserve() {
				t.Fatalf("%+v: full with %d connections", c, n)
			}
			l.Move(true)
		}
		for n := c.upper; n > c.again; n-- {
			if !l.Full() || l.Reserve() {
				t.Fatalf("%+v: not full with %d connections", c, n)
			}
			l.Move(false)
			l.Remove(false)
		}
		if l.Full() || l.Total() != c.again || !l.Reserve() {
			t.Errorf("%+v: still full with %d connections", c, l.Total())
		}
	}
}

func TestThresholdsMayChange(t *testing.T) {
	var l Load
	for range 5 {
		l.Add()
	}
	l.SetThresholds(3, 0)
	if l.Reserve() || !l.Full() || l.Total() != 5 {
		t.Errorf("with 5 connections and place for 3 one more was counted: %d", l.Total())
	}
	l.SetThresholds(6, 0)
	if l.Full() || !l.Reserve() || !l.Full() {
		t.Error("place for one more was not given, or not taken")
	}
	l.SetThresholds(0, 0)
	if l.Full() || !l.Reserve() || l.Full() {
		t.Error("without thresholds it is full")
	}
}

// TestThresholdsMayChangeWhileAConnectionIsMade lets connections be made over and over while the bound comes and goes: one that
// was decided about by a bound that is not any more must not leave the backend full for ever.
func TestThresholdsMayChangeWhileAConnectionIsMade(t *testing.T) {
	var l Load
	var done sync.WaitGroup
	var over atomic.Bool
	for range 2 {
		done.Go(func() {
			for !over.Load() {
				if l.Reserve() {
					l.Remove(false)
				}
			}
		})
	}
	for i := range 20_000 {
		l.SetThresholds(1+i%2, 0)
		l.SetThresholds(0, 0)
	}
	over.Store(true)
	done.Wait()
	if l.Full() {
		t.Error("without thresholds it is full")
	}
	for upper := range int32(3) { // as late as can be
		l.SetThresholds(0, 0)
		if l.fill(1 + upper); l.Full() {
			t.Errorf("by a bound of %d that is no more it is full", 1+upper)
		}
	}
}

// TestNoThresholdIsExceeded lets goroutines open and end connections as workers do, and looks at the most there are.
func TestNoThresholdIsExceeded(t *testing.T) {
	for _, upper := range []int{1, 2, 7} {
		var l Load
		l.SetThresholds(upper, 0)
		var have, most, got atomic.Int64
		var done sync.WaitGroup
		for range 8 {
			done.Go(func() {
				for range 20000 {
					if !l.Reserve() {
						continue
					}
					got.Add(1)
					n := have.Add(1)
					for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
					}
					l.Move(true)
					have.Add(-1)
					l.Remove(true)
				}
			})
		}
		done.Wait()
		if m := most.Load(); m > int64(upper) || got.Load() == 0 {
			t.Errorf("there were %d connections at a time, with place for %d", m, upper)
		}
		if l.Total() != 0 || l.Full() || !l.Reserve() {
			t.Errorf("with none left it has %d connections, full: %v", l.Total(), l.Full())
		}
	}
}
