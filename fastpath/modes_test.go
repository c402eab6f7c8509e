package fastpath

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
)

// families are a VIP, a client and two backends of each.
var families = []struct {
	name, vip, client, rs1 string
	v6                     bool
}{
	{"IPv4", "203.0.113.10:80", "198.51.100.7:40000", "10.0.0.11:8080", false},
	{"IPv6", "[2001:db8::10]:80", "[2001:db8:c::7]:40000", "[fd00::11]:8080", true},
}

func proto(udp bool) uint8 {
	if udp {
		return packet.ProtoUDP
	}
	return packet.ProtoTCP
}

func TestNATRewritesBothDirections(t *testing.T) {
	for _, f := range families {
		for _, udp := range []bool{false, true} {
			for _, payload := range []int{0, 1, 2, 3, 17, 64, 1001, 1400} {
				t.Run(fmt.Sprintf("%s/udp=%t/%d bytes", f.name, udp, payload), func(t *testing.T) {
					r := newRig(t, []rigService{{vip: f.vip, proto: proto(udp), mode: NAT, peers: []string{f.rs1}}})
					s := one(t, r.send(wan, pk{from: f.client, to: f.vip, udp: udp, flags: "S", payload: payload, tos: 0x2a}.frame(t)), lan)
					if s.src.String() != f.client || s.dst.String() != f.rs1 || s.ttl != 63 || s.tos != 0x2a {
						t.Errorf("to the backend: %s tos %02x", &s, s.tos)
					}
					if s.srcMAC != mac(lanMAC) || s.dstMAC != mac(rs1MAC) {
						t.Errorf("MACs to the backend: %s", &s)
					}
					s = one(t, r.send(lan, pk{from: f.rs1, to: f.client, udp: udp, flags: "SA", payload: payload, srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t)), wan)
					if s.src.String() != f.vip || s.dst.String() != f.client || s.ttl != 63 {
						t.Errorf("to the client: %s", &s)
					}
					if s.srcMAC != mac(wanMAC) || s.dstMAC != mac(gwMAC) {
						t.Errorf("MACs to the client: %s", &s)
					}
				})
			}
		}
	}
}

// No checksum is allowed in IPv4. In IPv6 its receiver decides (RFC 6936 section 5): a box on the way passes it on.
func TestNATLeavesAMissingUDPChecksumMissing(t *testing.T) {
	for _, f := range families {
		r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: NAT, peers: []string{f.rs1}}})
		p := pk{from: f.client, to: f.vip, udp: true, noChecksum: true, payload: 9}
		q := pk{from: f.rs1, to: f.client, udp: true, noChecksum: true, payload: 9, srcMAC: rs1MAC, dstMAC: lanMAC}
		for _, out := range [][]sentFrame{r.send(wan, p.frame(t)), r.send(lan, q.frame(t))} {
			if len(out) != 1 || !bytes.Equal(sumField(ipOf(out[0].data)), []byte{0, 0}) {
				t.Errorf("%s: %d frames, reasons %v", f.name, len(out), r.reasons())
			}
		}
	}
}

// The checksum of these packets comes out as 0, which would say that there is none (RFC 768).
func TestNATWritesAUDPChecksumOf0AsFFFF(t *testing.T) {
	for _, f := range families {
		for _, reply := range []bool{false, true} {
			r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: NAT, peers: []string{f.rs1}}})
			one(t, r.send(wan, pk{from: f.client, to: f.vip, udp: true}.frame(t)), lan)
			in, after := pk{from: f.client, to: f.vip, udp: true, payload: 2}, pk{from: f.client, to: f.rs1, udp: true, payload: 2}
			from, to := wan, lan
			if reply {
				in = pk{from: f.rs1, to: f.client, udp: true, payload: 2, srcMAC: rs1MAC, dstMAC: lanMAC}
				after, from, to = pk{from: f.vip, to: f.client, udp: true, payload: 2}, lan, wan
			}
			// A payload that fills the sum up to ffff.
			model := after.frame(t)
			copy(model[len(model)-2:], []byte{0, 0})
			setSums(model)
			frame := in.frame(t)
			copy(frame[len(frame)-2:], sumField(ipOf(model)))
			setSums(frame)
			if s := one(t, r.send(from, frame), to); s.checksum != 0xffff {
				t.Errorf("%s, reply %t: checksum %04x", f.name, reply, s.checksum)
			}
		}
	}
}

// A packet that arrives damaged must not leave as if it were sound.
func TestDamagedPacketsLeaveDamaged(t *testing.T) {
	for _, f := range families {
		for _, mode := range []Mode{NAT, TUN, DR} {
			for name, at := range map[string]int{"header": 15, "last byte": -1} {
				if f.v6 && at == 15 {
					continue // no checksum covers it
				}
				r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: mode}})
				in := pk{from: f.client, to: f.vip, udp: true, payload: 40}.frame(t)
				if at < 0 {
					at = len(in) - 1
				}
				in[at] ^= 4
				out := r.send(wan, in)
				if len(out) != 1 || sumsRight(ipOf(out[0].data)) {
					t.Errorf("%s, mode %d: %s repaired, or %d frames", f.name, mode, name, len(out))
				}
			}
		}
	}
}

func TestIPv6ExtensionHeadersAreFollowed(t *testing.T) {
	f := families[1]
	options := append([]byte{60, 0}, make([]byte, 14)...)
	for name, headers := range map[string][][]byte{
		"hop by hop":           {make([]byte, 16)},
		"destination options":  {options},
		"spent routing header": {{43, 0, 4, 0, 0, 0, 0, 0}},
		"all of them":          {make([]byte, 8), options, {43, 0, 0, 0, 0, 0, 0, 0}, options},
	} {
		for _, mode := range []Mode{NAT, TUN, DR} {
			t.Run(fmt.Sprintf("%s/mode %d", name, mode), func(t *testing.T) {
				peer := f.rs1
				if mode != NAT {
					peer = netipPort(f.rs1, 80)
				}
				r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoTCP, mode: mode, peers: []string{peer}}})
				in := insert6(pk{from: f.client, to: f.vip, flags: "S", payload: 7, mss: 9000}.frame(t), headers...)
				out := r.send(wan, in)
				if len(out) != 1 {
					t.Fatalf("%d frames, reasons %v", len(out), r.reasons())
				}
				got, want := ipOf(out[0].data), ipOf(in)
				switch mode {
				case NAT:
					want = ipOf(insert6(pk{from: f.client, to: f.rs1, flags: "S", payload: 7, mss: 9000}.frame(t), headers...))
					want[7]--
				case TUN:
					got = got[40:]
					want = ipOf(insert6(pk{from: f.client, to: f.vip, flags: "S", payload: 7, mss: 1400}.frame(t), headers...))
					want[7]--
				}
				if !bytes.Equal(got, want) {
					t.Errorf("packet\n%x, want\n%x", got, want)
				}
				if mode != NAT {
					return
				}
				back := pk{from: f.rs1, to: f.client, flags: "SA", srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t)
				out = r.send(lan, insert6(back, headers...))
				if len(out) != 1 || !bytes.Equal(ipOf(out[0].data)[8:24], ipOf(in)[24:40]) || !sumsRight(ipOf(out[0].data)) {
					t.Errorf("reply: %d frames, reasons %v", len(out), r.reasons())
				}
			})
		}
	}
}

func TestNATKeepsIPv4OptionsAndPadding(t *testing.T) {
	r := newRig(t, []rigService{{vip: "203.0.113.10:80", proto: packet.ProtoTCP, mode: NAT}})
	in := pk{from: "198.51.100.7:1", to: "203.0.113.10:80", flags: "S", options: 8, pad: 6}.frame(t)
	out := r.send(wan, in)
	one(t, out, lan)
	if len(out[0].data) != len(in) || !bytes.Equal(out[0].data[34:42], in[34:42]) {
		t.Error("options or padding changed")
	}
}

func TestDRChangesOnlyMACs(t *testing.T) {
	for _, f := range families {
		r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoTCP, mode: DR}})
		in := pk{from: f.client, to: f.vip, flags: "S", ttl: 1, payload: 5, pad: 3}.frame(t)
		out := r.send(wan, in)
		s := one(t, out, lan)
		if s.dstMAC != mac(rs1MAC) || s.srcMAC != mac(lanMAC) {
			t.Errorf("%s: MACs %s", f.name, &s)
		}
		if !bytes.Equal(out[0].data[12:], in[12:]) {
			t.Errorf("%s: more than the MACs changed", f.name)
		}
	}
}

func TestTunnelWrapsEveryFamilyInEveryFamily(t *testing.T) {
	for _, f := range families {
		for _, peer := range []string{"10.0.0.11:80", "[fd00::11]:80"} {
			t.Run(f.name+" to "+peer, func(t *testing.T) {
				r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: TUN, peers: []string{peer}}})
				in := pk{from: f.client, to: f.vip, udp: true, payload: 3, tos: 0xb9, pad: 11}.frame(t)
				out := r.send(wan, in)
				s := one(t, out, lan)
				own := map[bool]string{false: "10.0.0.1:0", true: "[fd00::1]:0"}[s.v6]
				if s.src.String() != own || s.dst.Addr() != netipAddr(peer) || s.ttl != 64 || s.tos != 0xb9 {
					t.Errorf("outer header: %s tos %02x", &s, s.tos)
				}
				inner := s.inner(t)
				want := append([]byte(nil), in[14:len(in)-11]...)
				lowerNaively(want)
				if !bytes.Equal(inner.ip, want) {
					t.Errorf("inner packet\n%x, want\n%x", inner.ip, want)
				}
				if len(out[0].data) != 14+len(s.ip) {
					t.Error("padding went into the tunnel")
				}
			})
		}
	}
}

// TestRewritingGivesThePacketsThatTheEndsWouldHaveSent compares packets of every kind, byte by byte, with ones built
// anew for where they go.
func TestRewritingGivesThePacketsThatTheEndsWouldHaveSent(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 3))
	for _, f := range families {
		for _, mode := range []Mode{NAT, TUN, DR} {
			for _, udp := range []bool{false, true} {
				peer := f.rs1
				if mode != NAT {
					peer = netipPort(f.rs1, 80)
				}
				r := newRig(t, []rigService{{vip: f.vip, proto: proto(udp), mode: mode, peers: []string{peer}}})
				for range 150 {
					p := pk{
						from: netipPort(f.client, uint16(random.Uint32())), to: f.vip, udp: udp, flags: "S", payload: random.IntN(1380), df: true,
						ttl: uint8(2 + random.IntN(254)), tos: uint8(random.Uint32()), pad: random.IntN(2) * random.IntN(40),
					}
					if !f.v6 {
						p.options = 4 * random.IntN(11)
					}
					back := p
					back.from, back.to, back.srcMAC, back.dstMAC = peer, p.from, rs1MAC, lanMAC
					got := one(t, r.send(wan, p.frame(t)), lan)
					want := p
					want.ttl--
					switch mode {
					case NAT:
						want.to = peer
					case TUN:
						got = got.inner(t)
					case DR:
						want.ttl++
					}
					if !bytes.Equal(got.ip, ipOf(want.frame(t))) {
						t.Fatalf("mode %d, %+v became\n%x, want\n%x", mode, p, got.ip, ipOf(want.frame(t)))
					}
					if mode != NAT {
						continue
					}
					got, want = one(t, r.send(lan, back.frame(t)), wan), back
					want.from, want.ttl = f.vip, back.ttl-1
					if !bytes.Equal(got.ip, ipOf(want.frame(t))) {
						t.Fatalf("the reply %+v became\n%x, want\n%x", back, got.ip, ipOf(want.frame(t)))
					}
				}
			}
		}
	}
}
