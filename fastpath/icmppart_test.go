package fastpath

import (
	"fmt"
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
)

// throughParts sends a datagram in three fragments and returns them as they came and as they left.
func throughParts(t *testing.T, r *rig, in, out int, p pk) (came [][]byte, left []sentFrame) {
	t.Helper()
	came = cutUp(p.frame(t), 800, 0x4321)
	left = sendParts(r, in, came, []int{0, 1, 2})
	if len(left) != 3 || left[1].port != out {
		t.Fatalf("%d fragments left, reasons %v", len(left), r.reasons())
	}
	return came, left
}

// checkPartQuote compares a quoted later fragment with the one that its sender sent: addresses, identification, offset and payload.
func checkPartQuote(t *testing.T, q, sent []byte, quoted int) {
	t.Helper()
	hl, same := 20, [][2]int{{4, 8}, {12, 20}}
	if q[0]>>4 == 6 {
		hl, same = 40, [][2]int{{8, 48}}
	} else if sum16(q[:hl]) != 0 {
		t.Error("the quoted header's checksum is wrong")
	}
	want := ipOf(sent)
	for _, s := range append(same, [2]int{hl, hl + quoted}) {
		if got := string(q[s[0]:s[1]]); got != string(want[s[0]:s[1]]) {
			t.Errorf("quoted bytes %d to %d are %x, want %x", s[0], s[1], got, want[s[0]:s[1]])
		}
	}
}

// An ICMP error that quotes a later fragment reaches the one that sent it, whichever worker it comes to.
func TestErrorsAboutLaterFragmentsFindTheirConnection(t *testing.T) {
	for _, f := range families {
		for _, mode := range []Mode{NAT, FullNAT} {
			for _, workers := range []int{1, 3} {
				for _, quoted := range []int{8, 64} {
					t.Run(fmt.Sprintf("%s/mode %d/%d workers/%d quoted", f.name, mode, workers, quoted), func(t *testing.T) {
						r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: mode, peers: []string{f.rs1}}}, withWorkers(workers, workers))
						came, left := throughParts(t, r, wan, lan, pk{from: f.client, to: f.vip, udp: true, payload: 2000})
						whole := together(t, ips(t, left, lan))
						router := map[bool]string{false: "10.0.0.254", true: "fd00::fe"}[f.v6]
						for at := range workers {
							in := icmpFrame(router, whole.src.Addr().String(), errorKind(f.v6), 1, quoteOf(left[1].data, quoted), rs1MAC, lanMAC, 64)
							s := one(t, r.sendTo(at, lan, in, 0), wan)
							if s.src.Addr() != netipAddr(f.vip) || s.dst.Addr() != netipAddr(f.client) || s.ttl != 63 {
								t.Errorf("to the client: %s", &s)
							}
							checkPartQuote(t, s.l4[8:], came[1], quoted)
						}
						back := pk{from: f.rs1, to: whole.src.String(), udp: true, payload: 2000, srcMAC: rs1MAC, dstMAC: lanMAC}
						came, left = throughParts(t, r, lan, wan, back)
						for at := range workers {
							in := icmpFrame(routers[f.v6], netipAddr(f.vip).String(), errorKind(f.v6), 1, quoteOf(left[2].data, quoted), gwMAC, wanMAC, 60)
							s := one(t, r.sendTo(at, wan, in, 0), lan)
							if s.dst.Addr() != netipAddr(f.rs1) || mode == FullNAT && s.src.Addr() != localOf(f.v6) {
								t.Errorf("to the backend: %s", &s)
							}
							checkPartQuote(t, s.l4[8:], came[2], quoted)
						}
					})
				}
			}
		}
	}
}

// What is not remembered is dropped for a reason of its own, once all workers have looked.
func TestErrorsAboutUnknownLaterFragmentsAreDropped(t *testing.T) {
	for _, f := range families {
		for _, workers := range []int{1, 3} {
			r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: NAT, peers: []string{f.rs1}}}, withWorkers(workers, workers))
			_, left := throughParts(t, r, wan, lan, pk{from: f.client, to: f.vip, udp: true, payload: 2000})
			errorAbout := func(frame []byte, to string) []byte {
				return icmpFrame(map[bool]string{false: "10.0.0.254", true: "fd00::fe"}[f.v6], to, errorKind(f.v6), 1, quoteOf(frame, 20), rs1MAC, lanMAC, 64)
			}
			other := cutUp(pk{from: f.vip, to: f.client, udp: true, payload: 2000}.frame(t), 800, 77)
			client := netipAddr(f.client).String()
			r.advance(restWithin)
			for i, in := range [][]byte{errorAbout(other[1], netipAddr(f.vip).String()), errorAbout(left[1].data, client)} {
				if out := r.sendTo(workers-1, lan, in, 0); len(out) != 0 || r.reasons()["icmp_fragment"] != uint64(i+1) {
					t.Errorf("%s: %d left, reasons %v", f.name, len(out), r.reasons())
				}
			}
			// One that does not go to the sender of what it quotes is no true one.
			if r.send(lan, errorAbout(left[1].data, netipAddr(f.vip).String())); r.reasons()["bad_icmp"] != 1 {
				t.Errorf("%s: reasons %v", f.name, r.reasons())
			}
		}
	}
}

// No more such errors go from worker to worker than Weir would send itself.
func TestErrorsThatGoFromWorkerToWorkerAreLimited(t *testing.T) {
	r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: NAT}}, withWorkers(2, 2))
	part := cutUp(pk{from: vip4, to: client4, udp: true, payload: 2000}.frame(t), 800, 77)[1]
	in := icmpFrame(routers[false], netipAddr(vip4).String(), 3, 1, quoteOf(part, 20), gwMAC, wanMAC, 60)
	for range icmpPerSecond + 3 {
		r.send(wan, in)
	}
	if got := r.reasons(); got["icmp_fragment"] != icmpPerSecond || got["icmp_rate_limited"] != 3 {
		t.Errorf("reasons %v", got)
	}
}

// Between IP versions, what is quoted cannot be told from a whole packet.
func TestErrorsAboutLaterFragmentsDoNotCross(t *testing.T) {
	for _, c := range crossings {
		r := newRig(t, []rigService{{vip: c.vip, proto: packet.ProtoUDP, mode: FullNAT, peers: []string{c.backend}}})
		_, left := throughParts(t, r, wan, lan, pk{from: c.client, to: c.vip, udp: true, payload: 2000})
		router := map[bool]string{true: "10.0.0.254", false: "fd00::fe"}[c.v6]
		in := icmpFrame(router, localOf(!c.v6).String(), errorKind(!c.v6), 1, quoteOf(left[1].data, 20), rs1MAC, lanMAC, 64)
		if out := r.send(lan, in); len(out) != 0 || r.reasons()["icmp_fragment"] != 1 {
			t.Errorf("%s: %d left, reasons %v", c.name, len(out), r.reasons())
		}
	}
}

// As many datagrams as come, no more are remembered than there is room for.
func TestRememberedDatagramsAreBounded(t *testing.T) {
	r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: NAT}})
	parts := cutUp(pk{from: client4, to: vip4, udp: true, payload: 1600}.frame(t), 800, 0)
	for id := range 2 * passageSets * passageWays {
		for _, p := range parts {
			p[18], p[19] = byte(id>>8), byte(id)
			p[24], p[25] = 0, 0
			setSums(p)
		}
		if out := sendParts(r, wan, parts, []int{0, 1, 2}); len(out) != 3 {
			t.Fatalf("%d left, reasons %v", len(out), r.reasons())
		}
	}
}
