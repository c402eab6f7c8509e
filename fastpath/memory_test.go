package fastpath

import (
	"reflect"
	"testing"

	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/offheap"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/sched"
)

func TestCountersHoldNoGoPointers(t *testing.T) {
	for _, v := range []any{Counters{}, BackendCounters{}, sched.State{}} {
		if offheap.HoldsPointers(reflect.TypeOf(v)) {
			t.Errorf("%T does", v)
		}
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

// TestWhatIsRareAllocatesNothingEither covers the packets that take none of the usual ways.
func TestWhatIsRareAllocatesNothingEither(t *testing.T) {
	routing := []byte{43, 0, 4, 1, 0, 0, 0, 0}
	arp := append(append(append([]byte{}, wanMAC[:]...), gwMAC[:]...), append([]byte{8, 6}, make([]byte, 46)...)...)
	for _, f := range families {
		request, _ := echoKind(f.v6)
		kind, code := tooBigKind(f.v6)
		vip, client := netipAddr(f.vip).String(), netipAddr(f.client).String()
		tun, dr := netipPort(f.vip, 81), netipPort(f.vip, 82)
		own, router := "10.0.0.1", "10.0.0.254"
		services := []rigService{
			{vip: f.vip, proto: packet.ProtoUDP, mode: NAT, peers: []string{f.rs1}},
			{vip: f.vip, proto: packet.ProtoTCP, mode: NAT, peers: []string{f.rs1}},
			{vip: tun, proto: packet.ProtoUDP, mode: TUN, peers: []string{"10.0.0.12:81"}},
			{vip: dr, proto: packet.ProtoUDP, mode: DR},
		}
		r := newRig(t, services, withWorkers(2, 2), withTAP(), withLanMTU(1400))
		toBackend := r.send(wan, pk{from: f.client, to: f.vip, udp: true}.frame(t))
		one(t, toBackend, lan)
		tunnelled := r.send(wan, pk{from: f.client, to: tun, udp: true, df: true}.frame(t))
		one(t, tunnelled, lan)
		quoted := quoteOf(pk{from: f.vip, to: f.client, udp: true}.frame(t), 8)
		for name, c := range map[string]struct {
			port  int
			frame []byte
		}{
			"foreign":             {wan, pk{from: f.client, to: f.client, udp: true}.frame(t)},
			"bad":                 {wan, make([]byte, 60)},
			"ARP":                 {wan, arp},
			"echo":                {wan, icmpFrame(client, vip, request, 0, make([]byte, 40), gwMAC, wanMAC, 9)},
			"TTL exceeded":        {wan, pk{from: f.client, to: f.vip, udp: true, ttl: 1}.frame(t)},
			"too big or cut up":   {wan, pk{from: f.client, to: tun, udp: true, payload: 1440}.frame(t)},
			"error to a backend":  {wan, icmpFrame(routers[f.v6], vip, errorKind(f.v6), 1, quoted, gwMAC, wanMAC, 60)},
			"error to a client":   {lan, icmpFrame(netipAddr(f.rs1).String(), client, errorKind(f.v6), 3, quoteOf(toBackend[0].data, 60), rs1MAC, lanMAC, 64)},
			"error from a tunnel": {lan, icmpFrame(router, own, 3, 4, tooBigBody(tunnelled[0].data, 1300, 300), rs1MAC, lanMAC, 64)},
			"error about nothing": {wan, icmpFrame(routers[f.v6], vip, kind, code, make([]byte, 60), gwMAC, wanMAC, 60)},
			"TCP of nobody":       {wan, pk{from: f.client, to: f.vip, flags: "A"}.frame(t)},
			"extension header":    {wan, insert6(pk{from: families[1].client, to: families[1].vip, udp: true}.frame(t), routing)},
			"reply":               {lan, pk{from: f.rs1, to: f.client, udp: true, srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t)},
			"to a kernel":         {wan, pk{from: f.client, to: map[bool]string{false: "203.0.113.2:22", true: "[2001:db8::2]:22"}[f.v6], flags: "S"}.frame(t)},
		} {
			r.discard()
			put := func() {
				for worker, qs := range r.queues { // one of them owns it
					if err := qs[c.port].Put(c.frame, 0); err != nil {
						t.Fatal(err)
					}
					r.workers[worker].Poll()
				}
				for _, w := range r.workers {
					w.Poll()
				}
			}
			for range 5 {
				put()
			}
			if n := testing.AllocsPerRun(50, put); n != 0 {
				t.Errorf("%s, %s: %v allocations", f.name, name, n)
			}
			r.punted()
		}
	}
}

func TestAPacketWithoutItsNeighborsMACAllocatesNothing(t *testing.T) {
	r := newRig(t, tcp4())
	r.hops.Set(r.hop(lan, "10.0.0.11", [6]byte{}), [6]byte{}, nexthop.Unresolved)
	frame := pk{from: client4, to: vip4, flags: "S"}.frame(t)
	r.send(wan, frame)
	r.discard()
	if n := testing.AllocsPerRun(50, func() {
		if err := r.queues[0][wan].Put(frame, 0); err != nil {
			t.Fatal(err)
		}
		r.workers[0].Poll()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if r.reasons()["punt_neighbor"] < 50 {
		t.Errorf("reasons %v", r.reasons())
	}
}

// discard lets the rig's queues forget what is sent, so that they allocate nothing for it.
func (r *rig) discard() {
	for _, qs := range r.queues {
		for _, q := range qs {
			q.OnSend(func([]byte) {})
		}
	}
}
