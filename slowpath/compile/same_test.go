package compile

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/sched"
)

// sharer compiles a configuration whose services have a chunk of places each, and tells what two snapshots share.
type sharer struct {
	*rig
	asked map[string]bool // services whose backends' status was asked for
	ill   map[string]bool // services whose first backend is down
}

func newSharer(t *testing.T) *sharer {
	return &sharer{newRig(t), map[string]bool{}, map[string]bool{}}
}

func (r *sharer) status(s *conf.Service, b *conf.Backend) Status {
	r.asked[s.Name] = true
	return Status{Up: !r.ill[s.Name] || b != &s.Backends[0], Weight: b.Weight}
}

func (r *sharer) end(snap *fastpath.Snapshot, commit func(), err error) *fastpath.Snapshot {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
	commit()
	return snap
}

// anew are the services that have something of their own in the second of two snapshots: a scheduler, or backends.
func (r *sharer) anew(was, is *fastpath.Snapshot) (names []string) {
	for name, p := range r.c.services {
		first := p.places()[0].Index
		shared := true
		for i := range uint32(conn.ChunkLen) {
			shared = shared && is.Backends.Shares(&was.Backends, first+i)
		}
		if shared != (was.Services[p.Index].Sched == is.Services[p.Index].Sched) {
			r.t.Errorf("%s shares either its scheduler or its backends", name)
		}
		if !shared {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestAChangeOfStatusMakesOneServiceAnewAndAsksForNoOther(t *testing.T) {
	r := newSharer(t)
	cfg := pool(20, conn.ChunkLen)
	was := r.end(r.c.Compile(r.now, cfg, r.status, 0))
	for _, ill := range []bool{true, false} {
		clear(r.asked)
		r.ill["s00007"] = ill
		is := r.end(r.c.Recompile(r.now, []string{"s00007", "s00008"}, r.status, was.Generation))
		if got := slices.Sorted(maps.Keys(r.asked)); !slices.Equal(got, []string{"s00007", "s00008"}) {
			t.Errorf("asked for %v", got)
		}
		if got := r.anew(was, is); !slices.Equal(got, []string{"s00007"}) {
			t.Errorf("ill %t: made anew: %v", ill, got)
		}
		was = is
	}
}

func TestAFileReadAgainSharesTheServicesThatItSaysTheSameOf(t *testing.T) {
	r := newSharer(t)
	r.ill["s00003"] = true
	was := r.end(r.c.Compile(r.now, pool(20, conn.ChunkLen), r.status, 0))
	for _, c := range []struct {
		change func(*conf.Config)
		want   []string
	}{
		{func(*conf.Config) {}, nil},
		{func(c *conf.Config) { c.Services[5].Scheduler = "rr" }, []string{"s00005"}},
		{func(c *conf.Config) { c.Services[5].Timeouts.TCP = time.Hour }, []string{"s00005"}},
		{func(c *conf.Config) {
			c.Services[6].Backends = slices.Clone(c.Services[6].Backends)
			c.Services[6].Backends[9].Weight = 7
		}, []string{"s00005", "s00006"}},
		{func(c *conf.Config) { slices.Reverse(c.Services) }, []string{"s00006"}},
	} {
		next := pool(20, conn.ChunkLen)
		c.change(next)
		is := r.end(r.c.Compile(r.now, next, r.status, was.Generation))
		if got := r.anew(was, is); !slices.Equal(got, c.want) {
			t.Errorf("made anew: %v, want %v", got, c.want)
		}
		was = is
	}
}

// Two services with one real server: when one of them goes, the other's replies belong to one connection again.
func TestAServiceIsMadeAnewWhenItIsAloneWithItsServers(t *testing.T) {
	r := newSharer(t)
	cfg := pool(2, conn.ChunkLen)
	was := r.end(r.c.Compile(r.now, cfg, r.status, 0))
	alone := *cfg
	alone.Services = cfg.Services[:1]
	is := r.end(r.c.Compile(r.now, &alone, r.status, was.Generation))
	if got := r.anew(was, is); !slices.Equal(got, []string{"s00000"}) {
		t.Errorf("made anew: %v", got)
	}
}

// What was made backend by backend does not hide what a row says of the same backends later.
func TestAServiceThatIsOnePacketNoMoreHasWhatChangesOfItsBackends(t *testing.T) {
	r := newSharer(t)
	cfg := pool(2, 8)
	s := &cfg.Services[0]
	s.Protocol, s.OnePacket, s.Scheduler = conf.UDP, true, "rr"
	r.end(r.c.Compile(r.now, cfg, r.status, 0))
	next := pool(2, 8)
	s = &next.Services[0]
	s.Protocol, s.Scheduler, s.MSSClamp = conf.UDP, "rr", true
	s.Timeouts.UDP = time.Hour
	snap := r.end(r.c.Compile(r.now, next, r.status, 1))
	for i, p := range r.c.Look(s) {
		if b := snap.Backends.At(p.Index); !b.Clamp {
			t.Errorf("backend %d is what it was: %+v", i, b)
		}
	}
}

// edit makes one change to a configuration, of which everything is a copy.
func edit(rnd *rand.Rand, cfg *conf.Config, fresh *int) {
	s := &cfg.Services[rnd.IntN(len(cfg.Services))]
	s.Backends = slices.Clone(s.Backends)
	switch rnd.IntN(14) {
	case 0:
		s.Backends[rnd.IntN(len(s.Backends))].Weight = rnd.IntN(5)
	case 1:
		*fresh++
		s.Backends = append(s.Backends, conf.Backend{Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 99, uint8(*fresh)}), 80), Weight: 1})
	case 2:
		s.Backends = slices.Delete(s.Backends, 0, min(len(s.Backends)-1, 2))
	case 3:
		s.Addresses = append(slices.Clone(s.Addresses), at(fmt.Sprintf("198.19.0.%d:80", rnd.IntN(250)))...)
	case 4:
		s.Addresses = s.Addresses[:1]
	case 5:
		s.Timeouts.TCP = time.Duration(1+rnd.IntN(3)) * time.Minute
	case 6:
		s.Scheduler = []string{"rr", "wlc", "mh", "sed"}[rnd.IntN(4)]
	case 7:
		s.Mode = []conf.Mode{conf.NAT, conf.DR, conf.TUN}[rnd.IntN(3)]
		s.Tunnel.Type = []conf.Encap{conf.IPIP, conf.GUE}[rnd.IntN(2)]
	case 8:
		s.Sorry = &conf.Backend{Address: netip.MustParseAddrPort("10.0.9.9:80"), Weight: 1}
	case 9:
		s.Sorry = nil
	case 10:
		s.MSSClamp, s.ExpireNodest = rnd.IntN(2) == 0, rnd.IntN(2) == 0
	case 11:
		s.OnRemove = []conf.OnRemove{conf.OnRemoveDrain, conf.OnRemoveReset}[rnd.IntN(2)]
	case 12:
		if len(cfg.Services) > 4 {
			cfg.Services = slices.Delete(cfg.Services, 0, 1)
		}
	case 13:
		*fresh++
		more := *s
		more.Name, more.Addresses = fmt.Sprintf("more%d", *fresh), at(fmt.Sprintf("198.20.%d.%d:80", *fresh/250, *fresh%250))
		cfg.Services = append(cfg.Services, more)
	}
}

// Whatever has been shared on the way to a configuration, its snapshot is what it would be without.
func TestSharedOrNotASnapshotIsTheSame(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	r := newSharer(t)
	cfg, fresh := pool(6, 8), 0
	held := map[*sched.Load]bool{}
	for round := range 150 {
		next := *cfg
		next.Services = slices.Clone(cfg.Services)
		for range 1 + rnd.IntN(3) {
			edit(rnd, &next, &fresh)
		}
		name := next.Services[rnd.IntN(len(next.Services))].Name
		r.ill[name] = !r.ill[name]
		acked := r.c.generation - uint64(rnd.IntN(2))*min(1, r.c.generation)
		forgetful := *r.c
		forgetful.snapshot = nil
		want, _, err := forgetful.Compile(r.now, &next, r.status, acked)
		if err != nil {
			t.Fatal(err)
		}
		got := r.end(r.c.Compile(r.now, &next, r.status, acked))
		a, b := all(want), all(got)
		for i := range min(len(a), len(b)) {
			a[i].Load, b[i].Load = nil, nil // new ones are not the same
		}
		ignored := cmp.FilterPath(func(p cmp.Path) bool {
			name := p.Last().String()
			return name == ".tunnel" || name == ".timeouts" // which may stand elsewhere
		}, cmp.Ignore())
		if !slices.Equal(a, b) {
			if d := cmp.Diff(a, b, cmp.AllowUnexported(fastpath.Backend{}, conn.Peer{}), ignored); d != "" {
				t.Fatalf("round %d: - without, + with sharing: %s", round, d)
			}
		}
		for i := range want.Services {
			a, b := &want.Services[i], &got.Services[i]
			if a.Name != b.Name || a.Mode != b.Mode || a.OnEmpty != b.OnEmpty || (a.Sched == nil) != (b.Sched == nil) || !slices.Equal(a.Backends, b.Backends) {
				t.Fatalf("round %d, service %d: %+v, without sharing %+v", round, i, b, a)
			}
			if a.Sched != nil && !maps.Equal(picks(want, i, 50), picks(got, i, 50)) {
				t.Fatalf("round %d: service %s picks others", round, a.Name)
			}
		}
		for i := range next.Services {
			s := &next.Services[i]
			for j, p := range r.c.Places(s) {
				b := got.Backends.At(p.Index)
				if b.Load != p.Load || b.Peer().Gen != p.Gen || got.Services[b.Service].Name != s.Name {
					t.Fatalf("round %d: backend %d of %s is %+v in the snapshot", round, j, s.Name, b)
				}
				if rnd.IntN(50) == 0 && !held[p.Load] { // a connection, which keeps a removed backend in its place
					p.Load.Add()
					held[p.Load] = true
				}
			}
		}
		for l := range held {
			if rnd.IntN(20) == 0 {
				l.Remove(false)
				delete(held, l)
			}
		}
		cfg = &next
	}
}
