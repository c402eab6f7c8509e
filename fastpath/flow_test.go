package fastpath

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/ring"
	"github.com/weirlb/weir/sched"
)

const (
	vip4    = "203.0.113.10:80"
	client4 = "198.51.100.7:40000"
)

func tcp4() []rigService { return []rigService{{vip: vip4, proto: packet.ProtoTCP, mode: NAT}} }

// backendOf sends a packet and returns the backend it went to, "" if it went nowhere.
func (r *rig) backendOf(p pk) string {
	r.t.Helper()
	out := r.send(wan, p.frame(r.t))
	if len(out) == 0 {
		return ""
	}
	s := one(r.t, out, lan)
	return s.dst.Addr().String()
}

func (r *rig) states() (out []string) {
	for _, w := range r.workers {
		w.Dump(func(e *conn.Entry) bool { out = append(out, e.State.String()); return true })
	}
	return out
}

func TestAConnectionKeepsItsBackendAndNewOnesTakeTurns(t *testing.T) {
	r := newRig(t, tcp4())
	first := r.backendOf(pk{from: client4, to: vip4, flags: "S"})
	for range 5 {
		if got := r.backendOf(pk{from: client4, to: vip4, flags: "A"}); got != first {
			t.Fatalf("went to %s, then to %s", first, got)
		}
	}
	if second := r.backendOf(pk{from: "198.51.100.7:40001", to: vip4, flags: "S"}); second == first {
		t.Error("round robin gave the same backend twice")
	}
}

func TestTCPStatesAndCountsFollowTheConnection(t *testing.T) {
	r := newRig(t, tcp4())
	reply := func(flags string) {
		one(t, r.send(lan, pk{from: "10.0.0.11:80", to: client4, flags: flags, srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t)), wan)
	}
	client := func(flags string) { r.backendOf(pk{from: client4, to: vip4, flags: flags}) }
	for _, step := range []struct {
		do               func()
		state            string
		active, inactive int32
	}{
		{func() { client("S") }, "SYN_RECV", 1, 0},
		{func() { reply("SA") }, "SYN_RECV", 1, 0},
		{func() { client("A") }, "ESTABLISHED", 1, 0},
		{func() { client("FA") }, "CLOSE_WAIT", 0, 1},
		{func() { reply("FA") }, "TIME_WAIT", 0, 1},
		{func() { client("A") }, "TIME_WAIT", 0, 1},
	} {
		step.do()
		if got := r.states(); len(got) != 1 || got[0] != step.state {
			t.Fatalf("states %v, want %s", got, step.state)
		}
		if a, i := r.loads[0].Active.Load(), r.loads[0].Inactive.Load(); a != step.active || i != step.inactive {
			t.Errorf("%s: %d active, %d inactive", step.state, a, i)
		}
	}
	r.advance(120_000 + conn.SweepPeriod)
	r.run()
	if got := r.states(); len(got) != 0 || r.loads[0].Inactive.Load() != 0 {
		t.Errorf("after the timeout: %v, %d inactive", got, r.loads[0].Inactive.Load())
	}
}

func TestAnExpiredConnectionIsScheduledAnew(t *testing.T) {
	r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: NAT}})
	p := pk{from: client4, to: vip4, udp: true}
	first := r.backendOf(p)
	r.advance(299_999)
	if r.backendOf(p) != first {
		t.Error("it expired too early")
	}
	r.advance(300_000)
	if r.backendOf(p) == first {
		t.Error("it did not expire")
	}
}

func TestASYNAfterTheEndIsScheduledAnewAtOnce(t *testing.T) {
	r := newRig(t, tcp4())
	syn := pk{from: client4, to: vip4, flags: "S"}
	first := r.backendOf(syn)
	r.backendOf(pk{from: client4, to: vip4, flags: "A"})
	r.backendOf(pk{from: client4, to: vip4, flags: "R"})
	if got := r.backendOf(syn); got == "" || got == first {
		t.Errorf("the SYN went to %q, the ended connection's was %s", got, first)
	}
}

func TestASYNToABackendThatTakesNoneIsScheduledAnew(t *testing.T) {
	r := newRig(t, tcp4())
	syn := pk{from: client4, to: vip4, flags: "S"}
	if got := r.backendOf(syn); got != "10.0.0.11" {
		t.Fatal(got)
	}
	r.spec.Backends[0].Accepts = false
	r.publish()
	if got := r.backendOf(syn); got != "10.0.0.12" {
		t.Errorf("the retransmitted SYN went to %q", got)
	}
}

func TestEstablishedConnectionsSurviveADrain(t *testing.T) {
	r := newRig(t, tcp4())
	r.backendOf(pk{from: client4, to: vip4, flags: "S"})
	r.backendOf(pk{from: client4, to: vip4, flags: "A"})
	r.spec.Backends[0].Accepts = false
	r.publish()
	if got := r.backendOf(pk{from: client4, to: vip4, flags: "A"}); got != "10.0.0.11" {
		t.Errorf("went to %q", got)
	}
}

func TestConnectionsOfARemovedBackendEnd(t *testing.T) {
	r := newRig(t, tcp4())
	r.backendOf(pk{from: client4, to: vip4, flags: "S"})
	r.spec.Backends[0].Gen = 99 // another backend in the same place
	r.spec.Backends[0].Load = new(sched.Load)
	r.publish()
	if got := r.backendOf(pk{from: client4, to: vip4, flags: "A"}); got != "" {
		t.Errorf("went to %q", got)
	}
	if r.reasons()["backend_gone"] != 1 || len(r.states()) != 0 {
		t.Errorf("%v, %v", r.reasons(), r.states())
	}
	if got := r.backendOf(pk{from: client4, to: vip4, flags: "S"}); got == "" {
		t.Error("a new SYN went nowhere")
	}
}

func TestNoBackendIsCounted(t *testing.T) {
	r := newRig(t, tcp4())
	r.spec.Services[0].Sched = &roundRobin{}
	r.publish()
	if got := r.backendOf(pk{from: client4, to: vip4, flags: "S"}); got != "" || r.reasons()["no_backend"] != 1 {
		t.Errorf("%q, %v", got, r.reasons())
	}
}

func TestAFullTableEvictsHalfOpenConnectionsButNoEstablishedOne(t *testing.T) {
	const size = 8
	r := newRig(t, tcp4(), withCapacity(size))
	from := func(i int) string { return fmt.Sprintf("198.51.100.7:%d", 1000+i) }
	for i := range size {
		r.backendOf(pk{from: from(i), to: vip4, flags: "S"})
		if i < 5 {
			r.backendOf(pk{from: from(i), to: vip4, flags: "A"})
		}
	}
	for i := range 3 * size { // a SYN flood
		if r.backendOf(pk{from: from(100 + i), to: vip4, flags: "S"}) == "" {
			t.Fatal("a SYN found no place")
		}
	}
	established := 0
	for _, s := range r.states() {
		if s == "ESTABLISHED" {
			established++
		}
	}
	if established != 5 || r.workers[0].Counters().Evicted != 3*size {
		t.Errorf("%d established connections are left of 5; %d evicted", established, r.workers[0].Counters().Evicted)
	}
	for i := range size {
		r.backendOf(pk{from: from(100 + 2*size + i), to: vip4, flags: "A"})
	}
	if got := r.backendOf(pk{from: from(999), to: vip4, flags: "S"}); got != "" || r.reasons()["table_full"] != 1 {
		t.Errorf("an established connection gave way: %q, %v", got, r.reasons())
	}
}

func TestAPacketWithoutItsNeighboursMACIsPuntedReadyToSend(t *testing.T) {
	r := newRig(t, tcp4())
	id := r.hop(lan, "10.0.0.11", [6]byte{})
	r.hops.Set(id, [6]byte{}, nexthop.Unresolved)
	if got := r.backendOf(pk{from: client4, to: vip4, flags: "S"}); got != "" {
		t.Fatalf("it went to %s", got)
	}
	var m ring.Meta
	buf := make([]byte, 2048)
	n, ok := r.punts[0].Pop(&m, buf)
	if !ok || m.Reason.String() != "punt_neighbor" || m.Port != lan || m.Addr != AddrOf(netip.MustParseAddr("10.0.0.11")) {
		t.Fatalf("%+v", m)
	}
	if s := look(t, buf[:n]); s.dst.String() != "10.0.0.11:80" || s.srcMAC != mac(lanMAC) {
		t.Errorf("the packet is not ready: %s", &s)
	}
}

func TestRepliesToAClientOnTheLinkGoStraightToIt(t *testing.T) {
	r := newRig(t, tcp4())
	client := "203.0.113.77:5000"
	r.backendOf(pk{from: client, to: vip4, flags: "S"})
	reply := pk{from: "10.0.0.11:80", to: client, flags: "SA", srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t)
	r.send(lan, reply)
	if got := r.punted(); len(got) != 1 || got[0].Addr != AddrOf(netip.MustParseAddr("203.0.113.77")) || got[0].Port != wan {
		t.Fatalf("%+v", got)
	}
	own := [6]byte{2, 0, 0, 0, 0, 77}
	r.hop(wan, "203.0.113.77", own)
	if s := one(t, r.send(lan, reply), wan); s.dstMAC != mac(own) {
		t.Errorf("%s", &s)
	}
}

func TestInjectedFramesLeaveAsTheyAre(t *testing.T) {
	r := newRig(t, tcp4())
	frame := pk{from: "203.0.113.2:1", to: client4, flags: "S"}.frame(t)
	r.inject[0].Push(&ring.Meta{Port: wan}, frame)
	out := r.run()
	if len(out) != 1 || out[0].port != wan || string(out[0].data) != string(frame) {
		t.Errorf("%v", out)
	}
}

func TestMSSOfASYNIsLoweredToWhatFitsTheTunnel(t *testing.T) {
	for _, f := range families {
		for peer, fits := range map[string]uint16{"10.0.0.11:80": 1480, "[fd00::11]:80": 1460} {
			r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoTCP, mode: TUN, peers: []string{peer}}})
			fits -= map[bool]uint16{false: 40, true: 60}[f.v6]
			for mss, want := range map[uint16]uint16{1460: fits, 536: 536, fits: fits, fits + 1: fits} {
				in := pk{from: f.client, to: f.vip, flags: "S", mss: mss}
				s := one(t, r.send(wan, in.frame(t)), lan)
				inner := s.inner(t)
				if got := binary.BigEndian.Uint16(inner.l4[22:]); got != want {
					t.Errorf("%s over %s: MSS %d became %d, want %d", f.name, peer, mss, got, want)
				}
			}
		}
	}
}

func TestAStuckDeviceLosesPacketsOnlyBeyondItsQueue(t *testing.T) {
	r := newRig(t, tcp4())
	r.queues[0][lan].SetStuck(true)
	frame := pk{from: client4, to: vip4, flags: "S"}.frame(t)
	const sent = 700
	for range sent {
		r.send(wan, frame)
	}
	if n := r.reasons()["tx_full"]; n != sent-512 {
		t.Errorf("tx_full %d, want %d", n, sent-512)
	}
	r.queues[0][lan].SetStuck(false)
	if out := r.run(); len(out) != 512 {
		t.Errorf("%d frames left, want 512", len(out))
	}
}

func TestARoundAllocatesNothing(t *testing.T) {
	for _, mode := range []Mode{NAT, TUN, DR} {
		for _, v6 := range []bool{false, true} {
			vip := map[bool]string{false: "203.0.113.10:80", true: "[2001:db8::10]:80"}[v6]
			r := newRig(t, []rigService{{vip: vip, proto: packet.ProtoUDP, mode: mode}})
			w := newTreadmillWorker(t, r, newTreadmill(v6, 5000, netipAddr(vip)), 4000) // connects and evicts, too
			if n := testing.AllocsPerRun(200, func() { w.Poll() }); n != 0 {
				t.Errorf("mode %d, IPv6 %t: %v allocations a round", mode, v6, n)
			}
		}
	}
}
