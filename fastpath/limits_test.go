package fastpath

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/reason"
)

// limit bounds the connections of the rig's first service.
func (r *rig) limit(l LimitSpec) *ServiceLoad {
	l.Load = new(ServiceLoad)
	r.spec.Services[0].Limits = &l
	r.publish()
	return l.Load
}

func TestAServiceHasNoMoreConnectionsThanItsLimitWhicheverWorkerOpensThem(t *testing.T) {
	r := newRig(t, tcp4(), withWorkers(3, 3))
	load := r.limit(LimitSpec{Connections: 10})
	opened := 0
	for i := range 30 {
		opened += len(r.sendTo(i%3, wan, pk{from: fmt.Sprintf("198.51.100.%d:40000", i+1), to: vip4, flags: "S"}.frame(t), 0))
	}
	if n := r.loads[0].Total() + r.loads[1].Total(); opened != 10 || n != 10 || load.Connections() != 10 || r.reasons()["connection_limit"] != 20 {
		t.Errorf("%d were opened, %d exist, %d are counted, %v", opened, n, load.Connections(), r.reasons())
	}
	r.advance(60_000 + conn.SweepPeriod)
	r.run()
	if n := load.Connections(); n != 0 {
		t.Errorf("%d are counted when all have ended", n)
	}
	if r.backendOf(pk{from: client4, to: vip4, flags: "S"}) == "" {
		t.Error("none is opened then")
	}
}

func TestAConnectionThatIsRefusedDoesNotCountForTheLimit(t *testing.T) {
	r := newRig(t, tcp4(), withCapacity(1))
	load := r.limit(LimitSpec{Connections: 5})
	r.persistent(byHost)
	for _, flags := range []string{"S", "A"} {
		r.backendOf(pk{from: client4, to: vip4, flags: flags})
	}
	for range 20 {
		r.backendOf(pk{from: "198.51.100.9:40000", to: vip4, flags: "S"}) // the table is full
	}
	r.spec.Services[0].Sched, r.spec.Services[0].OnEmpty, r.spec.Services[0].Persist = &roundRobin{}, AnswerDrop, nil
	r.publish()
	for range 20 {
		r.backendOf(pk{from: "198.51.100.9:40000", to: vip4, flags: "S"}) // there is no backend
	}
	if n := load.Connections(); n != 1 || r.reasons()["table_full"] != 20 || r.reasons()["no_backend"] != 20 {
		t.Errorf("%d are counted, %v", n, r.reasons())
	}
}

func TestConnectionsOfADepartedBackendAreCountedOut(t *testing.T) {
	r := newRig(t, tcp4())
	load := r.limit(LimitSpec{Connections: 5})
	r.backendOf(pk{from: client4, to: vip4, flags: "S"})
	r.leave(Resets)
	r.send(wan, pk{from: client4, to: vip4, flags: "A"}.frame(t))
	if n := load.Connections(); n != 0 {
		t.Errorf("%d are counted", n)
	}
}

func TestNewConnectionsComeAtTheirRate(t *testing.T) {
	r := newRig(t, []rigService{{vip: vip4, proto: proto(true), mode: NAT}}, withWorkers(2, 2), withCapacity(5000))
	r.limit(LimitSpec{Rate: 100, Burst: 20})
	port := 1000
	burst := func(n int) (opened int) {
		for range n {
			port++
			opened += len(r.send(wan, pk{from: fmt.Sprintf("198.51.100.7:%d", port), to: vip4, udp: true}.frame(t)))
		}
		return opened
	}
	if n := burst(50); n != 20 {
		t.Errorf("%d of a burst of 20", n)
	}
	r.advance(100)
	if n := burst(50); n != 10 {
		t.Errorf("%d in a tenth of a second at 100 a second", n)
	}
	r.advance(60_000)
	if n := burst(50); n != 20 {
		t.Errorf("%d after a pause: no more than a burst may come at once", n)
	}
	if n := r.reasons()["rate_limit"]; n != 100 {
		t.Errorf("%v", r.reasons())
	}
}

// TestNoLimitIsExceeded lets goroutines admit connections as workers do.
func TestNoLimitIsExceeded(t *testing.T) {
	l := newLimits(&LimitSpec{Connections: 7, Load: new(ServiceLoad)})
	var have, most atomic.Int64
	var done sync.WaitGroup
	for range 8 {
		done.Go(func() {
			for range 20000 {
				if l.admit(0) != reason.Unset {
					continue
				}
				n := have.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				have.Add(-1)
				l.conns.Add(-1)
			}
		})
	}
	done.Wait()
	if most.Load() > 7 || l.Connections() != 0 {
		t.Errorf("%d at a time, %d left", most.Load(), l.Connections())
	}
}
