package daemon

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/slowpath/compile"
)

// ErrStopping is what a call gets that comes when the daemon goes down.
var ErrStopping = errors.New("weir is stopping")

// settleTime is how long the loop waits for the workers to take over a snapshot before it says so in the log:
// a worker does in its next round, some microseconds later.
const settleTime = time.Second

// startLoop starts the goroutine that owns the desired state.
func (d *Daemon) startLoop(*conf.Config) (func() error, error) {
	quit := make(chan struct{})
	go d.loop(quit)
	return func() error {
		close(quit)
		<-d.stopped
		return nil
	}, nil
}

func (d *Daemon) loop(quit <-chan struct{}) {
	defer close(d.stopped)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-quit:
			return
		case <-d.punted:
			d.takePunts()
		case <-timer.C:
			d.takePunts()
			now := time.Now()
			d.busy.look(now, d.node.Workers())
			d.shares.look(now, d.node)
			d.suspect.look(d, now)
			d.doubts.look(d)
			d.look(now)
			timer.Reset(max(time.Millisecond, min(time.Second, d.tick(now).Sub(now))))
		case f := <-d.calls:
			f()
		case <-d.changed:
			names := d.touched.take()
			if err := d.reapply(names); err != nil {
				d.touched.add(names)
				d.log.Error("a health change could not be applied", "error", err)
			}
		}
	}
}

// takePunts handles some of what there is, and arms the bell again or has itself called again: a flood must not
// keep the loop from its other work.
func (d *Daemon) takePunts() {
	d.node.HandlePunts(time.Now())
	if d.node.WaitPunts() {
		return
	}
	select {
	case d.punted <- struct{}{}:
	default: // the bell has rung, too
	}
}

// tick does what is due, and returns when it wants to be called again.
func (d *Daemon) tick(now time.Time) time.Time {
	next := d.node.Tick(now)
	if due := d.stepSlowStarts(now); !due.IsZero() && due.Before(next) {
		next = due
	}
	return next
}

// leisure is how many times as long as it took the loop does other work before the next step of a slow start.
const leisure = 10

// stepSlowStarts gives backends that start slowly more of their weight when it is time, and returns when it is time
// again; zero if nobody starts. With a configuration that takes long to compile the steps are fewer and larger.
func (d *Daemon) stepSlowStarts(now time.Time) time.Time {
	due := d.node.Compiler().Due()
	if due.IsZero() || now.Before(due) || now.Before(d.rest) {
		return later(due, d.rest)
	}
	err := d.reapply(touchedNames{})
	done := time.Now()
	d.rest = done.Add(leisure * done.Sub(now))
	if err != nil {
		d.log.Error("backends that start slowly do not get more connections yet", "error", err)
		d.rest = done.Add(time.Second)
	}
	return later(d.node.Compiler().Due(), d.rest)
}

// later is the later of two times; zero if the first is.
func later(a, b time.Time) time.Time {
	if !a.IsZero() && b.After(a) {
		return b
	}
	return a
}

// do runs f in the loop and waits for it; it reports false, without having run it, if the loop has ended.
func (d *Daemon) do(f func()) bool {
	done := make(chan struct{})
	select {
	case d.calls <- func() { f(); close(done) }:
		<-done
		return true
	case <-d.stopped:
		return false
	}
}

// apply compiles and publishes a configuration and waits until every worker uses it.
func (d *Daemon) apply(cfg *conf.Config) error {
	return d.put(d.assess(cfg), func() error { return d.node.Apply(time.Now(), cfg, d.status) })
}

// reapply is apply for the configuration in force, where only the status of some services' backends may be another.
func (d *Daemon) reapply(t touchedNames) error {
	if t.all {
		return d.apply(d.node.Config())
	}
	names := slices.Sorted(maps.Keys(t.names))
	return d.put(d.reassess(names), func() error { return d.node.Reapply(time.Now(), names, d.status) })
}

// put puts into force what f publishes, with the services' standings that it is published for.
func (d *Daemon) put(quorums map[string]standing, f func() error) error {
	before := d.quorums
	d.quorums = quorums
	if err := f(); err != nil {
		d.quorums = before
		return err
	}
	d.announce(before)
	want := d.node.Snapshot().Generation
	if !d.settle(func() bool { return d.node.Acked() >= want }) {
		d.log.Warn("a worker does not take over the new configuration: is its core taken away?", "generation", want)
	}
	return nil
}

// settle waits until the workers have taken something over; false if one does not.
func (d *Daemon) settle(done func() bool) bool {
	for deadline := time.Now().Add(settleTime); !done(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// status is what the data plane must know of a backend now, or of a sorry server, which is up while the quorum is lost.
func (d *Daemon) status(s *conf.Service, b *conf.Backend) compile.Status {
	if b == s.Sorry {
		return compile.Status{Up: !d.quorums[s.Name].Up, Weight: b.Weight}
	}
	return d.condition(s, b)
}

// condition is a backend's own: what the configuration, its checks and the operator say. The operator's weight counts
// more than a check's, and that more than the file's.
func (d *Daemon) condition(s *conf.Service, b *conf.Backend) compile.Status {
	st := compile.Status{Up: !b.Down && !b.Maintenance, Weight: b.Weight}
	if !b.Down && s.Health != nil {
		up, weight, ok := s.Health.Start != conf.StartDown, -1, true
		if d.health != nil {
			up, weight, ok = d.health.State(s.Name, b.Address)
		}
		if ok {
			st.Up = st.Up && up
		}
		if weight >= 0 {
			st.Weight = weight
		}
	}
	if w, ok := d.runtime.of(backendName{s.Name, b.Address}).set(); ok {
		st.Weight = w
	}
	return st
}
