package compile

import (
	"testing"
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/sched"
)

// slow is a service whose backends take ten seconds to come to their weight.
func slow(backends ...string) conf.Service {
	s := web(backends...)
	s.Scheduler, s.SlowStart = "wrr", 10*time.Second
	return s
}

// expectShares compares what the backends count with, in percent.
func (r *rig) expectShares(s conf.Service, want ...int) {
	r.t.Helper()
	for i, b := range s.Backends {
		p := r.place(s, b.Address.String())
		if got := p.Share(); got != want[i] {
			r.t.Errorf("%s counts with %d %%, want %d %%", b.Address, got, want[i])
		}
	}
}

func TestBackendThatJoinsComesToItsWeightInSteps(t *testing.T) {
	r := newRig(t)
	r.compile(slow(first, second))
	r.expectShares(slow(first, second), 100, 100)
	all := slow(first, second, third)
	r.compile(all)
	began := r.now
	for step, share := range []int{5, 10, 20, 30, 40, 50, 60, 70, 80, 90} {
		r.expectShares(all, 100, 100, share)
		third := r.place(all, third).Index
		if got := r.picks(200 + share); got[third] != share {
			t.Errorf("at %d %%: %v of %d connections", share, got, 200+share)
		}
		if due := began.Add(time.Duration(step+1) * time.Second); !r.c.Due().Equal(due) {
			t.Errorf("at %d %%: due at %v, want %v", share, r.c.Due(), due)
		}
		r.now = r.c.Due()
		r.compile(all)
	}
	r.expectShares(all, 100, 100, 100)
	if !r.c.Due().IsZero() {
		t.Errorf("nobody starts, but %v is due", r.c.Due())
	}
}

// Whatever compiles in between, a health change elsewhere or a weight, the share stays until its time.
func TestOtherChangesDoNotHurryASlowStart(t *testing.T) {
	r := newRig(t)
	r.compile(slow(first))
	s := slow(first, second)
	r.compile(s)
	r.now = r.now.Add(2900 * time.Millisecond)
	s.Backends[1].Weight = 8
	r.compile(s)
	r.expectShares(s, 100, 20)
	r.compile(s)
	r.expectShares(s, 100, 20)
}

func TestBackendThatComesBackStartsSlowly(t *testing.T) {
	for name, away := range map[string]func(*rig, *conf.Service){
		"from being down":  func(r *rig, _ *conf.Service) { r.down[second] = true },
		"from state: down": func(_ *rig, s *conf.Service) { s.Backends[1].Down = true },
		"from draining":    func(_ *rig, s *conf.Service) { s.Backends[1].Weight = 0 },
		"into the file":    func(_ *rig, s *conf.Service) { s.Backends = s.Backends[:1] },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.compile(slow(first, second))
			gone := slow(first, second)
			away(r, &gone)
			r.compile(gone)
			if !r.c.Due().IsZero() {
				t.Error("something is due for a backend that went away")
			}
			r.down = map[string]bool{}
			r.compile(slow(first, second))
			r.expectShares(slow(first, second), 100, 5)
		})
	}
}

func TestBackendThatFailsWhileItStartsBeginsAgain(t *testing.T) {
	r := newRig(t)
	r.compile(slow(first))
	s := slow(first, second)
	r.compile(s)
	r.now = r.now.Add(5 * time.Second)
	r.compile(s)
	r.expectShares(s, 100, 50)
	r.down[second] = true
	r.compile(s)
	r.now = r.now.Add(time.Second)
	r.down[second] = false
	r.compile(s)
	r.expectShares(s, 100, 5)
}

// There is nobody to leave the connections to.
func TestFirstBackendsOfAServiceHaveTheirWeightAtOnce(t *testing.T) {
	r := newRig(t)
	r.compile()
	s := slow(first, second)
	r.compile(s)
	r.expectShares(s, 100, 100)
	r.down[first], r.down[second] = true, true
	r.compile(s)
	r.down[second] = false
	r.compile(s)
	r.expectShares(s, 100, 100)
	r.down[first] = false
	r.compile(s)
	r.expectShares(s, 5, 100)
}

func TestSlowStartTakenOutOfTheFileEndsAtOnce(t *testing.T) {
	r := newRig(t)
	r.compile(slow(first))
	s := slow(first, second)
	r.compile(s)
	s.SlowStart = 0
	r.compile(s)
	r.expectShares(s, 100, 100)
	if !r.c.Due().IsZero() {
		t.Error("something is due")
	}
	s.SlowStart = 10 * time.Second
	r.compile(s)
	r.expectShares(s, 100, 100)
}

// A backend that was to join in a configuration that failed has not joined.
func TestSlowStartBeginsWithTheCommit(t *testing.T) {
	r := newRig(t)
	r.compile(slow(first))
	s := slow(first, second)
	if _, _, err := r.c.Compile(r.now, config(s), r.status, r.acked); err != nil {
		t.Fatal(err)
	}
	if !r.c.Due().IsZero() {
		t.Error("something is due before the commit")
	}
	r.now = r.now.Add(time.Minute)
	r.compile(s)
	r.expectShares(s, 100, 5)
}

// Draining keeps a backend's part of mh's table, as in LVS, with the weight it had.
func TestDrainedBackendKeepsItsPlaceInTheTable(t *testing.T) {
	r := newRig(t)
	s := web(first, second, third)
	s.Scheduler, s.MhTableSize = "mh", 1021
	r.compile(s)
	s.Backends[0].Weight = 0
	r.compile(s)
	drained := r.place(s, first).Index
	refused := 0
	for n := range 1000 {
		k := clientKey(n)
		if r.snap.Services[0].Sched.Pick(&k, nil) < 0 {
			refused++
		}
	}
	if refused < 250 || refused > 420 {
		t.Errorf("%d of 1000 clients are refused, want a third", refused)
	}
	s.SchedulerFlags = []string{"mh-fallback"}
	r.compile(s)
	for n := range 1000 {
		k := clientKey(n)
		if got := r.snap.Services[0].Sched.Pick(&k, nil); got < 0 || r.snap.Services[0].Backends[got] == drained {
			t.Fatalf("with mh-fallback, client %d went to %d", n, got)
		}
	}
}

// A destination stays on its server over reloads, and whatever order its servers have.
func TestLocalityOutlivesAReload(t *testing.T) {
	r := newRig(t)
	s := web(first, second)
	s.Scheduler = "lblc"
	s.Backends[0].Weight, s.Backends[1].Weight = 100, 100
	r.compile(s)
	k := clientKey(1)
	i := r.snap.Services[0].Sched.Pick(&k, nil)
	chosen := r.snap.Services[0].Backends[i]
	if chosen != r.place(s, first).Index {
		t.Fatalf("chose %d", chosen)
	}
	r.place(s, first).Load.Active.Store(50)
	after := web(third, second, first)
	after.Scheduler = "lblc"
	for i := range after.Backends {
		after.Backends[i].Weight = 100
	}
	r.compile(after)
	if i := r.snap.Services[0].Sched.Pick(&k, nil); r.snap.Services[0].Backends[i] != chosen {
		t.Error("the destination went to another server")
	}
	other := after
	other.Scheduler = "lblcr"
	r.compile(other)
	r.compile(after)
	if i := r.snap.Services[0].Sched.Pick(&k, nil); r.snap.Services[0].Backends[i] == chosen {
		t.Error("what lblc remembered outlived a time with another scheduler")
	}
}

// clientKey is a packet from client n to the VIP.
func clientKey(n int) sched.Key {
	return sched.Key{Src: [16]byte{198, 51, byte(n >> 8), byte(n)}, Dst: [16]byte{203, 0, 113, 10}, SrcPort: 40000, DstPort: 80}
}
