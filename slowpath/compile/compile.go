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
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
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
	// ServiceSetups, if set, reads likewise how long a service's connections took to set up.
	ServiceSetups func(index uint32) fastpath.Setups

	removed []*Place // of all services, that still have connections

	// LocalPorts, if set, tells how many connections have a port of the local address with an index.
	LocalPorts func(index uint32) uint64

	neighbors   Neighbors
	cfg         *conf.Config             // the last compiled
	services    map[string]*ServicePlace // by name
	locals      map[netip.Addr]uint32    // indices of local addresses
	localPlaces places
	svcPlaces   places
	bePlaces    places
	gens        uint32 // of backends given out
	svcGens     uint32 // of services given out
	generation  uint64
	now         time.Time // of the compilation under way
	due         time.Time
	starting    []*conf.Service // those with backends that start slowly
	routes      routes
	ports       []fastpath.PortSpec
	gateways    []fastpath.GatewaySpec
	addresses   []netip.Addr             // the local ones, by their indices
	tables      []conn.Timeouts          // of the last snapshot
	idles       map[conf.Timeouts]uint16 // where they stand there
	snapshot    *fastpath.Snapshot       // the last one; nil before the first
	work
}

// work is what belongs to the compilation under way.
type work struct {
	known    uint32 // gens before it
	changed  []change
	bounds   []bound
	sorries  []sorryChange
	settlers []settler
	vacated  []uint32         // places of the last snapshot that are given up
	former   []int            // which service of the last configuration each goes on from; -1: none
	same     map[string]bool  // services that are what they were in the last snapshot, if their status is
	servers  fastpath.Servers // of all services in nat
}

// New makes a compiler without memory of any configuration.
func New(n Neighbors) *Compiler {
	return &Compiler{neighbors: n, cfg: new(conf.Config), services: map[string]*ServicePlace{}, locals: map[netip.Addr]uint32{}}
}

// Compile makes the next snapshot. status is asked for every backend, and for a sorry server: while that is up, it
// takes all new connections and the backends none. acked is the oldest generation a
// worker may still use: places given up before it are free again. Nothing has changed, but that some next hops may
// have been resolved in vain, until commit is called, which must be before the snapshot is published and before the
// next Compile. The time only counts for backends that start slowly: see Due.
func (c *Compiler) Compile(now time.Time, cfg *conf.Config, status func(*conf.Service, *conf.Backend) Status, acked uint64) (snap *fastpath.Snapshot, commit func(), err error) {
	if c.stays(cfg) {
		return c.recompile(now, everyService(cfg), status)
	}
	defer withoutCollector(cfg)()
	next := c.plan(cfg, acked)
	next.now = now
	spec := &fastpath.Spec{Generation: c.generation + 1}
	if err := next.addPorts(spec, cfg); err != nil {
		return nil, nil, err
	}
	if err := next.addLocals(spec); err != nil {
		return nil, nil, err
	}
	if next.routes, err = next.findRoutes(cfg); err != nil {
		return nil, nil, err
	}
	next.setBase(spec, c)
	if err := next.addTimeouts(spec, cfg); err != nil {
		return nil, nil, err
	}
	b, err := fastpath.NewBuilder(spec, int(next.bePlaces.size))
	if err != nil {
		return nil, nil, err
	}
	if spec.Base != nil {
		for _, index := range next.vacated {
			b.Vacate(index)
		}
	}
	if err := next.addServices(b, spec, everyService(cfg), status); err != nil {
		return nil, nil, err
	}
	next.addRemoved(b)
	return c.end(next, b)
}

// Recompile is Compile for the last configuration, where nobody's status is another but that of backends of the named
// services: no others are asked for, except those that start slowly.
func (c *Compiler) Recompile(now time.Time, services []string, status func(*conf.Service, *conf.Backend) Status, acked uint64) (snap *fastpath.Snapshot, commit func(), err error) {
	if !c.stays(c.cfg) {
		return c.Compile(now, c.cfg, status, acked)
	}
	asked := make(map[*conf.Service]bool, len(services)+len(c.starting))
	for _, name := range services {
		if p := c.services[name]; p != nil {
			asked[p.service] = true
		}
	}
	for _, s := range c.starting {
		asked[s] = true
	}
	return c.recompile(now, slices.Collect(maps.Keys(asked)), status)
}

// recompile makes the next snapshot of the last one, with some services as they are now.
func (c *Compiler) recompile(now time.Time, services []*conf.Service, status func(*conf.Service, *conf.Backend) Status) (*fastpath.Snapshot, func(), error) {
	next := *c
	next.work = work{known: c.gens}
	next.now, next.due, next.starting = now, time.Time{}, nil
	spec := &fastpath.Spec{
		Generation: c.generation + 1, Base: c.snapshot, Rest: true, Ports: c.ports, Locals: c.addresses,
		Services: make([]fastpath.ServiceSpec, c.svcPlaces.size),
	}
	b, err := fastpath.NewBuilder(spec, int(c.bePlaces.size))
	if err != nil {
		return nil, nil, err
	}
	if err := next.addServices(b, spec, services, status); err != nil {
		return nil, nil, err
	}
	return c.end(&next, b)
}

// end makes the snapshot, and what puts it in the place of the last one.
func (c *Compiler) end(next *Compiler, b *fastpath.Builder) (*fastpath.Snapshot, func(), error) {
	snap, err := b.Snapshot()
	if err != nil {
		return nil, nil, err
	}
	next.generation, next.snapshot = snap.Generation, snap
	return snap, func() {
		next.stand()
		next.setBounds()
		next.work = work{}
		*c = *next
	}, nil
}

// Resolves reports whether Compile asks for all next hops of a configuration, as it does unless it is the last one.
func (c *Compiler) Resolves(cfg *conf.Config) bool { return !c.stays(cfg) }

func everyService(cfg *conf.Config) []*conf.Service {
	list := make([]*conf.Service, len(cfg.Services))
	for i := range list {
		list[i] = &cfg.Services[i]
	}
	return list
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
	c.ports, c.gateways = spec.Ports, spec.Gateways
	return nil
}

var modes = map[conf.Mode]fastpath.Mode{conf.NAT: fastpath.NAT, conf.TUN: fastpath.TUN, conf.DR: fastpath.DR, conf.FullNAT: fastpath.FullNAT}

var protos = map[conf.Protocol]uint8{conf.TCP: packet.ProtoTCP, conf.UDP: packet.ProtoUDP, conf.SCTP: packet.ProtoSCTP}

// answers has those that are not LVS's, which is the sorry server's as well where even that does not take a connection.
var answers = map[conf.OnEmpty]fastpath.Answer{conf.OnEmptyReset: fastpath.AnswerReset, conf.OnEmptyDrop: fastpath.AnswerDrop}

var dfs = map[conf.OuterDF]fastpath.DFPolicy{
	conf.DFCopy: fastpath.DFCopy, conf.DFSet: fastpath.DFSet, conf.DFClear: fastpath.DFClear,
}

var encaps = map[conf.Encap]fastpath.Encap{
	conf.IPIP: fastpath.IPIP, conf.GUE: fastpath.GUE, conf.GRE: fastpath.GRE, conf.VXLAN: fastpath.VXLAN,
}

// VLANOf is what frames of a sub-port look like; nil for a port with a device of its own.
func VLANOf(cfg *conf.Config, port int) *fastpath.VLAN {
	parent, ok := cfg.Sub(port)
	if !ok {
		return nil
	}
	v := &fastpath.VLAN{Parent: parent, Outer: uint16(cfg.Ports[port].VLAN[0])}
	if len(cfg.Ports[port].VLAN) > 1 {
		v.Inner = uint16(cfg.Ports[port].VLAN[1])
	}
	return v
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
