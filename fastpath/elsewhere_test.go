package fastpath

import (
	"fmt"
	"testing"

	"github.com/weirlb/weir/sched"
)

// always picks the same backend, as a scheduler by load does while that does not change.
type always int

func (a always) Pick(*sched.Key, *sched.State) int { return int(a) }

// exhaustible is a FullNAT service of four backends with this many local ports for each.
func exhaustible(t *testing.T, ports uint16) *rig {
	t.Helper()
	peers := []string{"10.0.0.11:80", "10.0.0.12:80", "10.0.0.13:80", "10.0.0.14:80"}
	return newRig(t, []rigService{{
		vip: vip4, proto: proto(false), mode: FullNAT, peers: peers, full: rigFull{locals: []string{"10.0.0.20"}, first: 3000, last: 2999 + ports},
	}})
}

// newConns are the connections that each backend has got.
func newConns(r *rig) (n [4]uint64) {
	for i := range n {
		n[i] = r.workers[0].BackendCounters(uint32(i)).NewConns
	}
	return n
}

// syns lets clients begin as many connections and returns how many got to a backend.
func syns(r *rig, n int) (to int) {
	for i := range n {
		out := r.send(wan, pk{from: fmt.Sprintf("198.51.100.%d:%d", 1+r.workers[0].counters.In%200, 2000+i), to: vip4, flags: "S"}.frame(r.t))
		if len(out) == 1 && out[0].port == lan {
			to++
		}
	}
	return to
}

func TestAConnectionWithoutALocalPortGoesToAnotherBackend(t *testing.T) {
	for name, c := range map[string]struct {
		sched sched.Scheduler
		first int // of the backends, whose ports are used up
	}{
		"a scheduler that goes round":      {&roundRobin{n: 4}, -1},
		"a scheduler that gives one again": {always(2), 2},
	} {
		t.Run(name, func(t *testing.T) {
			r := exhaustible(t, 6)
			r.spec.Services[0].Sched = c.sched
			r.publish()
			if n := syns(r, 24); n != 24 || newConns(r) != [4]uint64{6, 6, 6, 6} || len(r.reasons()) != 0 {
				t.Errorf("%d of 24 got through: %v, reasons %v", n, newConns(r), r.reasons())
			}
			want := uint64(0)
			if c.first >= 0 {
				want = 18
			}
			if got := r.workers[0].Counters().LocalPortsElsewhere; got != want {
				t.Errorf("%d went elsewhere, want %d", got, want)
			}
			if n := syns(r, 3); n != 0 || r.reasons()["no_local_port"] != 3 {
				t.Errorf("%d got through without a port, reasons %v", n, r.reasons())
			}
		})
	}
}

// Where the others take turns, each gets as many.
func TestBackendsTakeTurnsWithWhatFindsNoLocalPort(t *testing.T) {
	r := exhaustible(t, 30)
	r.spec.Services[0].Sched = always(0)
	r.publish()
	syns(r, 30+30)
	if got := newConns(r); got != [4]uint64{30, 10, 10, 10} {
		t.Errorf("connections %v", got)
	}
}

func TestBackendsThatTakeNoConnectionsGetNoneForWantOfLocalPorts(t *testing.T) {
	r := exhaustible(t, 2)
	r.spec.Services[0].Sched = always(0)
	r.spec.Backends[1].Accepts = false
	r.loads[2].SetThresholds(1, 1)
	r.publish()
	if n := syns(r, 10); n != 5 || newConns(r) != [4]uint64{2, 0, 1, 2} || r.reasons()["no_local_port"] != 5 {
		t.Errorf("%d got through: %v, reasons %v", n, newConns(r), r.reasons())
	}
}

// A client that is bound to a backend is told that there is no port.
func TestBoundClientsGetNoOtherBackendForWantOfLocalPorts(t *testing.T) {
	for name, set := range map[string]func(*rig){
		"dh": func(r *rig) {
			servers := []sched.Server{{Address: "a", Weight: 1}, {Address: "b", Weight: 1}, {Address: "c", Weight: 1}, {Address: "d", Weight: 1}}
			s, err := sched.New("dh", servers, sched.Options{})
			if err != nil {
				t.Fatal(err)
			}
			r.spec.Services[0].Sched = s
		},
		"persistence": func(r *rig) {
			r.spec.Services[0].Sched = always(0)
			r.spec.Services[0].Persist = &PersistenceSpec{Timeout: 60_000, Mask4: 0, Mask6: 0}
		},
	} {
		r := exhaustible(t, 3)
		set(r)
		r.publish()
		if n := syns(r, 10); n != 3 || r.reasons()["no_local_port"] != 7 || r.workers[0].Counters().LocalPortsElsewhere != 0 {
			t.Errorf("%s: %d got through: %v, reasons %v", name, n, newConns(r), r.reasons())
		}
	}
}
