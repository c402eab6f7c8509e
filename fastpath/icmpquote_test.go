package fastpath

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
)

// routers are on the way to the clients.
var routers = map[bool]string{false: "192.0.2.99", true: "2001:db8:ffff::99"}

// tooBigBody is an ICMP error's body that tells an MTU and quotes n bytes of a frame's IP packet.
func tooBigBody(frame []byte, mtu, n int) []byte {
	ip := ipOf(frame)
	return append([]byte{0, 0, byte(mtu >> 8), byte(mtu)}, ip[:min(n, len(ip))]...)
}

// tooBigKind is the type and code of an error that tells an MTU.
func tooBigKind(v6 bool) (kind, code byte) {
	if v6 {
		return packet.ICMP6TooBig, 0
	}
	return packet.ICMP4Unreachable, packet.ICMP4FragNeeded
}

func TestTheMTUInAnErrorForABackendStaysAsItIs(t *testing.T) {
	for _, f := range families {
		for mode, name := range map[Mode]string{NAT: "nat", TUN: "tun", DR: "dr"} {
			peer := f.rs1
			if mode != NAT {
				peer = netipPort(f.rs1, 80)
			}
			r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoTCP, mode: mode, peers: []string{peer}}})
			one(t, r.send(wan, pk{from: f.client, to: f.vip, flags: "S"}.frame(t)), lan)
			kind, code := tooBigKind(f.v6)
			reply := pk{from: f.vip, to: f.client, flags: "A", payload: 1400, df: true}.frame(t)
			in := icmpFrame(routers[f.v6], netipAddr(f.vip).String(), kind, code, tooBigBody(reply, 1337, 500), gwMAC, wanMAC, 60)
			s := one(t, r.send(wan, in), lan)
			if mode == TUN {
				s = s.inner(t)
			}
			if s.l4[0] != kind || s.l4[1] != code || binary.BigEndian.Uint32(s.l4[4:]) != 1337 {
				t.Errorf("%s, %s: type %d, code %d, MTU %d", f.name, name, s.l4[0], s.l4[1], binary.BigEndian.Uint32(s.l4[4:]))
			}
			if mode == NAT {
				checkQuote(t, s.l4[8:], f.rs1, f.client, 400, pk{from: f.rs1, to: f.client, flags: "A", payload: 1400, df: true}.frame(t))
			}
		}
	}
}

func TestTheMTUInAnErrorForAClientStaysAsItIs(t *testing.T) {
	for _, f := range families {
		r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoTCP, mode: NAT, peers: []string{f.rs1}}})
		out := r.send(wan, pk{from: f.client, to: f.vip, flags: "S", df: true}.frame(t))
		one(t, out, lan)
		kind, code := tooBigKind(f.v6)
		router := map[bool]string{false: "10.0.0.254", true: "fd00::fe"}[f.v6]
		in := icmpFrame(router, netipAddr(f.client).String(), kind, code, tooBigBody(out[0].data, 1400, 500), rs1MAC, lanMAC, 64)
		s := one(t, r.send(lan, in), wan)
		if s.src.Addr() != netipAddr(f.vip) || s.l4[0] != kind || binary.BigEndian.Uint32(s.l4[4:]) != 1400 {
			t.Errorf("%s: %s, type %d, MTU %d", f.name, &s, s.l4[0], binary.BigEndian.Uint32(s.l4[4:]))
		}
	}
}

func TestErrorsAboutPacketsWithOptionsAndExtensionsFindTheirWay(t *testing.T) {
	dest, fragment := append([]byte{60, 0}, make([]byte, 14)...), append([]byte{44, 0}, 0, 1, 0, 0, 0, 9)
	for name, c := range map[string]struct {
		v6   bool
		make func(pk) []byte
	}{
		"IPv4 options":              {make: func(p pk) []byte { p.options = 12; return p.frame(t) }},
		"IPv4 first fragment":       {make: func(p pk) []byte { b := p.frame(t); b[20] |= 0x20; setSums(b); return b }},
		"destination options":       {v6: true, make: func(p pk) []byte { return insert6(p.frame(t), dest) }},
		"hop by hop and more":       {v6: true, make: func(p pk) []byte { return insert6(p.frame(t), make([]byte, 8), dest) }},
		"IPv6 first fragment":       {v6: true, make: func(p pk) []byte { return insert6(p.frame(t), fragment) }},
		"extension, first fragment": {v6: true, make: func(p pk) []byte { return insert6(p.frame(t), dest, fragment) }},
	} {
		t.Run(name, func(t *testing.T) {
			f := families[map[bool]int{false: 0, true: 1}[c.v6]]
			r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: NAT, peers: []string{f.rs1}}})
			one(t, r.send(wan, pk{from: f.client, to: f.vip, udp: true}.frame(t)), lan)
			asSent := ipOf(c.make(pk{from: f.rs1, to: f.client, udp: true, payload: 33}))
			asSeen := ipOf(c.make(pk{from: f.vip, to: f.client, udp: true, payload: 33}))
			in := icmpFrame(routers[f.v6], netipAddr(f.vip).String(), errorKind(f.v6), 1, append(make([]byte, 4), asSeen...), gwMAC, wanMAC, 60)
			s := one(t, r.send(wan, in), lan)
			if s.dst.Addr() != netipAddr(f.rs1) || !bytes.Equal(s.l4[8:], asSent) {
				t.Errorf("%s quotes\n%x, want\n%x", &s, s.l4[8:], asSent)
			}
		})
	}
}

func TestErrorsThatQuoteNoPacketWithPortsAreDropped(t *testing.T) {
	services := []rigService{{vip: "203.0.113.10:80", proto: packet.ProtoUDP, mode: NAT}, {vip: "[2001:db8::10]:80", proto: packet.ProtoUDP, mode: NAT}}
	later := append([]byte{44, 0}, 0, 9, 0, 0, 0, 9)
	routing := append([]byte{43, 0}, 4, 1, 0, 0, 0, 0)
	edit := func(v6 bool, f func([]byte)) []byte {
		b := quotable(t, v6)
		f(b)
		return b
	}
	for name, c := range map[string]struct {
		v6     bool
		quoted []byte
		why    string // bad_icmp if it is not given
	}{
		"IPv4 later fragment":        {quoted: edit(false, func(b []byte) { b[21] = 1 }), why: "icmp_fragment"},
		"IPv4, another version":      {quoted: edit(false, func(b []byte) { b[14] = 0x65 })},
		"IPv4, IHL 4":                {quoted: edit(false, func(b []byte) { b[14] = 0x44 })},
		"IPv4, options cut":          {quoted: edit(false, func(b []byte) { b[14] = 0x4f })[:80]},
		"IPv4, ICMP inside":          {quoted: edit(false, func(b []byte) { b[23] = 1 })},
		"IPv4, 7 bytes of UDP":       {quoted: quotable(t, false)[:14+27]},
		"IPv6 later fragment":        {v6: true, quoted: insert6(quotable(t, true), later), why: "icmp_fragment"},
		"IPv6 fragment header cut":   {v6: true, quoted: insert6(quotable(t, true), later)[:14+47]},
		"IPv6 routing header, going": {v6: true, quoted: insert6(quotable(t, true), routing)},
		"IPv6 options cut":           {v6: true, quoted: insert6(quotable(t, true), append([]byte{60, 0}, make([]byte, 62)...))[:14+80]},
		"IPv6, another version":      {v6: true, quoted: edit(true, func(b []byte) { b[14] = 0x45 })},
		"IPv6, 7 bytes of UDP":       {v6: true, quoted: quotable(t, true)[:14+47]},
		"IPv6, ESP inside":           {v6: true, quoted: edit(true, func(b []byte) { b[20] = 50 })},
	} {
		t.Run(name, func(t *testing.T) {
			f := families[map[bool]int{false: 0, true: 1}[c.v6]]
			r := newRig(t, services)
			one(t, r.send(wan, pk{from: f.client, to: f.vip, udp: true}.frame(t)), lan)
			in := icmpFrame(routers[c.v6], netipAddr(f.vip).String(), errorKind(c.v6), 1, append(make([]byte, 4), c.quoted[14:]...), gwMAC, wanMAC, 60)
			if out := r.send(wan, in); len(out) != 0 || r.reasons()[cmp.Or(c.why, "bad_icmp")] != 1 {
				t.Errorf("%d frames left, reasons %v", len(out), r.reasons())
			}
		})
	}
}

// quotable is a reply of the VIP's that a router could quote.
func quotable(t *testing.T, v6 bool) []byte {
	f := families[map[bool]int{false: 0, true: 1}[v6]]
	return pk{from: f.vip, to: f.client, udp: true, payload: 33}.frame(t)
}

func TestErrorsFromImpossibleSourcesAreDropped(t *testing.T) {
	for _, f := range families {
		for from, reason := range map[string]string{
			"127.0.0.1": "martian_source", "203.0.113.10": "spoofed_source", "10.0.0.1": "spoofed_source", "203.0.113.255": "martian_source",
			"::1": "martian_source", "2001:db8::10": "spoofed_source", "2001:db8::2": "spoofed_source", "ff02::1": "martian_source",
		} {
			if strings.Contains(from, ":") != f.v6 {
				continue
			}
			r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: NAT}})
			one(t, r.send(wan, pk{from: f.client, to: f.vip, udp: true}.frame(t)), lan)
			in := icmpFrame(from, netipAddr(f.vip).String(), errorKind(f.v6), 1, quoteOf(quotable(t, f.v6), 8), gwMAC, wanMAC, 60)
			if out := r.send(wan, in); len(out) != 0 || r.reasons()[reason] != 1 {
				t.Errorf("from %s: %d frames left, reasons %v, want %s", from, len(out), r.reasons(), reason)
			}
		}
	}
}

func TestAnErrorWhoseTTLEndsHereIsDroppedWithoutAnotherError(t *testing.T) {
	for _, f := range families {
		for mode, passes := range map[Mode]bool{NAT: false, TUN: false, DR: true} {
			r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: mode}})
			one(t, r.send(wan, pk{from: f.client, to: f.vip, udp: true}.frame(t)), lan)
			in := icmpFrame(routers[f.v6], netipAddr(f.vip).String(), errorKind(f.v6), 1, quoteOf(quotable(t, f.v6), 8), gwMAC, wanMAC, 1)
			out := r.send(wan, in)
			if passes != (len(out) == 1) || !passes && r.reasons()["ttl_exceeded"] != 1 {
				t.Errorf("%s, mode %d: %d frames left, reasons %v", f.name, mode, len(out), r.reasons())
			}
		}
	}
}

func TestAQuotedUDPPacketWithoutChecksumKeepsNone(t *testing.T) {
	r := newRig(t, []rigService{{vip: "203.0.113.10:80", proto: packet.ProtoUDP, mode: NAT}})
	one(t, r.send(wan, pk{from: client4, to: vip4, udp: true}.frame(t)), lan)
	reply := pk{from: vip4, to: client4, udp: true, noChecksum: true, payload: 5}.frame(t)
	in := icmpFrame("192.0.2.99", "203.0.113.10", 3, 1, quoteOf(reply, 13), gwMAC, wanMAC, 60)
	s := one(t, r.send(wan, in), lan) // which checks the error's own checksum
	if got := s.l4[8+20+6:][:2]; got[0] != 0 || got[1] != 0 {
		t.Errorf("the quoted checksum became %x", got)
	}
}
