package compile

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"
	"unsafe"

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
	switch rnd.IntN(26) {
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
	default:
		editMore(rnd, cfg, s)
	}
}

// editMore makes a change that is not about which backends a service has.
func editMore(rnd *rand.Rand, cfg *conf.Config, s *conf.Service) {
	odd := rnd.IntN(2) == 0
	switch rnd.IntN(12) {
	case 0:
		s.Protocol, s.OnePacket = conf.UDP, odd
	case 1:
		s.SlowStart = []time.Duration{0, time.Minute}[rnd.IntN(2)]
	case 2:
		s.Backends[rnd.IntN(len(s.Backends))].UpperThreshold = 10 * rnd.IntN(2)
	case 3:
		s.Limits = []*conf.Limits{nil, {Connections: 5}, {Rate: 9}}[rnd.IntN(3)]
	case 4:
		s.Persistence = []*conf.Persistence{nil, {Timeout: time.Minute, Mask: 24, Prefix: 64}}[rnd.IntN(2)]
	case 5:
		s.Mode, s.LocalAddresses = conf.FullNAT, prefixes([]string{"10.0.200.0/30", "10.0.201.1/32"}[rnd.IntN(2)])
		s.LocalPorts = conf.PortRange{First: 1024, Last: 65535}
	case 6:
		s.Sloppy, s.ExpireQuiescent = odd, !odd
	case 7:
		s.OnEmpty = []conf.OnEmpty{conf.OnEmptyReset, conf.OnEmptyDrop}[rnd.IntN(2)]
	case 8:
		s.Match.Source = [][]netip.Prefix{nil, prefixes("192.0.2.0/24")}[rnd.IntN(2)]
	case 9:
		s.Health = []*conf.Health{nil, {Via: conf.ViaService}}[rnd.IntN(2)]
	case 10:
		cfg.Ports = slices.Clone(cfg.Ports)
		cfg.Ports[rnd.IntN(2)].MTU = 1400 + 100*rnd.IntN(2)
	case 11:
		i := rnd.IntN(len(s.Backends))
		s.Backends[i].Address = netip.AddrPortFrom(s.Backends[i].Address.Addr(), uint16(80*rnd.IntN(2)))
	}
}

// everyField lets cmp look at all.
var everyField = cmp.Exporter(func(reflect.Type) bool { return true })

// behind is what a backend has elsewhere in its snapshot: its timeouts and its tunnel.
func behind(snap *fastpath.Snapshot, i uint32) (out []string) {
	b := reflect.ValueOf(snap.Backends.At(i)).Elem()
	if b.FieldByName("Gen").Uint() == 0 {
		return nil
	}
	out = append(out, fmt.Sprint(snap.Timeouts[b.FieldByName("timeouts").Uint()/uint64(unsafe.Sizeof(conn.Timeouts{}))]))
	if tunnels := reflect.ValueOf(snap).Elem().FieldByName("tunnels"); tunnels.Len() > 0 {
		out = append(out, fmt.Sprintf("%+v", tunnels.Index(int(b.FieldByName("tunnel").Uint()))))
	}
	return out
}

// Whatever has been shared on the way to a configuration, and to how its backends stand, its snapshot is what it would be
// without.
func TestSharedOrNotASnapshotIsTheSame(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	runs := 120
	if raceDetector { // which has nothing to find in what one goroutine does
		runs = 12
	}
	for range runs { // few changes find services in rows, many find places that others had
		sharedOrNot(t, rnd, 1+rnd.IntN(12))
	}
}

func sharedOrNot(t *testing.T, rnd *rand.Rand, rounds int) {
	r := newSharer(t)
	cfg, fresh := pool(6, 8), 0
	held := map[*sched.Load]bool{}
	for round := range rounds {
		next := *cfg
		next.Services = slices.Clone(cfg.Services)
		for range 1 + rnd.IntN(3) {
			edit(rnd, &next, &fresh)
		}
		var reached string
		if r.now = r.now.Add(time.Second); rnd.IntN(8) == 0 { // a next hop has another record
			for reached = range r.links.ids {
				break
			}
			delete(r.links.ids, reached)
		}
		acked := r.c.generation - uint64(rnd.IntN(2))*min(1, r.c.generation)
		if rnd.IntN(3) == 0 {
			r.flip(rnd, &next)
		}
		want := r.anewFor(&next, acked)
		got := r.end(r.c.Compile(r.now, &next, r.status, acked))
		r.compare(fmt.Sprintf("round %d", round), want, got)
		for range rnd.IntN(3) {
			r.now = r.now.Add(time.Duration(rnd.IntN(10)) * time.Second)
			names := []string{r.flip(rnd, &next), r.flip(rnd, &next)}
			want = r.anewFor(&next, acked)
			got = r.end(r.c.Recompile(r.now, names, r.status, acked))
			r.compare(fmt.Sprintf("round %d, after a change of %s", round, names), want, got)
		}
		for i := range next.Services {
			s := &next.Services[i]
			places := r.c.Look(s)
			if rnd.IntN(10) == 0 {
				places = r.c.Places(s)
			}
			for j, p := range places {
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

// flip lets the first backend of some service go down or come up.
func (r *sharer) flip(rnd *rand.Rand, cfg *conf.Config) (name string) {
	name = cfg.Services[rnd.IntN(len(cfg.Services))].Name
	r.ill[name] = !r.ill[name]
	return name
}

// anewFor is the next snapshot, made as if there were none before.
func (r *sharer) anewFor(cfg *conf.Config, acked uint64) *fastpath.Snapshot {
	r.t.Helper()
	forgetful := *r.c
	forgetful.snapshot = nil
	snap, _, err := forgetful.Compile(r.now, cfg, r.status, acked)
	if err != nil {
		r.t.Fatal(err)
	}
	return snap
}

// compare compares snapshots, of which one shares something with another.
func (r *sharer) compare(when string, want, got *fastpath.Snapshot) {
	r.t.Helper()
	besides := func(names ...string) cmp.Option {
		return cmp.FilterPath(func(p cmp.Path) bool { return slices.Contains(names, p.Last().String()) }, cmp.Ignore())
	}
	elsewhere := besides(".Load", ".tunnel", ".timeouts", ".Sched", ".ServiceLoad", ".id") // which may stand there, or are of each alone
	same := func(what string, a, b any, o cmp.Option) {
		r.t.Helper()
		if reflect.DeepEqual(a, b) { // which takes a tenth of the time
			return
		}
		if d := cmp.Diff(a, b, everyField, o); d != "" {
			r.t.Fatalf("%s: %s: - without, + with sharing: %s", when, what, d)
		}
	}
	rest := [2]fastpath.Snapshot{*want, *got}
	for i := range rest {
		rest[i].Backends, rest[i].Services, rest[i].Timeouts = fastpath.Backends{}, nil, nil
	}
	same("the rest", rest[0], rest[1], besides(".tunnels", ".tunnelAt"))
	same("services", want.Services, got.Services, elsewhere)
	wants, gots := all(want), all(got)
	same("places", len(wants), len(gots), nil)
	for i := range wants {
		a, b := wants[i], gots[i]
		if a.Load, b.Load = nil, nil; a != b {
			same(fmt.Sprintf("backend %d", i), a, b, elsewhere)
		}
	}
	for i := range uint32(want.Backends.Len()) {
		if a, b := behind(want, i), behind(got, i); !slices.Equal(a, b) {
			r.t.Fatalf("%s: backend %d has %v, without sharing %v", when, i, b, a)
		}
	}
	for i := range want.Services {
		a, b := &want.Services[i], &got.Services[i]
		if (a.Sched == nil) != (b.Sched == nil) || a.Sched != nil && !maps.Equal(picks(want, i, 50), picks(got, i, 50)) {
			r.t.Fatalf("%s: service %s picks others", when, a.Name)
		}
	}
}
