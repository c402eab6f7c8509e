package daemon

import (
	"fmt"
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/slowpath/compile"
)

// suspects finds the backends of which too many connections fail, and has them checked. It belongs to the loop.
type suspects struct {
	due map[string]time.Time // by service: the end of its window
	at  map[*compile.Place]outcomes
}

// outcomes are a backend's connections so far, and those of them that failed.
type outcomes struct{ begun, failed uint64 }

// look ends the windows that are over.
func (m *suspects) look(d *Daemon, now time.Time) {
	if d.health == nil {
		return
	}
	cfg := d.node.Config()
	due, at := make(map[string]time.Time), make(map[*compile.Place]outcomes)
	for i := range cfg.Services {
		s := &cfg.Services[i]
		if s.Health == nil || s.Health.Passive == nil {
			continue
		}
		end, known := m.due[s.Name]
		over := !known || !now.Before(end)
		if due[s.Name] = end; over {
			due[s.Name] = now.Add(s.Health.Passive.Window)
		}
		for j, p := range d.node.Compiler().Places(s) {
			if j == len(s.Backends) {
				break // the sorry server's
			}
			b := &s.Backends[j]
			was, old := m.at[p]
			if old && !over {
				at[p] = was
				continue
			}
			c := d.node.BackendCounters(p)
			is := outcomes{c.NewConns, c.Unanswered + c.Refused + c.Resets}
			if at[p] = is; old {
				d.judge(s, b, outcomes{is.begun - was.begun, is.failed - was.failed})
			}
		}
	}
	m.due, m.at = due, at
}

// judge has a backend checked if too many of the window's connections failed. Those that fail may be older than it, so
// that there can be more of them than have begun.
func (d *Daemon) judge(s *conf.Service, b *conf.Backend, o outcomes) {
	p := s.Health.Passive
	of := max(o.begun, o.failed)
	if of < uint64(p.MinConnections) || o.failed*100 < of*uint64(p.Share) {
		return
	}
	why := fmt.Sprintf("%d of %s failed within %v", o.failed, conf.Counted(of, "connection"), p.Window)
	if d.health.Suspect(s.Name, b.Address, why) {
		d.log.Info("backend suspected", "service", s.Name, "backend", b.Address.String(), "reason", why)
	}
}
