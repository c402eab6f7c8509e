package fastpath

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
)

// Chunk types as the tests write them.
const (
	data, initiate, initAck, sack, abort         = 0, 1, 2, 3, 6
	shutdown, shutdownAck, cookieEcho, cookieAck = 7, 8, 10, 11
	shutdownComplete                             = 14
)

// sctpRig has one service of a mode and family, whose only backend has another port in nat.
func sctpRig(t *testing.T, v6 bool, mode Mode, opts ...rigOption) (r *rig, client, vip, backend string) {
	client, vip, backend = kind{mode: mode, v6: v6}.addrs()
	return newRig(t, []rigService{{vip: vip, proto: packet.ProtoSCTP, mode: mode, peers: []string{backend}}}, opts...), client, vip, backend
}

func TestNATRewritesSCTPBothWays(t *testing.T) {
	for _, f := range families {
		for _, backend := range []string{f.rs1, netipPort(f.rs1, 80)} {
			for _, payload := range []int{0, 1, 2, 3, 16, 17, 64, 1001, 1380} {
				t.Run(fmt.Sprintf("%s/%s/%d bytes", f.name, backend, payload), func(t *testing.T) {
					r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoSCTP, mode: NAT, peers: []string{backend}}})
					in := pk{from: f.client, to: f.vip, chunks: []uint8{initiate}, payload: payload, tos: 0x2a, pad: 5}
					out := r.send(wan, in.frame(t))
					s := one(t, out, lan)
					in.to = backend
					if want := in.frame(t); s.ttl != 63 || s.dstMAC != mac(rs1MAC) || !bytes.Equal(s.l4, ipOf(want)[len(ipOf(want))-len(s.l4):]) {
						t.Errorf("to the backend: %s, %x", &s, s.l4)
					}
					back := pk{from: backend, to: f.client, chunks: []uint8{initAck}, payload: payload, srcMAC: rs1MAC, dstMAC: lanMAC}
					s = one(t, r.send(lan, back.frame(t)), wan)
					back.from = f.vip
					if want := back.frame(t); s.ttl != 63 || s.dstMAC != mac(gwMAC) || !bytes.Equal(s.l4, ipOf(want)[len(ipOf(want))-len(s.l4):]) {
						t.Errorf("to the client: %s, %x", &s, s.l4)
					}
				})
			}
		}
	}
}

func TestADamagedSCTPPacketLeavesDamaged(t *testing.T) {
	for _, f := range families {
		for _, mode := range []Mode{NAT, TUN, DR} {
			r, client, vip, backend := sctpRig(t, f.v6, mode)
			frame := pk{from: client, to: vip, chunks: []uint8{initiate}, payload: 40}.frame(t)
			frame[len(frame)-1] ^= 4
			syndrome := func(l4 []byte) uint32 { return binary.LittleEndian.Uint32(l4[8:]) ^ crc32c(l4) }
			out := r.send(wan, frame)
			if len(out) != 1 {
				t.Fatalf("%s: %d frames", f.name, len(out))
			}
			was := ipOf(frame)
			was = was[len(was)-56:]
			ip := ipOf(out[0].data)
			l4 := ip[len(ip)-56:]
			if syndrome(l4) != syndrome(was) || syndrome(was) == 0 {
				t.Errorf("%s, mode %d, to %s: the checksum was off by %08x, now by %08x", f.name, mode, backend, syndrome(was), syndrome(l4))
			}
		}
	}
}

func TestTunnelAndDRLeaveSCTPAsItIs(t *testing.T) {
	for _, f := range families {
		for _, mode := range []Mode{TUN, DR} {
			r, client, vip, _ := sctpRig(t, f.v6, mode)
			// An INIT ACK's type is the SYN bit: nothing may take it for a SYN whose MSS is to be lowered.
			for _, chunk := range []uint8{initiate, initAck, data} {
				in := pk{from: client, to: vip, chunks: []uint8{chunk}, payload: 40, df: true}.frame(t)
				s := one(t, r.send(wan, in), lan)
				if mode == TUN {
					s = s.inner(t)
					lowerNaively(in[14:])
				}
				if !bytes.Equal(s.ip, ipOf(in)) {
					t.Errorf("%s, mode %d, chunk %d: %x, want %x", f.name, mode, chunk, s.ip, ipOf(in))
				}
			}
		}
	}
}

func TestSCTPStatesAndCountsFollowTheAssociation(t *testing.T) {
	type step struct {
		reply            bool
		chunks           []uint8
		state            string
		active, inactive int32
	}
	both := []step{
		{false, []uint8{initiate}, "INIT1", 0, 1},
		{true, []uint8{initAck}, "C-SENT", 0, 1},
		{false, []uint8{cookieEcho, data}, "C-REPLIED", 0, 1},
		{true, []uint8{cookieAck, sack}, "ESTABLISHED", 1, 0},
		{false, []uint8{data}, "ESTABLISHED", 1, 0},
		{true, []uint8{sack, data}, "ESTABLISHED", 1, 0},
		{false, []uint8{initiate}, "ESTABLISHED", 1, 0}, // the client has restarted
		{false, []uint8{shutdown}, "S-RECEIVED", 0, 1},
		{true, []uint8{shutdownAck}, "S-ACK-SENT", 0, 1},
		{false, []uint8{shutdownComplete}, "CLOSED", 0, 1},
	}
	aborted := []step{
		{false, []uint8{initiate}, "INIT1", 0, 1},
		{true, []uint8{initAck}, "C-SENT", 0, 1},
		{false, []uint8{cookieEcho, abort}, "CLOSED", 0, 1},
	}
	oneWay := []step{
		{false, []uint8{initiate}, "INIT1", 0, 1},
		{false, []uint8{cookieEcho, data}, "ESTABLISHED", 1, 0},
		{false, []uint8{sack}, "ESTABLISHED", 1, 0},
		{false, []uint8{abort}, "CLOSED", 0, 1},
	}
	for _, f := range families {
		for name, c := range map[string]struct {
			mode  Mode
			steps []step
		}{
			"nat": {NAT, both}, "nat, aborted": {NAT, aborted}, "nat, refused": {NAT, []step{{false, []uint8{initiate}, "INIT1", 0, 1}, {true, []uint8{abort}, "REJECTED", 0, 1}}},
			"tun": {TUN, oneWay}, "dr": {DR, oneWay},
		} {
			t.Run(f.name+"/"+name, func(t *testing.T) {
				r, client, vip, backend := sctpRig(t, f.v6, c.mode)
				for _, s := range c.steps {
					p, in, out := pk{from: client, to: vip, chunks: s.chunks, payload: 20}, wan, lan
					if s.reply {
						p = pk{from: backend, to: client, chunks: s.chunks, payload: 20, srcMAC: rs1MAC, dstMAC: lanMAC}
						in, out = lan, wan
					}
					one(t, r.send(in, p.frame(t)), out)
					if got := r.states(); len(got) != 1 || got[0] != s.state {
						t.Fatalf("chunks %v lead to %v, want %s", s.chunks, got, s.state)
					}
					if a, i := r.loads[0].Active.Load(), r.loads[0].Inactive.Load(); a != s.active || i != s.inactive {
						t.Errorf("%s: %d active, %d inactive", s.state, a, i)
					}
				}
				r.advance(61_000 + conn.SweepPeriod)
				r.run()
				if got := r.states(); len(got) != 0 || r.loads[0].Inactive.Load() != 0 {
					t.Errorf("after the timeout: %v, %d inactive", got, r.loads[0].Inactive.Load())
				}
			})
		}
	}
}

func TestWhatAnINITMeetsDecidesWhetherItBeginsAnew(t *testing.T) {
	const client, vip = "198.51.100.7:40000", "203.0.113.10:3868"
	for name, c := range map[string]struct {
		chunks []uint8 // of the client's packets after its first INIT
		refuse bool    // its backend takes no new connections
		anew   bool
	}{
		"nothing yet":                         {nil, false, false},
		"established":                         {[]uint8{cookieEcho}, false, false},
		"closed":                              {[]uint8{cookieEcho, abort}, false, true},
		"closing":                             {[]uint8{cookieEcho, shutdown}, false, false},
		"established, and the backend drains": {[]uint8{cookieEcho}, true, false},
		"closing, and the backend drains":     {[]uint8{cookieEcho, shutdown}, true, true},
	} {
		r := newRig(t, []rigService{{vip: vip, proto: packet.ProtoSCTP, mode: DR}})
		send := func(chunk uint8) string {
			return one(t, r.send(wan, pk{from: client, to: vip, chunks: []uint8{chunk}}.frame(t)), lan).dstMAC
		}
		first := send(initiate)
		for _, chunk := range c.chunks {
			send(chunk)
		}
		if c.refuse {
			r.spec.Backends[0].Accepts = false
			r.publish()
		}
		if again := send(initiate); again != first != c.anew {
			t.Errorf("%s: the first INIT went to %s, the second to %s", name, first, again)
		}
	}
}

func TestAnAssociationWhoseBackendIsGoneEnds(t *testing.T) {
	r, client, vip, backend := sctpRig(t, false, NAT)
	send := func(chunk uint8) int {
		return len(r.send(wan, pk{from: client, to: vip, chunks: []uint8{chunk}}.frame(t)))
	}
	send(initiate)
	r.replaceBackend()
	r.publish()
	if send(data) != 0 || r.reasons()["backend_gone"] != 1 {
		t.Errorf("reasons %v", r.reasons())
	}
	if send(initiate) != 1 {
		t.Errorf("a new association: reasons %v", r.reasons())
	}
	one(t, r.send(lan, pk{from: backend, to: client, chunks: []uint8{initAck}, srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t)), wan)
}

func TestTCPAndSCTPShareAnAddressAndPort(t *testing.T) {
	for _, f := range families {
		r := newRig(t, []rigService{
			{vip: f.vip, proto: packet.ProtoTCP, mode: NAT, peers: []string{netipPort(f.rs1, 81)}},
			{vip: f.vip, proto: packet.ProtoSCTP, mode: NAT, peers: []string{netipPort(f.rs1, 81)}},
		})
		one(t, r.send(wan, pk{from: f.client, to: f.vip, flags: "S"}.frame(t)), lan)
		one(t, r.send(wan, pk{from: f.client, to: f.vip, chunks: []uint8{initiate}}.frame(t)), lan)
		for _, p := range []pk{{flags: "SA"}, {chunks: []uint8{initAck}}} {
			p.from, p.to, p.srcMAC, p.dstMAC = netipPort(f.rs1, 81), f.client, rs1MAC, lanMAC
			if s := one(t, r.send(lan, p.frame(t)), wan); s.src.String() != f.vip {
				t.Errorf("%s: %s", f.name, &s)
			}
		}
		if got := len(r.states()); got != 2 {
			t.Errorf("%s: %d connections", f.name, got)
		}
	}
}

func TestSCTPIsHandedToItsOwner(t *testing.T) {
	for _, f := range families {
		r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoSCTP, mode: NAT, peers: []string{f.rs1}}}, withWorkers(3, 3))
		for id := range 3 {
			client := clientOf(t, netipAddr(f.client).String(), id, 3).String()
			one(t, r.sendTo((id+1)%3, wan, pk{from: client, to: f.vip, chunks: []uint8{initiate}}.frame(t), 0), lan)
			back := pk{from: f.rs1, to: client, chunks: []uint8{initAck}, srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t)
			if s := one(t, r.sendTo((id+2)%3, lan, back, 0), wan); s.src.String() != f.vip {
				t.Errorf("%s: %s", f.name, &s)
			}
		}
		for id, w := range r.workers {
			if n := w.Counters().Live; n != 1 {
				t.Errorf("%s: worker %d has %d connections, want 1", f.name, id, n)
			}
		}
	}
}

func TestErrorsAboutSCTPReachWhoSentIt(t *testing.T) {
	for _, f := range families {
		for _, quoted := range []int{8, 11, 12, 16, 100} {
			t.Run(fmt.Sprintf("%s/%d quoted", f.name, quoted), func(t *testing.T) {
				r, client, vip, backend := sctpRig(t, f.v6, NAT)
				sent := pk{from: client, to: vip, chunks: []uint8{initiate}, payload: 300}.frame(t)
				out := r.send(wan, sent)
				one(t, out, lan)
				in := icmpFrame(netipAddr(backend).String(), netipAddr(client).String(), errorKind(f.v6), 3, quoteOf(out[0].data, quoted), rs1MAC, lanMAC, 64)
				s := one(t, r.send(lan, in), wan)
				if s.src.Addr() != netipAddr(vip) || s.dst.Addr() != netipAddr(client) {
					t.Errorf("to the client: %s", &s)
				}
				checkQuote(t, s.l4[8:], client, vip, quoteSize(quoted), sent)

				reply := pk{from: vip, to: client, chunks: []uint8{data}, payload: 300}.frame(t)
				in = icmpFrame(routers[f.v6], netipAddr(vip).String(), errorKind(f.v6), 1, quoteOf(reply, quoted), gwMAC, wanMAC, 60)
				s = one(t, r.send(wan, in), lan)
				if s.dst.Addr() != netipAddr(backend) {
					t.Errorf("to the backend: %s", &s)
				}
				checkQuote(t, s.l4[8:], backend, client, quoteSize(quoted), pk{from: backend, to: client, chunks: []uint8{data}, payload: 300}.frame(t))
			})
		}
	}
}

// quoteSize is how much of a quote is as it was sent: of a CRC that is cut off nothing is updated.
func quoteSize(quoted int) int {
	if quoted < packet.SCTPLen {
		return packet.SCTPChecksum
	}
	return quoted
}

// The length of a packet is not in its first fragment, and with it what a changed port changes in its CRC.
func TestTheQuotedCRCOfAFragmentStays(t *testing.T) {
	r, client, vip, backend := sctpRig(t, false, NAT)
	one(t, r.send(wan, pk{from: client, to: vip, chunks: []uint8{initiate}}.frame(t)), lan)
	reply := pk{from: vip, to: client, chunks: []uint8{data}, payload: 300}.frame(t)
	reply[20] |= 0x20
	setSums(reply)
	s := one(t, r.send(wan, icmpFrame("192.0.2.9", netipAddr(vip).String(), 3, 1, quoteOf(reply, 100), gwMAC, wanMAC, 60)), lan)
	if !bytes.Equal(s.l4[8+28:], reply[14+28:14+20+100]) || binary.BigEndian.Uint16(s.l4[8+20:]) != 8080 {
		t.Errorf("to %s: %x", backend, s.l4[28:])
	}
}

func TestFullNATRewritesSCTPAndItsErrors(t *testing.T) {
	for _, f := range families {
		for _, payload := range []int{0, 3, 16, 1001, 1380} {
			r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoSCTP, mode: FullNAT, peers: []string{f.rs1}}})
			sent := pk{from: f.client, to: f.vip, chunks: []uint8{initiate}, payload: payload}
			out := r.send(wan, sent.frame(t))
			s := one(t, out, lan)
			local := s.src
			if local.Addr() != localOf(f.v6) || s.dst.String() != f.rs1 {
				t.Errorf("%s: to the backend: %s", f.name, &s)
			}
			in := icmpFrame(netipAddr(f.rs1).String(), local.Addr().String(), errorKind(f.v6), 3, quoteOf(out[0].data, 100), rs1MAC, lanMAC, 64)
			s = one(t, r.send(lan, in), wan)
			checkQuote(t, s.l4[8:], f.client, f.vip, 100, sent.frame(t))
			reply := pk{from: f.rs1, to: local.String(), chunks: []uint8{initAck}, payload: payload, srcMAC: rs1MAC, dstMAC: lanMAC}
			if s = one(t, r.send(lan, reply.frame(t)), wan); s.src.String() != f.vip || s.dst.String() != f.client {
				t.Errorf("%s: to the client: %s", f.name, &s)
			}
			if got := r.states(); len(got) != 1 || got[0] != "C-SENT" {
				t.Errorf("%s: %v", f.name, got)
			}
		}
	}
}

func TestIPv6ExtensionsBeforeSCTPAreFollowed(t *testing.T) {
	r, client, vip, backend := sctpRig(t, true, NAT)
	options := append([]byte{60, 0}, make([]byte, 14)...)
	p := pk{from: client, to: vip, chunks: []uint8{initiate}, payload: 33}
	out := r.send(wan, insert6(p.frame(t), make([]byte, 8), options))
	p.to = backend
	want := ipOf(insert6(p.frame(t), make([]byte, 8), options))
	want[7]--
	if len(out) != 1 || !bytes.Equal(ipOf(out[0].data), want) {
		t.Errorf("%d frames, reasons %v", len(out), r.reasons())
	}
}

func TestSCTPThatIsCutUpOnTheWayIsWhole(t *testing.T) {
	r, client, vip, backend := sctpRig(t, false, NAT, withLanMTU(1300))
	p := pk{from: client, to: vip, chunks: []uint8{initiate}, payload: 1400}
	got := reassemble(t, looks(t, r.send(wan, p.frame(t)), lan), 1300)
	p.to = backend
	want := ipOf(p.frame(t))[20:]
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes, want %d", len(got), len(want))
	}
}
