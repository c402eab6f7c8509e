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
	// ServiceSetups, if set, reads likewise how long a service's connections took to set up.
	ServiceSetups func(index uint32) fastpath.Setups

	removed []*Place // of all services, that still have connections

	// LocalPorts, if set, tells how many connections have a port of the local address with an index.
	LocalPorts func(index uint32) uint64

	neighbors   Neighbors
	cfg         *conf.Config             // the last compiled; nil before the first
	services    map[string]*ServicePlace // by name
	locals      map[netip.Addr]uint32    // indices of local addresses
	localPlaces places
	svcPlaces   places
	bePlaces    places
	gens        uint32
	generation  uint64
	now         time.Time // of the compilation under way
	due         time.Time
	changed     []change
	bounds      []bound
	idles       map[conf.Timeouts]uint16 // indices in the snapshot under way
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
	if err := next.addLocals(spec); err != nil {
		return nil, nil, err
	}
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

func (c *Compiler) addService(spec *fastpath.Spec, cfg *conf.Config, s *conf.Service, status func(*conf.Service, *conf.Backend) Status) error {
	at := c.services[s.Name]
	sorry := s.Sorry != nil && status(s, s.Sorry).Up
	servers := c.servers(s, at.backends, func(s *conf.Service, b *conf.Backend) Status {
		st := status(s, b)
		st.Up = st.Up && !sorry
		return st
	})
	list := make([]uint32, len(s.Backends))
	for i := range s.Backends {
		list[i] = at.backends[i].Index
		if err := c.addBackend(spec, cfg, s, &s.Backends[i], at.backends[i], servers[i].Weight > 0, !servers[i].Down); err != nil {
			return err
		}
	}
	if s.Sorry != nil {
		if err := c.addBackend(spec, cfg, s, s.Sorry, at.backends[len(s.Backends)], sorry, sorry); err != nil {
			return err
		}
	}
	if sorry { // nothing else has a weight
		place := at.backends[len(s.Backends)]
		servers = []sched.Server{{Address: s.Sorry.Address.String(), ID: place.Gen, Weight: s.Sorry.Weight, Load: place.Load}}
		list = []uint32{place.Index}
	}
	c.addRemoved(spec, cfg, s)
	c.nodest(spec, s, status)
	opt := sched.Options{TableSize: s.MhTableSize, Memory: at.memory}
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
	out := &spec.Services[at.Index]
	*out = fastpath.ServiceSpec{
		Name: s.Name, Proto: protos[s.Protocol], Mode: modes[s.Mode], Sched: scheduler, Backends: list,
		Timeouts: timeouts, Probed: s.Health != nil && s.Health.Via == conf.ViaService,
		Persist: persistenceOf(s), Full: c.full(s), OnEmpty: answers[s.OnEmpty], Sloppy: s.Sloppy,
	}
	out.Sources = s.Match.Source
	for _, name := range s.Match.Port {
		if i, ok := cfg.PortIndex(name); ok {
			out.Ingress = append(out.Ingress, uint8(i))
		}
	}
	for _, e := range s.Addresses {
		out.Addresses = append(out.Addresses, fastpath.Endpoint{Prefix: e.Prefix, First: e.Ports.First, Last: e.Ports.Last})
	}
	return nil
}

// addBackend puts a backend into its place. One that is up and accepts nothing has no weight.
func (c *Compiler) addBackend(spec *fastpath.Spec, cfg *conf.Config, s *conf.Service, b *conf.Backend, place *Place, accepts, up bool) error {
	out := c.specOf(s, place)
	out.Accepts, out.Quiescent = accepts, up && !accepts
	c.bounds = append(c.bounds, bound{place.Load, b.UpperThreshold, b.LowerThreshold})
	if err := c.route(&out, cfg, s.Mode == conf.TUN); err != nil {
		return fmt.Errorf("backend %s: %w", b.Address, err)
	}
	spec.Backends[place.Index] = out
	return nil
}

// specOf is what the packet path must know of whatever has a place as a backend of a service.
func (c *Compiler) specOf(s *conf.Service, place *Place) fastpath.BackendSpec {
	out := fastpath.BackendSpec{
		Gen: place.Gen, Service: c.services[s.Name].Index, Address: place.address, Load: place.Load,
		DF: dfs[s.Tunnel.DF], Clamp: s.Tunnel.MSSClamp, Wide: place.wide,
	}
	if t := &s.Tunnel; s.Mode == conf.TUN {
		out.Tunnel = fastpath.TunnelSpec{
			Encap: encaps[t.Type], Port: t.UDPPort(), Key: uint32(t.Key), VNI: uint32(t.VNI), MAC: t.MAC,
			Checksum: t.Summed(place.address.Addr().Is6()), Sources: t.Sources,
		}
	}
	return out
}

// nodest ends the connections of a service's backends that are down, if it wants that.
func (c *Compiler) nodest(spec *fastpath.Spec, s *conf.Service, status func(*conf.Service, *conf.Backend) Status) {
	if !s.ExpireNodest {
		return
	}
	for i, place := range c.services[s.Name].backends[:len(s.Backends)] {
		if b := &s.Backends[i]; !b.Maintenance && !status(s, b).Up {
			spec.Backends[place.Index].Departure = fastpath.Reschedules
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
