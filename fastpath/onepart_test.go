package fastpath

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
)

// onceRig has one service with one-packet scheduling and two backends, which have its port.
func onceRig(t *testing.T, vip string, mode Mode, workers int) *rig {
	t.Helper()
	return newRig(t, []rigService{{vip: vip, proto: packet.ProtoUDP, mode: mode, once: true}}, withWorkers(workers, workers))
}

// With one-packet scheduling a datagram in fragments goes to one backend, the next one to the next, in any order of the
// fragments and whichever worker receives which. So does the backend's answer go to the client, from the VIP.
func TestWithOnePacketAllFragmentsGoToOneBackend(t *testing.T) {
	for _, f := range families {
		for _, mode := range []Mode{NAT, TUN, DR} {
			for _, workers := range []int{1, 3} {
				t.Run(fmt.Sprintf("%s/mode %d/%d workers", f.name, mode, workers), func(t *testing.T) {
					r := onceRig(t, f.vip, mode, workers)
					rnd := rand.New(rand.NewPCG(3, 4))
					macs := map[string]int{}
					for i, order := range orders(4) {
						parts := cutUp(pk{from: f.client, to: f.vip, udp: true, payload: 3000}.frame(t), 800, uint32(i))
						var out []sentFrame
						for _, at := range order {
							out = append(out, r.sendTo(rnd.IntN(workers), wan, parts[at], 0)...)
						}
						first := mac([6]byte(out[0].data))
						for _, o := range out {
							if got := mac([6]byte(o.data)); got != first {
								t.Fatalf("order %v: one fragment went to %s, another to %s", order, first, got)
							}
						}
						macs[first]++
						backend := netipPort(onceBackends[f.v6][b2i(first == mac(rs2MAC))], 80)
						checkClients(t, ips(t, out, lan), mode, f.client, f.vip, backend)
						if mode != NAT {
							continue
						}
						answer := pk{from: backend, to: f.client, udp: true, payload: 3000, srcMAC: rs1MAC, dstMAC: lanMAC}
						s := together(t, ips(t, sendParts(r, lan, cutUp(answer.frame(t), 800, uint32(i)), order), wan))
						if s.src.String() != f.vip || s.dst.String() != f.client || len(s.l4) != 3008 {
							t.Fatalf("order %v: %s", order, &s)
						}
					}
					if macs[mac(rs1MAC)] != 12 || macs[mac(rs2MAC)] != 12 || len(r.states()) != 0 || len(r.reasons()) != 0 {
						t.Errorf("they went to %v, connections %v, reasons %v", macs, r.states(), r.reasons())
					}
				})
			}
		}
	}
}

// onceBackends are the backends of onceRig, by family.
var onceBackends = map[bool][2]string{false: {"10.0.0.11:80", "10.0.0.12:80"}, true: {"[fd00::11]:80", "[fd00::12]:80"}}

func TestWithOnePacketWhatFollowsAForgottenFragmentIsDropped(t *testing.T) {
	r := onceRig(t, vip4, NAT, 1)
	parts := cutUp(pk{from: client4, to: vip4, udp: true, payload: 1600}.frame(t), 800, 0)
	one(t, r.send(wan, parts[0]), lan)
	clear(r.workers[0].passages.places)
	if out := r.send(wan, parts[1]); len(out) != 0 || r.reasons()["fragment_orphan"] != 1 {
		t.Errorf("%d left, reasons %v", len(out), r.reasons())
	}
	parts = cutUp(pk{from: client4, to: vip4, udp: true, payload: 1600}.frame(t), 800, 1)
	one(t, r.send(wan, parts[0]), lan)
	r.spec.Backends[0].Gen, r.spec.Backends[1].Gen = 98, 99
	r.publish()
	if out := r.send(wan, parts[1]); len(out) != 0 || r.reasons()["backend_gone"] != 1 {
		t.Errorf("%d left, reasons %v", len(out), r.reasons())
	}
}

// An error from a backend about a client's packet reaches the client, as the packet names the backend. Of one from the
// client's side about an answer it is not known which backend that came from.
func TestErrorsWithOnePacketReachTheClientOnly(t *testing.T) {
	for _, f := range families {
		for _, workers := range []int{1, 3} {
			r := onceRig(t, f.vip, NAT, workers)
			sent := pk{from: f.client, to: f.vip, udp: true, payload: 300}.frame(t)
			for range 4 {
				out := r.send(wan, sent)
				s := one(t, out, lan)
				in := icmpFrame(s.dst.Addr().String(), netipAddr(f.client).String(), errorKind(f.v6), 3, quoteOf(out[0].data, 64), rs1MAC, lanMAC, 64)
				s = one(t, r.sendTo(workers-1, lan, in, 0), wan)
				if s.src.Addr() != netipAddr(f.vip) || s.dst.Addr() != netipAddr(f.client) || s.ttl != 63 {
					t.Errorf("%s: to the client: %s", f.name, &s)
				}
				checkQuote(t, s.l4[8:], f.client, f.vip, 64, sent)
			}
			came, left := throughParts(t, r, wan, lan, pk{from: f.client, to: f.vip, udp: true, payload: 2000})
			for i := range left {
				backend := look(t, left[i].data).dst.Addr().String()
				in := icmpFrame(backend, netipAddr(f.client).String(), errorKind(f.v6), 3, quoteOf(left[i].data, 64), rs1MAC, lanMAC, 64)
				s := one(t, r.send(lan, in), wan)
				if s.src.Addr() != netipAddr(f.vip) || s.dst.Addr() != netipAddr(f.client) {
					t.Errorf("%s: fragment %d, to the client: %s", f.name, i, &s)
				}
				if i > 0 {
					checkPartQuote(t, s.l4[8:], came[i], 64)
				}
			}
			answer := pk{from: onceBackends[f.v6][0], to: f.client, udp: true, payload: 30, srcMAC: rs1MAC, dstMAC: lanMAC}
			out := r.send(lan, answer.frame(t))
			one(t, out, wan)
			in := icmpFrame(routers[f.v6], netipAddr(f.vip).String(), errorKind(f.v6), 1, quoteOf(out[0].data, 20), gwMAC, wanMAC, 60)
			if out := r.send(wan, in); len(out) != 0 || r.reasons()["icmp_no_connection"] != 1 {
				t.Errorf("%s: %d left, reasons %v", f.name, len(out), r.reasons())
			}
		}
	}
}

func TestFragmentsWithOnePacketAllocateNothing(t *testing.T) {
	for _, f := range families {
		r := onceRig(t, f.vip, NAT, 1)
		parts := cutUp(pk{from: f.client, to: f.vip, udp: true, payload: 4000}.frame(t), 800, 9)
		if n := r.allocations(parts, func() {}); n != 0 || len(r.reasons()) != 0 {
			t.Errorf("%s: %v allocations, reasons %v", f.name, n, r.reasons())
		}
	}
}
