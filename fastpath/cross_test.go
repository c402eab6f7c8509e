package fastpath

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
)

// crossing is a service whose backend is of the other IP version than its VIP.
type crossing struct {
	name, client, vip, backend string
	v6                         bool // the client
}

var crossings = []crossing{
	{"4 to 6", "198.51.100.7:40000", "203.0.113.10:80", "[fd00::11]:8080", false},
	{"6 to 4", "[2001:db8:c::7]:40000", "[2001:db8::10]:80", "10.0.0.11:8080", true},
}

// headerOf is the length of an IP header without options.
func headerOf(v6 bool) int {
	if v6 {
		return 40
	}
	return 20
}

func TestCrossingChangesTheIPVersion(t *testing.T) {
	for _, c := range crossings {
		for _, udp := range []bool{false, true} {
			for _, payload := range []int{0, 1, 2, 17, 1001, 1400} {
				t.Run(fmt.Sprintf("%s/udp=%t/%d bytes", c.name, udp, payload), func(t *testing.T) {
					r := fullRig(t, c.vip, c.backend, udp)
					for _, flags := range []string{"S", "A", "A"} {
						in := pk{from: c.client, to: c.vip, udp: udp, flags: flags, payload: payload, tos: 0x2b, pad: 3}
						s := one(t, r.send(wan, in.frame(t)), lan)
						if s.v6 == c.v6 || s.src.Addr() != localOf(!c.v6) || s.dst.String() != c.backend || s.ttl != 63 || s.tos != 0x2b {
							t.Fatalf("to the backend: %s tos %02x", &s, s.tos)
						}
						if got := s.l4[len(s.l4)-payload:]; !bytes.Equal(got, in.frame(t)[14+headerOf(c.v6)+len(s.l4)-payload:][:payload]) {
							t.Fatalf("payload %x", got)
						}
						back := pk{from: c.backend, to: s.src.String(), udp: udp, flags: flags + "A", payload: payload, tos: 0x2a, srcMAC: rs1MAC, dstMAC: lanMAC}
						s = one(t, r.send(lan, back.frame(t)), wan)
						if s.v6 != c.v6 || s.src.String() != c.vip || s.dst.String() != c.client || s.ttl != 63 || s.tos != 0x2a {
							t.Fatalf("to the client: %s tos %02x", &s, s.tos)
						}
						if s.srcMAC != mac(wanMAC) || s.dstMAC != mac(gwMAC) {
							t.Errorf("MACs to the client: %s", &s)
						}
					}
				})
			}
		}
	}
}

// What IPv4's don't-fragment bit and identification become (RFC 7915 section 5.1).
func TestPacketsMadeOfIPv6OnesMayBeCutUpOnlyIfTheyAreSmall(t *testing.T) {
	c := crossings[1]
	r := fullRig(t, c.vip, c.backend, true)
	ids := map[uint16]bool{}
	for _, payload := range []int{10, 1232, 1233, 1400} {
		s := one(t, r.send(wan, pk{from: c.client, to: c.vip, udp: true, payload: payload}.frame(t)), lan)
		df, id := s.ip[6]&0x40 != 0, binary.BigEndian.Uint16(s.ip[4:])
		if df != (payload > 1232) || df != (id == 0) || !df && ids[id] {
			t.Errorf("%d bytes: DF %t, identification %d", payload, df, id)
		}
		ids[id] = true
	}
}

func TestAMissingUDPChecksumIsComputedForIPv6(t *testing.T) {
	for _, payload := range []int{0, 5, 1400, 1460} { // the last one is cut up
		r := fullRig(t, crossings[0].vip, crossings[0].backend, true)
		in := pk{from: crossings[0].client, to: crossings[0].vip, udp: true, noChecksum: true, payload: payload}
		out := r.send(wan, in.frame(t))
		if payload < 1460 {
			one(t, out, lan)
			continue
		}
		s := joined6(t, out)
		if s.checksum == 0 {
			t.Error("no checksum")
		}
	}
}

// joined6 puts the fragments of an IPv6 packet together.
func joined6(t *testing.T, out []sentFrame) seen {
	t.Helper()
	var whole []byte
	var id uint32
	for i, o := range out {
		ip := ipOf(o.data)
		if ip[6] != packet.ProtoFragment {
			t.Fatalf("next header %d", ip[6])
		}
		field, last := binary.BigEndian.Uint16(ip[42:]), i == len(out)-1
		if int(field&^7) != len(whole) || (field&1 == 0) != last {
			t.Fatalf("fragment %d: field %04x behind %d bytes", i, field, len(whole))
		}
		if id2 := binary.BigEndian.Uint32(ip[44:]); i > 0 && id2 != id {
			t.Errorf("identification %d, then %d", id, id2)
		} else {
			id = id2
		}
		whole = append(whole, ip[48:]...)
	}
	first := bytes.Clone(out[0].data[:14+40])
	first[14+6] = out[0].data[14+40]
	binary.BigEndian.PutUint16(first[14+4:], uint16(len(whole)))
	return look(t, append(first, whole...))
}

func TestWhatDoesNotFitTheOtherVersionIsAnsweredOrCutUp(t *testing.T) {
	for _, c := range crossings {
		r := fullRig(t, c.vip, c.backend, true, withLanMTU(1400))
		most := 1380 // an IPv4 packet's, for an MTU of 1400 in IPv6
		if c.v6 {
			most = 1420
		}
		fits := pk{from: c.client, to: c.vip, udp: true, df: true, payload: most - headerOf(c.v6) - 8}
		one(t, r.send(wan, fits.frame(t)), lan)
		fits.payload++
		s := one(t, r.send(wan, fits.frame(t)), wan)
		kind, code := tooBigKind(c.v6)
		if s.l4[0] != kind || s.l4[1] != code || int(binary.BigEndian.Uint16(s.l4[6:])) != most {
			t.Errorf("%s: % x, want an MTU of %d", c.name, s.l4[:8], most)
		}
		if fits.df = false; !c.v6 {
			in := fits.frame(t)
			if got := joined6(t, r.send(wan, in)); !bytes.Equal(got.l4[8:], in[14+28:]) || got.dst.String() != c.backend {
				t.Errorf("%s: cut up and put together: %s", c.name, &got)
			}
		}
	}
}

// Fragments stay fragments, with their places and identification.
func TestFragmentsCross(t *testing.T) {
	c := crossings[0]
	r := fullRig(t, c.vip, c.backend, true)
	in := pk{from: c.client, to: c.vip, udp: true, payload: 2000}.frame(t)
	var out []sentFrame
	for _, f := range cutUp(in, 1000, 77) {
		out = append(out, r.send(wan, f)...)
	}
	if got := joined6(t, out); !bytes.Equal(got.l4[8:], in[14+28:]) || got.dst.String() != c.backend || got.ttl != 63 {
		t.Errorf("%s", &got)
	}
	back := crossings[1]
	r = fullRig(t, back.vip, back.backend, true)
	in = pk{from: back.client, to: back.vip, udp: true, payload: 2000}.frame(t)
	out = nil
	for _, f := range cutUp(in, 1000, 77) {
		out = append(out, r.send(wan, f)...)
	}
	if len(out) < 2 {
		t.Fatalf("%d fragments left: %v", len(out), r.reasons())
	}
	var whole []byte
	for i, o := range out {
		ip := ipOf(o.data)
		if field := binary.BigEndian.Uint16(ip[6:]); int(field&0x1fff)*8 != len(whole) || (field&0x2000 == 0) != (i == len(out)-1) || ip[8] != 63 {
			t.Errorf("fragment %d: field %04x, TTL %d", i, field, ip[8])
		}
		whole = append(whole, ip[20:]...)
	}
	if !bytes.Equal(whole[8:], in[14+48:]) {
		t.Error("the payload is another")
	}
}

func TestErrorsCross(t *testing.T) {
	for _, c := range crossings {
		for _, udp := range []bool{false, true} {
			for _, quoted := range []int{8, 20, 100} {
				r := fullRig(t, c.vip, c.backend, udp, withWorkers(3, 3))
				sent := pk{from: c.client, to: c.vip, udp: udp, flags: "S", payload: 99}.frame(t)
				out := r.send(wan, sent)
				local := one(t, out, lan).src
				unreachable := func(v6 bool) (kind, code byte) { // the port is
					if v6 {
						return packet.ICMP6Unreachable, 4
					}
					return packet.ICMP4Unreachable, 3
				}
				kind, code := unreachable(!c.v6)
				in := icmpFrame(netipAddr(c.backend).String(), local.Addr().String(), kind, code, quoteOf(out[0].data, quoted), rs1MAC, lanMAC, 64)
				s := one(t, r.sendTo(1, lan, in, 0), wan)
				kind, code = unreachable(c.v6)
				if s.src.Addr() != netipAddr(c.vip) || s.dst.Addr() != netipAddr(c.client) || s.l4[0] != kind || s.l4[1] != code {
					t.Errorf("%s: to the client: %s, type %d, code %d", c.name, &s, s.l4[0], s.l4[1])
				}
				checkQuote(t, s.l4[8:], c.client, c.vip, quoted, sent)

				kind, code = tooBigKind(c.v6)
				reply := pk{from: c.vip, to: c.client, udp: udp, flags: "A", payload: 77}.frame(t)
				body := quoteOf(reply, quoted)
				binary.BigEndian.PutUint16(body[2:], 1300)
				in = icmpFrame(routers[c.v6], netipAddr(c.vip).String(), kind, code, body, gwMAC, wanMAC, 64)
				s = one(t, r.sendTo(2, wan, in, 0), lan)
				kind, code = tooBigKind(!c.v6)
				mtu := 1320
				if c.v6 {
					mtu = 1280
				}
				if s.src.Addr() != local.Addr() || s.dst.Addr() != netipAddr(c.backend) || s.l4[0] != kind || s.l4[1] != code || int(binary.BigEndian.Uint16(s.l4[6:])) != mtu {
					t.Errorf("%s: to the backend: %s, % x", c.name, &s, s.l4[:8])
				}
				checkQuote(t, s.l4[8:], c.backend, local.String(), quoted, pk{from: c.backend, to: local.String(), udp: udp, flags: "A", payload: 77}.frame(t))
			}
		}
	}
}

// The types and codes that RFC 7915 has a counterpart for, and back again where that is the same.
func TestICMPTypesOfBothVersions(t *testing.T) {
	for _, c := range []struct {
		to6                      bool
		kind, code, kind2, code2 uint8
		rest, rest2              uint32
		lost                     bool
	}{
		{true, 3, 0, 1, 0, 0, 0, false}, {true, 3, 1, 1, 0, 0, 0, false}, {true, 3, 2, 4, 1, 0, 6, false}, {true, 3, 3, 1, 4, 0, 0, false},
		{true, 3, 4, 2, 0, 1480, 1500, false}, {true, 3, 4, 2, 0, 0, 1280, false}, {true, 3, 13, 1, 1, 0, 0, false}, {true, 3, 14, 0, 0, 0, 0, true},
		{true, 3, 16, 0, 0, 0, 0, true}, {true, 4, 0, 0, 0, 0, 0, true}, {true, 11, 1, 3, 1, 0, 0, false}, {true, 12, 0, 4, 0, 8 << 24, 7, false},
		{true, 12, 0, 4, 0, 16 << 24, 24, false}, {true, 12, 0, 0, 0, 4 << 24, 0, true}, {true, 12, 1, 0, 0, 0, 0, true},
		{false, 1, 0, 3, 1, 0, 0, false}, {false, 1, 1, 3, 10, 0, 0, false}, {false, 1, 4, 3, 3, 0, 0, false}, {false, 1, 5, 0, 0, 0, 0, true},
		{false, 2, 0, 3, 4, 1500, 1480, false}, {false, 2, 0, 3, 4, 100, 1260, false}, {false, 3, 0, 11, 0, 0, 0, false},
		{false, 4, 1, 3, 2, 6, 0, false}, {false, 4, 0, 12, 0, 7, 8 << 24, false}, {false, 4, 0, 12, 0, 30, 16 << 24, false}, {false, 4, 0, 0, 0, 2, 0, true}, {false, 4, 2, 0, 0, 0, 0, true},
	} {
		f := cross6to4
		if c.to6 {
			f = cross4to6
		}
		kind, code, rest, ok := f(c.kind, c.code, c.rest)
		if ok == c.lost || ok && (kind != c.kind2 || code != c.code2 || rest != c.rest2) {
			t.Errorf("%+v: became %d, %d, %x, %t", c, kind, code, rest, ok)
		}
	}
}

// A backend that is taken away with its connections resets both ends, each as it knows the other.
func TestConnectionsOfADepartedFullNATBackendAreResetOnBothSides(t *testing.T) {
	for _, c := range append([]crossing{{"4 to 4", families[0].client, families[0].vip, families[0].rs1, false}, {"6 to 6", families[1].client, families[1].vip, families[1].rs1, true}}, crossings...) {
		for _, reply := range []bool{false, true} {
			r := newRig(t, []rigService{{vip: c.vip, proto: proto(false), mode: FullNAT, peers: []string{c.backend, netipPort(c.backend, 9)}, full: rigFull{tell: TellProxyV2}}})
			k := &talk{rig: r, t: t, client: c.client, vip: c.vip, backend: c.backend, header: wantHeader(c.client, c.vip, TellProxyV2)}
			k.handshake()
			k.fromBackend(seg{flags: "A", seq: bisn + 1, ack: isn + 1 + k.shift()})
			r.leave(Resets)
			in, p := wan, pk{from: c.client, to: c.vip, flags: "A", tcp: (&seg{flags: "A", seq: isn + 1, ack: bisn + 1}).fill}
			if reply {
				in, p = lan, pk{from: c.backend, to: k.local, flags: "A", srcMAC: rs1MAC, dstMAC: lanMAC, tcp: (&seg{flags: "A", seq: bisn + 1, ack: isn + 1 + k.shift()}).fill}
			}
			got := map[string]string{}
			for _, o := range r.send(in, p.frame(t)) {
				s := look(t, o.data)
				m := read(s.l4)
				got[s.src.String()+" > "+s.dst.String()] = fmt.Sprint(m.flags[:1], m.seq)
			}
			want := map[string]string{
				c.vip + " > " + c.client:    fmt.Sprint("R", bisn+1),
				k.local + " > " + c.backend: fmt.Sprint("R", isn+1+k.shift()),
			}
			if !maps.Equal(got, want) {
				t.Errorf("%s, reply %t: %v, want %v; %v", c.name, reply, got, want, r.reasons())
			}
		}
	}
}

// A PROXY header tells of the client's addresses, whatever the backend's version.
func TestThePROXYHeaderCrosses(t *testing.T) {
	for _, c := range crossings {
		r := newRig(t, []rigService{{vip: c.vip, proto: proto(false), mode: FullNAT, peers: []string{c.backend}, full: rigFull{tell: TellProxyV2}}})
		k := &talk{rig: r, t: t, client: c.client, vip: c.vip, backend: c.backend, header: wantHeader(c.client, c.vip, TellProxyV2)}
		k.expect("header", k.handshake(), k.headerSegment())
		k.expect("data", k.fromClient(seg{flags: "A", seq: isn + 1, ack: bisn + 1, data: "GET /"}),
			seg{flags: "A", seq: isn + 1 + k.shift(), ack: bisn + 1, data: "GET /"})
	}
}
