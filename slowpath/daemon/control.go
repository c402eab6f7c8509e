package daemon

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"

	"github.com/weirlb/weir/conf"
)

// controller changes the desired state for the API.
type controller struct{ d *Daemon }

// Reload reads the configuration file again and applies it, all or nothing. Weights set at run time give way
// to the file's.
func (c *controller) Reload() (changes []string, err error) {
	c.d.reloads.Lock()
	defer c.d.reloads.Unlock()
	cfg, err := conf.Load(c.d.configFile())
	if err != nil {
		return nil, err
	}
	if err := cfg.CheckFiles(); err != nil {
		return nil, err
	}
	if !c.d.do(func() { changes, err = c.d.reload(cfg) }) {
		return nil, ErrStopping
	}
	return changes, err
}

// SetWeight changes a backend's weight until the next reload.
func (c *controller) SetWeight(service string, backend netip.AddrPort, weight int) (err error) {
	if weight < 0 || weight > 65535 {
		return fmt.Errorf("a weight is 0 to 65535, not %d", weight)
	}
	if !c.d.do(func() { err = c.d.setWeight(backendName{service, backend}, weight) }) {
		return ErrStopping
	}
	return err
}

func (d *Daemon) configFile() (file string) {
	d.do(func() { file = d.node.Config().File })
	return file
}

func (d *Daemon) setWeight(name backendName, weight int) error {
	cfg := d.node.Config()
	if err := d.findBackend(cfg, name); err != nil {
		return err
	}
	old, had := d.weights[name]
	d.weights[name] = weight
	if err := d.apply(cfg); err != nil {
		if had {
			d.weights[name] = old
		} else {
			delete(d.weights, name)
		}
		return err
	}
	d.log.Info("weight changed", "service", name.service, "backend", name.address.String(), "weight", weight)
	return nil
}

func (d *Daemon) reload(cfg *conf.Config) ([]string, error) {
	old := d.node.Config()
	if err := needsRestart(old, cfg); err != nil {
		return nil, err
	}
	changes := diff(old, cfg)
	for name, w := range d.weights {
		changes = append(changes, fmt.Sprintf("~ backend %s %s: weight %d, set at run time, is the file's again", name.service, name.address, w))
	}
	if len(changes) == 0 {
		if err := d.health.Set(targets(cfg, nil)); err != nil { // the files that checks use may hold something new
			return nil, fmt.Errorf("health checks: %w", err)
		}
		d.log.Info("configuration reloaded: nothing changed", "config", cfg.File)
		return nil, nil
	}
	if err := d.replace(old, cfg); err != nil {
		return nil, err
	}
	slices.Sort(changes)
	d.log.Info("configuration reloaded", "config", cfg.File, "changes", len(changes))
	return changes, nil
}

// replace puts a configuration into force, or leaves the old one there. The kernel's routes come first: the health
// checks that need them start at once.
func (d *Daemon) replace(old, cfg *conf.Config) error {
	if err := d.taps.setRoutes(cfg); err != nil {
		return errors.Join(err, d.taps.setRoutes(old))
	}
	if err := d.health.Set(targets(cfg, renamed(old, cfg))); err != nil {
		return errors.Join(fmt.Errorf("health checks: %w", err), d.taps.setRoutes(old))
	}
	weights := d.weights
	d.weights = map[backendName]int{}
	d.setHooks(cfg)
	if err := d.apply(cfg); err != nil {
		d.weights = weights
		d.setHooks(old)
		return errors.Join(err, d.health.Set(targets(old, renamed(cfg, old))), d.taps.setRoutes(old))
	}
	return nil
}

// needsRestart finds what a running daemon cannot change: all that threads, devices and sockets were made for.
func needsRestart(old, cfg *conf.Config) error {
	var errs []error
	fixed := func(what string, a, b any) {
		if !reflect.DeepEqual(a, b) {
			errs = append(errs, fmt.Errorf("%s: %s cannot change while weir runs; restart it to apply the change", cfg.File, what))
		}
	}
	a, b := old.Dataplane, cfg.Dataplane
	a.Timeouts, b.Timeouts = conf.Timeouts{}, conf.Timeouts{}
	fixed("dataplane (all but timeouts)", a, b)
	fixed("ports", old.Ports, cfg.Ports)
	fixed("api", old.API, cfg.API)
	fixed("metrics", old.Metrics, cfg.Metrics)
	return errors.Join(errs...)
}
