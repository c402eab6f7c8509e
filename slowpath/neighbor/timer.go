package neighbor

import (
	"container/heap"
	"time"

	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/reason"
)

// timers is a heap of entries by due time, and by age where that is equal.
type timers []*entry

const noTimer = -1

func (h timers) Len() int { return len(h) }

func (h timers) Less(i, j int) bool {
	if c := h[i].due.Compare(h[j].due); c != 0 {
		return c < 0
	}
	return h[i].order < h[j].order
}

func (h timers) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].timer, h[j].timer = i, j
}

func (h *timers) Push(x any) {
	e := x.(*entry)
	e.timer = len(*h)
	*h = append(*h, e)
}

func (h *timers) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	e.timer = noTimer
	return e
}

func (h *timers) set(e *entry, due time.Time) {
	e.due = due
	if e.timer == noTimer {
		heap.Push(h, e)
	} else {
		heap.Fix(h, e.timer)
	}
}

func (h *timers) stop(e *entry) {
	if e.timer != noTimer {
		heap.Remove(h, e.timer)
	}
}

// Tick does what has become due: solicitations, refreshes, ageing, announcements. It returns what Next
// does.
func (t *Table) Tick(now time.Time) time.Time {
	t.advance(now)
	if t.now.Before(t.resume) {
		return t.Next()
	}
	budget := t.announceDue(TickBurst)
	for ; budget > 0 && len(t.timers) > 0 && !t.timers[0].due.After(t.now); budget-- {
		t.expire(t.timers[0])
	}
	t.flushRemoved()
	if budget == 0 {
		t.resume = t.now.Add(TickPause)
	}
	return t.Next()
}

// Next is when Tick has something to do; it may be in the past. The zero time means never. Any other call
// may bring it forward.
func (t *Table) Next() time.Time {
	var next time.Time
	if len(t.timers) > 0 {
		next = t.timers[0].due
	}
	if len(t.announces) > 0 && (next.IsZero() || t.announces[0].due.Before(next)) {
		next = t.announces[0].due
	}
	if !next.IsZero() && next.Before(t.resume) {
		next = t.resume
	}
	return next
}

// expire does what an entry's timer was set for, and sets it anew or forgets the entry.
func (t *Table) expire(e *entry) {
	switch {
	case e.usable():
		t.refresh(e)
	case e.state == incomplete && e.tries < MaxTries:
		t.ask(e, broadcastMAC)
	case e.state == incomplete:
		t.fail(e)
	case e.wanted != 0:
		t.ask(e, broadcastMAC)
		t.timers.set(e, t.now.Add(FailedTime))
	default:
		t.forget(e)
	}
}

// refresh probes a neighbour that is wanted or in use before its MAC can be out of date: first itself,
// then, as it may have moved, everybody. The MAC stays in use meanwhile.
func (t *Table) refresh(e *entry) {
	t.noteUse(e)
	if e.state == reachable && t.now.Sub(e.since) >= ReachableTime {
		e.state = stale
	}
	switch {
	case e.tries == 0 && e.wanted == 0 && !e.used.After(e.since):
		t.idle(e)
	case e.tries < MaxTries:
		t.ask(e, e.mac)
	case e.tries < 2*MaxTries:
		t.ask(e, broadcastMAC)
	default:
		t.fail(e)
	}
}

// idle looks after a neighbour that nobody has used since it was last confirmed.
func (t *Table) idle(e *entry) {
	if t.now.Sub(e.used) >= IdleTime {
		t.forget(e)
		return
	}
	e.state = stale
	t.timers.set(e, t.now.Add(UseInterval))
}

// ask solicits a neighbour from the station given, or from all; later, if there have been too many questions for
// strangers.
func (t *Table) ask(e *entry, to [6]byte) {
	if e.wanted == 0 && !t.asks.take(t.now) {
		if e.timer == noTimer || !e.due.After(t.now) {
			t.timers.set(e, t.now.Add(TickPause))
		}
		return
	}
	e.tries++
	e.asked = t.now
	t.timers.set(e, t.now.Add(RetryInterval))
	t.out.Send(int(e.key.Port), t.links[e.key.Port].solicit(e.addr, to))
}

// fail gives a neighbour up that does not answer.
func (t *Table) fail(e *entry) {
	e.state, e.since, e.mac, e.tries = failed, t.now, [6]byte{}, 0
	t.hops.Set(e.id, e.mac, nexthop.Failed)
	t.dropQueue(e, reason.NeighborUnresolved)
	t.timers.set(e, t.now.Add(FailedTime))
	t.tell(e)
}

// allowance is a token bucket: AskRate a second, at most AskBurst at one time.
type allowance struct {
	left int
	at   time.Time // of the last addition
}

func (a *allowance) take(now time.Time) bool {
	const each = time.Second / AskRate
	if n := now.Sub(a.at) / each; n >= AskBurst {
		a.left, a.at = AskBurst, now
	} else if n > 0 {
		a.left, a.at = min(AskBurst, a.left+int(n)), a.at.Add(n*each)
	}
	if a.left == 0 {
		return false
	}
	a.left--
	return true
}
