package daemon

import (
	"errors"
	"fmt"
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
			timer.Reset(max(time.Millisecond, min(time.Second, d.tick(now).Sub(now))))
		case f := <-d.calls:
			f()
		case <-d.changed:
			if err := d.apply(d.node.Config()); err != nil {
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

func (d *Daemon) tick(now time.Time) time.Time { return d.node.Tick(now) }

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
	if err := d.node.Apply(time.Now(), cfg, d.status); err != nil {
		return err
	}
	want := d.node.Snapshot().Generation
	for deadline := time.Now().Add(settleTime); d.node.Acked() < want; time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			d.log.Warn("a worker does not take over the new configuration: is its core taken away?", "generation", want)
			return nil
		}
	}
	return nil
}

// status is what the data plane must know of a backend now.
func (d *Daemon) status(s *conf.Service, b *conf.Backend) compile.Status {
	st := compile.Status{Up: !b.Down, Weight: b.Weight}
	if w, ok := d.weights[backendName{s.Name, b.Address}]; ok {
		st.Weight = w
	}
	if st.Up && s.Health != nil && d.health != nil {
		if h, ok := d.health.Status(s.Name, b.Address); ok {
			st.Up = h.Up
		}
	}
	return st
}

// findBackend looks a backend up by the names an operator gives.
func (d *Daemon) findBackend(cfg *conf.Config, name backendName) error {
	for i := range cfg.Services {
		s := &cfg.Services[i]
		if s.Name != name.service {
			continue
		}
		for j := range s.Backends {
			if s.Backends[j].Address == name.address {
				return nil
			}
		}
		return fmt.Errorf("service %s has no backend %s", name.service, name.address)
	}
	return fmt.Errorf("there is no service %s", name.service)
}
