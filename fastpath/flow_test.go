package fastpath

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/ring"
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

// TestServicesWithACommonBackend: a client uses the same port towards two VIPs, one after the other. What the
// backend sends is about the later connection, whatever is still remembered of the one before.
func TestServicesWithACommonBackend(t *testing.T) {
	for _, f := range families {
		for _, udp := range []bool{false, true} {
			for port := range uint16(20) { // at other places of the index
				vips := []string{f.vip, netip.AddrPortFrom(netipAddr(f.vip).Next(), 80).String()}
				r := newRig(t, []rigService{
					{vip: vips[0], proto: proto(udp), mode: NAT, peers: []string{f.rs1}},
					{vip: vips[1], proto: proto(udp), mode: NAT, peers: []string{f.rs1}},
				})
				client := netip.AddrPortFrom(netipAddr(f.client), 40000+port).String()
				for _, vip := range append(vips, vips...) {
					one(t, r.send(wan, pk{from: client, to: vip, udp: udp, flags: "S"}.frame(t)), lan)
					answer := pk{from: f.rs1, to: client, udp: udp, flags: "SA", srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t)
					if s := one(t, r.send(lan, answer), wan); s.src.String() != vip {
						t.Fatalf("%s: the answer to %s came from %s", client, vip, s.src)
					}
				}
				if n := r.loads[0].Active.Load() + r.loads[0].Inactive.Load() + r.loads[1].Active.Load() + r.loads[1].Inactive.Load(); n != 1 {
					t.Fatalf("%d connections are counted", n)
				}
			}
		}
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
	if got := r.backendOf(pk{from: client4, to: vip4, flags: "S"}); got != "10.0.0.11" {
		t.Errorf("a SYN of the established connection went to %q", got)
	}
}

func TestASYNWithACKIsNoNewConnection(t *testing.T) {
	r := newRig(t, tcp4())
	first := r.backendOf(pk{from: client4, to: vip4, flags: "S"})
	r.backendOf(pk{from: client4, to: vip4, flags: "A"})
	r.backendOf(pk{from: client4, to: vip4, flags: "R"})
	if got := r.backendOf(pk{from: client4, to: vip4, flags: "SA"}); got != first {
		t.Errorf("went to %q, the ended connection's was %s", got, first)
	}
}

func TestConnectionsOfARemovedBackendEnd(t *testing.T) {
	r := newRig(t, tcp4())
	r.backendOf(pk{from: client4, to: vip4, flags: "S"})
	r.replaceBackend()
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
	r.spec.Services[0].OnEmpty = AnswerDrop
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
	if a, i := r.loads[0].Active.Load()+r.loads[1].Active.Load(), r.loads[0].Inactive.Load()+r.loads[1].Inactive.Load(); a != size || i != 0 {
		t.Errorf("the backends count %d active and %d inactive connections, want %d", a, i, size)
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

func TestUDPConversationsAreKeptInAFullTable(t *testing.T) {
	udp := func(port int) pk { return pk{from: fmt.Sprintf("198.51.100.7:%d", port), to: vip4, udp: true} }
	for name, keep := range map[string]func(r *rig){
		"a second packet": func(r *rig) { r.backendOf(udp(1)) },
		"an answer": func(r *rig) {
			one(t, r.send(lan, pk{from: "10.0.0.11:80", to: udp(1).from, udp: true, srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t)), wan)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: NAT}}, withCapacity(2))
			if got := r.backendOf(udp(1)); got != "10.0.0.11" {
				t.Fatal(got)
			}
			keep(r)
			for port := 100; port < 110; port++ { // single packets drive out each other
				if r.backendOf(udp(port)) == "" {
					t.Fatal("a new connection found no place")
				}
			}
			if got := r.backendOf(udp(1)); got != "10.0.0.11" || r.workers[0].Counters().NewConns != 11 {
				t.Errorf("the conversation went on to %q; %d connections were made", got, r.workers[0].Counters().NewConns)
			}
		})
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

func TestPacketsToAHopThatDoesNotAnswerAreDroppedAtOnce(t *testing.T) {
	r := newRig(t, tcp4())
	r.hops.Set(r.hop(lan, "10.0.0.11", [6]byte{}), [6]byte{}, nexthop.Failed)
	if got := r.backendOf(pk{from: client4, to: vip4, flags: "S"}); got != "" {
		t.Fatalf("it went to %s", got)
	}
	if got := r.reasons(); len(got) != 1 || got["neighbor_unresolved"] != 1 {
		t.Errorf("reasons %v", got)
	}
}

func TestRepliesToAClientOnTheLinkGoStraightToIt(t *testing.T) {
	r := newRig(t, tcp4())
	client := "203.0.113.77:5000"
	r.backendOf(pk{from: client, to: vip4, flags: "S"})
	reply := pk{from: "10.0.0.11:80", to: client, flags: "SA", srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t)
	r.send(lan, reply)
	var m ring.Meta
	buf := make([]byte, 2048)
	n, ok := r.punts[0].Pop(&m, buf)
	if !ok || m.Addr != AddrOf(netip.MustParseAddr("203.0.113.77")) || m.Port != wan || m.Reason.String() != "punt_neighbor" {
		t.Fatalf("%+v", m)
	}
	if s := look(t, buf[:n]); s.srcMAC != mac(wanMAC) || s.src.String() != vip4 {
		t.Errorf("the packet is not ready: %s", &s)
	}
	own := [6]byte{2, 0, 0, 0, 0, 77}
	r.hop(wan, "203.0.113.77", own)
	if s := one(t, r.send(lan, reply), wan); s.dstMAC != mac(own) {
		t.Errorf("%s", &s)
	}
}

func TestNeighborsInUseAreMarked(t *testing.T) {
	r := newRig(t, tcp4())
	r.backendOf(pk{from: client4, to: vip4, flags: "S"})
	if !r.hops.TakeUsed(r.hop(lan, "10.0.0.11", [6]byte{})) || r.hops.TakeUsed(r.hop(lan, "10.0.0.12", [6]byte{})) {
		t.Error("not the neighbour that got the packet, and that alone")
	}
}

func TestANextHopOnNoPortIsNoRoute(t *testing.T) {
	r := newRig(t, tcp4())
	r.spec.Backends[0].Hop = r.hop(9, "10.0.0.11", rs1MAC)
	r.publish()
	if got := r.backendOf(pk{from: client4, to: vip4, flags: "S"}); got != "" || r.reasons()["no_route"] != 1 {
		t.Errorf("went to %q, reasons %v", got, r.reasons())
	}
}

func TestABackendAddedLaterGetsItsRepliesBack(t *testing.T) {
	r := newRig(t, tcp4())
	r.run()
	r.addService(rigService{vip: "203.0.113.20:80", proto: packet.ProtoTCP, mode: NAT, peers: []string{"10.0.0.12:8080"}})
	r.publish()
	if got := r.backendOf(pk{from: client4, to: "203.0.113.20:80", flags: "S"}); got != "10.0.0.12" {
		t.Fatal(got)
	}
	s := one(t, r.send(lan, pk{from: "10.0.0.12:8080", to: client4, flags: "SA", srcMAC: rs2MAC, dstMAC: lanMAC}.frame(t)), wan)
	if s.src.String() != "203.0.113.20:80" {
		t.Errorf("%s", &s)
	}
}

func TestInjectedFramesLeaveABoundedNumberARound(t *testing.T) {
	r := newRig(t, tcp4())
	frame := pk{from: "203.0.113.2:1", to: client4, flags: "S"}.frame(t)
	for range 100 {
		r.inject[0].Push(&ring.Meta{Port: wan}, frame)
	}
	if n := r.workers[0].Poll(); n != 32 {
		t.Errorf("%d in one round, want 32", n)
	}
	if out := r.run(); len(out) != 100 {
		t.Errorf("%d in all, want 100", len(out))
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

func TestFramesTheSlowPathMayNotInjectAreCountedAsABug(t *testing.T) {
	r := newRig(t, tcp4())
	r.inject[0].Push(&ring.Meta{Port: 7}, make([]byte, 60))
	r.inject[0].Push(&ring.Meta{Port: wan}, make([]byte, 13))
	r.run()
	c := r.workers[0].counters
	if c.Reasons[0] != 2 || c.Own != 2 || c.Out != 0 {
		t.Errorf("%d without a reason, own %d, out %d", c.Reasons[0], c.Own, c.Out)
	}
	if at := atPorts(r.workers[0]); at[0] != 2 {
		t.Errorf("%d without a reason at the ports", at[0])
	}
	c.Reasons[0], c.Own = 0, 0 // the rig takes it for a bug, too
	r.workers[0].portReasons[7][0], r.workers[0].portReasons[wan][0] = 0, 0
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
	if out := r.send(wan, frame); len(out) != 512+1 || r.reasons()["tx_full"] != sent-512 { // room is made for it
		t.Errorf("%d frames left, want 513; reasons %v", len(out), r.reasons())
	}
}
