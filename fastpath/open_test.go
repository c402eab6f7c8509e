package fastpath

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/sched"
)

// burst lets frames arrive at once and counts what leaves.
func (r *rig) burst(in int, frames ...[]byte) int {
	r.t.Helper()
	for _, f := range frames {
		if err := r.queues[0][in].Put(f, 0); err != nil {
			r.t.Fatal(err)
		}
	}
	return len(r.run())
}

// TestPacketsOfANewConnectionInOneBurstShareIt puts the packets of a few new connections at random places of a burst:
// side by side, in one group and in several.
func TestPacketsOfANewConnectionInOneBurstShareIt(t *testing.T) {
	rnd := rand.New(rand.NewPCG(41, 42))
	for _, mode := range []Mode{NAT, DR} {
		r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: mode}}, withCapacity(10_000))
		want := 0
		for round := range 200 {
			flows := 1 + rnd.IntN(20)
			var frames [][]byte
			seen := map[int]bool{}
			for range port.BurstSize {
				n := rnd.IntN(flows)
				seen[n] = true
				from := fmt.Sprintf("198.51.100.%d:%d", n+1, 1000+round)
				frames = append(frames, pk{from: from, to: vip4, udp: true}.frame(t))
			}
			want += len(seen)
			if out := r.burst(wan, frames...); out != len(frames) {
				t.Fatalf("%d of %d frames left: %v", out, len(frames), r.reasons())
			}
			if c := r.workers[0].Counters(); int(c.NewConns) != want || r.workers[0].table.Len() != want {
				t.Fatalf("%d connections were made and %d are there, want %d", c.NewConns, r.workers[0].table.Len(), want)
			}
		}
	}
}

func TestClientsOfNetworksForFutureUseAreServed(t *testing.T) {
	r := newRig(t, tcp4())
	for _, from := range []string{"240.0.0.1:9", "255.255.255.254:9"} {
		if out := r.burst(wan, pk{from: from, to: vip4, flags: "S"}.frame(t)); out != 1 {
			t.Errorf("from %s: %d frames left, %v", from, out, r.reasons())
		}
	}
}

func TestASecondPacketOfAConnectionThatWasNotAdmittedIsNotEither(t *testing.T) {
	r := newRig(t, tcp4())
	ack := pk{from: client4, to: vip4, flags: "A"}.frame(t)
	syn := pk{from: client4, to: vip4, flags: "S"}.frame(t)
	if out := r.burst(wan, ack, ack); out != 0 || r.reasons()["no_connection"] != 2 {
		t.Errorf("%d frames left, %v", out, r.reasons())
	}
	if out := r.burst(wan, ack, syn, ack); out != 2 || r.reasons()["no_connection"] != 3 {
		t.Errorf("with a SYN between them %d frames left, %v", out, r.reasons())
	}
}

func TestAFullTableRefusesAllPacketsOfANewConnection(t *testing.T) {
	r := newRig(t, tcp4(), withCapacity(1))
	for _, flags := range []string{"S", "A"} {
		r.send(wan, pk{from: client4, to: vip4, flags: flags}.frame(t))
	}
	syn := pk{from: "198.51.100.8:1", to: vip4, flags: "S"}.frame(t)
	if out := r.burst(wan, syn, syn, syn); out != 0 || r.reasons()["table_full"] != 3 {
		t.Errorf("%d frames left, %v", out, r.reasons())
	}
}

// TestAServiceDoesNotGoOnWhereAnotherHasLeftOff: it has the index of one that is gone.
func TestAServiceDoesNotGoOnWhereAnotherHasLeftOff(t *testing.T) {
	r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoTCP, mode: NAT}})
	begin := func(port uint16) string {
		return one(t, r.send(wan, pk{from: netipPort(client4, port), to: vip4, flags: "S"}.frame(t)), lan).dstMAC
	}
	if a, b := begin(1001), begin(1002); a != mac(rs1MAC) || b != mac(rs2MAC) {
		t.Fatalf("the first connections went to %s and %s", a, b)
	}
	begin(1003)
	r.publish()
	if got := begin(1004); got != mac(rs2MAC) {
		t.Errorf("after a change, the service began anew: %s", got)
	}
	r.spec.Services[0].Gen++
	if s := r.workers[0].SchedulerState(0, r.snap.Load()); s.Pos != 4 {
		t.Errorf("the state of the service is %+v", s)
	}
	r.publish()
	if s := r.workers[0].SchedulerState(0, r.snap.Load()); s != (sched.State{}) {
		t.Errorf("the new service has the state %+v", s)
	}
	if got := begin(1005); got != mac(rs1MAC) {
		t.Errorf("the new service's first connection went to %s", got)
	}
	w := r.workers[0]
	w.Assume(0, sched.State{Pos: 7})
	if s := w.SchedulerState(0, r.snap.Load()); s.Pos != 7 {
		t.Errorf("the state that was assumed is %+v", s)
	}
}
