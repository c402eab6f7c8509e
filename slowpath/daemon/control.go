package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/slowpath/api"
	"github.com/weirlb/weir/slowpath/view"
)

// controller changes the desired state for the API. One change ends before the next begins.
type controller struct{ d *Daemon }

// revisionText names the state that the configuration is in: no other has that name, of this daemon or another.
func (d *Daemon) revisionText() string { return fmt.Sprintf("%x-%d", d.nonce, d.revision.Load()) }

// expect refuses a change for which the configuration is not the one that it was meant for.
func (d *Daemon) expect(match api.Match) error {
	if now := d.revisionText(); !match.Holds(now) {
		return api.ErrStale{Now: now}
	}
	return nil
}

// alter makes one change of one backend: in the loop, next is given what there is now and says what there shall be.
func (c *controller) alter(o api.ChangeOptions, name backendName, next func(now view.Backend, change runtimeChange, file *conf.Backend) (runtimeChange, view.Event, error)) (changes []string, revision string, err error) {
	d := c.d
	d.changing.Lock()
	defer d.changing.Unlock()
	if err := d.expect(o.Match); err != nil {
		return nil, "", err
	}
	s := findService(d.file, name.service)
	if s == nil {
		return nil, "", api.NotFound("there is no service %s", name.service)
	}
	var now view.Backend
	for _, b := range (&source{d}).BackendsOf(name.service) {
		if b.Address == name.address.String() && b.State != "sorry" && b.State != "standby" {
			now = b
		}
	}
	before := d.runtime.of(name)
	change, event, err := next(now, before, findBackend(s, name.address))
	if err != nil {
		return nil, "", err
	}
	if change == before {
		return []string{}, d.revisionText(), nil
	}
	runtime := d.runtime.with(name, change)
	var cfg *conf.Config
	if change.added != before.added || change.removed != before.removed || change.base != before.base {
		if cfg, err = runtime.changed(d.file); err != nil {
			return nil, "", fmt.Errorf("%s: %w", name, withoutPlace(err))
		}
	}
	if !d.do(func() { err = d.replace(cmp.Or(cfg, d.node.Config()), runtime) }) {
		return nil, "", ErrStopping
	}
	if err != nil {
		return nil, "", err
	}
	d.revision.Add(1)
	event.Service, event.Backend, event.Revision, event.By = name.service, name.address.String(), d.revisionText(), o.By
	d.log.Info("changed at run time", "change", event.Text, "by", o.By)
	d.events.Publish(event)
	return []string{event.Text}, event.Revision, nil
}

// withoutPlace leaves out where in a file an error is: nobody wrote a file.
func withoutPlace(err error) error {
	var all conf.Errors
	if !errors.As(err, &all) {
		return err
	}
	var out []error
	for _, e := range all {
		out = append(out, errors.New(e.Msg))
	}
	return errors.Join(out...)
}

// SetWeight changes a backend's weight. It ends a drain.
func (c *controller) SetWeight(o api.ChangeOptions, service string, backend netip.AddrPort, weight int) ([]string, string, error) {
	if weight < 0 || weight > api.MaxWeight {
		return nil, "", fmt.Errorf("a weight is 0 to %d, not %d", api.MaxWeight, weight)
	}
	name := backendName{service, backend}
	return c.alter(o, name, func(now view.Backend, change runtimeChange, file *conf.Backend) (runtimeChange, view.Event, error) {
		if now.Address == "" {
			return change, view.Event{}, noBackend(name)
		}
		change.drained, change.weight = false, weight
		if c.asConfigured(name, change, file) {
			change.weight = -1
		}
		return change, view.Event{
			Type: view.EventWeight, Weight: &weight, Text: fmt.Sprintf("~ %s: weight %d → %d", name, now.Weight, weight),
		}, nil
	})
}

// asConfigured reports whether a weight set at run time is the one that the backend would have without. A check that sets
// weights has another opinion.
func (c *controller) asConfigured(name backendName, change runtimeChange, file *conf.Backend) bool {
	s := findService(c.d.file, name.service)
	if s.Health != nil && s.Health.Exec.Dynamic {
		return false
	}
	return change.added && change.weight == change.base || file != nil && !change.added && change.weight == file.Weight
}

// Drain makes a backend take no new connections; undone, it has the weight that it had before.
func (c *controller) Drain(o api.ChangeOptions, service string, backend netip.AddrPort, undo bool) ([]string, string, error) {
	name := backendName{service, backend}
	return c.alter(o, name, func(now view.Backend, change runtimeChange, file *conf.Backend) (runtimeChange, view.Event, error) {
		if now.Address == "" {
			return change, view.Event{}, noBackend(name)
		}
		if undo && !change.drained {
			return change, view.Event{}, fmt.Errorf("%s is not being drained: its weight is %d", name, now.Weight)
		}
		change.drained = !undo
		e := view.Event{Type: view.EventDrain, State: "draining"}
		e.Text = fmt.Sprintf("~ %s: drains, weight %d → 0; %s", name, now.Weight, left(now))
		if undo {
			weight, ok := change.set()
			switch {
			case ok:
			case change.added:
				weight = change.base
			default:
				weight = file.Weight
			}
			e.State, e.Weight, e.Text = "up", &weight, fmt.Sprintf("~ %s: drains no more, weight 0 → %d", name, weight)
		}
		return change, e, nil
	})
}

func left(b view.Backend) string {
	n := b.Active + b.Inactive
	if n == 1 {
		return "1 connection is left"
	}
	return fmt.Sprintf("%d connections are left", n)
}

// AddBackend gives a service another backend.
func (c *controller) AddBackend(o api.ChangeOptions, service string, backend netip.AddrPort, weight int) ([]string, string, error) {
	backend = c.withPort(service, backend)
	name := backendName{service, backend}
	return c.alter(o, name, func(now view.Backend, change runtimeChange, file *conf.Backend) (runtimeChange, view.Event, error) {
		if now.Address != "" {
			return change, view.Event{}, api.Conflict("service %s has a backend %s already, with weight %d", service, backend, now.Weight)
		}
		e := view.Event{Type: view.EventAdded, Weight: &weight, Text: fmt.Sprintf("+ %s: weight %d", name, weight)}
		if file != nil { // it was removed at run time
			change = unchanged
			if weight != file.Weight {
				change.weight = weight
			}
			return change, e, nil
		}
		return runtimeChange{added: true, base: weight, weight: -1}, e, nil
	})
}

// withPort gives a backend without a port the service's, where the mode leaves that as it is: so does the file.
func (c *controller) withPort(service string, backend netip.AddrPort) netip.AddrPort {
	c.d.changing.Lock()
	defer c.d.changing.Unlock()
	s := findService(c.d.file, service)
	if s == nil || backend.Port() != 0 || s.Mode != conf.TUN && s.Mode != conf.DR {
		return backend
	}
	port, _ := s.Port() // 0 if it has several
	return netip.AddrPortFrom(backend.Addr(), port)
}

// RemoveBackend takes a backend out of a service, whose on_remove says what becomes of its connections.
func (c *controller) RemoveBackend(o api.ChangeOptions, service string, backend netip.AddrPort) ([]string, string, error) {
	name := backendName{service, backend}
	return c.alter(o, name, func(now view.Backend, change runtimeChange, file *conf.Backend) (runtimeChange, view.Event, error) {
		if now.Address == "" {
			return change, view.Event{}, noBackend(name)
		}
		s := findService(c.d.file, service)
		change = runtimeChange{removed: true, weight: -1}
		if file == nil {
			change = unchanged
		}
		return change, view.Event{
			Type: view.EventRemoved,
			Text: fmt.Sprintf("- %s: weight %d; on_remove: %s for %s", name, now.Weight, s.OnRemove, conf.Counted(now.Active+now.Inactive, "connection")),
		}, nil
	})
}

func noBackend(name backendName) error {
	return api.NotFound("service %s has no backend %s", name.service, name.address)
}

func findService(cfg *conf.Config, name string) *conf.Service {
	for i := range cfg.Services {
		if cfg.Services[i].Name == name {
			return &cfg.Services[i]
		}
	}
	return nil
}

func findBackend(s *conf.Service, address netip.AddrPort) *conf.Backend {
	for i := range s.Backends {
		if s.Backends[i].Address == address {
			return &s.Backends[i]
		}
	}
	return nil
}

// replace puts a configuration and the changes made at run time into force, or leaves the old ones there; for the loop.
// The kernel's routes come first: the health checks that need them start at once.
func (d *Daemon) replace(cfg *conf.Config, runtime runtimeChanges) error {
	old, before := d.node.Config(), d.runtime
	if cfg == old {
		d.runtime = runtime
		if err := d.reapply(touchedNames{names: before.services(runtime)}); err != nil {
			d.runtime = before
			return err
		}
		return nil
	}
	if err := d.taps.setRoutes(cfg); err != nil {
		return errors.Join(err, d.taps.setRoutes(old))
	}
	if err := d.health.Set(targets(cfg, renamed(old, cfg))); err != nil {
		return errors.Join(fmt.Errorf("health checks: %w", err), d.taps.setRoutes(old))
	}
	d.runtime = runtime
	d.setHooks(cfg)
	if err := d.apply(cfg); err != nil {
		d.runtime = before
		d.setHooks(old)
		err = errors.Join(err, d.health.Set(targets(old, renamed(cfg, old))), d.taps.setRoutes(old))
		d.touched.add(touchedNames{all: true})
		d.lookAgain() // the checks of backends that only the old file has begin anew, and may have another mind now
		return err
	}
	return nil
}

// Save writes the changes made at run time to the configuration file.
func (c *controller) Save(o api.ChangeOptions, force bool) ([]string, string, error) {
	d := c.d
	d.changing.Lock()
	defer d.changing.Unlock()
	if err := d.expect(o.Match); err != nil {
		return nil, "", err
	}
	next, err := d.runtime.document(d.file)
	if err != nil {
		return nil, "", fmt.Errorf("what was changed at run time cannot be in a file: %w", err)
	}
	onDisk, err := conf.LoadRegular(d.file.File)
	same := err == nil && string(onDisk.Text) == string(d.file.Text)
	switch {
	case same && len(d.runtime) == 0:
		return []string{}, d.revisionText(), nil
	case !same && !force:
		return nil, "", api.Conflict("%s has changed on disk since it was loaded: reload it first (weir reload --keep-runtime), "+
			"or force the changes made at run time into it as it is", d.file.File)
	case !same:
		return c.saveInto(onDisk, err, o.By)
	}
	changes := d.runtimeLines(next)
	if err := writeFile(d.file.File, next.Text); err != nil {
		return nil, "", err
	}
	if !d.do(func() { err = d.replace(next, nil) }) {
		return nil, "", ErrStopping
	}
	if err != nil {
		return nil, "", fmt.Errorf("%s is written, but what was changed at run time stays marked so: %w", d.file.File, err)
	}
	d.file = next
	d.revision.Add(1)
	d.tellSaved(changes, o.By)
	return changes, d.revisionText(), nil
}

// saveInto writes the changes into a file that others have changed, which stays as they left it otherwise, and is still
// to be reloaded.
func (c *controller) saveInto(onDisk *conf.Config, bad error, by string) ([]string, string, error) {
	d := c.d
	if bad != nil {
		return nil, "", fmt.Errorf("nothing is written to a file with errors: %w", bad)
	}
	next, err := d.runtime.keep(onDisk).document(onDisk)
	if err != nil {
		return nil, "", fmt.Errorf("what was changed at run time cannot be in the file as it is now: %w", err)
	}
	if err := writeFile(d.file.File, next.Text); err != nil {
		return nil, "", err
	}
	changes := lines(conf.Diff(onDisk, next))
	d.tellSaved(changes, by)
	return changes, d.revisionText(), nil
}

func (d *Daemon) tellSaved(changes []string, by string) {
	text := fmt.Sprintf("what was changed at run time is written to %s: %s", d.file.File, conf.Counted(len(changes), "change"))
	d.log.Info(text, "by", by)
	d.events.Publish(view.Event{Type: view.EventSaved, Text: text, Changes: changes, Revision: d.revisionText(), By: by})
}

// runtimeLines tells what was changed at run time; next is the file with it.
func (d *Daemon) runtimeLines(next *conf.Config) []string { return lines(conf.Diff(d.file, next)) }

func lines(diffs []conf.Difference) []string {
	out := []string{}
	for _, diff := range diffs {
		out = append(out, diff.String())
	}
	return out
}
