package daemon

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/slowpath/compile"
	"github.com/weirlb/weir/slowpath/health"
	"github.com/weirlb/weir/slowpath/hook"
	"github.com/weirlb/weir/slowpath/view"
)

// standing is how a service stands to its quorum, and since when.
type standing struct {
	compile.Quorum
	since time.Time
	text  string
}

// assess finds out how the services of a configuration stand. What a service was before decides which way the
// hysteresis counts; one that was not there is taken to have been up.
func (d *Daemon) assess(cfg *conf.Config) map[string]standing {
	out := make(map[string]standing, len(cfg.Services))
	former := map[string]string{}
	if d.node != nil {
		former = renamed(d.node.Config(), cfg)
	}
	for i := range cfg.Services {
		s := &cfg.Services[i]
		before, known := d.quorums[s.Name]
		if was, ok := former[s.Name]; ok {
			before, known = d.quorums[was]
		}
		if !known {
			before = standing{Quorum: compile.Quorum{Up: true}, since: time.Now()}
		}
		out[s.Name] = d.stand(s, before)
	}
	return out
}

// reassess is assess for the configuration in force, with nothing new of any services but the named ones.
func (d *Daemon) reassess(names []string) map[string]standing {
	out := maps.Clone(d.quorums)
	for _, name := range names {
		if p, ok := d.node.Compiler().Named(name); ok {
			out[name] = d.stand(p, out[name])
		}
	}
	return out
}

// stand finds out how a service stands that stood in some way before.
func (d *Daemon) stand(s *conf.Service, before standing) standing {
	now := standing{Quorum: compile.CountQuorum(s, before.Up, d.condition), since: before.since}
	if now.Up != before.Up {
		now.since = time.Now()
	}
	now.text = quorumText(s, now.Quorum)
	return now
}

// renamed tells the names that services had in an earlier configuration, of those that had another one.
func renamed(old, cfg *conf.Config) map[string]string {
	out := map[string]string{}
	if old == cfg {
		return out
	}
	for i, j := range conf.Former(old.Services, cfg.Services) {
		if j >= 0 && old.Services[j].Name != cfg.Services[i].Name {
			out[cfg.Services[i].Name] = old.Services[j].Name
		}
	}
	return out
}

func quorumText(s *conf.Service, q compile.Quorum) string {
	what := "backends"
	if s.Quorum.Weight > 0 {
		what = "weight"
	}
	text := fmt.Sprintf("%s up: %d, quorum: %d", what, q.Have, q.Need)
	if s.Quorum.Hysteresis > 0 {
		text += fmt.Sprintf(" (lost below %d, gained from %d)", q.Need-s.Quorum.Hysteresis, q.Need+s.Quorum.Hysteresis)
	}
	return text
}

// announce logs, and tells the hooks, which services went up or down.
func (d *Daemon) announce(before map[string]standing) {
	var changed []string
	for name, now := range d.quorums {
		if was, ok := before[name]; now.Up != (!ok || was.Up) {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	for _, name := range changed {
		now := d.quorums[name]
		d.log.Info("service "+upDown(now.Up), "service", name, "reason", now.text)
		d.hooks.Fire(hook.Change{Service: name, Up: now.Up, Reason: now.text})
		d.events.Publish(view.Event{
			Type: view.EventService, Service: name, State: upDown(now.Up), Text: fmt.Sprintf("service %s is %s: %s", name, upDown(now.Up), now.text),
		})
	}
}

// healthChanged takes a change of state from the health checks, on a goroutine of theirs.
func (d *Daemon) healthChanged(e health.Event) {
	if e.Reweighed {
		d.events.Publish(view.Event{
			Type: view.EventWeight, Service: e.Service, Backend: e.Backend.String(), Weight: &e.Weight,
			Text: fmt.Sprintf("backend %s %s: its check gives it weight %d: %s", e.Service, e.Backend, e.Weight, e.Reason),
		})
		d.log.Info("backend weight", "service", e.Service, "backend", e.Backend.String(), "weight", e.Weight, "check", e.Reason)
	} else {
		d.events.Publish(view.Event{
			Type: view.EventBackend, Service: e.Service, Backend: e.Backend.String(), State: upDown(e.Up),
			Text: fmt.Sprintf("backend %s %s is %s: %s", e.Service, e.Backend, upDown(e.Up), e.Reason),
		})
		d.log.Info("backend "+upDown(e.Up), "service", e.Service, "backend", e.Backend.String(), "check", e.Reason)
		if !d.maintained.has(backendName{e.Service, e.Backend}) {
			d.hooks.Fire(hook.Change{Service: e.Service, Backend: e.Backend.String(), Up: e.Up, Reason: e.Reason})
		}
	}
	d.touched.add(touchedNames{names: map[string]bool{e.Service: true}})
	d.lookAgain()
}

// lookAgain makes the loop find out what is up.
func (d *Daemon) lookAgain() {
	select {
	case d.changed <- struct{}{}:
	default: // the loop will look at everything that was touched anyway
	}
}

// touched are the services of which the loop is to find out what is up; for any goroutine.
type touched struct {
	mu sync.Mutex
	touchedNames
}

type touchedNames struct {
	all   bool
	names map[string]bool
}

func (t *touched) add(more touchedNames) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.names == nil {
		t.names = map[string]bool{}
	}
	t.all = t.all || more.all
	maps.Copy(t.names, more.names)
}

func (t *touched) take() touchedNames {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.touchedNames
	t.touchedNames = touchedNames{}
	return out
}

func (d *Daemon) startHooks(cfg *conf.Config) (func() error, error) {
	d.hooks = hook.New(d.log)
	d.setHooks(cfg)
	return func() error { d.hooks.Close(); return nil }, nil
}

// setHooks gives the hooks a configuration's programs.
func (d *Daemon) setHooks(cfg *conf.Config) {
	programs := map[string]hook.Program{}
	maintained := map[backendName]bool{}
	for i := range cfg.Services {
		s := &cfg.Services[i]
		if s.OnChange != nil {
			programs[s.Name] = hook.Program{Command: s.OnChange.Command, Timeout: s.OnChange.Timeout}
		}
		for j := range s.Backends {
			if s.Backends[j].Maintenance {
				maintained[backendName{s.Name, s.Backends[j].Address}] = true
			}
		}
	}
	d.hooks.Set(programs)
	d.maintained.set(maintained)
}
