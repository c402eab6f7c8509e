package fastpath

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
)

// icmpFrame makes an ICMP or ICMPv6 packet with a right checksum; body follows type and code and the checksum.
func icmpFrame(from, to string, kind, code byte, body []byte, srcMAC, dstMAC [6]byte, ttl byte) []byte {
	src, dst := netip.MustParseAddr(from), netip.MustParseAddr(to)
	msg := append([]byte{kind, code, 0, 0}, body...)
	f := append(append([]byte{}, dstMAC[:]...), srcMAC[:]...)
	if src.Is6() {
		pseudo := append(append(src.AsSlice(), dst.AsSlice()...), 0, 0, byte(len(msg)>>8), byte(len(msg)), 0, 0, 0, 58)
		binary.BigEndian.PutUint16(msg[2:], sum16(pseudo, msg))
		f = append(f, 0x86, 0xdd, 0x60, 0, 0, 0, byte(len(msg)>>8), byte(len(msg)), 58, ttl)
		return append(append(append(f, src.AsSlice()...), dst.AsSlice()...), msg...)
	}
	binary.BigEndian.PutUint16(msg[2:], sum16(msg))
	h := []byte{0x45, 0, 0, 0, 0, 9, 0, 0, ttl, 1, 0, 0}
	h = append(append(h, src.AsSlice()...), dst.AsSlice()...)
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(msg)))
	binary.BigEndian.PutUint16(h[10:], sum16(h))
	return append(append(append(f, 8, 0), h...), msg...)
}

// quoteOf is the body of an ICMP error about a frame: four bytes, then n bytes of the IP packet's payload behind
// its header.
func quoteOf(frame []byte, n int) []byte {
	hl := 20
	if frame[14]>>4 == 6 {
		hl = 40
	}
	return append(make([]byte, 4), frame[14:min(len(frame), 14+hl+n)]...)
}

func errorKind(v6 bool) byte {
	if v6 {
		return packet.ICMP6Unreachable
	}
	return packet.ICMP4Unreachable
}

func TestEchoToAVIPIsAnswered(t *testing.T) {
	for _, f := range families {
		r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoTCP, mode: NAT}})
		vip, client := netipAddr(f.vip).String(), netipAddr(f.client).String()
		kind, reply := byte(8), byte(0)
		if f.v6 {
			kind, reply = 128, 129
		}
		body := []byte{1, 2, 0, 7, 'w', 'e', 'i', 'r', '!'}
		s := one(t, r.send(wan, icmpFrame(client, vip, kind, 0, body, gwMAC, wanMAC, 5)), wan)
		if s.src.Addr().String() != vip || s.dst.Addr().String() != client || s.ttl != 64 || s.dstMAC != mac(gwMAC) {
			t.Errorf("%s: %s", f.name, &s)
		}
		if s.l4[0] != reply || !bytes.Equal(s.l4[4:], body) {
			t.Errorf("%s: %x", f.name, s.l4)
		}
	}
}

func TestErrorsFromTheClientSideReachTheBackend(t *testing.T) {
	for _, f := range families {
		for _, udp := range []bool{false, true} {
			for mode, name := range map[Mode]string{NAT: "nat", TUN: "tun", DR: "dr"} {
				for _, quoted := range []int{8, 20, 100} {
					t.Run(fmt.Sprintf("%s/%s/udp=%t/%d quoted", f.name, name, udp, quoted), func(t *testing.T) {
						peer := f.rs1
						if mode != NAT {
							peer = netip.AddrPortFrom(netipAddr(f.rs1), 80).String()
						}
						r := newRig(t, []rigService{{vip: f.vip, proto: proto(udp), mode: mode, peers: []string{peer}}})
						one(t, r.send(wan, pk{from: f.client, to: f.vip, udp: udp, flags: "S"}.frame(t)), lan)
						reply := pk{from: f.vip, to: f.client, udp: udp, flags: "SA", payload: 40}.frame(t)
						router := map[bool]string{false: "192.0.2.99", true: "2001:db8:ffff::99"}[f.v6]
						in := icmpFrame(router, netipAddr(f.vip).String(), errorKind(f.v6), 1, quoteOf(reply, quoted), gwMAC, wanMAC, 60)
						s := one(t, r.send(wan, in), lan)
						switch mode {
						case TUN:
							s = s.inner(t)
							fallthrough
						case DR:
							if s.dst.Addr() != netipAddr(f.vip) || !bytes.Equal(s.l4, in[len(in)-len(s.l4):]) {
								t.Errorf("the error changed: %s", &s)
							}
							return
						}
						if s.src.Addr().String() != router || s.dst.Addr() != netipAddr(f.rs1) || s.ttl != 59 {
							t.Errorf("outer: %s", &s)
						}
						checkQuote(t, s.l4[8:], f.rs1, f.client, quoted, pk{from: f.rs1, to: f.client, udp: udp, flags: "SA", payload: 40}.frame(t))
					})
				}
			}
		}
	}
}

// checkQuote compares a quoted packet with what the receiver has sent, but for fields that routers change.
func checkQuote(t *testing.T, q []byte, src, dst string, quoted int, sent []byte) {
	t.Helper()
	want := sent[14:]
	hl := 20
	if q[0]>>4 == 6 {
		hl = 40
	}
	if !bytes.Equal(q[12:hl], want[12:hl]) && hl == 20 || !bytes.Equal(q[8:hl], want[8:hl]) && hl == 40 {
		t.Errorf("quoted addresses %x, want %s > %s", q[8:hl], src, dst)
	}
	if hl == 20 && sum16(q[:hl]) != 0 {
		t.Error("the quoted header's checksum is wrong")
	}
	n := min(quoted, len(want)-hl)
	if !bytes.Equal(q[hl:hl+n], want[hl:hl+n]) {
		t.Errorf("quoted %x, want %x", q[hl:hl+n], want[hl:hl+n])
	}
}

func TestErrorsFromTheBackendSideReachTheClient(t *testing.T) {
	for _, f := range families {
		for _, udp := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/udp=%t", f.name, udp), func(t *testing.T) {
				r := newRig(t, []rigService{{vip: f.vip, proto: proto(udp), mode: NAT, peers: []string{f.rs1}}})
				sentByClient := pk{from: f.client, to: f.vip, udp: udp, flags: "S", payload: 31}.frame(t)
				out := r.send(wan, sentByClient)
				one(t, out, lan)
				in := icmpFrame(netipAddr(f.rs1).String(), netipAddr(f.client).String(), errorKind(f.v6), 3, quoteOf(out[0].data, 64), rs1MAC, lanMAC, 64)
				s := one(t, r.send(lan, in), wan)
				if s.src.Addr() != netipAddr(f.vip) || s.dst.Addr() != netipAddr(f.client) || s.dstMAC != mac(gwMAC) {
					t.Errorf("outer: %s", &s)
				}
				checkQuote(t, s.l4[8:], f.client, f.vip, 64, sentByClient)
			})
		}
	}
}

func TestErrorsAboutNothingKnownAreDropped(t *testing.T) {
	r := newRig(t, []rigService{{vip: "203.0.113.10:80", proto: packet.ProtoTCP, mode: NAT}})
	reply := pk{from: "203.0.113.10:80", to: "198.51.100.7:1", flags: "SA"}.frame(t)
	quoted := quoteOf(reply, 8)
	cut := quoted[:len(quoted)-1]
	foreign := quoteOf(pk{from: "203.0.113.99:80", to: "198.51.100.7:1", flags: "SA"}.frame(t), 8)
	for _, c := range []struct {
		body   []byte
		reason string
	}{{quoted, "icmp_no_connection"}, {cut, "bad_icmp"}, {foreign, "bad_icmp"}, {[]byte{0, 0, 0, 0}, "bad_icmp"}, {nil, "bad_icmp"}} {
		before := r.reasons()[c.reason]
		if out := r.send(wan, icmpFrame("192.0.2.9", "203.0.113.10", 3, 1, c.body, gwMAC, wanMAC, 64)); len(out) != 0 {
			t.Errorf("%x: forwarded", c.body)
		}
		if r.reasons()[c.reason] != before+1 {
			t.Errorf("%x: reasons %v, want %s", c.body, r.reasons(), c.reason)
		}
	}
}

func TestExpiredTTLIsAnswered(t *testing.T) {
	for _, f := range families {
		for _, mode := range []Mode{NAT, TUN} {
			for _, ttl := range []uint8{1} {
				r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoTCP, mode: mode}})
				in := pk{from: f.client, to: f.vip, flags: "S", ttl: ttl}.frame(t)
				s := one(t, r.send(wan, in), wan)
				own := map[bool]string{false: "203.0.113.2", true: "2001:db8::2"}[f.v6]
				kind := map[bool]byte{false: 11, true: 3}[f.v6]
				if s.src.Addr().String() != own || s.dst.Addr() != netipAddr(f.client) || s.l4[0] != kind || s.l4[1] != 0 {
					t.Errorf("%s: %s type %d", f.name, &s, s.l4[0])
				}
				if !bytes.Equal(s.l4[8:], in[14:]) {
					t.Errorf("%s: the quote differs from the packet", f.name)
				}
				if n := r.workers[0].Counters().Live; n != 0 {
					t.Errorf("%s: %d connections were made", f.name, n)
				}
			}
		}
	}
}

func TestRepliesWithExpiredTTLAreAnsweredToTheBackend(t *testing.T) {
	r := newRig(t, []rigService{{vip: "203.0.113.10:80", proto: packet.ProtoTCP, mode: NAT}})
	one(t, r.send(wan, pk{from: "198.51.100.7:1", to: "203.0.113.10:80", flags: "S"}.frame(t)), lan)
	s := one(t, r.send(lan, pk{from: "10.0.0.11:80", to: "198.51.100.7:1", flags: "SA", ttl: 1, srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t)), lan)
	if s.src.Addr().String() != "10.0.0.1" || s.dst.Addr().String() != "10.0.0.11" || s.l4[0] != 11 {
		t.Errorf("%s type %d", &s, s.l4[0])
	}
}

func TestTunnelTooBigIsAnsweredWithTheMTUThatFits(t *testing.T) {
	for _, f := range families {
		for peer, overhead := range map[string]int{"10.0.0.11:80": 20, "[fd00::11]:80": 40} {
			r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: TUN, peers: []string{peer}}})
			hl := map[bool]int{false: 28, true: 48}[f.v6]
			fits := pk{from: f.client, to: f.vip, udp: true, df: true, payload: 1500 - overhead - hl}
			one(t, r.send(wan, fits.frame(t)), lan)
			fits.payload++
			in := fits.frame(t)
			s := one(t, r.send(wan, in), wan)
			kind, code, mtu := s.l4[0], s.l4[1], binary.BigEndian.Uint32(s.l4[4:])
			if f.v6 && (kind != 2 || code != 0) || !f.v6 && (kind != 3 || code != 4) || mtu != uint32(1500-overhead) {
				t.Errorf("%s over %s: type %d code %d MTU %d", f.name, peer, kind, code, mtu)
			}
			if most := map[bool]int{false: 576, true: 1280}[f.v6]; len(s.ip) != most {
				t.Errorf("%s: the error has %d bytes, want %d", f.name, len(s.ip), most)
			}
		}
	}
}

func TestIPv4WithoutDFIsFragmentedIntoTheTunnel(t *testing.T) {
	for _, peer := range []string{"10.0.0.11:80", "[fd00::11]:80"} {
		r := newRig(t, []rigService{{vip: "203.0.113.10:80", proto: packet.ProtoUDP, mode: TUN, peers: []string{peer}}})
		in := pk{from: "198.51.100.7:9", to: "203.0.113.10:80", udp: true, payload: 1472}.frame(t)
		out := r.send(wan, in)
		if len(out) != 2 {
			t.Fatalf("%d frames, want 2", len(out))
		}
		var payload []byte
		for i, o := range out {
			s := look(t, o.data)
			if len(s.ip) > 1500 {
				t.Errorf("piece %d has %d bytes", i, len(s.ip))
			}
			in := s.inner(t)
			field := binary.BigEndian.Uint16(in.ip[6:])
			if int(field&0x1fff)*8 != len(payload) || field&0x2000 != 0 != (i == 0) || in.ttl != 63 {
				t.Errorf("piece %d: fragment field %04x at %d, TTL %d", i, field, len(payload), in.ttl)
			}
			payload = append(payload, in.l4...)
		}
		if !bytes.Equal(payload, in[34:]) {
			t.Error("the pieces do not make the packet")
		}
	}
}

func TestICMPErrorsAreLimited(t *testing.T) {
	r := newRig(t, []rigService{{vip: "203.0.113.10:80", proto: packet.ProtoTCP, mode: NAT}})
	frame := pk{from: "198.51.100.7:1", to: "203.0.113.10:80", flags: "S", ttl: 1}.frame(t)
	answered := 0
	for range 1500 {
		answered += len(r.send(wan, frame))
	}
	if answered != icmpPerSecond {
		t.Errorf("%d errors in no time, want %d", answered, icmpPerSecond)
	}
	r.advance(1000)
	if len(r.send(wan, frame)) != 1 {
		t.Error("a second later there is still none")
	}
}
