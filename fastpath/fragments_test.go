package fastpath

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
)

// cutUp fragments a frame's IP packet as a host does, with step bytes in each but the last.
func cutUp(frame []byte, step int, id uint32) (out [][]byte) {
	v6 := frame[14]>>4 == 6
	hl := 20
	if v6 {
		hl = 40
	}
	payload := frame[14+hl:]
	for at := 0; at < len(payload); at += step {
		part := payload[at:min(at+step, len(payload))]
		more := at+step < len(payload)
		head := bytes.Clone(frame[:14+hl])
		if v6 {
			field := uint16(at)
			if more {
				field |= 1
			}
			ext := []byte{head[20], 0, byte(field >> 8), byte(field)}
			head = append(head, binary.BigEndian.AppendUint32(ext, id)...)
			head[20] = 44
			binary.BigEndian.PutUint16(head[18:], uint16(8+len(part)))
		} else {
			field := uint16(at / 8)
			if more {
				field |= 0x2000
			}
			binary.BigEndian.PutUint16(head[16:], uint16(20+len(part)))
			binary.BigEndian.PutUint16(head[18:], uint16(id))
			binary.BigEndian.PutUint16(head[20:], field)
			head[24], head[25] = 0, 0
			binary.BigEndian.PutUint16(head[24:], sum16(head[14:34]))
		}
		out = append(out, append(head, part...))
	}
	return out
}

// together makes one IP packet of its fragments, as the host that they are for, and looks at it.
func together(t testing.TB, parts [][]byte) seen {
	t.Helper()
	slices.SortFunc(parts, func(a, b []byte) int { return offsetOf(a) - offsetOf(b) })
	var whole []byte
	var payload []byte
	for i, p := range parts {
		v6 := p[0]>>4 == 6
		at, more := offsetOf(p), p[6]&0x20 != 0
		hl := 20
		if v6 {
			hl, more = 48, p[43]&1 != 0
		} else if sum16(p[:20]) != 0 {
			t.Errorf("fragment %d: the header's checksum is wrong", i)
		}
		if at != len(payload) || more != (i < len(parts)-1) {
			t.Fatalf("fragment %d of %d: at %d after %d bytes, more %t", i, len(parts), at, len(payload), more)
		}
		if i == 0 {
			whole = bytes.Clone(p[:min(hl, 40)])
			if v6 {
				whole[6] = p[40]
			}
		} else if n := min(hl, 40); v6 && (!bytes.Equal(p[6:n], parts[0][6:n]) || !bytes.Equal(p[44:48], parts[0][44:48])) ||
			!v6 && (!bytes.Equal(p[12:20], parts[0][12:20]) || !bytes.Equal(p[4:6], parts[0][4:6])) {
			t.Fatalf("fragment %d is another packet's: %x", i, p[:n])
		}
		payload = append(payload, p[hl:]...)
	}
	whole = append(whole, payload...)
	if whole[0]>>4 == 6 {
		binary.BigEndian.PutUint16(whole[4:], uint16(len(payload)))
	} else {
		binary.BigEndian.PutUint16(whole[2:], uint16(len(whole)))
		whole[6], whole[7], whole[10], whole[11] = 0, 0, 0, 0
		binary.BigEndian.PutUint16(whole[10:], sum16(whole[:20]))
	}
	var s seen
	s.read(t, whole)
	return s
}

func offsetOf(ip []byte) int {
	if ip[0]>>4 == 6 {
		return int(binary.BigEndian.Uint16(ip[42:]) &^ 7)
	}
	return int(binary.BigEndian.Uint16(ip[6:])&0x1fff) * 8
}

// ips are the IP packets of frames that left by a port.
func ips(t testing.TB, out []sentFrame, port int) (all [][]byte) {
	t.Helper()
	for _, o := range out {
		if o.port != port {
			t.Fatalf("a frame left on port %d, want %d", o.port, port)
		}
		all = append(all, ipOf(o.data))
	}
	return all
}

// orders are the orders in which n fragments may come: all of them if there are few.
func orders(n int) (all [][]int) {
	if n == 1 {
		return [][]int{{0}}
	}
	for _, o := range orders(n - 1) {
		for at := 0; at <= len(o); at++ {
			all = append(all, slices.Insert(slices.Clone(o), at, n-1))
		}
	}
	return all
}

// A client's datagram of four fragments reaches the backend whole, in each mode, in any order and whichever worker
// receives which; so does the backend's answer in nat.
func TestFragmentsGoWithTheirDatagramInAnyOrder(t *testing.T) {
	for _, f := range families {
		for _, mode := range []Mode{NAT, TUN, DR} {
			for _, workers := range []int{1, 3} {
				t.Run(fmt.Sprintf("%s/mode %d/%d workers", f.name, mode, workers), func(t *testing.T) {
					peer := f.rs1
					if mode != NAT {
						peer = netipPort(f.rs1, 80)
					}
					r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: mode, peers: []string{peer}}}, withWorkers(workers, workers))
					rnd := rand.New(rand.NewPCG(1, 2))
					for i, order := range orders(4) {
						client := netipPort(f.client, uint16(2000+i))
						parts := cutUp(pk{from: client, to: f.vip, udp: true, payload: 3000}.frame(t), 800, uint32(i))
						var out []sentFrame
						for _, at := range order {
							out = append(out, r.sendTo(rnd.IntN(workers), wan, parts[at], 0)...)
						}
						checkClients(t, ips(t, out, lan), mode, client, f.vip, peer)
						if mode != NAT {
							continue
						}
						reply := pk{from: peer, to: client, udp: true, payload: 3000, srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t)
						out = nil
						for _, at := range order {
							out = append(out, r.sendTo(rnd.IntN(workers), lan, cutUp(reply, 800, uint32(i))[at], 0)...)
						}
						if s := together(t, ips(t, out, wan)); s.src.String() != f.vip || s.dst.String() != client || len(s.l4) != 3008 {
							t.Fatalf("order %v: %s", order, &s)
						}
					}
					checkCounted(t, r, mode)
				})
			}
		}
	}
}

func checkClients(t *testing.T, out [][]byte, mode Mode, client, vip, peer string) {
	t.Helper()
	for i, p := range out {
		if mode == TUN {
			var s seen
			s.read(t, p)
			if s.dst.Addr() != netipAddr(peer) {
				t.Fatalf("fragment %d went to %s", i, s.dst)
			}
			out[i] = s.l4
		}
	}
	to := vip
	if mode == NAT {
		to = peer
	}
	s := together(t, out)
	want := uint8(63)
	if mode == DR {
		want = 64
	}
	if s.src.String() != client || s.dst.String() != to || len(s.l4) != 3008 || s.ttl != want {
		t.Fatalf("%s, %d bytes", &s, len(s.l4))
	}
}

// checkCounted looks at what 24 datagrams of four fragments left behind.
func checkCounted(t *testing.T, r *rig, mode Mode) {
	t.Helper()
	var c BackendCounters
	live, waiting := uint64(0), 0
	for _, w := range r.workers {
		b := w.BackendCounters(0)
		c.PacketsIn, c.PacketsOut = c.PacketsIn+b.PacketsIn, c.PacketsOut+b.PacketsOut
		live += w.Counters().Live
		waiting += w.datagrams.waiting
		for i := range w.datagrams.places {
			if d := &w.datagrams.places[i]; d.proto != 0 {
				t.Errorf("a datagram is still known: %+v", d)
			}
		}
	}
	if want := map[bool]uint64{true: 96}[mode == NAT]; c.PacketsIn != 96 || c.PacketsOut != want || live != 24 || waiting != 0 || len(r.reasons()) != 0 {
		t.Errorf("%+v, %d connections, %d wait, reasons %v", c, live, waiting, r.reasons())
	}
}

// An echo request in fragments is answered in as many.
func TestPingsInFragmentsAreAnswered(t *testing.T) {
	for _, f := range families {
		for _, workers := range []int{1, 3} {
			r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoTCP, mode: NAT}}, withWorkers(workers, workers))
			request, reply := echoKind(f.v6)
			body := make([]byte, 8004)
			for i := range body {
				body[i] = byte(i * 3)
			}
			client, vip := netipAddr(f.client).String(), netipAddr(f.vip).String()
			whole := icmpFrame(client, vip, request, 0, body, gwMAC, wanMAC, 60)
			for id, reverse := range []bool{false, true} {
				parts := cutUp(whole, 1448, uint32(id))
				if reverse {
					slices.Reverse(parts)
				}
				var out []sentFrame
				for i, p := range parts {
					out = append(out, r.sendTo(i%workers, wan, p, 0)...)
				}
				s := together(t, ips(t, out, wan))
				if s.src.Addr().String() != vip || s.dst.Addr().String() != client || s.l4[0] != reply || !bytes.Equal(s.l4[4:], body) {
					t.Errorf("%s: %s, %d bytes", f.name, &s, len(s.l4))
				}
			}
		}
	}
}

func TestFragmentsForTheKernelAndForNobody(t *testing.T) {
	r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: NAT}}, withTAP())
	for _, p := range cutUp(pk{from: client4, to: "203.0.113.2:53", udp: true, payload: 3000}.frame(t), 1480, 1) {
		r.send(wan, p)
	}
	if got := r.punted(); len(got) != 3 || r.reasons()["punt_local"] != 3 {
		t.Errorf("%d punted, reasons %v", len(got), r.reasons())
	}
	for _, p := range cutUp(pk{from: client4, to: "192.0.2.1:53", udp: true, payload: 3000}.frame(t), 1480, 2) {
		r.send(wan, p)
	}
	if got := r.reasons(); got["foreign"] != 3 {
		t.Errorf("reasons %v", got)
	}
}

// What is wrong with fragments has a name each. The datagram is a UDP one of three fragments to a service.
func TestFragmentsThatDoNotFitAreDroppedForAReason(t *testing.T) {
	for _, f := range families {
		parts := cutUp(pk{from: f.client, to: f.vip, udp: true, payload: 2392}.frame(t), 800, 7)
		tail := func(at int, more bool) []byte { // 800 bytes that begin at byte at
			b := bytes.Clone(parts[1])
			field := binary.BigEndian.Uint16(b[20:])&^0x3fff | uint16(at/8)
			if more {
				field |= 0x2000
			}
			if f.v6 {
				field = uint16(at)
				if more {
					field |= 1
				}
				binary.BigEndian.PutUint16(b[56:], field)
				return b
			}
			binary.BigEndian.PutUint16(b[20:], field)
			binary.BigEndian.PutUint16(b[24:], 0)
			binary.BigEndian.PutUint16(b[24:], sum16(b[14:34]))
			return b
		}
		for name, c := range map[string]struct {
			frames [][]byte
			left   int
			want   map[string]uint64
		}{
			"twice":                     {[][]byte{parts[0], parts[1], parts[1], parts[2]}, 3, map[string]uint64{"fragment_duplicate": 1}},
			"twice, waiting":            {[][]byte{parts[1], parts[1], parts[0], parts[2]}, 3, map[string]uint64{"fragment_duplicate": 1}},
			"overlap":                   {[][]byte{parts[0], tail(808, true), parts[1], parts[2]}, 2, map[string]uint64{"fragment_overlap": 2}},
			"overlap before the first":  {[][]byte{parts[1], tail(808, true), parts[0], parts[2]}, 0, map[string]uint64{"fragment_overlap": 4}},
			"beyond the end":            {[][]byte{parts[0], parts[2], tail(2400, true), parts[1]}, 2, map[string]uint64{"fragment_overlap": 2}},
			"two ends":                  {[][]byte{parts[0], parts[2], tail(3200, false)}, 2, map[string]uint64{"fragment_overlap": 1}},
			"an end before what was":    {[][]byte{parts[0], tail(1600, true), tail(800, false)}, 2, map[string]uint64{"fragment_overlap": 1}},
			"without the first":         {[][]byte{parts[1], parts[2]}, 0, map[string]uint64{"fragment_timeout": 2}},
			"the first for no service":  {cutUp(pk{from: f.client, to: netipPort(f.vip, 81), udp: true, payload: 2392}.frame(t), 800, 7), 0, map[string]uint64{"no_service": 1, "fragment_orphan": 2}},
			"the first alone":           {parts[:1], 1, map[string]uint64{}},
			"ICMP that is no echo":      {cutUp(icmpFrame(netipAddr(f.client).String(), netipAddr(f.vip).String(), 13+128*b2i(f.v6), 0, make([]byte, 2000), gwMAC, wanMAC, 9), 800, 1), 0, map[string]uint64{"icmp_unsupported": 3}},
			"an echo from a VIP":        {cutUp(icmpFrame(netipAddr(f.vip).String(), netipAddr(f.vip).String(), 8+120*b2i(f.v6), 0, make([]byte, 2000), gwMAC, wanMAC, 9), 800, 1), 0, map[string]uint64{"spoofed_source": 3}},
			"TTL 1":                     {cutUp(pk{from: f.client, to: f.vip, udp: true, payload: 2392, ttl: 1}.frame(t), 800, 7), 1, map[string]uint64{"ttl_exceeded": 1, "fragment_orphan": 2}},
			"two datagrams at one time": {[][]byte{parts[0], cutUp(pk{from: f.client, to: f.vip, udp: true, payload: 2392}.frame(t), 800, 8)[0], parts[1]}, 3, map[string]uint64{}},
		} {
			t.Run(f.name+"/"+name, func(t *testing.T) {
				r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: NAT}})
				left := 0
				for _, p := range c.frames {
					left += len(r.send(wan, p))
				}
				r.advance(firstWithin)
				for range datagramSets * datagramWays / 64 {
					r.run()
				}
				if got := r.reasons(); left != c.left || fmt.Sprint(got) != fmt.Sprint(c.want) {
					t.Errorf("%d left, want %d; reasons %v, want %v", left, c.left, got, c.want)
				}
			})
		}
	}
}

func b2i(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// However many fragments come without a first one, no more wait than there is room for, and those of a datagram whose
// place another takes are dropped with it.
func TestWaitingFragmentsAreBounded(t *testing.T) {
	r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: NAT}})
	parts := cutUp(pk{from: client4, to: vip4, udp: true, payload: 1592}.frame(t), 800, 0)
	const many = 3 * datagramSets * datagramWays
	for id := range many {
		binary.BigEndian.PutUint16(parts[1][18:], uint16(id))
		r.send(wan, parts[1])
		if w := r.workers[0]; w.datagrams.waiting > WaitingFragments || r.pool.InUse() > WaitingFragments+200 {
			t.Fatalf("%d wait, %d buffers in use", w.datagrams.waiting, r.pool.InUse())
		}
	}
	w := r.workers[0]
	waiting := w.Counters().FragmentsWaiting
	if full := r.reasons()["fragment_queue_full"]; waiting == 0 || full+waiting != many {
		t.Errorf("%d wait, %d dropped of %d", waiting, full, many)
	}
	r.advance(firstWithin)
	for range datagramSets * datagramWays / 64 {
		r.run()
	}
	if n := w.datagrams.waiting; n != 0 {
		t.Errorf("%d still wait", n)
	}
	// Then there is room again.
	again := cutUp(pk{from: client4, to: vip4, udp: true, payload: 1592}.frame(t), 800, 5)
	r.send(wan, again[1])
	if out := r.send(wan, again[0]); len(out) != 2 {
		t.Errorf("%d frames left", len(out))
	}
}

func TestOneDatagramCannotTakeAllTheRoom(t *testing.T) {
	r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: NAT}})
	parts := cutUp(pk{from: client4, to: vip4, udp: true, payload: 1600}.frame(t), 16, 1)
	for _, p := range parts[1:] {
		r.send(wan, p)
	}
	if w := r.workers[0]; w.datagrams.waiting != waitingEach || r.reasons()["fragment_queue_full"] != uint64(len(parts)-1-waitingEach) {
		t.Errorf("%d wait, reasons %v", w.datagrams.waiting, r.reasons())
	}
	// With gaps there is a bound, too.
	scattered := cutUp(pk{from: client4, to: vip4, udp: true, payload: 1600}.frame(t), 16, 2)
	for i := 0; i < len(scattered); i += 2 {
		r.send(wan, scattered[i])
	}
	if got := r.reasons()["fragment_queue_full"]; got != uint64(len(parts)-1-waitingEach+len(scattered)/2+1-maxSpans) {
		t.Errorf("%d dropped", got)
	}
}

// Fragments that are too large for the way on are cut up once more; in IPv6, and with DF, that is nobody's to do.
func TestFragmentsAreCutUpFurther(t *testing.T) {
	for _, f := range families {
		r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: NAT, peers: []string{f.rs1}}}, withLanMTU(1300))
		parts := cutUp(pk{from: f.client, to: f.vip, udp: true, payload: 4000}.frame(t), 1440, 9)
		var out []sentFrame
		for _, p := range parts {
			out = append(out, r.send(wan, p)...)
		}
		if f.v6 {
			if s := look(t, out[0].data); s.proto != 58 || s.l4[0] != packet.ICMP6TooBig || r.reasons()["too_big"] == 0 {
				t.Errorf("%s, reasons %v", &s, r.reasons())
			}
			continue
		}
		if s := together(t, ips(t, out, lan)); len(out) != 5 || s.dst.String() != f.rs1 || len(s.l4) != 4008 {
			t.Errorf("%d frames, %s", len(out), &s)
		}
	}
}

// In one burst the first fragment's connection is not yet there when the later ones are looked at.
func TestAWholeDatagramInOneBurst(t *testing.T) {
	for _, reverse := range []bool{false, true} {
		r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: NAT, peers: []string{"10.0.0.11:8080"}}})
		parts := cutUp(pk{from: client4, to: vip4, udp: true, payload: 40000}.frame(t), 800, 9)
		if reverse {
			slices.Reverse(parts)
		}
		for _, p := range parts {
			if err := r.queues[0][wan].Put(p, 0); err != nil {
				t.Fatal(err)
			}
		}
		if s := together(t, ips(t, r.run(), lan)); s.dst.String() != "10.0.0.11:8080" || len(s.l4) != 40008 {
			t.Errorf("%s", &s)
		}
	}
}

// A TCP segment in fragments moves its connection on like any other: here a SYN with data and options.
func TestTCPInFragments(t *testing.T) {
	for _, f := range families {
		r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoTCP, mode: TUN, peers: []string{netipPort(f.rs1, 80)}}})
		in := pk{from: f.client, to: f.vip, flags: "S", mss: 9000, payload: 2000}.frame(t)
		var inner [][]byte
		for _, p := range cutUp(in, 1024, 3) {
			s := one(t, r.send(wan, p), lan)
			inner = append(inner, s.l4)
		}
		s := together(t, inner) // and with it the checksum over all, with the MSS lowered in the first
		if got := binary.BigEndian.Uint16(s.l4[22:]); got >= 1460 || s.dst != netip.MustParseAddrPort(f.vip) {
			t.Errorf("MSS %d, %s", got, &s)
		}
	}
}

// An atomic fragment is a whole packet (RFC 6946), even while others with its identification wait.
func TestAtomicFragmentsAreWholePackets(t *testing.T) {
	six := families[1]
	r := newRig(t, []rigService{{vip: six.vip, proto: packet.ProtoUDP, mode: NAT, peers: []string{six.rs1}}})
	whole := pk{from: six.client, to: six.vip, udp: true, payload: 100}.frame(t)
	later := cutUp(pk{from: six.client, to: six.vip, udp: true, payload: 1592}.frame(t), 800, 9)[1]
	r.send(wan, later)
	out := r.send(wan, insert6(whole, []byte{44, 0, 0, 0, 0, 0, 0, 9}))
	if len(out) != 1 || r.workers[0].datagrams.waiting != 1 || r.workers[0].Counters().NewConns != 1 {
		t.Fatalf("%d frames left, %d wait", len(out), r.workers[0].datagrams.waiting)
	}
	ip := ipOf(out[0].data)
	if !sumsRight(ip) || ip[6] != 44 || netip.AddrFrom16([16]byte(ip[24:40])) != netipAddr(six.rs1) {
		t.Errorf("%x", ip)
	}
}

// allocations is how many there are each time that a datagram's fragments have come, after the first; before is called before
// they come.
func (r *rig) allocations(parts [][]byte, before func()) float64 {
	r.queues[0][lan].OnSend(func([]byte) {})
	w, q := r.workers[0], r.queues[0][wan]
	send := func() {
		before()
		for _, p := range parts {
			if q.Put(p, 0) != nil {
				r.t.Fatal("no buffer")
			}
		}
		for w.Poll() > 0 {
		}
	}
	send()
	return testing.AllocsPerRun(100, send)
}

func TestFragmentsAllocateNothing(t *testing.T) {
	r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: NAT}})
	parts := cutUp(pk{from: client4, to: vip4, udp: true, payload: 4000}.frame(t), 800, 9)
	slices.Reverse(parts)
	if n := r.allocations(parts, func() {}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestFullNATOfFragments(t *testing.T) {
	for _, f := range families {
		r := fullRig(t, f.vip, f.rs1, true, withWorkers(3, 3))
		for i, order := range orders(3) {
			client := netipPort(f.client, uint16(2000+i))
			send := func(port int, whole []byte) (out []sentFrame) {
				for n, at := range order {
					out = append(out, r.sendTo((n+i)%3, port, cutUp(whole, 1200, uint32(i))[at], 0)...)
				}
				return out
			}
			s := together(t, ips(t, send(wan, pk{from: client, to: f.vip, udp: true, payload: 3000}.frame(t)), lan))
			if s.src.Addr() != localOf(f.v6) || s.dst.String() != f.rs1 || len(s.l4) != 3008 {
				t.Fatalf("%s, order %v: %s", f.name, order, &s)
			}
			reply := pk{from: f.rs1, to: s.src.String(), udp: true, payload: 3000, srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t)
			if s = together(t, ips(t, send(lan, reply), wan)); s.src.String() != f.vip || s.dst.String() != client || len(s.l4) != 3008 {
				t.Fatalf("%s, order %v: %s", f.name, order, &s)
			}
		}
	}
}

// Where the change of a packet is not prepared, too, what follows the first fragment's header is all payload.
func TestFragmentsOfAServiceWithSeveralAddresses(t *testing.T) {
	for _, f := range families {
		other := netip.AddrPortFrom(netipAddr(f.vip).Next(), 81).String()
		r := newRig(t, []rigService{{vip: f.vip, more: []string{other}, proto: packet.ProtoUDP, mode: NAT, peers: []string{f.rs1}}})
		datagram := pk{from: f.client, to: other, udp: true, payload: 3000}
		var got [][]byte
		for _, part := range cutUp(datagram.frame(t), 1208, 9) {
			for _, out := range r.send(wan, part) {
				got = append(got, ipOf(out.data))
			}
		}
		if s := together(t, got); s.dst.String() != f.rs1 {
			t.Errorf("%s: to the backend: %s", f.name, &s)
		}
		got = nil
		answer := pk{from: f.rs1, to: f.client, udp: true, payload: 3000, srcMAC: rs1MAC, dstMAC: lanMAC}
		for _, part := range cutUp(answer.frame(t), 1208, 9) {
			for _, out := range r.send(lan, part) {
				got = append(got, ipOf(out.data))
			}
		}
		if s := together(t, got); s.src.String() != other {
			t.Errorf("%s: to the client: %s", f.name, &s)
		}
	}
}
