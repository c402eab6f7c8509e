package fastpath

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"unsafe"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// sendParts lets fragments come in an order, each to another worker.
func sendParts(r *rig, port int, parts [][]byte, order []int) (out []sentFrame) {
	r.t.Helper()
	for i, at := range order {
		out = append(out, r.sendTo((i+order[0])%len(r.workers), port, parts[at], 0)...)
	}
	return out
}

// An association's packets in fragments get the right CRC, in any order, whichever worker receives which, both ways.
func TestSCTPInFragmentsGetsItsCRC(t *testing.T) {
	cases := append([]crossing{}, crossings...)
	for _, f := range families {
		cases = append(cases, crossing{f.name, f.client, f.vip, f.rs1, f.v6}, crossing{f.name + ", port kept", f.client, f.vip, netipPort(f.rs1, 80), f.v6})
	}
	for _, c := range cases {
		for _, mode := range []Mode{NAT, FullNAT} {
			if mode == NAT && netipAddr(c.vip).Is6() != netipAddr(c.backend).Is6() {
				continue
			}
			for _, workers := range []int{1, 3} {
				t.Run(fmt.Sprintf("%s/mode %d/%d workers", c.name, mode, workers), func(t *testing.T) {
					r := newRig(t, []rigService{{vip: c.vip, proto: packet.ProtoSCTP, mode: mode, peers: []string{c.backend}}}, withWorkers(workers, workers))
					for i, order := range orders(4) {
						client := netipPort(c.client, uint16(2000+i))
						in := pk{from: client, to: c.vip, chunks: []uint8{initiate}, payload: 2400 + i}.frame(t)
						s := together(t, ips(t, sendParts(r, wan, cutUp(in, 800, uint32(i)), order), lan))
						if s.dst.String() != c.backend || len(s.l4) != 2416+i || mode == NAT && s.src.String() != client || s.ttl != 63 {
							t.Fatalf("order %v: to the backend: %s, %d bytes", order, &s, len(s.l4))
						}
						back := pk{from: c.backend, to: s.src.String(), chunks: []uint8{initAck}, payload: 3101 - i, srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t)
						s = together(t, ips(t, sendParts(r, lan, cutUp(back, 1008, uint32(i)), order), wan))
						if s.src.String() != c.vip || s.dst.String() != client || len(s.l4) != 3117-i || s.ttl != 63 {
							t.Fatalf("order %v: to the client: %s, %d bytes", order, &s, len(s.l4))
						}
					}
					checkCounted(t, r, NAT)
				})
			}
		}
	}
}

// Damage stays damage, by as much.
func TestADamagedSCTPPacketInFragmentsLeavesDamaged(t *testing.T) {
	r, client, vip, _ := sctpRig(t, false, NAT)
	in := pk{from: client, to: vip, chunks: []uint8{initiate}, payload: 2000}.frame(t)
	in[len(in)-1] ^= 4
	var l4 []byte
	for _, out := range sendParts(r, wan, cutUp(in, 800, 1), []int{0, 1, 2}) {
		l4 = append(l4, ipOf(out.data)[20:]...)
	}
	if len(l4) != 2016 || bytes.Equal(l4[8:12], in[42:46]) {
		t.Fatalf("%d bytes", len(l4))
	}
	l4[len(l4)-1] ^= 4
	if got, want := l4[8:12], crcBytes(l4); !bytes.Equal(got, want) {
		t.Errorf("the checksum of what was sent would be %x, is %x", want, got)
	}
}

func crcBytes(l4 []byte) []byte {
	c := crc32c(l4)
	return []byte{byte(c), byte(c >> 8), byte(c >> 16), byte(c >> 24)}
}

// What stands before the SCTP header in the part that can be fragmented does not count.
func TestSCTPInFragmentsBehindDestinationOptions(t *testing.T) {
	r, client, vip, backend := sctpRig(t, true, NAT)
	options := append([]byte{60, 0}, make([]byte, 14)...)
	p := pk{from: client, to: vip, chunks: []uint8{initiate}, payload: 2001}
	var got []byte
	for _, out := range sendParts(r, wan, cutUp(insert6(p.frame(t), options), 800, 1), []int{0, 2, 1}) {
		got = append(got, ipOf(out.data)[48:]...)
	}
	p.to = backend
	if want := ipOf(insert6(p.frame(t), options))[40:]; !bytes.Equal(got[:16], want[:16]) || !bytes.Equal(got[16:36], want[16:36]) || len(got) != len(want) {
		t.Errorf("%x, want %x; reasons %v", got[:min(40, len(got))], want[:40], r.reasons())
	}
}

// A whole packet that becomes fragments on its way to the other IP version gets its CRC, too.
func TestSCTPThatIsCutUpOnTheWayToIPv6IsWhole(t *testing.T) {
	c := crossings[0]
	r := newRig(t, []rigService{{vip: c.vip, proto: packet.ProtoSCTP, mode: FullNAT, peers: []string{c.backend}}})
	out := r.send(wan, pk{from: c.client, to: c.vip, chunks: []uint8{initiate}, payload: 1460}.frame(t))
	if s := together(t, ips(t, out, lan)); len(out) != 2 || s.dst.String() != c.backend {
		t.Errorf("%d frames, %s", len(out), &s)
	}
}

// Where nothing behind the IP header changes, no fragment waits.
func TestSCTPInFragmentsWaitsOnlyWhereItsPortsChange(t *testing.T) {
	for mode, want := range map[Mode][]int{NAT: {0, 0, 3}, FullNAT: {0, 0, 3}, TUN: {1, 1, 1}, DR: {1, 1, 1}} {
		r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoSCTP, mode: mode}})
		var left []int
		for _, p := range cutUp(pk{from: client4, to: vip4, chunks: []uint8{packet.ChunkInit}, payload: 2000}.frame(t), 800, 1) {
			left = append(left, len(r.send(wan, p)))
		}
		if !slices.Equal(left, want) || len(r.reasons()) != 0 {
			t.Errorf("mode %d: %v left, reasons %v", mode, left, r.reasons())
		}
	}
}

// What waits for a last fragment is bounded in time and number, like what waits for a first.
func TestSCTPWithoutItsLastFragmentIsDropped(t *testing.T) {
	r, client, vip, _ := sctpRig(t, false, NAT)
	parts := cutUp(pk{from: client, to: vip, chunks: []uint8{initiate}, payload: 2000}.frame(t), 800, 1)
	sendParts(r, wan, parts, []int{1, 0})
	if w := r.workers[0]; w.datagrams.waiting != 2 {
		t.Errorf("%d wait", w.datagrams.waiting)
	}
	r.endWaiting()
	if out := r.send(wan, parts[2]); len(out) != 0 || r.reasons()["fragment_timeout"] != 2 {
		t.Errorf("%d left, reasons %v", len(out), r.reasons())
	}

	parts = cutUp(pk{from: client, to: vip, chunks: []uint8{initiate}, payload: 1600}.frame(t), 16, 2)
	for _, p := range parts[:len(parts)-1] {
		r.send(wan, p)
	}
	over := len(parts) - 1 - waitingEach
	if w := r.workers[0]; w.datagrams.waiting != waitingEach+1 || r.reasons()["fragment_queue_full"] != uint64(over) {
		t.Errorf("%d wait, reasons %v", w.datagrams.waiting, r.reasons())
	}
	if out := r.send(wan, parts[len(parts)-1]); len(out) != waitingEach+1 {
		t.Errorf("%d left, reasons %v", len(out), r.reasons())
	}
}

// Without room for the first fragment, nothing of its datagram goes on.
func TestSCTPWhoseFirstFragmentFindsNoRoomIsDropped(t *testing.T) {
	r, client, vip, _ := sctpRig(t, false, NAT)
	parts := cutUp(pk{from: client, to: vip, chunks: []uint8{initiate}, payload: 2 * 16 * waitingEach}.frame(t), 16, 2)
	for _, p := range parts[1 : 1+waitingEach] {
		r.send(wan, p)
	}
	if out := r.send(wan, parts[0]); len(out) != 0 || r.reasons()["fragment_queue_full"] != waitingEach+1 || r.workers[0].datagrams.waiting != 0 {
		t.Errorf("%d left, reasons %v", len(out), r.reasons())
	}
}

// A fragment that did not wait, since its service changed nothing in it, meets a service that does.
func TestSCTPInFragmentsWhileItsServiceIsChanged(t *testing.T) {
	r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoSCTP, mode: DR}}, withWorkers(2, 2))
	first := cutUp(pk{from: clientOf(t, netipAddr(client4).String(), 1, 2).String(), to: vip4, chunks: []uint8{initiate}, payload: 2000}.frame(t), 800, 0)[0]
	for keeperOf(r.workers[0], first) != 0 {
		first[19]++ // another datagram
	}
	if err := r.queues[0][wan].Put(first, 0); err != nil {
		t.Fatal(err)
	}
	r.workers[0].Poll()
	r.spec.Services[0].Mode = NAT
	r.publish()
	if out := r.run(); len(out) != 0 || r.reasons()["sctp_fragment"] != 1 {
		t.Errorf("%d left, reasons %v", len(out), r.reasons())
	}
}

// keeperOf is the worker that keeps the datagram of a fragment.
func keeperOf(w *Worker, frame []byte) int {
	f := port.Frame{Data: unsafe.Pointer(unsafe.SliceData(frame)), Len: uint32(len(frame))}
	var it item
	w.parse(&f, &it, w.ports[wan].mac)
	return w.datagramsOwner(&f, &it)
}

func TestSCTPInFragmentsAllocatesNothing(t *testing.T) {
	r, client, vip, _ := sctpRig(t, false, NAT)
	parts := cutUp(pk{from: client, to: vip, chunks: []uint8{initiate}, payload: 4000}.frame(t), 800, 9)
	another := func() { parts[0][35]++ } // the client's port: a new association each time, of 256
	if n := r.allocations(parts, another); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
