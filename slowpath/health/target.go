package health

import (
	"context"
	"sync"
	"time"
)

// target is the life of one probe: its rhythm, and what its results add up to.
type target struct {
	m      *Manager
	probe  *probe
	ctx    context.Context // ends with the target
	cancel context.CancelFunc

	mu      sync.Mutex // guards what follows
	timer   *time.Timer
	next    time.Time     // when the timer fires
	counted chan struct{} // closed once the check that began last has counted
	stopped bool
	up      bool
	against int // results in a row that contradict up
	since   time.Time
	last    outcome
}

func newTarget(m *Manager, p *probe) *target {
	ctx, cancel := context.WithCancel(context.Background())
	t := &target{m: m, probe: p, ctx: ctx, cancel: cancel, up: true, since: time.Now()}
	t.counted = make(chan struct{})
	close(t.counted)
	return t
}

func (t *target) start(after time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = time.Now().Add(after)
	t.timer = time.AfterFunc(after, t.check)
}

// stop ends the target and tells the state it ended in. Checks under way are cut short and do not count.
func (t *target) stop() (up bool, since time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	t.timer.Stop()
	t.cancel()
	return t.up, t.since
}

// check is what the timer runs: one check, from start to finish.
func (t *target) check() {
	before, counted, ok := t.begin()
	if !ok {
		return
	}
	defer t.m.checks.Done()
	ctx, cancel := context.WithTimeout(t.ctx, t.probe.Check.Timeout)
	defer cancel()
	result, hangUp := t.m.ask(ctx, t.probe)
	<-before
	t.count(result)
	close(counted)
	hangUp()
}

// begin sets the timer for the next check, and puts this one in line: before is closed once the
// checks that began earlier have counted.
func (t *target) begin() (before <-chan struct{}, counted chan struct{}, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return nil, nil, false
	}
	t.m.checks.Add(1)
	interval := t.probe.Check.Interval
	t.next = t.next.Add(interval)
	late := time.Since(t.next)
	if late > 0 { // the machine stood still: skip what was missed, keep the rhythm
		t.next = t.next.Add((late/interval + 1) * interval)
	}
	t.timer.Reset(time.Until(t.next))
	before = t.counted
	t.counted = make(chan struct{})
	return before, t.counted, true
}

// count takes a result into account, and reports the change it makes.
func (t *target) count(result outcome) {
	t.m.emit.Lock()
	defer t.m.emit.Unlock()
	if !t.record(result) {
		return
	}
	t.m.onChange(Event{
		Service: t.probe.Service,
		Backend: t.probe.Backend,
		Up:      result.verdict == pass,
		Reason:  result.String(),
	})
}

// record tells whether the result takes the backend up or down.
func (t *target) record(result outcome) (changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return false
	}
	t.last = result
	if result.verdict == inconclusive {
		return false
	}
	if (result.verdict == pass) == t.up {
		t.against = 0
		return false
	}
	t.against++
	needed := t.probe.Check.Fall
	if !t.up {
		needed = t.probe.Check.Rise
	}
	if t.against < needed {
		return false
	}
	t.up = !t.up
	t.against = 0
	t.since = time.Now()
	return true
}

func (t *target) status() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Status{
		Service: t.probe.Service,
		Backend: t.probe.Backend,
		Up:      t.up,
		Text:    t.last.String(),
		Since:   t.since,
	}
}
