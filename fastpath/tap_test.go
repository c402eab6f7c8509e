package fastpath

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/filter"
	"github.com/weirlb/weir/fastpath/memport"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/fastpath/ring"
	"github.com/weirlb/weir/sched"
)

// tap lets the workers copy packets from now on.
func (r *rig) tap(o TapOptions) *Tap {
	o.Workers = len(r.workers)
	if r.taps == nil {
		r.taps = NewTaps(o.Workers)
	}
	t := NewTap(o)
	r.setTaps(r.taps.With(t))
	return t
}

func (r *rig) setTaps(t *Taps) {
	r.taps = t
	r.snap.Store(r.snap.Load().Tapped(t))
}

// copies takes out what a tap has, worker by worker.
func copies(t *Tap) (out []Copy) {
	var buf CopyBuffer
	for w := range t.lanes {
		for {
			c, ok := t.Pop(w, &buf)
			if !ok {
				break
			}
			c.Frame = bytes.Clone(c.Frame)
			out = append(out, c)
		}
	}
	return out
}

// tell puts what is known of a copy into words: worker, port, direction, fate, service and backend.
func (c *Copy) tell() string {
	way := map[bool]string{false: "in", true: "out"}[c.Out]
	s := fmt.Sprintf("%d %s %s %d %v", c.Worker, []string{"wan", "lan"}[c.Port], way, c.Fate, c.Reason)
	if c.Service() != "" {
		s += fmt.Sprintf(" %s %d", c.Service(), c.Mode)
	}
	if b := c.Backend(); b.IsValid() {
		s += fmt.Sprintf(" %s reply=%t", b, c.Reply)
	}
	return s
}

func expectCopies(t *testing.T, tap *Tap, want ...string) {
	t.Helper()
	var got []string
	for _, c := range copies(tap) {
		got = append(got, c.tell())
	}
	if !slices.Equal(got, want) {
		t.Errorf("copied %q, want %q", got, want)
	}
}

func TestATapShowsPacketsAsTheyCameAndLeft(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.String(), func(t *testing.T) {
			r := k.established(t)
			tap := r.tap(TapOptions{})
			client, vip, backend := k.addrs()
			check := func(in int, frame []byte, reply bool) {
				t.Helper()
				sent := r.send(in, frame)
				got := copies(tap)
				if len(got) != 2 || len(sent) != 1 {
					t.Fatalf("%d copies of a packet, %d frames left", len(got), len(sent))
				}
				a, b := got[0], got[1]
				if !bytes.Equal(a.Frame, frame) || !bytes.Equal(b.Frame, sent[0].data) || int(a.Len) != len(frame) || int(b.Len) != len(b.Frame) {
					t.Errorf("copied\n% x\n% x\nof\n% x\n% x", a.Frame, b.Frame, frame, sent[0].data)
				}
				if a.Out || !b.Out || int(a.Port) != in || int(b.Port) != sent[0].port || a.Packet != b.Packet || a.Fate != Sent {
					t.Errorf("%s; %s", a.tell(), b.tell())
				}
				if a.Service() != "s0" || a.Mode != k.mode || a.Backend().String() != backend || a.Reply != reply {
					t.Error(a.tell())
				}
				if d := time.Since(time.Unix(0, int64(a.Time))); d < 0 || d > time.Minute || a.Time != b.Time {
					t.Errorf("%v old", d)
				}
			}
			check(wan, k.of(pk{from: client, to: vip, flags: "A", payload: 300}).frame(t), false)
			check(wan, k.of(pk{from: netipPort(client, 999), to: vip, flags: "S", payload: 9}).frame(t), false)
			if k.twoWay() {
				check(lan, k.of(pk{from: backend, to: k.far(r), flags: "A", payload: 20, srcMAC: rs1MAC, dstMAC: lanMAC}).frame(t), true)
			}
		})
	}
}

// TestATapChangesNothing sends the same packets through two workers.
func TestATapChangesNothing(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.String(), func(t *testing.T) {
			plain, tapped := k.established(t), k.established(t)
			tap := tapped.tap(TapOptions{})
			r := rand.New(rand.NewPCG(61, 62))
			for range rounds(300) {
				var want, got []sentFrame
				for range r.IntN(20) {
					p, in := k.packet(r, k.far(plain))
					if client, _, _ := k.addrs(); p.from == client {
						in = wan // among others of its side: a tap has one packet after the other seen to, not one side after the other
					}
					f := p.frame(t)
					for _, rig := range []*rig{plain, tapped} {
						if err := rig.queues[0][in].Put(f, 0); err != nil {
							t.Fatal(err)
						}
					}
				}
				want, got = plain.run(), tapped.run()
				if !sameFrames(want, got) {
					t.Fatalf("other frames left:\n%x\nwithout a tap\n%x", got, want)
				}
				copies(tap)
			}
			a, b := plain.workers[0], tapped.workers[0]
			if d := cmp.Diff(counts(a), counts(b)); d != "" {
				t.Errorf("counters differ (+ with a tap): %s", d)
			}
			if d := cmp.Diff(connections(a), connections(b), cmp.AllowUnexported(conn.Entry{})); d != "" {
				t.Errorf("connections differ (+ with a tap): %s", d)
			}
			if c := tap.Counters(); c.Lost != 0 || c.Filtered != 0 || c.Taken != a.Counters().In-plainBefore(k) {
				t.Errorf("%+v of %d", c, a.Counters().In)
			}
		})
	}
}

// plainBefore is how many packets a rig has seen when its connection is established.
func plainBefore(k kind) uint64 {
	if k.twoWay() {
		return 4
	}
	return 2
}

func TestWhatBecameOfAPacketIsKnown(t *testing.T) {
	services := []rigService{{vip: vip4, proto: packet.ProtoTCP, mode: NAT}, {vip: "203.0.113.10:81", proto: packet.ProtoUDP, mode: TUN, peers: []string{"10.0.0.12:81"}}}
	arp := append(append(append([]byte{}, wanMAC[:]...), gwMAC[:]...), append([]byte{8, 6}, make([]byte, 28)...)...)
	syn := pk{from: client4, to: vip4, flags: "S"}
	for name, c := range map[string]struct {
		frame []byte
		want  []string
	}{
		"damaged":     {make([]byte, 20), []string{"0 wan in 3 wrong_mac"}},
		"no service":  {pk{from: client4, to: "203.0.113.10:82", flags: "S"}.frame(t), []string{"0 wan in 3 no_service"}},
		"no SYN":      {pk{from: client4, to: vip4, flags: "A"}.frame(t), []string{"0 wan in 3 no_connection s0 1"}},
		"for nobody":  {pk{from: client4, to: "192.0.2.1:80", flags: "S"}.frame(t), []string{"0 wan in 3 foreign"}},
		"ARP":         {arp, []string{"0 wan in 2 punt_arp"}},
		"echo":        {icmpFrame("198.51.100.7", "203.0.113.10", 8, 0, make([]byte, 40), gwMAC, wanMAC, 9), []string{"0 wan in 1 echo_reply", "0 wan out 1 echo_reply"}},
		"TTL is over": {pk{from: client4, to: vip4, flags: "S", ttl: 1}.frame(t), []string{"0 wan in 1 ttl_exceeded s0 1", "0 wan out 1 ttl_exceeded s0 1"}},
		"cut up": {pk{from: client4, to: "203.0.113.10:81", udp: true, payload: 1470}.frame(t), []string{
			"0 wan in 0 unset s1 2 10.0.0.12:81 reply=false", "0 lan out 0 unset s1 2 10.0.0.12:81 reply=false", "0 lan out 0 unset s1 2 10.0.0.12:81 reply=false",
		}},
		"quoted in an ICMP error": {icmpFrame("198.51.100.7", "203.0.113.10", 3, 1, quoteOf(pk{from: vip4, to: client4, flags: "A"}.frame(t), 20), gwMAC, wanMAC, 60), []string{
			"0 wan in 0 unset s0 1 10.0.0.11:80 reply=false", "0 lan out 0 unset s0 1 10.0.0.11:80 reply=false",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, services, withTAP())
			if name == "quoted in an ICMP error" {
				r.send(wan, syn.frame(t))
			}
			tap := r.tap(TapOptions{})
			r.send(wan, c.frame)
			expectCopies(t, tap, c.want...)
		})
	}
}

func TestATapTakesWhatFits(t *testing.T) {
	expr := func(text string) *filter.Program {
		p, err := filter.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for name, c := range map[string]struct {
		o    TapOptions
		want int // copies
	}{
		"everything":         {TapOptions{}, 7},
		"a service":          {TapOptions{Service: "s0"}, 4},
		"another service":    {TapOptions{Service: "s1"}, 2},
		"no service":         {TapOptions{Service: "s"}, 0},
		"a backend":          {TapOptions{Backend: netip.MustParseAddrPort("10.0.0.11:80")}, 4},
		"any port of it":     {TapOptions{Backend: netip.MustParseAddrPort("10.0.0.11:0")}, 6},
		"another port of it": {TapOptions{Backend: netip.MustParseAddrPort("10.0.0.11:82")}, 0},
		"a client":           {TapOptions{Client: netip.MustParsePrefix("198.51.100.7/32")}, 6},
		"other clients":      {TapOptions{Client: netip.MustParsePrefix("198.51.100.128/25")}, 1},
		"a reason":           {TapOptions{Reasons: []reason.Reason{reason.NoBackend, reason.NoService}}, 1},
		"before or after":    {TapOptions{Expr: expr("dst host 10.0.0.11 and tcp")}, 2},
		"in both directions": {TapOptions{Expr: expr("host 10.0.0.11 and tcp")}, 4},
		"all of it":          {TapOptions{Service: "s1", Expr: expr("tcp")}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, []rigService{
				{vip: vip4, proto: packet.ProtoTCP, mode: NAT, peers: []string{"10.0.0.11:80"}}, {vip: "203.0.113.10:81", proto: packet.ProtoUDP, mode: DR, peers: []string{"10.0.0.11:81"}},
			})
			tap := r.tap(c.o)
			r.send(wan, pk{from: client4, to: vip4, flags: "S"}.frame(t))
			r.send(lan, pk{from: "10.0.0.11:80", to: client4, flags: "SA", srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t))
			r.send(wan, pk{from: client4, to: "203.0.113.10:81", udp: true}.frame(t))
			r.send(wan, pk{from: "198.51.100.200:1", to: "203.0.113.10:99", udp: true}.frame(t))
			if got := copies(tap); len(got) != c.want {
				t.Errorf("%d copies, want %d", len(got), c.want)
			}
			if n := tap.Counters(); n.Taken+n.Filtered != 4 {
				t.Errorf("%+v", n)
			}
		})
	}
}

func TestALimitHoldsForAllWorkersAndLetsThePacketsThrough(t *testing.T) {
	r := newRig(t, tcp4(), withWorkers(2, 2))
	tap := r.tap(TapOptions{Rate: 100})
	sent := 0
	for range 1000 { // a millisecond each
		for id := range r.workers {
			client := clientOf(t, "198.51.100.7", id, 2).String()
			sent += len(r.sendTo(id, wan, pk{from: client, to: vip4, flags: "S"}.frame(t), 0))
		}
		r.advance(1)
	}
	c := tap.Counters()
	if sent != 2000 || c.Taken < 90 || c.Taken > 110 || c.Above != 2000-c.Taken || c.Lost != 0 {
		t.Errorf("%d packets left; %+v", sent, c)
	}
}

func TestWhatTheRingDoesNotHoldIsCounted(t *testing.T) {
	r := newRig(t, tcp4())
	tap := r.tap(TapOptions{})
	frame := pk{from: client4, to: vip4, flags: "S", payload: 1400}.frame(t)
	const n = 3000
	for range n {
		one(t, r.send(wan, frame), lan)
	}
	lost := tap.Counters().Lost
	if got := uint64(len(copies(tap))); lost == 0 || got+lost != 2*n {
		t.Errorf("%d copies, %d lost of %d", got, lost, 2*n)
	}
}

func TestATapCutsFramesOff(t *testing.T) {
	r := newRig(t, tcp4())
	tap := r.tap(TapOptions{Snap: 64})
	r.send(wan, pk{from: client4, to: vip4, flags: "S", payload: 1000}.frame(t))
	for _, c := range copies(tap) {
		if len(c.Frame) != 64 || c.Len != 14+20+20+1000 {
			t.Errorf("%d bytes of %d", len(c.Frame), c.Len)
		}
	}
}

func TestAPacketIsCopiedAtItsOwnerAndWhereverItLeaves(t *testing.T) {
	for _, queues := range []int{3, 2, 1} {
		r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoTCP, mode: NAT, peers: []string{"10.0.0.11:80"}}}, withWorkers(3, queues))
		tap := r.tap(TapOptions{})
		for id := range 3 {
			client := clientOf(t, "198.51.100.7", id, 3).String()
			r.sendTo(0, wan, pk{from: client, to: vip4, flags: "S"}.frame(t), 0)
			expectCopies(t, tap, fmt.Sprintf("%d wan in 0 unset s0 1 10.0.0.11:80 reply=false", id), fmt.Sprintf("%d lan out 0 unset s0 1 10.0.0.11:80 reply=false", id))
		}
	}
}

func TestAPacketThatIsLostOnTheWayToItsOwnerIsKnown(t *testing.T) {
	r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoTCP, mode: NAT, peers: []string{"10.0.0.11:80"}}}, withWorkers(2, 2))
	tap := r.tap(TapOptions{})
	mine, other := clientOf(t, "198.51.100.7", 0, 2).String(), clientOf(t, "198.51.100.7", 1, 2).String()
	for range handoverSize {
		if err := r.queues[0][wan].Put(pk{from: other, to: vip4, flags: "S"}.frame(t), 0); err != nil {
			t.Fatal(err)
		}
		r.workers[0].Poll() // and worker 1 does not
	}
	for _, p := range []pk{{from: mine, to: "203.0.113.77:5", udp: true}, {from: other, to: vip4, flags: "S"}} {
		if err := r.queues[0][wan].Put(p.frame(t), 0); err != nil {
			t.Fatal(err)
		}
		r.workers[0].Poll()
	}
	expectCopies(t, tap, "0 wan in 3 foreign", "0 wan in 3 handover_full s0 1")
}

func TestPacketsThatWaitedForAMACAreKnownWhenTheyLeave(t *testing.T) {
	r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoTCP, mode: NAT, peers: []string{"10.0.0.11:80"}}})
	tap := r.tap(TapOptions{Service: "s0"})
	id := r.hop(lan, "10.0.0.11", [6]byte{})
	r.hops.Set(id, [6]byte{}, nexthop.Unresolved)
	r.send(wan, pk{from: client4, to: vip4, flags: "S"}.frame(t))
	expectCopies(t, tap, "0 wan in 2 punt_neighbor s0 1 10.0.0.11:80 reply=false")
	buf := make([]byte, 2000)
	var m ring.Meta
	n, ok := r.punts[0].Pop(&m, buf)
	if !ok {
		t.Fatal("nothing was punted")
	}
	r.inject[0].Push(&ring.Meta{Port: lan}, buf[:n])
	if len(r.run()) != 1 {
		t.Fatal("nothing left")
	}
	expectCopies(t, tap, "0 lan out 4 unset s0 1 10.0.0.11:80 reply=false")
}

func TestALossOnAFullDeviceIsShown(t *testing.T) {
	r := newRig(t, tcp4())
	tap := r.tap(TapOptions{Reasons: []reason.Reason{reason.TxFull}})
	r.queues[0][lan].SetStuck(true)
	for range 520 {
		r.send(wan, pk{from: client4, to: vip4, flags: "S"}.frame(t))
	}
	r.queues[0][lan].SetStuck(false)
	got := copies(tap)
	if n := r.reasons()["tx_full"]; n == 0 || uint64(len(got)) != n || got[0].Fate != Dropped {
		t.Errorf("%d copies of %d packets", len(got), n)
	}
}

func TestEveryTapGetsItsOwn(t *testing.T) {
	r := newRig(t, tcp4())
	a, b := r.tap(TapOptions{}), r.tap(TapOptions{Service: "none"})
	send := func() { r.send(wan, pk{from: client4, to: vip4, flags: "S"}.frame(t)) }
	send()
	r.setTaps(r.taps.Without(a))
	send()
	if c, d := a.Counters(), b.Counters(); c.Taken != 1 || d.Filtered != 2 {
		t.Errorf("%+v, %+v", c, d)
	}
	r.setTaps(r.taps.Without(b))
	send()
	if r.workers[0].taps != nil || b.Counters().Filtered != 2 {
		t.Error("the worker still copies")
	}
}

func TestATapMakesNoGarbage(t *testing.T) {
	for _, mode := range []Mode{NAT, TUN, DR} {
		for _, v6 := range []bool{false, true} {
			vip := map[bool]string{false: "203.0.113.10:80", true: "[2001:db8::10]:80"}[v6]
			r := newRig(t, []rigService{{vip: vip, proto: packet.ProtoUDP, mode: mode}})
			w := newTreadmillWorker(t, r, newTreadmill(v6, 5000, netipAddr(vip)), 4000)
			expr, err := filter.Parse("udp and port 80 and net 0.0.0.0/0 or ip6")
			if err != nil {
				t.Fatal(err)
			}
			tap := r.tap(TapOptions{Service: "s0", Client: netip.MustParsePrefix("198.18.0.0/15"), Expr: expr})
			six := r.tap(TapOptions{Client: netip.MustParsePrefix("2001:db8::/32"), Snap: 60})
			var buf CopyBuffer
			if n := testing.AllocsPerRun(200, func() {
				w.Poll()
				for {
					_, a := tap.Pop(0, &buf)
					_, b := six.Pop(0, &buf)
					if !a && !b {
						break
					}
				}
			}); n != 0 {
				t.Errorf("mode %d, IPv6 %t: %v allocations a round", mode, v6, n)
			}
			if tap.Counters().Taken+six.Counters().Taken == 0 {
				t.Error("nothing was copied")
			}
		}
	}
}

func TestARehearsalIsNotCaptured(t *testing.T) {
	r := newRig(t, tcp4())
	r.tap(TapOptions{})
	if s := r.snap.Load().Rehearsal(0, func(s sched.Scheduler) sched.Scheduler { return s }); s.taps != nil || r.snap.Load().taps == nil {
		t.Error("a worker beside the others would write into their rings")
	}
}

// TestATapCopesWithAnything sends what the fuzzer begins with, and damaged forms of it.
func TestATapCopesWithAnything(t *testing.T) {
	r := newRig(t, []rigService{
		{vip: vip4, proto: packet.ProtoTCP, mode: NAT}, {vip: families[1].vip, proto: packet.ProtoTCP, mode: NAT},
		{vip: netipPort(vip4, 81), proto: packet.ProtoUDP, mode: TUN}, {vip: netipPort(families[1].vip, 81), proto: packet.ProtoUDP, mode: TUN},
	}, withWorkers(2, 2), withTAP(), withLanMTU(1400), withCapacity(64))
	tap := r.tap(TapOptions{})
	p := rand.New(rand.NewPCG(63, 64))
	for range 20_000 {
		k := kind{mode: NAT, v6: p.IntN(2) == 0, udp: p.IntN(2) == 0}
		q, in := k.packet(p, k.far(r))
		f := q.frame(t)
		for range p.IntN(4) {
			f[p.IntN(len(f))] = uint8(p.Uint32())
		}
		f = f[:len(f)-p.IntN(len(f)+1)*p.IntN(2)*p.IntN(2)]
		if len(f) > memport.MaxFrame {
			continue
		}
		r.sendTo(p.IntN(2), in, f, 0)
		if p.IntN(10) == 0 {
			copies(tap)
			r.punted()
		}
	}
	if c := tap.Counters(); c.Lost != 0 || c.Taken < 20_000 {
		t.Errorf("%+v", c)
	}
}

// BenchmarkTap is BenchmarkWorker with a capture that wants nothing, or all it can get.
func BenchmarkTap(b *testing.B) {
	for _, o := range []TapOptions{{Service: "none"}, {Rate: 10_000}, {Snap: 64}} {
		b.Run(fmt.Sprintf("%+v", o), func(b *testing.B) {
			r := newRig(b, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: NAT}})
			w := newTreadmillWorker(b, r, newTreadmill(false, 1000, netipAddr(vip4)), 2000)
			w.Poll()
			tap := r.tap(o)
			b.ResetTimer()
			for i := 0; i < b.N; i += 64 {
				w.Poll()
				if o.Snap > 0 {
					tap.lanes[0].ring = ring.NewPackets(1<<16, nil)
				}
			}
		})
	}
}
