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
// goroutines, and for those that stay from the snapshot before.
type Builder struct {
	spec *Spec
	snap *Snapshot
	// moved: some real server is not the one that was at its place in the base.
	moved atomic.Bool

	mu sync.Mutex // guards the snapshot's tunnels and what follows
	// sources are the outer ones of tunnels that have several.
	sources  map[netip.Addr]bool
	departed []departed
	set      map[uint32]bool // of those that departed in the base, which are set anew
}

// NewBuilder begins a snapshot with so many places for backends. The services of the spec may be filled in until
// Snapshot is called, each before its backends are set; its Backends are not looked at.
func NewBuilder(s *Spec, backends int) (*Builder, error) {
	if backends > MaxBackends || len(s.Services) > MaxServices {
		return nil, fmt.Errorf("%d services with %d backends: the most is %d with %d", len(s.Services), backends, MaxServices, MaxBackends)
	}
	b := &Builder{spec: s, sources: map[netip.Addr]bool{}, set: map[uint32]bool{}}
	if base := s.Base; base != nil {
		snap := *base
		b.snap = &snap
		snap.Generation, snap.taps = s.Generation, nil
		snap.Services = append([]Service(nil), base.Services...)
		snap.Backends = append([]Backend(nil), base.Backends...)
		snap.Peers = append([]conn.Peer(nil), base.Peers...)
		return b, nil
	}
	if len(s.Timeouts) == 0 || len(s.Timeouts) > MaxTimeouts {
		return nil, fmt.Errorf("services have %d different sets of timeouts: there can be 1 to %d", len(s.Timeouts), MaxTimeouts)
	}
	b.snap = &Snapshot{
		Generation: s.Generation, Timeouts: s.Timeouts,
		Backends: make([]Backend, backends), Peers: make([]conn.Peer, backends), Services: make([]Service, len(s.Services)),
	}
	return b, nil
}

// SetBackend puts a backend into a place; for any goroutine, but only one for each place.
func (b *Builder) SetBackend(index uint32, spec *BackendSpec) {
	was := b.snap.Backends[index]
	if was.Gen == 0 && b.spec.Base != nil {
		b.mu.Lock()
		b.set[index] = true
		b.mu.Unlock()
	}
	b.addBackend(index, spec)
	if is := &b.snap.Backends[index]; was.peer == is.peer && was.Mode == is.Mode && was.wide == is.wide {
		is.shared = was.shared
	} else {
		b.moved.Store(true)
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
		for _, d := range base.departed {
			if !b.set[d.index] {
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
	if s.Base == nil {
		if err := snap.addAddresses(s); err != nil {
			return nil, err
		}
		for a := range b.sources {
			if at := snap.locals.ref(endpointOf(a, 0, 0)); *at == 0 {
				*at = localFull
			}
		}
	}
	for i := range s.Services {
		if v := &s.Services[i]; v.Sched != nil {
			if err := snap.addService(uint32(i), v, s); err != nil {
				return nil, fmt.Errorf("service %s: %w", v.Name, err)
			}
		}
	}
	b.addDeparted()
	snap.addOnce()
	if b.moved.Load() {
		snap.markShared()
	}
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
		if v := &s.Services[i]; v.Sched != nil {
			vips = snap.addVIPs(v, vips)
		}
	}
	snap.vips = newAddrSet(vips)
	return nil
}

// NewSnapshot compiles a snapshot.
func NewSnapshot(s *Spec) (*Snapshot, error) {
	b, err := NewBuilder(s, len(s.Backends))
	if err != nil {
		return nil, err
	}
	for i := range s.Backends {
		if r := &s.Backends[i]; r.Gen != 0 {
			if int(r.Service) >= len(s.Services) {
				return nil, fmt.Errorf("backend %s names service %d, of %d", r.Address, r.Service, len(s.Services))
			}
			b.SetBackend(uint32(i), r)
		}
	}
	return b.Snapshot()
}
