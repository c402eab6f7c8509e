package health

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/weirlb/weir/conf"
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
	state
	begun   uint64 // checks
	results uint64 // of them that have come, in the order in which they began
	against int    // results in a row that contradict up
	unknown bool   // no result has come yet, of a backend that starts down
	last    outcome
}

// state is what outlives a change of the check.
type state struct {
	up        bool
	since     time.Time
	falls     []time.Time // the last ones, if flapping is looked for
	held      time.Time   // down until then
	weight    int         // -1: none
	took      time.Duration
	failure   outcome
	failureAt time.Time
	suspicion
	passed   uint64
	failed   uint64
	notAsked uint64
	changes  uint64
}

func newTarget(m *Manager, p *probe) *target {
	ctx, cancel := context.WithCancel(context.Background())
	t := &target{m: m, probe: p, ctx: ctx, cancel: cancel}
	t.state = state{up: p.Check.Start != conf.StartDown, since: time.Now(), weight: -1}
	t.unknown = !t.up
	t.counted = make(chan struct{})
	close(t.counted)
	return t
}

// inherit ends an earlier target of the same backend and goes on from its state.
func (t *target) inherit(old *target) {
	old.stop()
	old.mu.Lock()
	defer old.mu.Unlock()
	t.state, t.unknown = old.state, old.unknown
	t.suspicion.end()
	if t.probe.Check.Type != conf.CheckExec {
		t.weight = -1
	}
	if t.probe.Check.Flapping == nil {
		t.falls, t.held = nil, time.Time{}
	}
}

func (t *target) start(after time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = time.Now().Add(after)
	t.timer = time.AfterFunc(after, t.check)
}

// stop ends the target. Checks under way are cut short and do not count.
func (t *target) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	t.timer.Stop()
	t.cancel()
}

// growStack makes the goroutine's stack large enough for a whole check while there is hardly anything on it to copy.
// Growing step by step below the dialer would cost a tenth of a check.
//
//go:noinline
func growStack() byte {
	var room [8 << 10]byte
	return room[nowhere]
}

var nowhere int // 0, which the compiler cannot know

// check is what the timer runs: one check, from start to finish.
func (t *target) check() {
	growStack()
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
	t.next = t.next.Add(jittered(interval, t.probe.Check.Jitter))
	late := time.Since(t.next)
	if late > 0 { // the machine stood still: skip what was missed, keep the rhythm
		t.next = t.next.Add((late/interval + 1) * interval)
	}
	t.timer.Reset(time.Until(t.next))
	t.begun++
	before = t.counted
	t.counted = make(chan struct{})
	return before, t.counted, true
}

// jittered is an interval made longer or shorter by up to a share of it, in percent. As every interval starts from
// the one before, targets that began together drift apart for good.
func jittered(interval time.Duration, percent int) time.Duration {
	most := interval * time.Duration(percent) / 100
	if most <= 0 {
		return interval
	}
	return interval - most + rand.N(2*most+1)
}

// count takes a result into account, and reports the change it makes.
func (t *target) count(result outcome) {
	t.m.emit.Lock()
	defer t.m.emit.Unlock()
	if e, changed := t.record(result); changed {
		t.m.onChange(e)
	}
}

// record tells what a result changes.
func (t *target) record(result outcome) (e Event, changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return e, false
	}
	t.last = result
	t.results++
	now := time.Now()
	switch result.verdict {
	case inconclusive:
		t.notAsked++
		return e, false
	case pass:
		t.passed++
	case fail:
		t.failed++
		t.failure, t.failureAt = result, now
	}
	if result.took != 0 {
		t.took = result.took
	}
	decides := t.suspicion.decidedBy(t.results)
	turned := t.turns(result.verdict == pass, now, decides)
	reweighed := result.weight != 0 && result.weight-1 != t.weight
	if reweighed {
		t.weight = result.weight - 1
	}
	e = Event{
		Service: t.probe.Service, Backend: t.probe.Backend, Up: t.up, Weight: t.weight,
		Reweighed: reweighed && t.up && !turned,
	}
	if turned || e.Reweighed {
		e.Reason = t.text(now)
	}
	if decides {
		t.suspicion.end()
	}
	return e, turned || e.Reweighed
}

// turns counts a result and tells whether it takes the backend up or down. One that decides about a suspicion needs no
// other.
func (t *target) turns(passed bool, now time.Time, decides bool) bool {
	needed := t.probe.Check.Fall
	if !t.up {
		needed = t.probe.Check.Rise
	} else if decides {
		needed = 1
	}
	if t.unknown {
		t.unknown, needed = false, 1
	}
	if passed == t.up {
		t.against = 0
		return false
	}
	t.against++
	if t.against < needed || passed && now.Before(t.held) {
		return false
	}
	t.up = passed
	t.against = 0
	t.since = now
	t.changes++
	if !passed {
		t.fell(now)
	}
	return true
}

// fell finds out whether a backend that has just gone down is to be held there.
func (t *target) fell(now time.Time) {
	f := t.probe.Check.Flapping
	if f == nil {
		return
	}
	t.falls = append(t.falls, now)
	for len(t.falls) > f.Falls || now.Sub(t.falls[0]) > f.Within {
		t.falls = t.falls[1:]
	}
	if len(t.falls) == f.Falls {
		t.held = now.Add(f.Hold)
	}
}

// text is the last outcome in words, and whether it is of no consequence.
func (t *target) text(now time.Time) string {
	if t.suspicion.why != "" {
		return t.last.String() + "; suspected: " + t.suspicion.why
	}
	if t.up || !now.Before(t.held) {
		return t.last.String()
	}
	f := t.probe.Check.Flapping
	return fmt.Sprintf("%s; flapping, %d falls within %v: held down for %v", t.last, f.Falls, f.Within,
		t.held.Sub(now).Round(time.Second))
}

func (t *target) status() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := Status{
		Service: t.probe.Service, Backend: t.probe.Backend, Up: t.up, Text: t.text(time.Now()), Since: t.since,
		Took: t.took, FailureAt: t.failureAt, Weight: t.weight,
		Passed: t.passed, Failed: t.failed, NotAsked: t.notAsked, Changes: t.changes, Suspected: t.suspected,
	}
	if t.failed > 0 {
		s.Failure = t.failure.String()
	}
	if !t.up && time.Now().Before(t.held) {
		s.Held = t.held
	}
	return s
}
