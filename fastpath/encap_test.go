package fastpath

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// tunnelSpecs are all encapsulations, with and without what they may have besides.
var tunnelSpecs = []TunnelSpec{
	{},
	{Sources: []netip.Addr{netip.MustParseAddr("10.0.0.40"), netip.MustParseAddr("10.0.0.41"), netip.MustParseAddr("fd00::40"), netip.MustParseAddr("fd00::41")}},
	{Encap: GUE, Port: 6080},
	{Encap: GUE, Port: 6080, Checksum: true},
	{Encap: GRE},
	{Encap: GRE, Checksum: true},
	{Encap: GRE, Key: 0x01020304},
	{Encap: GRE, Checksum: true, Key: 9},
	{Encap: VXLAN, Port: 4789, VNI: 0x123456, MAC: [6]byte{2, 0, 0, 0, 0, 99}},
	{Encap: VXLAN, Port: 4789, VNI: 7, MAC: [6]byte{2, 0, 0, 0, 0, 99}, Checksum: true,
		Sources: []netip.Addr{netip.MustParseAddr("10.0.0.40"), netip.MustParseAddr("10.0.0.41"), netip.MustParseAddr("fd00::40"), netip.MustParseAddr("fd00::41")}},
}

// unwrap takes a tunnel's packet apart as its receiver would.
func unwrap(t testing.TB, s *seen, spec *TunnelSpec) (inner seen) {
	t.Helper()
	in, proto := s.l4, s.proto
	var v6 bool
	switch spec.Encap {
	case IPIP:
		v6 = proto == 41
		if proto != 4 && proto != 41 {
			t.Fatalf("protocol %d", proto)
		}
	case GRE:
		var flags uint16
		n := 4
		if spec.Checksum {
			flags |= 0x8000
			if sum16(in) != 0 {
				t.Error("GRE checksum is wrong")
			}
			n += 4
		}
		if spec.Key != 0 {
			flags |= 0x2000
			if got := binary.BigEndian.Uint32(in[n:]); got != spec.Key {
				t.Errorf("key %x", got)
			}
			n += 4
		}
		if proto != 47 || binary.BigEndian.Uint16(in) != flags {
			t.Fatalf("protocol %d, %x", proto, in[:4])
		}
		v6 = binary.BigEndian.Uint16(in[2:]) == 0x86dd
		in = in[n:]
	default:
		if proto != 17 || s.dst.Port() != spec.Port || s.src.Port() < 49152 || int(binary.BigEndian.Uint16(in[4:])) != len(in) || (s.checksum != 0) != spec.Checksum {
			t.Fatalf("%s, UDP %x", s, in[:8])
		}
		in = in[8:]
		if spec.Encap == GUE {
			v6 = in[1] == 41
			if in[0] != 0 || in[1] != 4 && in[1] != 41 || in[2] != 0 || in[3] != 0 {
				t.Fatalf("GUE %x", in[:4])
			}
			in = in[4:]
			break
		}
		if !bytes.Equal(in[:8], []byte{8, 0, 0, 0, byte(spec.VNI >> 16), byte(spec.VNI >> 8), byte(spec.VNI), 0}) || !bytes.Equal(in[8:14], spec.MAC[:]) || in[14]&3 != 2 {
			t.Fatalf("VXLAN %x", in[:22])
		}
		v6 = binary.BigEndian.Uint16(in[20:]) == 0x86dd
		in = in[22:]
	}
	inner.read(t, in)
	if inner.v6 != v6 || len(inner.ip) != len(in) {
		t.Fatalf("inside IPv6 %t, %d of %d bytes", v6, len(inner.ip), len(in))
	}
	return inner
}

// everyTunnel runs a test for every encapsulation, inner and outer family.
func everyTunnel(t *testing.T, f func(t *testing.T, spec TunnelSpec, v6, outerV6 bool)) {
	for _, spec := range tunnelSpecs {
		for _, v6 := range []bool{false, true} {
			for _, outerV6 := range []bool{false, true} {
				name := fmt.Sprintf("encap %d sum %t key %d sources %d/inside IPv6 %t, outside %t", spec.Encap, spec.Checksum, spec.Key, len(spec.Sources), v6, outerV6)
				t.Run(name, func(t *testing.T) { f(t, spec, v6, outerV6) })
			}
		}
	}
}

func tunnelRig(t testing.TB, spec TunnelSpec, v6, outerV6, udp bool, opts ...rigOption) *rig {
	peer := map[bool]string{false: "10.0.0.11:80", true: "[fd00::11]:80"}[outerV6]
	return newRig(t, []rigService{{vip: families[b2i(v6)].vip, proto: proto(udp), mode: TUN, peers: []string{peer}, tunnel: spec}}, opts...)
}

// The first packet goes the long way, the others the steady one. Odd lengths try the checksums.
func TestEveryTunnelCarriesPackets(t *testing.T) {
	everyTunnel(t, func(t *testing.T, spec TunnelSpec, v6, outerV6 bool) {
		f := families[b2i(v6)]
		for _, udp := range []bool{false, true} {
			r := tunnelRig(t, spec, v6, outerV6, udp)
			sources := map[netip.AddrPort]bool{}
			for n := range uint16(24) {
				var first netip.AddrPort
				for i, size := range []int{0, 1, 300, 301} {
					flags := map[bool]string{true: "S", false: "A"}[i == 0]
					s := one(t, r.send(wan, pk{from: netipPort(f.client, 1000+n), to: f.vip, udp: udp, flags: flags, payload: size, pad: 7}.frame(t)), lan)
					in := unwrap(t, &s, &spec)
					if in.src.String() != netipPort(f.client, 1000+n) || in.dst.String() != f.vip || in.ttl != 63 || s.ttl != 64 || s.dstMAC != mac(rs1MAC) {
						t.Fatalf("%s in %s", &in, &s)
					}
					if i == 0 {
						first = s.src
					} else if s.src != first {
						t.Fatalf("a flow comes from %s and from %s", first, s.src)
					}
				}
				sources[first] = true
			}
			least := 1
			if len(spec.Sources) > 0 {
				least = 2
			}
			if spec.Encap == GUE || spec.Encap == VXLAN {
				least = 20
			}
			if len(sources) < least {
				t.Errorf("24 flows come from %d sources: %v", len(sources), sources)
			}
			for a := range sources {
				if len(spec.Sources) == 0 && a.Addr() != netip.MustParseAddr(map[bool]string{false: "10.0.0.1", true: "fd00::1"}[outerV6]) {
					t.Errorf("source %s", a)
				}
			}
		}
	})
}

// RFC 6040, normal mode: both fields of the traffic class, whatever is in them, are the same outside and inside.
func TestDSCPAndECNAreCopiedToTheOuterHeader(t *testing.T) {
	everyTunnel(t, func(t *testing.T, spec TunnelSpec, v6, outerV6 bool) {
		r := tunnelRig(t, spec, v6, outerV6, true)
		f := families[b2i(v6)]
		for round := range 2 {
			for tos := range 256 {
				s := one(t, r.send(wan, pk{from: f.client, to: f.vip, udp: true, tos: uint8(tos)}.frame(t)), lan)
				if in := unwrap(t, &s, &spec); s.tos != uint8(tos) || in.tos != uint8(tos) {
					t.Fatalf("round %d: %02x became %02x outside, %02x inside", round, tos, s.tos, in.tos)
				}
			}
		}
	})
}

func TestEveryTunnelsMTUAndMSS(t *testing.T) {
	everyTunnel(t, func(t *testing.T, spec TunnelSpec, v6, outerV6 bool) {
		f := families[b2i(v6)]
		mtu := 1500 - spec.Overhead(outerV6)
		r := tunnelRig(t, spec, v6, outerV6, false)
		hl := map[bool]int{false: 40, true: 60}[v6]
		s := one(t, r.send(wan, pk{from: f.client, to: f.vip, flags: "S", mss: 1460, df: true}.frame(t)), lan)
		if in := unwrap(t, &s, &spec); int(binary.BigEndian.Uint16(in.l4[22:])) != mtu-hl {
			t.Errorf("MSS %d for an MTU of %d", binary.BigEndian.Uint16(in.l4[22:]), mtu)
		}
		fits := pk{from: f.client, to: f.vip, flags: "A", df: true, payload: mtu - hl}
		if s = one(t, r.send(wan, fits.frame(t)), lan); len(s.ip) > 1500 {
			t.Errorf("%d bytes", len(s.ip))
		}
		unwrap(t, &s, &spec)
		fits.payload++
		if s = one(t, r.send(wan, fits.frame(t)), wan); int(binary.BigEndian.Uint32(s.l4[4:])) != mtu {
			t.Errorf("told MTU %d, want %d", binary.BigEndian.Uint32(s.l4[4:]), mtu)
		}
	})
}

func TestFragmentsGoIntoEveryTunnel(t *testing.T) {
	everyTunnel(t, func(t *testing.T, spec TunnelSpec, v6, outerV6 bool) {
		r := tunnelRig(t, spec, v6, outerV6, true)
		f := families[b2i(v6)]
		var inner [][]byte
		for _, p := range cutUp(pk{from: f.client, to: f.vip, udp: true, payload: 3000}.frame(t), 1208, 5) {
			s := one(t, r.send(wan, p), lan)
			in := unwrap(t, &s, &spec)
			inner = append(inner, in.ip)
		}
		if s := together(t, inner); len(s.l4) != 3008 {
			t.Errorf("%s", &s)
		}
	})
}

// What a router inside the tunnel says of its packets reaches the client, also where another worker owns the connection.
func TestARouterInEveryTunnelIsHeard(t *testing.T) {
	everyTunnel(t, func(t *testing.T, spec TunnelSpec, v6, outerV6 bool) {
		f := families[b2i(v6)]
		r := tunnelRig(t, spec, v6, outerV6, true, withWorkers(3, 3))
		for id := range 3 {
			client := clientOf(t, netipAddr(f.client).String(), id, 3).String()
			out := r.sendTo(id, wan, pk{from: client, to: f.vip, udp: true, df: true, payload: 1380 - 48}.frame(t), 0)
			s := one(t, out, lan)
			kind, code := tooBigKind(outerV6)
			router := map[bool]string{false: "10.0.0.254", true: "fd00::fe"}[outerV6]
			in := icmpFrame(router, s.src.Addr().String(), kind, code, tooBigBody(out[0].data, 1400, 200), rs1MAC, lanMAC, 64)
			s = one(t, r.sendTo((id+1)%3, lan, in, 0), wan)
			if want := 1400 - spec.Overhead(outerV6); s.dst.Addr() != netipAddr(f.client) || int(binary.BigEndian.Uint32(s.l4[4:])) != max(want, map[bool]int{true: 1280}[v6]) {
				t.Errorf("worker %d: %s, MTU %d, want %d", id, &s, binary.BigEndian.Uint32(s.l4[4:]), want)
			}
		}
	})
}

// A tunnel's sources are Weir's: it answers pings for them, and nobody else comes from there.
func TestTunnelSourcesAreWeirsOwn(t *testing.T) {
	r := tunnelRig(t, tunnelSpecs[1], false, false, false)
	ping := icmpFrame("10.0.0.11", "10.0.0.40", packet.ICMP4Echo, 0, make([]byte, 4), rs1MAC, lanMAC, 64)
	if s := one(t, r.send(lan, ping), lan); s.src.Addr().String() != "10.0.0.40" {
		t.Errorf("%s", &s)
	}
	r.send(wan, pk{from: "10.0.0.40:5000", to: vip4, flags: "S"}.frame(t))
	if m := r.reasons(); m["spoofed_source"] != 1 {
		t.Errorf("reasons %v", m)
	}
}

// The reason for a loss in a tunnel is counted at the service whose packet it was.
func TestALossInATunnelIsTheServices(t *testing.T) {
	for _, spec := range tunnelSpecs {
		r := tunnelRig(t, spec, false, false, false)
		out := r.send(wan, pk{from: client4, to: vip4, flags: "S"}.frame(t))
		f := port.Frame{Data: at(out[0].data), Len: uint32(len(out[0].data))}
		if got := r.workers[0].serviceOf(&f); got != 1 {
			t.Errorf("encap %d: service %d", spec.Encap, got)
		}
	}
}

func TestTunnelsAllocateNothing(t *testing.T) {
	for _, spec := range tunnelSpecs {
		r := tunnelRig(t, spec, false, false, true)
		r.queues[0][lan].OnSend(func([]byte) {})
		w, q := r.workers[0], r.queues[0][wan]
		frame := pk{from: client4, to: vip4, udp: true, payload: 100}.frame(t)
		send := func() {
			if q.Put(frame, 0) != nil {
				t.Fatal("no buffer")
			}
			for w.Poll() > 0 {
			}
		}
		send()
		if n := testing.AllocsPerRun(100, send); n != 0 {
			t.Errorf("encap %d: %v allocations", spec.Encap, n)
		}
	}
}
