package fastpath

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/weirlb/weir/fastpath/conn"
)

// Builder makes a snapshot of a great many backends: without a description of all of them in memory, by several
// goroutines, and of those that stay from the snapshot before.
type Builder struct {
	spec *Spec
	snap *Snapshot
	own  []atomic.Bool // by chunk of backends: no other snapshot has it

	mu       sync.Mutex // guards the chunks and rows, the snapshot's tunnels and what follows
	ownRows  []bool     // as own
	tunnels  bool       // those of the base have been copied
	departed []departed
}

// NewBuilder begins a snapshot with so many places for backends. The services of the spec may be filled in until
// Snapshot is called, each before its backends are set; its Backends are not looked at.
func NewBuilder(s *Spec, backends int) (*Builder, error) {
	if backends > MaxBackends || len(s.Services) > MaxServices {
		return nil, fmt.Errorf("%d services with %d backends: the most is %d with %d", len(s.Services), backends, MaxServices, MaxBackends)
	}
	base := s.Base
	if s.Rest {
		snap := *base
		snap.Generation, snap.taps = s.Generation, nil
		snap.Services = slices.Clone(base.Services)
		return newBuilder(s, &snap, snap.Backends.grown(backends)), nil
	}
	if len(s.Timeouts) == 0 || len(s.Timeouts) > MaxTimeouts {
		return nil, fmt.Errorf("services have %d different sets of timeouts: there can be 1 to %d", len(s.Timeouts), MaxTimeouts)
	}
	snap := &Snapshot{Generation: s.Generation, Timeouts: s.Timeouts, Services: make([]Service, len(s.Services))}
	if base == nil {
		return newBuilder(s, snap, newBackends(backends)), nil
	}
	copy(snap.Services, base.Services)
	snap.tunnels, snap.tunnelAt, snap.tunnelPorts, snap.tunnelSources = base.tunnels, base.tunnelAt, base.tunnelPorts, base.tunnelSources
	return newBuilder(s, snap, base.Backends.grown(backends)), nil
}

func newBuilder(s *Spec, snap *Snapshot, backends Backends) *Builder {
	snap.Backends = backends
	if s.Base != nil {
		snap.Backends.after = s.Base.Backends.version
	}
	many := len(backends.chunks)
	return &Builder{spec: s, snap: snap, own: make([]atomic.Bool, many), ownRows: make([]bool, many)}
}

// SetBackend puts a backend into a place; for any goroutine, but only one for each place.
func (b *Builder) SetBackend(index uint32, spec *BackendSpec) { b.addBackend(index, spec) }

// Vacate leaves a place of the base unused, before any is set. Of a row with the place none is left.
func (b *Builder) Vacate(index uint32) {
	b.dropRow(index)
	if b.snap.Backends.chunks[index/conn.ChunkLen] != &unused {
		*b.place(index) = Backend{}
	}
}

func (b *Builder) depart(d departed) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.departed = append(b.departed, d)
}

// addDeparted sorts the backends whose connections are to end, after those that stay so from the base.
func (b *Builder) addDeparted() {
	if base := b.spec.Base; base != nil {
		set := make(map[uint32]bool, len(b.departed))
		for _, d := range b.departed {
			set[d.index] = true
		}
		for _, d := range base.departed {
			if r := b.snap.Backends.At(d.index); !set[d.index] && r.Gen == 0 && r.peer.Gen == d.gen {
				b.departed = append(b.departed, d)
			}
		}
	}
	slices.SortFunc(b.departed, func(a, c departed) int { return cmp.Compare(a.index, c.index) })
	b.snap.departed = b.departed
}

// Snapshot ends it.
func (b *Builder) Snapshot() (*Snapshot, error) {
	s, snap := b.spec, b.snap
	if !s.Rest {
		if err := snap.addAddresses(s); err != nil {
			return nil, err
		}
		for a := range snap.tunnelSources {
			if at := snap.locals.ref(endpointOf(a, 0, 0)); *at == 0 {
				*at = localFull
			}
		}
		snap.never = newAddrSet(snap.neverSources())
	}
	for i := range s.Services {
		switch v := &s.Services[i]; {
		case v.Sched != nil:
			if err := snap.addService(uint32(i), v, s); err != nil {
				return nil, fmt.Errorf("service %s: %w", v.Name, err)
			}
		case v.unused() && !s.Rest:
			snap.Services[i] = Service{}
		}
	}
	for c := range b.own {
		if b.own[c].Load() || b.ownRows[c] || s.Base != nil && c >= len(s.Base.Backends.chunks) {
			snap.Backends.changed = append(snap.Backends.changed, uint32(c))
		}
	}
	b.addDeparted()
	snap.addOnce(s)
	return snap, nil
}

// addAddresses makes the tables of what addresses are for.
func (snap *Snapshot) addAddresses(s *Spec) error {
	snap.services, snap.probes = newServiceTable(s.Services), newServiceTable(probed(s.Services))
	snap.locals = newEndpointTable(len(s.Services) + 4*len(s.Ports))
	snap.Routes.build(s)
	for i, p := range s.Ports {
		for _, a := range p.Addresses {
			e := endpointOf(a.Addr(), 0, 0)
			*snap.locals.ref(e) |= localOwn | uint32(i+1)
		}
	}
	if err := snap.addLocals(s.Locals); err != nil {
		return err
	}
	var vips []netip.Addr
	snap.vipNets.table = newEndpointTable(0)
	for i := range s.Services {
		if v := &s.Services[i]; !v.unused() {
			vips = snap.addVIPs(v, vips)
		}
	}
	snap.vips = newAddrSet(vips)
	return nil
}

// neverSources lists the addresses that no packet from a network may be from: all that are ours, and networks' broadcast
// addresses.
func (snap *Snapshot) neverSources() []netip.Addr {
	return append(snap.locals.addrs(), snap.Routes.broadcasts()...)
}

// NewSnapshot compiles a snapshot.
func NewSnapshot(s *Spec) (*Snapshot, error) {
	b, err := NewBuilder(s, len(s.Backends))
	if err != nil {
		return nil, err
	}
	servers := Servers{}
	for i := range s.Backends {
		r := &s.Backends[i]
		if r.Gen != 0 && int(r.Service) >= len(s.Services) {
			return nil, fmt.Errorf("backend %s names service %d, of %d", r.Address, r.Service, len(s.Services))
		}
		if r.Gen != 0 && s.Services[r.Service].Mode == NAT {
			servers.Add(r.Address, 1)
		}
	}
	for i := range s.Backends {
		if r := s.Backends[i]; r.Gen != 0 {
			r.Shared = servers.Shared(r.Address)
			b.SetBackend(uint32(i), &r)
		}
	}
	return b.Snapshot()
}
