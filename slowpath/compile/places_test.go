package compile

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/fastpath/reason"
)

const (
	first  = "10.0.0.11:8080"
	second = "10.0.0.12:8080"
	third  = "10.0.0.13:8080"
)

// Connections name their backend by place and generation: what stays in the configuration must keep both.
func TestReloadKeepsPlaces(t *testing.T) {
	before := web(first, second)
	for name, change := range map[string]func(s *conf.Service){
		"nothing": func(*conf.Service) {},
		"weight":  func(s *conf.Service) { s.Backends[0].Weight = 7 },
		"order":   func(s *conf.Service) { s.Backends[0], s.Backends[1] = s.Backends[1], s.Backends[0] },
		"backend added": func(s *conf.Service) {
			s.Backends = append([]conf.Backend{{Address: netip.MustParseAddrPort(third)}}, s.Backends...)
		},
		"name":         func(s *conf.Service) { s.Name = "www" },
		"scheduler":    func(s *conf.Service) { s.Scheduler = "wlc" },
		"health check": func(s *conf.Service) { s.Health = &conf.Health{Type: "tcp"} },
		"state: down":  func(s *conf.Service) { s.Backends[0].Down = true },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.compile(before)
			a, b := r.place(before, first), r.place(before, second)
			after := web(first, second)
			change(&after)
			r.compile(after)
			if got := r.place(after, first); got != a {
				t.Errorf("%s is at %+v, was at %+v", first, got, a)
			}
			if got := r.place(after, second); got != b {
				t.Errorf("%s is at %+v, was at %+v", second, got, b)
			}
			if a.Index == b.Index || a.Gen == b.Gen || a.Load == b.Load {
				t.Errorf("both are at %+v", a)
			}
		})
	}
}

// Its connections would go elsewhere, or be rewritten in another way.
func TestBackendOfAnotherServiceOrModeIsAnother(t *testing.T) {
	for name, change := range map[string]func(s *conf.Service){
		"VIP":      func(s *conf.Service) { s.Addresses = at("203.0.113.11:80") },
		"port":     func(s *conf.Service) { s.Addresses = at("203.0.113.10:81") },
		"protocol": func(s *conf.Service) { s.Protocol = conf.UDP },
		"mode":     func(s *conf.Service) { s.Mode = conf.DR },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			s := web(first)
			r.compile(s)
			before := r.place(s, first)
			change(&s)
			r.compile(s)
			if after := r.place(s, first); after.Gen == before.Gen || after.Load == before.Load {
				t.Errorf("it is at %+v, was at %+v", after, before)
			}
		})
	}
}

func TestBackendThatComesBackIsANewOne(t *testing.T) {
	r := newRig(t)
	r.compile(web(first, second))
	before := r.place(web(), first)
	r.compile(web(second))
	if _, ok := r.c.Place(&conf.Service{Name: "web"}, netip.MustParseAddrPort(first)); ok {
		t.Error("a backend that is gone has a place")
	}
	if b := r.snap.Backends.At(before.Index); b.Gen != 0 {
		t.Errorf("its place has generation %d", b.Gen)
	}
	r.compile(web(first, second))
	if after := r.place(web(), first); after.Gen == before.Gen || after.Load == before.Load {
		t.Errorf("it is at %+v, was at %+v", after, before)
	}
}

// A worker that is still in an old snapshot must not find another backend at an index it knows.
func TestIndexIsReusedOnlyWhenEveryWorkerHasLeft(t *testing.T) {
	r := newRig(t)
	old := r.compile(web(first)).Generation
	freed := r.place(web(), first).Index
	gone := r.compile(web(second)).Generation
	if p := r.place(web(), second); p.Index == freed {
		t.Error("reused in the very snapshot that gives it up")
	}
	r.acked = old
	r.compile(web(second, third))
	if p := r.place(web(), third); p.Index == freed {
		t.Errorf("reused while a worker may be in generation %d", old)
	}
	r.acked = gone
	r.compile(web(second, third, first))
	if p := r.place(web(), first); p.Index != freed {
		t.Errorf("index %d, want %d", p.Index, freed)
	}
	if n := r.snap.Backends.Len(); n != 3 {
		t.Errorf("the snapshot has %d places", n)
	}
}

func TestServicesKeepTheirIndices(t *testing.T) {
	dns := web(first)
	dns.Name, dns.Addresses, dns.Protocol = "dns", at("203.0.113.10:53"), conf.UDP
	r := newRig(t)
	r.compile(web(first), dns)
	webAt, dnsAt := r.snap.Backends.At(r.place(web(), first).Index).Service, r.snap.Backends.At(r.place(dns, first).Index).Service
	if webAt == dnsAt {
		t.Fatalf("both are at %d", webAt)
	}
	r.compile(dns, web(first))
	if got := r.snap.Backends.At(r.place(dns, first).Index).Service; got != dnsAt {
		t.Errorf("dns is at %d, was at %d", got, dnsAt)
	}
	r.compile(dns)
	if r.snap.Services[webAt].Sched != nil || r.snap.Services[dnsAt].Sched == nil {
		t.Error("the wrong service is gone")
	}
	mail := web(first)
	mail.Name, mail.Addresses = "mail", at("203.0.113.10:25")
	r.compile(dns, mail)
	if got := r.snap.Backends.At(r.place(mail, first).Index).Service; got != webAt {
		t.Errorf("mail is at %d, want %d, which is free", got, webAt)
	}
}

func TestFailedCompileChangesNothing(t *testing.T) {
	r := newRig(t)
	before := r.compile(web(first, second)).Generation
	a, b := r.place(web(), first), r.place(web(), second)
	r.links.failed[netip.MustParseAddr("10.0.0.13")] = errFull
	if _, _, err := r.c.Compile(r.now, config(web(third)), r.status, r.acked); err == nil {
		t.Fatal("no error")
	}
	// So does one that was never committed.
	if _, _, err := r.c.Compile(r.now, config(web(second)), r.status, r.acked); err != nil {
		t.Fatal(err)
	}
	if got := r.place(web(), first); got != a {
		t.Errorf("%s is at %+v, was at %+v", first, got, a)
	}
	r.compile(web(first, second))
	if r.place(web(), first) != a || r.place(web(), second) != b || r.snap.Generation != before+1 {
		t.Errorf("%+v and %+v in generation %d, were %+v and %+v in %d",
			r.place(web(), first), r.place(web(), second), r.snap.Generation, a, b, before)
	}
}

// The workers count by index, and never start again.
func TestNewBackendDoesNotInheritCounts(t *testing.T) {
	r := newRig(t)
	counted := map[uint32]uint64{}
	r.c.Totals = func(i uint32) fastpath.BackendCounters { return fastpath.BackendCounters{NewConns: counted[i]} }
	r.compile(web(first))
	p := r.place(web(), first)
	counted[p.Index] = 40
	r.compile(web(second))
	r.compile(web(second, third))
	if got := r.place(web(), third); got.Index != p.Index || got.Before.NewConns != 40 {
		t.Errorf("index %d with %d before, want %d with 40", got.Index, got.Before.NewConns, p.Index)
	}
	counted[p.Index] = 41
	r.compile(web(second, third))
	if got := r.place(web(), third); got.Before.NewConns != 40 {
		t.Errorf("%d before after a reload, want 40", got.Before.NewConns)
	}
}

func TestNewServiceDoesNotInheritReasons(t *testing.T) {
	r := newRig(t)
	counted := map[uint32]uint64{}
	r.c.ServiceTotals = func(i uint32) fastpath.Reasons { return fastpath.Reasons{reason.NoBackend: counted[i]} }
	r.compile(web(first))
	s := web(first)
	p, ok := r.c.Service(&s)
	if !ok || p.Before != nil {
		t.Fatalf("a first service is at %+v", p)
	}
	counted[p.Index] = 40
	r.compile()
	other := web(first)
	other.Addresses = at("203.0.113.10:81")
	r.compile(other)
	r.compile(other)
	q, ok := r.c.Service(&other)
	if !ok || q.Index != p.Index || q.Before == nil || q.Before[reason.NoBackend] != 40 {
		t.Errorf("the next one is at %+v, want %d with 40 before", q, p.Index)
	}
}

// Whatever is configured, and however far the workers are behind: no two backends share an index, and none gets
// one that a worker may know as another's.
func TestPlacesOverManyReloads(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	r := newRig(t)
	type life struct {
		gen   uint32
		until uint64 // the last snapshot that has it
	}
	lives := map[uint32]life{} // by index
	for range 2000 {
		var names []string
		for i := range 12 {
			if rnd.IntN(3) > 0 {
				names = append(names, fmt.Sprintf("10.0.0.%d:80", 11+i))
			}
		}
		acked := r.acked
		snap := r.compile(web(names...))
		seen := 0
		for i := range snap.Backends.Len() {
			b := snap.Backends.At(uint32(i))
			if b.Gen == 0 {
				continue
			}
			seen++
			before, had := lives[uint32(i)]
			if had && before.gen != b.Gen && before.until >= acked {
				t.Fatalf("index %d: generation %d of snapshot %d, with workers in %d, is %d in %d", i, before.gen, before.until, acked, b.Gen, snap.Generation)
			}
			lives[uint32(i)] = life{b.Gen, snap.Generation}
		}
		if seen != len(names) {
			t.Fatalf("%d backends have %d places", len(names), seen)
		}
		if snap.Backends.Len() > 60 {
			t.Fatalf("%d places for 12 backends: they are not reused", snap.Backends.Len())
		}
		if back := uint64(rnd.IntN(4)); back < r.acked {
			r.acked -= back
		}
		r.acked = max(r.acked, acked)
	}
}

// Workers tell by it that what they keep for the scheduler at an index was another service's.
func TestAServiceInAnothersPlaceHasAGenerationOfItsOwn(t *testing.T) {
	r := newRig(t)
	other := web(first)
	other.Name, other.Addresses = "other", at("203.0.113.11:80")
	seen := map[uint32]bool{}
	for i := range 3 {
		s := web(first)
		s.Name, s.Addresses = fmt.Sprint("web", i), at(fmt.Sprintf("203.0.113.%d:80", 20+i))
		r.compile(other, s)
		p, _ := r.c.Service(&s)
		if seen[p.gen] || p.gen == 0 {
			t.Errorf("%s has generation %d, as another before it", s.Name, p.gen)
		}
		seen[p.gen] = true
		r.compile(other, s)
		if again, _ := r.c.Service(&s); again.gen != p.gen {
			t.Errorf("generation %d became %d without a change", p.gen, again.gen)
		}
		r.compile(other)
		r.compile(other)
	}
}
