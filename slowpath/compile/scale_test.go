package compile

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/sched"
)

// pool is a configuration of many services with the same backends.
func pool(services, backends int) *conf.Config {
	group := make([]conf.Backend, backends)
	for i := range group {
		group[i] = conf.Backend{Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, uint8(1 + i/200), uint8(1 + i%200)}), 8080), Weight: 1}
	}
	cfg := config()
	cfg.Ports[1].Addresses = prefixes("10.0.0.1/16")
	for i := range services {
		cfg.Services = append(cfg.Services, conf.Service{
			Name: fmt.Sprintf("s%05d", i), Protocol: conf.TCP, Mode: conf.NAT, Scheduler: "wlc", Backends: group,
			Addresses: []conf.Endpoint{conf.EndpointOf(netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, uint8(i >> 8), uint8(i)}), 80))},
		})
	}
	return cfg
}

// stopwatch reports what something takes: time, and time of processors by all threads.
func stopwatch(b *testing.B, what string, f func()) {
	runtime.GC()
	used, start := processTime(b), time.Now()
	f()
	b.ReportMetric((processTime(b) - used).Seconds(), "cpu-s/"+what)
	b.ReportMetric(time.Since(start).Seconds(), "s/"+what)
}

func BenchmarkTenThousandServicesOfAThousandBackends(b *testing.B) {
	const services, backends = 10_000, 1000
	for b.Loop() {
		cfg := pool(services, backends)
		var ill *conf.Service // whose first backend is down
		status := func(s *conf.Service, b *conf.Backend) Status {
			return Status{Up: s != ill || b != &s.Backends[0], Weight: b.Weight}
		}
		c := New(&links{ids: map[string]nexthop.ID{}})
		end := func(snap *fastpath.Snapshot, commit func(), err error) {
			if err != nil || snap.Backends.Len() != services*backends {
				b.Fatal(err, snap.Backends.Len())
			}
			commit()
		}
		before := resident(b)
		stopwatch(b, "compile", func() { end(c.Compile(time.Unix(0, 0), cfg, status, 0)) })
		b.ReportMetric(resident(b)-before, "MB-resident")
		stopwatch(b, "change", func() {
			ill = &cfg.Services[7]
			end(c.Recompile(time.Unix(0, 0), []string{ill.Name}, status, c.generation))
		})
		again := pool(services, backends)
		again.Services[9].Scheduler = "rr"
		stopwatch(b, "reload", func() { end(c.Compile(time.Unix(0, 0), again, status, c.generation)) })
	}
}

// resident is the memory that the process has, in MB.
func resident(b *testing.B) float64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	var all, in float64
	if _, err := fmt.Sscan(string(text), &all, &in); err != nil {
		b.Fatal(err)
	}
	return in * float64(os.Getpagesize()) / 1e6
}

// processTime is what the process has used of processors, by all its threads.
func processTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A change of few services leaves the others as they are, and comes to the same as if all were made anew.
func TestWhatStaysIsTakenFromTheSnapshotBefore(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	cfg := pool(40, 20)
	cfg.Services[3].Sorry = &conf.Backend{Address: netip.MustParseAddrPort("10.0.9.9:80"), Weight: 1}
	cfg.Services[5].Mode, cfg.Services[5].SlowStart, cfg.Services[5].Tunnel.Type = conf.TUN, time.Minute, conf.GUE
	cfg.Services[7].ExpireNodest = true
	cfg.Services[6].Backends = append([]conf.Backend{{Address: netip.MustParseAddrPort("10.0.9.10:80"), Weight: 2, UpperThreshold: 9}}, cfg.Services[6].Backends...)
	type backend struct {
		s *conf.Service
		b *conf.Backend
	}
	weights, quorums := map[backend]int{}, map[*conf.Service]bool{}
	status := func(s *conf.Service, b *conf.Backend) Status {
		if b == s.Sorry {
			return Status{Up: quorums[s], Weight: 1}
		}
		w, ok := weights[backend{s, b}]
		return Status{Up: !ok || w%3 > 0, Weight: w + 1}
	}
	r := newRig(t)
	compile := func(c *Compiler, cfg *conf.Config) *fastpath.Snapshot {
		snap, commit, err := c.Compile(r.now, cfg, status, c.generation)
		if err != nil {
			t.Fatal(err)
		}
		commit()
		return snap
	}
	compile(r.c, cfg)
	for round := range 30 {
		before := r.c.snapshot
		s := &cfg.Services[rnd.IntN(len(cfg.Services))]
		if round%5 == 0 {
			s = &cfg.Services[3]
			quorums[s] = !quorums[s]
		}
		weights[backend{s, &s.Backends[rnd.IntN(len(s.Backends))]}] = rnd.IntN(9)
		r.now = r.now.Add(time.Second)
		got := compile(r.c, cfg)
		anew := *cfg // another configuration, though the same
		again := compile(r.c, &anew)
		forgetful := *r.c
		forgetful.snapshot = nil
		want := compile(&forgetful, &anew)
		for _, got := range []*fastpath.Snapshot{got, again} {
			if slices.Equal(all(want), all(got)) {
				continue
			}
			if d := cmp.Diff(all(want), all(got), cmp.AllowUnexported(fastpath.Backend{}, conn.Peer{}), cmp.Comparer(func(a, b *sched.Load) bool { return a == b })); d != "" {
				t.Fatalf("- anew, + what changed: %s", d)
			}
		}
		for i := range want.Services {
			if a, b := picks(want, i, 100), picks(got, i, 100); !maps.Equal(a, b) || want.Services[i].Name != got.Services[i].Name {
				t.Fatalf("service %d picks %v, anew %v", i, b, a)
			}
			name, slow := got.Services[i].Name, cfg.Services[5].Name
			if name != s.Name && name != slow && got.Services[i].Sched != before.Services[i].Sched {
				t.Errorf("round %d: service %s was made anew for a change of %s", round, name, s.Name)
			}
			if name != slow && got.Services[i].Sched != again.Services[i].Sched {
				t.Errorf("round %d: service %s was made anew for a file that says the same", round, name)
			}
		}
		cfg = &anew
	}
}

// all are the backends of a snapshot.
func all(snap *fastpath.Snapshot) (list []fastpath.Backend) {
	for i := range snap.Backends.Len() {
		list = append(list, *snap.Backends.At(uint32(i)))
	}
	return list
}

func TestAFailedChangeLeavesTheSorryServerAsItWas(t *testing.T) {
	r := newRig(t)
	s := web(first)
	s.Sorry = &conf.Backend{Address: netip.MustParseAddrPort(second), Weight: 1}
	cfg, lost := config(s), false
	status := func(s *conf.Service, b *conf.Backend) Status { return Status{Up: b != s.Sorry || lost, Weight: 1} }
	compile := func() (*fastpath.Snapshot, func()) {
		snap, commit, err := r.c.Compile(r.now, cfg, status, r.acked)
		if err != nil {
			t.Fatal(err)
		}
		return snap, commit
	}
	_, commit := compile()
	commit()
	lost = true
	compile() // not committed
	snap, commit := compile()
	commit()
	if got := picks(snap, 0, 10); got[r.c.Places(&s)[1].Index] != 10 {
		t.Errorf("picked %v", got)
	}
}
