package compile

import (
	"iter"
	"net/netip"
	"slices"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/sched"
)

// Place is a backend's index in snapshots and what belongs to it for as long as it is configured.
type Place struct {
	Index uint32
	Gen   uint32
	Load  *sched.Load
	// Before is what the workers had counted at Index when the backend got it: other backends' packets.
	Before fastpath.BackendCounters

	address netip.AddrPort
	// wide: connections may have come by way of several addresses or ports. It stays when one is left.
	wide     bool
	standing *standing
	// removedIn is the generation of the first snapshot without the backend; 0: it is configured.
	removedIn uint64
}

// Address is the backend's.
func (p *Place) Address() netip.AddrPort { return p.address }

// ServicePlace is a service's index in snapshots, for as long as it is configured.
type ServicePlace struct {
	Index uint32
	// Before is what the workers had counted at Index when the service got it: other services' packets; nil: nothing.
	Before *fastpath.Reasons
	// SetupsBefore is the same for connections.
	SetupsBefore *fastpath.Setups

	backends []*Place      // of the service's destinations
	removed  []*Place      // of backends that it had, and which may still have connections
	memory   *sched.Memory // if the scheduler has one
}

// Place finds the place of a backend of the last compiled configuration.
func (c *Compiler) Place(s *conf.Service, backend netip.AddrPort) (*Place, bool) {
	for _, p := range c.Places(s) {
		if p.address == backend {
			return p, true
		}
	}
	return nil, false
}

// Places are those of a service's backends in the last compiled configuration, in their order, and of its sorry server
// after them.
func (c *Compiler) Places(s *conf.Service) []*Place {
	if p := c.services[s.Name]; p != nil {
		return p.backends
	}
	return nil
}

// Service finds the place of a service of the last compiled configuration.
func (c *Compiler) Service(s *conf.Service) (*ServicePlace, bool) {
	p, ok := c.services[s.Name]
	return p, ok
}

// destinations are all that a service may send packets to.
func destinations(s *conf.Service) iter.Seq2[int, *conf.Backend] {
	return func(yield func(int, *conf.Backend) bool) {
		for i := range s.Backends {
			if !yield(i, &s.Backends[i]) {
				return
			}
		}
		if s.Sorry != nil {
			yield(len(s.Backends), s.Sorry)
		}
	}
}

// plan copies the compiler with the places of a new configuration: kept, given up and taken.
func (c *Compiler) plan(cfg *conf.Config, acked uint64) *Compiler {
	next := New(c.neighbors)
	next.cfg, next.Totals, next.ServiceTotals, next.ServiceSetups = cfg, c.Totals, c.ServiceTotals, c.ServiceSetups
	next.LocalPorts, next.gens, next.generation = c.LocalPorts, c.gens, c.generation
	next.svcPlaces, next.bePlaces = c.svcPlaces.clone(), c.bePlaces.clone()
	next.svcPlaces.settle(acked, always)
	next.bePlaces.settle(acked, always)
	gone := c.generation + 1
	kept := make([]bool, len(c.cfg.Services))
	for i, j := range conf.Former(c.cfg.Services, cfg.Services) {
		s := &cfg.Services[i]
		if j < 0 {
			next.services[s.Name] = next.newService(s)
			continue
		}
		kept[j] = true
		was := &c.cfg.Services[j]
		p := *c.services[was.Name]
		if !p.memory.Of(s.Scheduler) {
			p.memory = sched.NewMemory(s.Scheduler)
		}
		old, removed := p.backends, p.removed
		if !goesOn(was, s) {
			next.giveUp(old, gone)
			next.giveUp(removed, gone)
			old, removed = nil, nil
		}
		p.backends, p.removed = next.takeBackends(s, old, removed, gone)
		next.settleRemoved(&p, acked, gone)
		next.services[s.Name] = &p
	}
	for j, stays := range kept {
		if !stays {
			p := c.services[c.cfg.Services[j].Name]
			next.svcPlaces.giveUp(p.Index, gone)
			next.giveUp(p.backends, gone)
			next.giveUp(p.removed, gone)
		}
	}
	c.planLocals(next, cfg, acked)
	return next
}

func (c *Compiler) newService(s *conf.Service) *ServicePlace {
	p := &ServicePlace{Index: c.svcPlaces.take(), memory: sched.NewMemory(s.Scheduler)}
	if c.ServiceTotals != nil && p.Index < fastpath.MaxServices {
		if before := c.ServiceTotals(p.Index); before != (fastpath.Reasons{}) {
			p.Before = &before
		}
	}
	if c.ServiceSetups != nil && p.Index < fastpath.MaxServices {
		if before := c.ServiceSetups(p.Index); before != (fastpath.Setups{}) {
			p.SetupsBefore = &before
		}
	}
	p.backends, _ = c.takeBackends(s, nil, nil, 0)
	return p
}

// takeBackends gives a service's destinations the places they have among the service's old ones, or those removed before,
// and takes new ones. It returns the places that nobody has, too.
func (c *Compiler) takeBackends(s *conf.Service, old, before []*Place, gone uint64) (out, removed []*Place) {
	out = make([]*Place, 0, len(s.Backends)+1)
	var rest map[netip.AddrPort]*Place // of old, those that do not stand where they stood
	for i, b := range destinations(s) {
		if rest == nil && i < len(old) && old[i].address == b.Address {
			out = append(out, old[i])
			continue
		}
		if rest == nil {
			rest = make(map[netip.AddrPort]*Place, len(old)-min(i, len(old)))
			for _, p := range before {
				rest[p.address] = p
			}
			for _, p := range old[min(i, len(old)):] {
				rest[p.address] = p
			}
		}
		p := rest[b.Address]
		if p == nil {
			p = c.newPlace(b.Address)
		} else if p.removedIn != 0 {
			back := *p // what the last snapshot has stays as it is until the commit
			back.removedIn = 0
			p = &back
		}
		delete(rest, b.Address)
		out = append(out, p)
	}
	if rest == nil {
		removed = append(removed, before...)
		if len(out) < len(old) {
			removed = append(removed, c.remove(old[len(out):], gone)...)
		}
	}
	for _, p := range append(slices.Clip(before), old...) {
		if rest[p.address] == p {
			removed = append(removed, c.remove([]*Place{p}, gone)...)
		}
	}
	for _, p := range out {
		p.wide = p.wide || wide(s, p.address)
	}
	return out, removed
}

func (c *Compiler) giveUp(list []*Place, gone uint64) {
	for _, p := range list {
		c.bePlaces.giveUp(p.Index, gone)
	}
}

func (c *Compiler) newPlace(a netip.AddrPort) *Place {
	c.gens++
	p := &Place{Index: c.bePlaces.take(), Gen: c.gens, Load: new(sched.Load), address: a, standing: new(standing)}
	if c.Totals != nil && p.Index < fastpath.MaxBackends {
		p.Before = c.Totals(p.Index)
	}
	return p
}

// wide reports whether packets to a backend are rewritten from more than one address and port, or keep their port.
func wide(s *conf.Service, backend netip.AddrPort) bool {
	if len(s.Addresses) != 1 || backend.Port() == 0 {
		return true
	}
	_, one := s.Addresses[0].Single()
	return !one
}
