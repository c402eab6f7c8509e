package daemon

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/slowpath/api"
	"github.com/weirlb/weir/slowpath/view"
)

// live are the keys, and what is below them, that a running daemon can change. All else threads, devices and sockets
// were made for.
var live = []string{
	"dataplane.timeouts", "services", "neighbors", "api.certificate", "api.key", "api.client_ca",
}

func isLive(path string) bool {
	for _, key := range live {
		if rest, ok := strings.CutPrefix(path, key); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// plan is a reload worked out and not yet made.
type plan struct {
	file    *conf.Config // as it was read
	config  *conf.Config // the same with the changes of the lists of backends that are kept
	runtime runtimeChanges
	view.Reload
}

// planReload reads the file and compares it with what is in force. It changes nothing; whoever calls it holds changing.
func (d *Daemon) planReload(keep bool) (*plan, error) {
	file, err := conf.LoadRegular(d.file.File)
	if err != nil {
		return nil, invalid(err)
	}
	if err := file.CheckFiles(); err != nil {
		return nil, invalid(err)
	}
	p := &plan{file: file, config: file, Reload: view.Reload{Changes: []string{}, NeedsRestart: []string{}, Warnings: []string{}}}
	for _, w := range file.Warnings {
		p.Warnings = append(p.Warnings, w.Error())
	}
	next := file
	if keep {
		p.runtime = d.runtime.renamed(renamed(d.file, file)).keep(file)
		if p.config, err = p.runtime.changed(file); err == nil {
			next, err = p.runtime.document(file)
		}
		if err != nil {
			return nil, fmt.Errorf("what was changed at run time cannot be kept with this file; reload without keeping it, or mend the file: %w", err)
		}
	}
	d.compare(p, d.inForce(), next)
	return p, nil
}

// invalid tells errors of a configuration from what else can be wrong with its file.
func invalid(err error) error {
	if errors.As(err, new(conf.Errors)) {
		return api.Invalid{Err: err}
	}
	return err
}

// inForce is what the data plane has, as a file. A weight that the file cannot have, as its quorum forbids it, is left out.
func (d *Daemon) inForce() *conf.Config {
	if c, err := d.runtime.document(d.file); err == nil {
		return c
	}
	if c, err := d.runtime.changed(d.file); err == nil {
		return c
	}
	return d.file
}

// compare tells the differences between what is in force and what a plan makes of it.
func (d *Daemon) compare(p *plan, old, next *conf.Config) {
	told := map[backendName]bool{}
	for _, diff := range conf.Diff(old, next) {
		line := diff.String()
		if !isLive(diff.Path) {
			p.NeedsRestart = append(p.NeedsRestart, line)
			continue
		}
		name := backendName{diff.Service, diff.Backend}
		if _, ok := d.runtime[name]; ok {
			told[name] = true
			if p.runtime.of(name) == unchanged {
				line += " (undoes what was changed at run time)"
			}
		}
		p.Changes = append(p.Changes, line)
	}
	for _, name := range d.runtime.names() {
		if told[name] || p.runtime.of(name) != unchanged {
			continue
		}
		how := "and in the file now"
		if findService(p.file, name.service) == nil {
			how = "which ends with its service"
		}
		p.Changes = append(p.Changes, fmt.Sprintf("~ %s: %s at run time, %s", name, d.runtime[name], how))
	}
}

// restart is the error about what a plan cannot do.
func (p *plan) restart() error {
	var errs []error
	for _, line := range p.NeedsRestart {
		errs = append(errs, fmt.Errorf("%s: %s cannot change while weir runs: restart it to apply the change", p.file.File, line[len("~ "):]))
	}
	if len(errs) == 0 {
		return nil
	}
	return api.NeedsRestart{Err: errors.Join(errs...)}
}

// Reload reads the configuration file again and applies it, all or nothing.
func (c *controller) Reload(o api.ReloadOptions) (result view.Reload, revision string, err error) {
	d := c.d
	d.changing.Lock()
	defer d.changing.Unlock()
	if !o.DryRun {
		defer func() { d.tellReload(o.By, result, revision, err) }()
	}
	if err := d.expect(o.Match); err != nil {
		return result, "", err
	}
	p, err := d.planReload(o.KeepRuntime)
	if err != nil {
		return result, "", err
	}
	result = p.Reload
	result.DryRun = o.DryRun
	if o.DryRun {
		return result, d.revisionText(), nil
	}
	if err := p.restart(); err != nil {
		return view.Reload{}, "", err
	}
	if err := d.carryOut(p); err != nil {
		return view.Reload{}, "", err
	}
	return result, d.revisionText(), nil
}

// carryOut makes a plan's configuration the one in force.
func (d *Daemon) carryOut(p *plan) (err error) {
	same := len(p.Changes) == 0 && string(p.file.Text) == string(d.file.Text) && maps.Equal(p.runtime, d.runtime)
	if !d.do(func() {
		if len(p.Changes) == 0 { // but the files that checks use may hold something new
			if err = d.health.Set(targets(p.config, nil)); err != nil {
				err = fmt.Errorf("health checks: %w", err)
				return
			}
		}
		if !same {
			err = d.replace(p.config, p.runtime)
		}
	}) {
		return ErrStopping
	}
	if err != nil {
		return err
	}
	d.file = p.file
	if !same {
		d.revision.Add(1)
	}
	return d.renewCertificates(&p.file.API)
}

// maxErrorLines is how many errors of a file the log tells. weir check and the answer to weir reload have all.
const maxErrorLines = 20

// logRefused tells why a reload was refused: an error in the line that says so, several in a line each.
func (d *Daemon) logRefused(by string, err error) {
	const what = "the configuration was not reloaded; the old one stays in force"
	lines := strings.Split(err.Error(), "\n")
	if len(lines) == 1 {
		d.log.Error(what, "by", by, "error", err)
		return
	}
	d.log.Error(what, "by", by, "errors", len(lines))
	for i, line := range lines {
		if i == maxErrorLines {
			d.log.Error("not reloaded for more errors, which weir check tells", "errors", len(lines)-i)
			return
		}
		d.log.Error("not reloaded", "error", line)
	}
}

// tellReload logs a reload and passes it on as an event.
func (d *Daemon) tellReload(by string, r view.Reload, revision string, err error) {
	e := view.Event{Type: view.EventReload, State: "applied", Changes: r.Changes, Revision: revision, By: by}
	switch {
	case err != nil:
		d.reloadsRefused.Add(1)
		e.State, e.Text = "refused", "the configuration was not reloaded; the old one stays in force: "+err.Error()
		d.logRefused(by, err)
	case len(r.Changes) == 0:
		d.reloadsApplied.Add(1)
		e.Text = "configuration reloaded: nothing changed"
		d.log.Info(e.Text, "config", d.file.File, "by", by)
	default:
		d.reloadsApplied.Add(1)
		e.Text = "configuration reloaded: " + conf.Counted(len(r.Changes), "change")
		d.log.Info("configuration reloaded", "config", d.file.File, "changes", len(r.Changes), "by", by)
		for _, c := range r.Changes {
			d.log.Info("reloaded", "change", c)
		}
	}
	if err == nil {
		d.logWarnings(d.file)
	}
	d.events.Publish(e)
}
