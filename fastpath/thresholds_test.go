package fastpath

import (
	"fmt"
	"testing"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/sched"
)

// schedule gives the rig's first service a scheduler of the real kind, and its backends thresholds.
func (r *rig) schedule(name string, upper, lower int) {
	r.t.Helper()
	svc := &r.spec.Services[0]
	var servers []sched.Server
	for _, i := range svc.Backends {
		b := &r.spec.Backends[i]
		b.Load.SetThresholds(upper, lower)
		servers = append(servers, sched.Server{Address: b.Address.String(), Weight: 1, Load: b.Load, Bounded: upper > 0})
	}
	var err error
	if svc.Sched, err = sched.New(name, servers, sched.Options{}); err != nil {
		r.t.Fatal(err)
	}
	r.publish()
}

func TestBackendsGetNoMoreConnectionsThanTheirThresholdWhicheverWorkerOpensThem(t *testing.T) {
	for _, name := range []string{"rr", "wlc", "mh"} {
		r := newRig(t, tcp4(), withWorkers(3, 3))
		r.schedule(name, 10, 0)
		for i := range 60 {
			r.sendTo(i%3, wan, pk{from: fmt.Sprintf("198.51.100.%d:40000", i+1), to: vip4, flags: "S"}.frame(t), 0)
		}
		for i, l := range r.loads {
			if n := l.Total(); n > 10 || n < 10 && name != "mh" || !l.Full() {
				t.Errorf("%s: backend %d has %d connections", name, i, n)
			}
		}
		if n := r.reasons()["backends_full"]; n != 40 {
			t.Errorf("%s: %v, want 40 to meet full backends", name, r.reasons())
		}
		// Those that are there go on, and new ones come when enough have ended.
		before := r.loads[0].Total()
		r.advance(60_000 + conn.SweepPeriod)
		r.run()
		if n := r.loads[0].Total(); before == 0 || n != 0 || r.loads[0].Full() {
			t.Fatalf("%s: %d connections after their time, full %v", name, n, r.loads[0].Full())
		}
		if got := r.backendOf(pk{from: client4, to: vip4, flags: "S"}); got == "" {
			t.Errorf("%s: no backend for a new connection", name)
		}
	}
}

func TestAConnectionThatIsNotMadeIsNotCounted(t *testing.T) {
	r := newRig(t, tcp4(), withCapacity(1))
	r.schedule("rr", 5, 0)
	for _, flags := range []string{"S", "A"} {
		r.backendOf(pk{from: client4, to: vip4, flags: flags})
	}
	for range 20 {
		if got := r.backendOf(pk{from: "198.51.100.9:40000", to: vip4, flags: "S"}); got != "" {
			t.Fatalf("with a full table it went to %s", got)
		}
	}
	if n := r.reasons()["table_full"]; n != 20 {
		t.Errorf("%v", r.reasons())
	}
	// What is too large is told so before it counts.
	r = newRig(t, []rigService{{vip: vip4, proto: proto(true), mode: NAT}}, withLanMTU(1300))
	r.schedule("rr", 5, 0)
	for range 20 {
		one(t, r.send(wan, pk{from: client4, to: vip4, udp: true, payload: 1400, df: true}.frame(t)), wan)
	}
	if n := r.loads[0].Total() + r.loads[1].Total(); n != 0 {
		t.Errorf("%d connections are counted", n)
	}
}
