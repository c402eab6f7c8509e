package compile

import (
	"fmt"
	"net/netip"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/sched"
)

// section is one goroutine's part of a compilation: some of the services, and what is to be noted about them. It only reads
// the compiler.
type section struct {
	*Compiler
	spec    *fastpath.Spec
	builder *fastpath.Builder
	status  func(*conf.Service, *conf.Backend) Status

	seats    []sched.Server // memory for servers
	ill      []bool         // which of them are down whatever the sorry server does
	changed  []change
	sorries  []sorryChange
	bounds   []bound
	starting []*conf.Service
	due      time.Time
	err      error
}

// sorryChange is whether a service's sorry server takes all connections from the commit on.
type sorryChange struct {
	at *ServicePlace
	to bool
}

// Services with more backends than manyBackends together are compiled by several goroutines.
const (
	manyBackends = 1 << 16
	maxSections  = 8
)

// sections is how many goroutines a compilation is for.
func (c *Compiler) sections() int {
	if c.bePlaces.size > manyBackends {
		return min(maxSections, runtime.GOMAXPROCS(0))
	}
	return 1
}

// hugeBackends is where what a compilation makes is a good part of all memory.
const hugeBackends = 1 << 20

// withoutCollector turns the garbage collector off until the function that it returns is called. While a great many backends
// are compiled, the heap only grows, and searching it again and again would take longer than filling it. A memory limit
// (GOMEMLIMIT) still holds.
func withoutCollector(cfg *conf.Config) (again func()) {
	n := 0
	for i := range cfg.Services {
		n += len(cfg.Services[i].Backends)
	}
	if n < hugeBackends {
		return func() {}
	}
	percent := debug.SetGCPercent(-1)
	return func() { debug.SetGCPercent(percent) }
}

// addServices puts services and their backends into a snapshot.
func (c *Compiler) addServices(b *fastpath.Builder, spec *fastpath.Spec, services []*conf.Service, status func(*conf.Service, *conf.Backend) Status) error {
	n := 1
	if len(services) > 1 {
		n = c.sections()
	}
	sections := make([]section, n)
	var all sync.WaitGroup
	for i := range sections {
		s := &sections[i]
		*s = section{Compiler: c, spec: spec, builder: b, status: status}
		part := services[i*len(services)/n : (i+1)*len(services)/n]
		all.Go(func() {
			for j := 0; j < len(part) && s.err == nil; j++ {
				if err := s.addService(part[j]); err != nil {
					s.err = fmt.Errorf("service %s: %w", part[j].Name, err)
				}
			}
		})
	}
	all.Wait()
	for i := range sections {
		s := &sections[i]
		if s.err != nil {
			return s.err
		}
		c.changed, c.bounds, c.sorries = append(c.changed, s.changed...), append(c.bounds, s.bounds...), append(c.sorries, s.sorries...)
		c.starting = append(c.starting, s.starting...)
		if !s.due.IsZero() && (c.due.IsZero() || s.due.Before(c.due)) {
			c.due = s.due
		}
	}
	return nil
}

// addService puts a service into the snapshot, or leaves it as it is in the one that this one is based on.
func (c *section) addService(s *conf.Service) error {
	at := c.services[s.Name]
	sorry := s.Sorry != nil && c.status(s, s.Sorry).Up
	before := len(c.changed)
	row := c.staysRow(s, at, sorry)
	var servers []sched.Server
	if !row {
		servers = c.servers(s, c.placesOf(at), sorry)
	}
	if c.spec.Base != nil && (c.spec.Rest || c.same[s.Name]) && len(c.changed) == before && sorry == at.sorry {
		if !c.spec.Rest {
			c.spec.Services[at.Index] = c.serviceSpec(s)
			c.spec.Services[at.Index].Same = true
		}
		return nil
	}
	if sorry != at.sorry {
		c.sorries = append(c.sorries, sorryChange{at, sorry})
	}
	out := &c.spec.Services[at.Index]
	*out = c.serviceSpec(s)
	if row {
		servers = c.serversOf(s, at.row)
		out.Backends = c.addRow(s, at.row)
	} else {
		out.Backends = c.addBackends(s, at.backends, servers, sorry)
	}
	if sorry { // nothing else has a weight
		place := at.backends[len(s.Backends)]
		servers = []sched.Server{{Address: s.Sorry.Address.String(), ID: place.Gen, Weight: s.Sorry.Weight, Load: place.Load}}
		out.Backends = []uint32{place.Index}
	}
	opt := sched.Options{TableSize: s.MhTableSize, Memory: at.memory}
	for _, f := range s.SchedulerFlags {
		opt.Set(f)
	}
	var err error
	out.Sched, err = sched.New(s.Scheduler, servers, opt)
	return err
}

// addBackends puts a service's backends, and its sorry server, into their places, and returns the backends' indices.
func (c *section) addBackends(s *conf.Service, places []*Place, servers []sched.Server, sorry bool) []uint32 {
	list := make([]uint32, len(s.Backends))
	routes := c.routes.of[routesKey(s)]
	out := c.specOf(s)
	for i := range s.Backends {
		list[i] = places[i].Index
		out.place(s, places[i], &routes[i])
		c.addBackend(s, &s.Backends[i], places[i], &out, servers[i].Weight > 0, !servers[i].Down)
	}
	if s.Sorry != nil {
		place, way := places[len(s.Backends)], c.routes.sorry[s.Sorry]
		out.place(s, place, &way)
		c.addBackend(s, s.Sorry, place, &out, sorry, sorry)
	}
	return list
}

func (c *section) serviceSpec(s *conf.Service) fastpath.ServiceSpec {
	out := fastpath.ServiceSpec{
		Gen: c.services[s.Name].gen, Name: s.Name, Proto: protos[s.Protocol], Mode: modes[s.Mode], Sources: s.Match.Source,
		Timeouts: c.idles[s.Timeouts.Over(c.cfg.Dataplane.Timeouts)], Probed: s.Health != nil && s.Health.Via == conf.ViaService,
		Persist: persistenceOf(s), Full: c.full(s), OnEmpty: answers[s.OnEmpty], Limits: c.services[s.Name].limits(s), Sloppy: s.Sloppy,
		OnePacket: s.OnePacket,
	}
	for _, name := range s.Match.Port {
		if i, ok := c.cfg.PortIndex(name); ok {
			out.Ingress = append(out.Ingress, uint8(i))
		}
	}
	for _, e := range s.Addresses {
		out.Addresses = append(out.Addresses, fastpath.Endpoint{Prefix: e.Prefix, First: e.Ports.First, Last: e.Ports.Last})
	}
	return out
}

// addBackend puts a backend into its place. One that is up and accepts nothing has no weight.
func (c *section) addBackend(s *conf.Service, b *conf.Backend, place *Place, out *backendSpec, accepts, up bool) {
	out.Accepts, out.Quiescent, out.Departure = accepts, up && !accepts, fastpath.Stays
	if b.UpperThreshold > 0 || place.bounded {
		c.bounds = append(c.bounds, bound{place.Load, b.UpperThreshold, b.LowerThreshold})
	}
	if s.ExpireNodest && b != s.Sorry && !b.Maintenance && !c.status(s, b).Up {
		out.Departure = fastpath.Reschedules // its connections end
	}
	c.builder.SetBackend(place.Index, &out.BackendSpec)
}

// backendSpec is what the packet path must know of whatever has a place as a backend of a service: first of all of them,
// then of one after the other.
type backendSpec struct{ fastpath.BackendSpec }

func (c *Compiler) specOf(s *conf.Service) backendSpec {
	return backendSpec{fastpath.BackendSpec{Service: c.services[s.Name].Index, DF: dfs[s.Tunnel.DF], Clamp: clamps(s)}}
}

// place fills in what depends on the backend.
func (out *backendSpec) place(s *conf.Service, p *Place, r *route) {
	out.Gen, out.Address, out.Load, out.Wide = p.Gen, p.address, p.Load, p.wide
	out.reach(s, r)
}

// reach fills in the way to it.
func (out *backendSpec) reach(s *conf.Service, r *route) {
	out.Hop, out.Port, out.Source, out.Shared = r.hop, r.port, r.source, r.shared
	if s.Mode == conf.TUN {
		out.Tunnel = tunnelTo(s, out.Address.Addr())
	}
}

// clamps reports whether the MSS of a service's TCP connections is lowered.
func clamps(s *conf.Service) bool {
	if s.Mode == conf.TUN {
		return s.Tunnel.MSSClamp
	}
	return s.MSSClamp
}

func tunnelTo(s *conf.Service, backend netip.Addr) fastpath.TunnelSpec {
	t := &s.Tunnel
	return fastpath.TunnelSpec{
		Encap: encaps[t.Type], Port: t.UDPPort(), Key: uint32(t.Key), VNI: uint32(t.VNI), MAC: t.MAC,
		Checksum: t.Summed(backend.Is6()), Sources: t.Sources,
	}
}

// Room is the largest packet of a service's that fits on the way to a backend through a port.
func Room(s *conf.Service, backend netip.Addr, p *conf.Port) int {
	if s.Mode != conf.TUN {
		return p.MTU
	}
	t := tunnelTo(s, backend)
	return p.MTU - t.Overhead(backend.Is6())
}

// room is memory for the servers of one service.
func (c *section) room(n int) []sched.Server {
	if cap(c.seats) < n {
		c.seats = make([]sched.Server, n)
	}
	return c.seats[:n]
}
