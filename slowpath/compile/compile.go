// Package compile turns the desired state (configuration, health, weights set at run time) into the
// snapshot that workers use.
//
//	conf.Config ─┐
//	health ──────┼─► Compiler.Compile ──► fastpath.Snapshot ──► published by the daemon
//	weights ─────┘        │
//	                 places: service and backend indices that stay the same from one snapshot to the
//	                 next, so that connections keep their backend and counters their owner
//
// A Compiler belongs to one goroutine.
package compile

import (
	"fmt"
	"iter"
	"net/netip"
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/sched"
)

// Neighbors gives the records of next hops and keeps them resolved.
type Neighbors interface {
	Resolve(port int, addr netip.Addr) (nexthop.ID, error)
}

// Status is what is known of a backend beyond the configuration.
type Status struct {
	Up     bool
	Weight int
}

// Compiler makes snapshots. The ports of a running daemon do not change.
type Compiler struct {
	// Totals, if set, reads what workers have counted at a backend's index so far.
	Totals func(index uint32) fastpath.BackendCounters
	// ServiceTotals, if set, reads what workers have counted at a service's index so far.
	ServiceTotals func(index uint32) fastpath.Reasons

	neighbors  Neighbors
	services   map[serviceKey]*ServicePlace
	memories   map[serviceKey]*sched.Memory // of services whose scheduler has one
	backends   map[backendKey]*Place
	svcPlaces  places
	bePlaces   places
	gens       uint32
	generation uint64
	now        time.Time // of the compilation under way
	due        time.Time
	changed    []change
	bounds     []bound
	idles      map[conf.Timeouts]uint16 // indices in the snapshot under way
}

// serviceKey is what makes two services of two configurations the same: its name may change.
type serviceKey struct {
	address  netip.AddrPort
	protocol conf.Protocol
}

// backendKey likewise: a connection survives a reload if all of this stays.
type backendKey struct {
	service serviceKey
	mode    conf.Mode
	address netip.AddrPort
}

// Place is a backend's index in snapshots and what belongs to it for as long as it is configured.
type Place struct {
	Index uint32
	Gen   uint32
	Load  *sched.Load
	// Before is what the workers had counted at Index when the backend got it: other backends' packets.
	Before fastpath.BackendCounters

	standing *standing
}

// ServicePlace is a service's index in snapshots, for as long as it is configured.
type ServicePlace struct {
	Index uint32
	// Before is what the workers had counted at Index when the service got it: other services' packets; nil: nothing.
	Before *fastpath.Reasons
}

// New makes a compiler without memory of any configuration.
func New(n Neighbors) *Compiler {
	return &Compiler{
		neighbors: n,
		services:  map[serviceKey]*ServicePlace{},
		memories:  map[serviceKey]*sched.Memory{},
		backends:  map[backendKey]*Place{},
	}
}

// Place finds the place of a backend of the last compiled configuration.
func (c *Compiler) Place(s *conf.Service, backend netip.AddrPort) (*Place, bool) {
	p, ok := c.backends[keyOf(s, backend)]
	return p, ok
}

// Service finds the place of a service of the last compiled configuration.
func (c *Compiler) Service(s *conf.Service) (*ServicePlace, bool) {
	p, ok := c.services[serviceKey{s.Address, s.Protocol}]
	return p, ok
}

func keyOf(s *conf.Service, backend netip.AddrPort) backendKey {
	return backendKey{serviceKey{s.Address, s.Protocol}, s.Mode, backend}
}

// Compile makes the next snapshot. status is asked for every backend, and for a sorry server: while that is up, it
// takes all new connections and the backends none. acked is the oldest generation a
// worker may still use: places given up before it are free again. Nothing has changed, but that some next hops may
// have been resolved in vain, until commit is called, which must be before the snapshot is published and before the
// next Compile. The time only counts for backends that start slowly: see Due.
func (c *Compiler) Compile(now time.Time, cfg *conf.Config, status func(*conf.Service, *conf.Backend) Status, acked uint64) (snap *fastpath.Snapshot, commit func(), err error) {
	spec := &fastpath.Spec{
		Generation: c.generation + 1,
		Timeouts:   []conn.Timeouts{idleTimes(cfg.Dataplane.Timeouts)},
	}
	if err := c.addPorts(spec, cfg); err != nil {
		return nil, nil, err
	}
	next := c.plan(cfg, acked)
	next.now = now
	next.idles = map[conf.Timeouts]uint16{cfg.Dataplane.Timeouts: 0}
	spec.Services = make([]fastpath.ServiceSpec, next.svcPlaces.size)
	spec.Backends = make([]fastpath.BackendSpec, next.bePlaces.size)
	for i := range cfg.Services {
		if err := next.addService(spec, cfg, &cfg.Services[i], status); err != nil {
			return nil, nil, fmt.Errorf("service %s: %w", cfg.Services[i].Name, err)
		}
	}
	if snap, err = fastpath.NewSnapshot(spec); err != nil {
		return nil, nil, err
	}
	next.generation = spec.Generation
	return snap, func() {
		next.stand()
		next.setBounds()
		*c = *next
	}, nil
}

// plan copies the compiler with the places of a new configuration: kept, given up and taken.
func (c *Compiler) plan(cfg *conf.Config, acked uint64) *Compiler {
	next := New(c.neighbors)
	next.Totals, next.ServiceTotals, next.gens, next.generation = c.Totals, c.ServiceTotals, c.gens, c.generation
	next.svcPlaces, next.bePlaces = c.svcPlaces.clone(), c.bePlaces.clone()
	next.svcPlaces.settle(acked)
	next.bePlaces.settle(acked)
	for i := range cfg.Services {
		s := &cfg.Services[i]
		if p, ok := c.services[serviceKey{s.Address, s.Protocol}]; ok {
			next.services[serviceKey{s.Address, s.Protocol}] = p
			if m := c.memories[serviceKey{s.Address, s.Protocol}]; m != nil {
				next.memories[serviceKey{s.Address, s.Protocol}] = m
			}
		}
		for b := range destinations(s) {
			if p, ok := c.backends[keyOf(s, b.Address)]; ok {
				next.backends[keyOf(s, b.Address)] = p
			}
		}
	}
	gone := c.generation + 1
	for k, p := range c.services {
		if _, kept := next.services[k]; !kept {
			next.svcPlaces.giveUp(p.Index, gone)
		}
	}
	for k, p := range c.backends {
		if _, kept := next.backends[k]; !kept {
			next.bePlaces.giveUp(p.Index, gone)
		}
	}
	for i := range cfg.Services {
		next.takePlaces(&cfg.Services[i])
	}
	return next
}

func (c *Compiler) takePlaces(s *conf.Service) {
	k := serviceKey{s.Address, s.Protocol}
	if _, ok := c.services[k]; !ok {
		p := &ServicePlace{Index: c.svcPlaces.take()}
		if c.ServiceTotals != nil && p.Index < fastpath.MaxServices {
			if before := c.ServiceTotals(p.Index); before != (fastpath.Reasons{}) {
				p.Before = &before
			}
		}
		c.services[k] = p
	}
	if m := c.memories[k]; !m.Of(s.Scheduler) {
		c.memories[k] = sched.NewMemory(s.Scheduler)
	}
	for b := range destinations(s) {
		k := keyOf(s, b.Address)
		if _, ok := c.backends[k]; !ok {
			c.gens++
			p := &Place{Index: c.bePlaces.take(), Gen: c.gens, Load: new(sched.Load), standing: new(standing)}
			if c.Totals != nil && p.Index < fastpath.MaxBackends {
				p.Before = c.Totals(p.Index)
			}
			c.backends[k] = p
		}
	}
}

func (c *Compiler) addPorts(spec *fastpath.Spec, cfg *conf.Config) error {
	for i := range cfg.Ports {
		p := &cfg.Ports[i]
		spec.Ports = append(spec.Ports, fastpath.PortSpec{Addresses: p.Addresses, MTU: p.MTU})
		for _, g := range p.Gateways {
			id, err := c.neighbors.Resolve(i, g)
			if err != nil {
				return fmt.Errorf("gateway %s of port %s: %w", g, p.Name, err)
			}
			spec.Gateways = append(spec.Gateways, fastpath.GatewaySpec{Port: uint8(i), Hop: id, V6: g.Is6()})
		}
	}
	return nil
}

var modes = map[conf.Mode]fastpath.Mode{conf.NAT: fastpath.NAT, conf.TUN: fastpath.TUN, conf.DR: fastpath.DR}

var protos = map[conf.Protocol]uint8{conf.TCP: packet.ProtoTCP, conf.UDP: packet.ProtoUDP, conf.SCTP: packet.ProtoSCTP}

var dfs = map[conf.OuterDF]fastpath.DFPolicy{
	conf.DFCopy: fastpath.DFCopy, conf.DFSet: fastpath.DFSet, conf.DFClear: fastpath.DFClear,
}

func (c *Compiler) addService(spec *fastpath.Spec, cfg *conf.Config, s *conf.Service, status func(*conf.Service, *conf.Backend) Status) error {
	k := serviceKey{s.Address, s.Protocol}
	index := c.services[k].Index
	sorry := s.Sorry != nil && status(s, s.Sorry).Up
	servers := c.servers(s, func(s *conf.Service, b *conf.Backend) Status {
		st := status(s, b)
		st.Up = st.Up && !sorry
		return st
	})
	list := make([]uint32, len(s.Backends))
	for i := range s.Backends {
		b := &s.Backends[i]
		place := c.backends[keyOf(s, b.Address)]
		list[i] = place.Index
		if err := c.addBackend(spec, cfg, s, b, servers[i].Weight > 0); err != nil {
			return err
		}
	}
	if s.Sorry != nil {
		if err := c.addBackend(spec, cfg, s, s.Sorry, sorry); err != nil {
			return err
		}
	}
	if sorry { // nothing else has a weight
		place := c.backends[keyOf(s, s.Sorry.Address)]
		servers = []sched.Server{{Address: s.Sorry.Address.String(), ID: place.Gen, Weight: s.Sorry.Weight, Load: place.Load}}
		list = []uint32{place.Index}
	}
	opt := sched.Options{TableSize: s.MhTableSize, Memory: c.memories[k]}
	for _, f := range s.SchedulerFlags {
		opt.Set(f)
	}
	scheduler, err := sched.New(s.Scheduler, servers, opt)
	if err != nil {
		return err
	}
	timeouts, err := c.timeouts(spec, s.Timeouts.Over(cfg.Dataplane.Timeouts))
	if err != nil {
		return err
	}
	spec.Services[index] = fastpath.ServiceSpec{
		Name: s.Name, Address: s.Address, Proto: protos[s.Protocol], Mode: modes[s.Mode], Sched: scheduler, Backends: list,
		Timeouts: timeouts,
		Probed:   s.Health != nil && s.Health.Via == conf.ViaService,
	}
	return nil
}

// addBackend puts a backend into its place.
func (c *Compiler) addBackend(spec *fastpath.Spec, cfg *conf.Config, s *conf.Service, b *conf.Backend, accepts bool) error {
	place := c.backends[keyOf(s, b.Address)]
	out := fastpath.BackendSpec{
		Gen: place.Gen, Service: c.services[serviceKey{s.Address, s.Protocol}].Index, Address: b.Address, Accepts: accepts, Load: place.Load,
		DF: dfs[s.Tunnel.DF], Clamp: s.Tunnel.MSSClamp,
	}
	c.bounds = append(c.bounds, bound{place.Load, b.UpperThreshold, b.LowerThreshold})
	if err := c.route(&out, cfg, s.Mode == conf.TUN); err != nil {
		return fmt.Errorf("backend %s: %w", b.Address, err)
	}
	spec.Backends[place.Index] = out
	return nil
}

// destinations are all that a service may send packets to.
func destinations(s *conf.Service) iter.Seq[*conf.Backend] {
	return func(yield func(*conf.Backend) bool) {
		for i := range s.Backends {
			if !yield(&s.Backends[i]) {
				return
			}
		}
		if s.Sorry != nil {
			yield(s.Sorry)
		}
	}
}

// route finds the port and next hop of a backend, and for tun the source of the outer header.
func (c *Compiler) route(b *fastpath.BackendSpec, cfg *conf.Config, tunnel bool) error {
	addr := b.Address.Addr()
	port, via, ok := Way(cfg, addr)
	if !ok {
		return fmt.Errorf("no port's network and no gateway leads to it")
	}
	id, err := c.neighbors.Resolve(port, via)
	if err != nil {
		return fmt.Errorf("next hop %s on port %s: %w", via, cfg.Ports[port].Name, err)
	}
	b.Hop, b.Port = id, uint8(port)
	if tunnel {
		src, ok := SourceFor(&cfg.Ports[port], addr, via)
		if !ok {
			return fmt.Errorf("port %s has no address of its family to send the tunnel from", cfg.Ports[port].Name)
		}
		b.Source = src
	}
	return nil
}

// Way finds where packets for an address leave: the port, and the address on its link to send them to.
func Way(cfg *conf.Config, addr netip.Addr) (port int, via netip.Addr, ok bool) {
	for i := range cfg.Ports {
		for _, p := range cfg.Ports[i].Addresses {
			if p.Contains(addr) {
				return i, addr, true
			}
		}
	}
	for i := range cfg.Ports {
		for _, g := range cfg.Ports[i].Gateways {
			if g.Is6() == addr.Is6() {
				return i, g, true
			}
		}
	}
	return 0, netip.Addr{}, false
}

// SourceFor picks the port's own address for packets to addr by way of via: the one whose network holds via,
// or the first of the family. No router passes on what comes from a link-local IPv6 address.
func SourceFor(p *conf.Port, addr, via netip.Addr) (netip.Addr, bool) {
	var first netip.Addr
	for _, a := range p.Addresses {
		if a.Addr().Is6() != addr.Is6() || linkLocal6(a.Addr()) && !linkLocal6(addr) {
			continue
		}
		if a.Contains(via) {
			return a.Addr(), true
		}
		if !first.IsValid() {
			first = a.Addr()
		}
	}
	return first, first.IsValid()
}

func linkLocal6(a netip.Addr) bool { return a.Is6() && a.IsLinkLocalUnicast() }
