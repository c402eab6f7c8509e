package compile

import (
	"reflect"
	"slices"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
)

// What a snapshot needs of a service is made anew only if something is another than in the last one: its configuration, the
// way to a backend, who else has that, or how one of them stands. A file that is read again is another configuration in
// all its parts, so these are compared by what they say.

// listComparer compares lists of backends, those of groups once for all services that share them.
type listComparer map[[2]*conf.Backend]bool

func (l listComparer) same(a, b *conf.Service) bool {
	switch {
	case len(a.Backends) != len(b.Backends) || (a.Sorry == nil) != (b.Sorry == nil):
		return false
	case a.Sorry != nil && unplaced(*a.Sorry) != unplaced(*b.Sorry):
		return false
	case len(a.Backends) == 0 || &a.Backends[0] == &b.Backends[0]:
		return true
	}
	k := [2]*conf.Backend{&a.Backends[0], &b.Backends[0]}
	same, known := l[k]
	if !known {
		same = slices.EqualFunc(a.Backends, b.Backends, func(x, y conf.Backend) bool { return unplaced(x) == unplaced(y) })
		l[k] = same
	}
	return same
}

// unplaced is a backend wherever it stands in its file.
func unplaced(b conf.Backend) conf.Backend {
	b.Line = 0
	return b
}

// sameService reports whether two services are configured alike, but perhaps for their backends.
func sameService(a, b *conf.Service) bool {
	x, y := *a, *b
	for _, s := range []*conf.Service{&x, &y} {
		s.Backends, s.Sorry, s.BackendGroup, s.Line = nil, nil, "", 0
	}
	return reflect.DeepEqual(&x, &y)
}

// setBase lets the snapshot have from the last one what stays. Where ports, tunnels or the timeouts of all services change,
// or too many timeouts are left that nobody has any more, it has nothing.
func (c *Compiler) setBase(spec *fastpath.Spec, last *Compiler) {
	spec.Services = make([]fastpath.ServiceSpec, c.svcPlaces.size)
	c.idles, c.tables = map[conf.Timeouts]uint16{}, nil
	if last.snapshot == nil || c.cfg.Dataplane.Timeouts != last.cfg.Dataplane.Timeouts || !reflect.DeepEqual(c.cfg.Ports, last.cfg.Ports) ||
		!slices.Equal(c.gateways, last.gateways) || len(last.tables) > fastpath.MaxTimeouts/2 {
		c.same = nil
		return
	}
	stays := make([]bool, len(last.cfg.Services))
	for i, j := range c.former {
		s := &c.cfg.Services[i]
		if j >= 0 && c.same[s.Name] && c.sameRoutes(s, last, &last.cfg.Services[j]) {
			stays[j] = true
			continue
		}
		delete(c.same, s.Name)
		if s.Mode == conf.TUN {
			c.same = nil
			return
		}
	}
	for j := range stays {
		if !stays[j] && last.cfg.Services[j].Mode == conf.TUN {
			c.same = nil
			return
		}
	}
	spec.Base = last.snapshot
	for t, i := range last.idles {
		c.idles[t] = i
	}
	c.tables = slices.Clone(last.tables)
}
