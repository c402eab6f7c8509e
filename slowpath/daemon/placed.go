package daemon

import (
	"math"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/slowpath/compile"
	"github.com/weirlb/weir/slowpath/health"
)

// placed is a backend with its place in the data plane, read in one go.
type placed struct {
	service *conf.Service
	backend *conf.Backend
	place   *compile.Place
	status  compile.Status
	health  health.Status
	setup   *compile.ServicePlace // of the service, at one of its backends; nil at the others
	sorry   bool
	removed bool   // from the configuration, but it has connections
	idle    bool   // the sorry server takes its place
	changed string // at run time
	share   int    // of its weight, in percent
	since   uint64 // connections it had got when the window of the current shares began
}

// effective is the weight that a backend counts with now.
func (p *placed) effective() float64 {
	if !p.status.Up || p.idle {
		return 0
	}
	return float64(p.status.Weight*p.share) / 100
}

// placed lists every backend of the configuration in force, and how its services stand.
func (s *source) placed() (cfg *conf.Config, out []placed, quorums map[string]standing) {
	return s.placedOf("", math.MaxInt)
}

// placedOf lists those of one service, of all if it has no name; beyond the first so many without what their checks say.
func (s *source) placedOf(service string, checked int) (cfg *conf.Config, out []placed, quorums map[string]standing) {
	d := s.d
	d.do(func() {
		cfg, quorums = d.node.Config(), d.quorums
		for i := range cfg.Services {
			v := &cfg.Services[i]
			if service != "" && v.Name != service {
				continue
			}
			first := len(out)
			lost := v.Sorry != nil && !quorums[v.Name].Up
			for j, place := range d.node.Compiler().Look(v) {
				if j < len(v.Backends) {
					p := s.place(v, &v.Backends[j], place, len(out) < checked)
					p.idle = lost
					out = append(out, p)
					continue
				}
				p := s.place(v, v.Sorry, place, len(out) < checked)
				p.status, p.sorry = d.status(v, v.Sorry), true
				out = append(out, p)
			}
			for _, place := range d.node.Compiler().Removed(v) {
				p := s.place(v, &conf.Backend{Address: place.Address()}, place, false)
				p.status, p.removed = compile.Status{}, true
				out = append(out, p)
			}
			if first < len(out) {
				out[first].setup, _ = d.node.Compiler().Service(v)
			}
		}
	})
	return cfg, out, quorums
}

func (s *source) place(v *conf.Service, b *conf.Backend, p *compile.Place, checked bool) placed {
	d := s.d
	e := placed{service: v, backend: b, place: p, status: d.condition(v, b), share: p.Share(), since: d.shares.since(p), changed: d.runtime.of(backendName{v.Name, b.Address}).String()}
	if checked && d.health != nil {
		e.health, _ = d.health.Status(v.Name, b.Address)
	}
	return e
}

// state is a backend's in a word.
func (p *placed) state() string {
	switch {
	case p.removed:
		return "removed"
	case p.sorry && p.status.Up:
		return "sorry"
	case p.sorry:
		return "standby"
	case p.backend.Maintenance:
		return "maintenance"
	case !p.status.Up:
		return "down"
	case p.status.Weight == 0:
		return "draining"
	case p.place.Load.Full():
		return "full"
	}
	return "up"
}
