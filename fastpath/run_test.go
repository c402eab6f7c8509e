package fastpath

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/nexthop"
)

// start runs the rig's workers, each on a thread of its own, until the function it returns is called.
func (r *rig) start(idle Idle) (stop func()) {
	begin := time.Now()
	r.clock = func() uint64 { return 1e9 + uint64(time.Since(begin)) }
	var done atomic.Bool
	var wg sync.WaitGroup
	for _, w := range r.workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			runtime.LockOSThread()
			w.Run(&done, idle)
		}()
	}
	return func() { done.Store(true); wg.Wait() }
}

// wait waits for a condition.
func (r *rig) wait(what string, cond func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited in vain for %s; reasons %v", what, r.reasons())
		}
	}
}

func TestARunningWorkerForwardsWhateverItDoesWhenIdle(t *testing.T) {
	for name, idle := range map[string]Idle{"spin": Spin, "pause": Pause, "sleep": Sleep} {
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t)
			r := newRig(t, tcp4())
			stop := r.start(idle)
			defer stop()
			for i := range 20 {
				polls := r.workers[0].Counters().Polls
				r.wait("idle rounds", func() bool { return r.workers[0].Counters().Polls > polls+2 })
				p := pk{from: fmt.Sprintf("198.51.100.7:%d", 1000+i), to: vip4, flags: "S"}
				if err := r.queues[0][wan].Put(p.frame(t), 0); err != nil {
					t.Fatal(err)
				}
				var out [][]byte
				r.wait("the packet", func() bool { out = append(out, r.queues[0][lan].Take()...); return len(out) > 0 })
				if s := look(t, out[0]); len(out) != 1 || s.src.String() != p.from {
					t.Fatalf("%d frames, the first %s", len(out), &s)
				}
			}
		})
	}
}

// TestWorkersSideBySide lets workers run while their counters and connections are read, the configuration changes and
// a neighbour moves: what happens in the daemon, for the race detector to watch.
func TestWorkersSideBySide(t *testing.T) {
	defer goleak.VerifyNone(t)
	const workers, clients, rounds = 3, 60, 20
	services := []rigService{{vip: vip4, proto: 17, mode: NAT, peers: []string{"10.0.0.11:80"}}, {vip: "[2001:db8::10]:80", proto: 17, mode: TUN}}
	r := newRig(t, services, withWorkers(workers, workers))
	var frames [][]byte
	for i := range clients {
		frames = append(frames,
			pk{from: fmt.Sprintf("198.51.100.7:%d", 1000+i), to: vip4, udp: true}.frame(t),
			pk{from: fmt.Sprintf("[2001:db8:c::7]:%d", 1000+i), to: "[2001:db8::10]:80", udp: true}.frame(t),
			pk{from: fmt.Sprintf("198.51.100.7:%d", 1000+i), to: vip4, udp: true, ttl: 1}.frame(t))
	}
	stop := r.start(Sleep)
	moved := r.hop(lan, "10.0.0.11", rs1MAC)
	sent, left := 0, 0
	for round := range rounds {
		for i, frame := range frames {
			if err := r.queues[(i+round)%workers][wan].Put(frame, 0); err != nil {
				t.Fatal(err)
			}
			sent++
		}
		r.publish()
		r.hops.Set(moved, [6]byte{2, 0, 0, 0, 1, byte(round)}, nexthop.Reachable)
		generation := r.spec.Generation - 1
		r.wait("all packets and the new snapshot", func() bool {
			var in, settled uint64
			for id, w := range r.workers {
				c := w.Counters()
				in, settled = in+c.In, settled+c.Out
				for _, q := range r.queues[id] {
					left += len(q.Take())
				}
				w.Dump(func(*conn.Entry) bool { return true })
				if w.Generation() != generation {
					return false
				}
			}
			return in == uint64(sent) && settled == uint64(sent)
		})
	}
	stop()
	left += len(r.run())
	if left != sent {
		t.Errorf("%d frames left, want %d", left, sent)
	}
	var live, handed uint64
	for _, w := range r.workers {
		live, handed = live+w.Counters().Live, handed+w.Counters().HandedOver
	}
	if live != 2*clients || handed == 0 {
		t.Errorf("%d connections, want %d; %d frames were handed over", live, 2*clients, handed)
	}
}
