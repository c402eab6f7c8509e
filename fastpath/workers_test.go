package fastpath

import (
	"fmt"
	"net/netip"
	"testing"
)

// clientOf finds a client port whose connections worker id owns.
func clientOf(t *testing.T, addr string, id, workers int) netip.AddrPort {
	t.Helper()
	for port := uint16(1024); port < 2048; port++ {
		a := netip.AddrPortFrom(netip.MustParseAddr(addr), port)
		if Owner(a, workers) == id {
			return a
		}
	}
	t.Fatal("no port leads to the worker")
	return netip.AddrPort{}
}

func TestBothDirectionsMeetAtTheOwnerWhateverQueueTheyComeInOn(t *testing.T) {
	for _, f := range families {
		for _, queues := range []int{3, 2, 1} {
			t.Run(fmt.Sprintf("%s/%d queues", f.name, queues), func(t *testing.T) {
				r := newRig(t, []rigService{{vip: f.vip, proto: proto(false), mode: NAT, peers: []string{f.rs1}}}, withWorkers(3, queues))
				for id := range 3 {
					client := clientOf(t, netipAddr(f.client).String(), id, 3).String()
					for in := range queues { // also the queues that guess wrong
						s := one(t, r.sendTo(in, wan, pk{from: client, to: f.vip, flags: "S"}.frame(t), 0), lan)
						if s.dst.String() != f.rs1 {
							t.Fatalf("%s", &s)
						}
						reply := pk{from: f.rs1, to: client, flags: "SA", srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t)
						s = one(t, r.sendTo((in+1)%queues, lan, reply, 0), wan)
						if s.src.String() != f.vip || s.dst.String() != client {
							t.Fatalf("%s", &s)
						}
					}
				}
				for id, w := range r.workers {
					if n := w.Counters().Live; n != 1 {
						t.Errorf("worker %d has %d connections, want its own one", id, n)
					}
				}
			})
		}
	}
}

func TestICMPErrorsFindTheOwner(t *testing.T) {
	for _, f := range families {
		r := newRig(t, []rigService{{vip: f.vip, proto: proto(true), mode: NAT, peers: []string{f.rs1}}}, withWorkers(3, 3))
		for id := range 3 {
			client := clientOf(t, netipAddr(f.client).String(), id, 3)
			toBackend := r.sendTo((id+1)%3, wan, pk{from: client.String(), to: f.vip, udp: true, payload: 9}.frame(t), 0)
			one(t, toBackend, lan)
			in := icmpFrame(netipAddr(f.rs1).String(), client.Addr().String(), errorKind(f.v6), 3, quoteOf(toBackend[0].data, 8), rs1MAC, lanMAC, 64)
			s := one(t, r.sendTo((id+2)%3, lan, in, 0), wan)
			if s.src.Addr() != netipAddr(f.vip) || s.dst.Addr() != client.Addr() {
				t.Errorf("%s, worker %d: error to the client: %s", f.name, id, &s)
			}
			reply := pk{from: f.vip, to: client.String(), udp: true, payload: 9}.frame(t)
			in = icmpFrame(client.Addr().String(), netipAddr(f.vip).String(), errorKind(f.v6), 3, quoteOf(reply, 8), gwMAC, wanMAC, 64)
			s = one(t, r.sendTo((id+2)%3, wan, in, 0), lan)
			if s.dst.Addr() != netipAddr(f.rs1) {
				t.Errorf("%s, worker %d: error to the backend: %s", f.name, id, &s)
			}
		}
	}
}

func TestOwnersShareTheClientsEvenly(t *testing.T) {
	const workers, clients = 4, 40000
	var got [workers]int
	for i := range clients {
		a := netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		got[Owner(netip.AddrPortFrom(a, uint16(1024+i%50000)), workers)]++
	}
	for id, n := range got {
		if n < clients/workers*95/100 || n > clients/workers*105/100 {
			t.Errorf("worker %d owns %d of %d", id, n, clients)
		}
	}
}

func TestAFullHandoverQueueDropsAndCounts(t *testing.T) {
	r := newRig(t, tcp4(), withWorkers(2, 2))
	client := clientOf(t, "198.51.100.7", 1, 2).String()
	frame := pk{from: client, to: vip4, flags: "S"}.frame(t)
	const more = 10
	for range handoverSize + more {
		if err := r.queues[0][wan].Put(frame, 0); err != nil {
			t.Fatal(err)
		}
		r.workers[0].Poll() // and worker 1 does not
	}
	if n := r.reasons()["handover_full"]; n != more {
		t.Errorf("handover_full %d, want %d", n, more)
	}
}
