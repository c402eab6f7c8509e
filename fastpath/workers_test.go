package fastpath

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"unsafe"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
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

// TestTheOwnerSeenAtAGlanceIsTheOneFoundByParsing sends packets at random, half of them damaged, to a worker that hands some over on sight.
func TestTheOwnerSeenAtAGlanceIsTheOneFoundByParsing(t *testing.T) {
	r := newRig(t, []rigService{
		{vip: vip4, proto: packet.ProtoTCP, mode: NAT}, {vip: "[2001:db8::10]:80", proto: packet.ProtoUDP, mode: DR},
		{vip: "203.0.113.99:81", proto: packet.ProtoUDP, mode: NAT, nets: []Endpoint{{netip.MustParsePrefix("192.0.2.0/24"), 0, 65535}}},
	}, withWorkers(2, 2))
	w, rnd := r.workers[0], rand.New(rand.NewPCG(41, 42))
	var handed, kept, left int
	for range rounds(20_000) {
		v6, udp := rnd.IntN(2) == 0, rnd.IntN(2) == 0
		ends := []string{vip4, "10.0.0.11:80", "192.0.2.7:99", "198.51.100.7:"}
		if v6 {
			ends = []string{"[2001:db8::10]:80", "[fd00::11]:80", "[2001:db8:c::7]:"}
		}
		client := fmt.Sprint(ends[len(ends)-1], 1024+rnd.IntN(5000))
		p := pk{from: client, to: ends[rnd.IntN(len(ends)-1)], udp: udp, flags: []string{"A", "S"}[rnd.IntN(2)], payload: rnd.IntN(8)}
		if rnd.IntN(2) == 0 {
			p.from, p.to = p.to, p.from
		}
		b := p.frame(t)
		damaged := rnd.IntN(2) == 0
		if damaged {
			b[12+rnd.IntN(30)] = uint8(rnd.Uint32())
			b = b[:len(b)-rnd.IntN(len(b)+1)*rnd.IntN(2)]
		}
		buf := append(make([]byte, 0, 2048), b...)
		frames := []port.Frame{{Data: unsafe.Pointer(unsafe.SliceData(buf)), Len: uint32(len(b))}}
		var it item
		w.parse(&port.Frame{Data: frames[0].Data, Len: frames[0].Len}, &it, w.ports[wan].mac)
		owner := w.ownerOf(&port.Frame{Data: frames[0].Data, Len: frames[0].Len}, &it)
		before := w.counters.HandedOver
		n, whole := w.steerOnSight(frames, wan)
		switch given := w.counters.HandedOver != before; {
		case given != (n == 0):
			t.Fatalf("% x: %d frames are left, handed over: %t", b, n, given)
		case given:
			w.handover.publish(0)
			if got := w.handover.drain(1); len(got) != 1 || got[0].Port != wan {
				t.Fatalf("handed over: %+v", got)
			}
			handed++
		case whole:
			kept++
		default:
			left++
			if !damaged {
				t.Fatalf("% x: not seen at a glance", b)
			}
			continue
		}
		if it.flow() && owner == w.id != (n == 1) {
			t.Fatalf("% x: belongs to worker %d, and %d frames are left to worker 0", b, owner, n)
		}
	}
	if handed == 0 || kept == 0 || left == 0 {
		t.Errorf("%d handed over, %d kept, %d left", handed, kept, left)
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

// What comes in on one queue for one worker, in one burst, must not change places on the way: a connection's whole packets and
// first fragments, and packets with options among others.
func TestWhatIsHandedOverKeepsItsOrder(t *testing.T) {
	for _, f := range families {
		r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: NAT, peers: []string{f.rs1}}}, withWorkers(2, 2))
		client, rnd := clientOf(t, netipAddr(f.client).String(), 1, 2).String(), rand.New(rand.NewPCG(43, 44))
		for range 20 {
			var want []byte
			for range 1 + rnd.IntN(port.BurstSize) {
				p := pk{from: client, to: f.vip, udp: true, payload: 40}
				if rnd.IntN(3) == 0 {
					p.options = 8
				}
				b := p.frame(t)
				b[len(b)-1] = byte(len(want))
				want = append(want, byte(len(want)))
				if err := r.queues[0][wan].Put(b, 0); err != nil {
					t.Fatal(err)
				}
			}
			var got []byte
			for _, s := range r.run() {
				got = append(got, s.data[len(s.data)-1])
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("%s: sent % x, left % x", f.name, want, got)
			}
		}
	}
}
