package fastpath

import (
	"bytes"
	"fmt"
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

func TestNATLeavesAMissingUDPChecksumMissing(t *testing.T) {
	r := newRig(t, []rigService{{vip: "203.0.113.10:53", proto: packet.ProtoUDP, mode: NAT}})
	s := one(t, r.send(wan, pk{from: "198.51.100.7:1", to: "203.0.113.10:53", udp: true, noChecksum: true, payload: 9}.frame(t)), lan)
	if s.checksum != 0 {
		t.Errorf("checksum %04x, want 0", s.checksum)
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
