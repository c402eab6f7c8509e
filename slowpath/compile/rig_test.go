package compile

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/fastpath/nexthop"
)

// links answers for next hops, with a record for each, and remembers who was asked for.
type links struct {
	ids    map[string]nexthop.ID
	failed map[netip.Addr]error
}

func (l *links) Resolve(port int, addr netip.Addr) (nexthop.ID, error) {
	if err := l.failed[addr]; err != nil {
		return 0, err
	}
	k := string(rune('0'+port)) + " " + addr.String()
	if l.ids[k] == 0 {
		l.ids[k] = nexthop.ID(len(l.ids) + 1)
	}
	return l.ids[k], nil
}

var errFull = errors.New("no room")

// rig is a compiler whose snapshots all workers take over at once, unless acked is set back.
type rig struct {
	t     *testing.T
	links *links
	c     *Compiler
	acked uint64
	snap  *fastpath.Snapshot
	down  map[string]bool // backends that are
	now   time.Time
}

func newRig(t *testing.T) *rig {
	l := &links{ids: map[string]nexthop.ID{}, failed: map[netip.Addr]error{}}
	return &rig{t: t, links: l, c: New(l), down: map[string]bool{}, now: time.Unix(1_800_000_000, 0)}
}

func (r *rig) status(_ *conf.Service, b *conf.Backend) Status {
	return Status{Up: !b.Down && !r.down[b.Address.String()], Weight: b.Weight}
}

func (r *rig) compile(services ...conf.Service) *fastpath.Snapshot {
	r.t.Helper()
	for i := range services { // what a compiler has been given does not change
		services[i].Backends = slices.Clone(services[i].Backends)
	}
	snap, commit, err := r.c.Compile(r.now, config(services...), r.status, r.acked)
	if err != nil {
		r.t.Fatal(err)
	}
	commit()
	r.snap, r.acked = snap, snap.Generation
	return snap
}

// place is where a backend is, and what the snapshot has there.
func (r *rig) place(s conf.Service, backend string) Place {
	r.t.Helper()
	p, ok := r.c.Place(&s, netip.MustParseAddrPort(backend))
	if !ok {
		r.t.Fatalf("%s has no place", backend)
	}
	b := r.snap.Backends.At(p.Index)
	if b.Gen != p.Gen || b.Load != p.Load || r.snap.Backends.At(p.Index).Peer().Gen != p.Gen {
		r.t.Errorf("%s: the snapshot has generation %d at place %+v", backend, b.Gen, p)
	}
	out := *p
	out.standing = standing{share: p.share} // the rest is not about where it is
	return out
}

// picks is how many of n new connections of the first service go to each backend, by index.
func (r *rig) picks(n int) map[uint32]int {
	return picks(r.snap, 0, n)
}

func config(services ...conf.Service) *conf.Config {
	return &conf.Config{
		Ports: []conf.Port{
			{
				Name: "wan", MTU: 1500, Addresses: prefixes("203.0.113.2/24", "fe80::2/64", "2001:db8::2/64"),
				Gateways: []netip.Addr{netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("fe80::1")},
			},
			{Name: "lan", MTU: 1500, Addresses: prefixes("10.0.0.1/24", "10.0.1.1/24", "fd00::1/64")},
		},
		Services: services,
	}
}

func prefixes(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// at is a service's addresses.
func at(list ...string) (out []conf.Endpoint) {
	for _, a := range list {
		out = append(out, conf.EndpointOf(netip.MustParseAddrPort(a)))
	}
	return out
}

// web is a service with backends of weight 1.
func web(backends ...string) conf.Service {
	s := conf.Service{Name: "web", Addresses: at("203.0.113.10:80"), Protocol: conf.TCP, Mode: conf.NAT, Scheduler: "rr"}
	for _, b := range backends {
		s.Backends = append(s.Backends, conf.Backend{Address: netip.MustParseAddrPort(b), Weight: 1})
	}
	return s
}
