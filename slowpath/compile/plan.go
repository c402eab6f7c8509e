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
	// Before is what the workers had counted at Index when the backend got it: other backends' packets; nil: nothing.
	Before *fastpath.BackendCounters

	address netip.AddrPort
	standing
	// wide: connections may have come by way of several addresses or ports. It stays when one is left.
	wide bool
	// removedIn is the generation of the first snapshot without the backend; 0: it is configured.
	removedIn uint64
}

// Address is the backend's.
func (p *Place) Address() netip.AddrPort { return p.address }

// ServicePlace is a service's index in snapshots, for as long as it is configured.
type ServicePlace struct {
	Index uint32
	gen   uint32
	// Before is what the workers had counted at Index when the service got it: other services' packets; nil: nothing.
	Before *fastpath.Reasons
	// SetupsBefore is the same for connections.
	SetupsBefore *fastpath.Setups

	service  *conf.Service
	row      *row                  // its places, while they are in a row
	backends []*Place              // else: of the service's destinations
	load     *fastpath.ServiceLoad // from its first limit on
	removed  []*Place              // of backends that it had, and which may still have connections
	memory   *sched.Memory         // if the scheduler has one
	sorry    bool                  // the sorry server takes all
}

// Place finds the place of a backend of the last compiled configuration.
func (c *Compiler) Place(s *conf.Service, backend netip.AddrPort) (*Place, bool) {
	for _, p := range c.Look(s) {
		if p.address == backend {
			return p, true
		}
	}
	return nil, false
}

// Look is Places for a look at them: other calls may give others.
func (c *Compiler) Look(s *conf.Service) []*Place {
	p := c.services[s.Name]
	if p == nil {
		return nil
	}
	if p.row != nil {
		return p.row.places()
	}
	return p.backends
}

// Places are those of a service's backends in the last compiled configuration, in their order, and of its sorry server
// after them. They stay the same as long as the backends keep their places, and so take memory from then on.
func (c *Compiler) Places(s *conf.Service) []*Place {
	if p := c.services[s.Name]; p != nil {
		return p.places()
	}
	return nil
}

// Service finds the place of a service of the last compiled configuration.
func (c *Compiler) Service(s *conf.Service) (*ServicePlace, bool) {
	p, ok := c.services[s.Name]
	return p, ok
}

// Named finds a service of the last compiled configuration.
func (c *Compiler) Named(name string) (*conf.Service, bool) {
	if p := c.services[name]; p != nil {
		return p.service, true
	}
	return nil, false
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

// stays reports whether all places stay as they are: with the same configuration, unless removed backends may give up theirs.
func (c *Compiler) stays(cfg *conf.Config) bool {
	return cfg == c.cfg && len(c.removed) == 0 && c.snapshot != nil
}

// plan copies the compiler with the places of a new configuration: kept, given up and taken.
func (c *Compiler) plan(cfg *conf.Config, acked uint64) *Compiler {
	next := New(c.neighbors)
	next.cfg, next.gens, next.known, next.svcGens, next.generation = cfg, c.gens, c.gens, c.svcGens, c.generation
	next.LocalPorts, next.Totals, next.ServiceTotals, next.ServiceSetups = c.LocalPorts, c.Totals, c.ServiceTotals, c.ServiceSetups
	next.svcPlaces, next.bePlaces = c.svcPlaces.clone(), c.bePlaces.clone()
	next.svcPlaces.settle(acked, always)
	next.bePlaces.settle(acked, always)
	gone := c.generation + 1
	kept := make([]bool, len(c.cfg.Services))
	lists := listComparer{}
	next.former = conf.Former(c.cfg.Services, cfg.Services)
	next.same = make(map[string]bool, len(cfg.Services))
	for i, j := range next.former {
		s := &cfg.Services[i]
		if j < 0 {
			next.services[s.Name] = next.newService(s)
			continue
		}
		kept[j] = true
		was := &c.cfg.Services[j]
		p := *c.services[was.Name]
		p.service = s
		if !p.memory.Of(s.Scheduler) {
			p.memory = sched.NewMemory(s.Scheduler)
		}
		next.same[s.Name] = next.keepBackends(&p, was, s, lists.same(was, s), gone) && sameService(was, s)
		next.settleRemoved(&p, acked, gone)
		next.services[s.Name] = &p
	}
	for j, stays := range kept {
		if !stays {
			p := c.services[c.cfg.Services[j].Name]
			next.svcPlaces.giveUp(p.Index, gone)
			next.giveUpAll(p, gone)
		}
	}
	c.planLocals(next, cfg, acked)
	next.settleNew()
	return next
}

// keepBackends gives a service that goes on from another its places, and reports whether all of them are what they were.
func (c *Compiler) keepBackends(p *ServicePlace, was, s *conf.Service, alike bool, gone uint64) (same bool) {
	if !goesOn(was, s) {
		c.giveUpAll(p, gone)
		p.row, p.backends, p.removed, p.load = nil, nil, nil, nil
		if !c.reserve(s, p) {
			p.backends, _ = c.takeBackends(s, nil, nil, false, 0)
		}
		return false
	}
	wide := wider(s)
	if alike && len(p.removed) == 0 {
		if p.row != nil {
			same = p.row.wide || !wide
			p.row = &row{p.row.index, p.row.gen, p.row.loads, s, p.row.wide || wide}
			return same
		}
		if !slices.ContainsFunc(p.backends, func(b *Place) bool { return wide && !b.wide }) {
			return true
		}
	}
	p.backends, p.removed = c.takeBackends(s, p.places(), p.removed, p.load != nil, gone)
	p.row = nil
	return false
}

func (c *Compiler) newService(s *conf.Service) *ServicePlace {
	index, _ := c.svcPlaces.take()
	c.svcGens++
	p := &ServicePlace{Index: index, gen: c.svcGens, service: s, memory: sched.NewMemory(s.Scheduler)}
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
	if !c.reserve(s, p) {
		p.backends, _ = c.takeBackends(s, nil, nil, false, 0)
	}
	return p
}

// takeBackends gives a service's destinations the places they have among the service's old ones, or those removed before,
// and takes new ones. It returns the places that nobody has, too; counted: their connections are for the service's limits.
func (c *Compiler) takeBackends(s *conf.Service, old, before []*Place, counted bool, gone uint64) (out, removed []*Place) {
	out = make([]*Place, 0, len(s.Backends)+1)
	var fresh slab
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
			p = c.newPlace(b.Address, &fresh, cap(out)-len(out))
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
			removed = append(removed, c.remove(old[len(out):], counted, gone)...)
		}
	}
	for _, p := range append(slices.Clip(before), old...) {
		if rest[p.address] == p {
			removed = append(removed, c.remove([]*Place{p}, counted, gone)...)
		}
	}
	wide := wider(s)
	for i, p := range out {
		// Packets are rewritten from more than one address and port, or keep their port.
		if !p.wide && (wide || p.address.Port() == 0) {
			if p.Gen <= c.known {
				wider := *p // what the last snapshot has stays as it is until the commit
				p = &wider
			}
			p.wide = true
			out[i] = p
		}
	}
	return out, removed
}

func (c *Compiler) giveUp(list []*Place, gone uint64) {
	for _, p := range list {
		c.giveUpPlace(p.Index, gone)
	}
}

func (c *Compiler) giveUpPlace(index uint32, gone uint64) {
	c.bePlaces.giveUp(index, gone)
	c.vacated = append(c.vacated, index)
}

// giveUpAll gives up all places of a service's backends.
func (c *Compiler) giveUpAll(p *ServicePlace, gone uint64) {
	if p.row != nil {
		for i := range p.row.loads {
			c.giveUpPlace(p.row.index+uint32(i), gone)
		}
	}
	c.giveUp(p.backends, gone)
	c.giveUp(p.removed, gone)
}

// slab is memory for the places of a service that has none yet.
type slab struct {
	places []Place
	loads  []sched.Load
}

func newSlab(n int) slab { return slab{make([]Place, n), make([]sched.Load, n)} }

// next takes a place out of a slab.
func (s *slab) next(index, gen uint32, a netip.AddrPort) *Place {
	p := &s.places[0]
	*p = Place{Index: index, Gen: gen, Load: &s.loads[0], address: a}
	s.places, s.loads = s.places[1:], s.loads[1:]
	return p
}

// newPlace gives a backend a place that nobody has, the first of so many in a slab.
func (c *Compiler) newPlace(a netip.AddrPort, from *slab, many int) *Place {
	if len(from.places) == 0 {
		*from = newSlab(many)
	}
	c.gens++
	index, used := c.bePlaces.take()
	p := from.next(index, c.gens, a)
	if used && c.Totals != nil && p.Index < fastpath.MaxBackends {
		if before := c.Totals(p.Index); before != (fastpath.BackendCounters{}) {
			p.Before = &before
		}
	}
	return p
}

// wider reports whether a service has more than one address and port.
func wider(s *conf.Service) bool {
	if len(s.Addresses) != 1 {
		return true
	}
	_, one := s.Addresses[0].Single()
	return !one
}
