package fastpath

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/weirlb/weir/fastpath/memport"
	"github.com/weirlb/weir/fastpath/nexthop"
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

func TestErrorsFromTheClientSideReachTheBackend(t *testing.T) {
	for _, f := range families {
		for _, udp := range []bool{false, true} {
			for mode, name := range map[Mode]string{NAT: "nat", TUN: "tun", DR: "dr"} {
				for _, quoted := range []int{8, 17, 18, 20, 100} {
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
						// Half a TCP checksum, of 17 bytes, cannot be updated.
						checkQuote(t, s.l4[8:], f.rs1, f.client, quoted&^1, pk{from: f.rs1, to: f.client, udp: udp, flags: "SA", payload: 40}.frame(t))
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

func TestEveryKindOfErrorFindsTheBackend(t *testing.T) {
	for i, kinds := range [][]byte{{3, 4, 11, 12}, {1, 2, 3, 4}} {
		f := families[i]
		r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: NAT}})
		one(t, r.send(wan, pk{from: f.client, to: f.vip, udp: true}.frame(t)), lan)
		for kind := range byte(140) {
			in := icmpFrame(routers[f.v6], netipAddr(f.vip).String(), kind, 0, quoteOf(quotable(t, f.v6), 8), gwMAC, wanMAC, 60)
			out := r.send(wan, in)
			isError := bytes.Contains(kinds, []byte{kind})
			if request, _ := echoKind(f.v6); kind == request {
				one(t, out, wan)
			} else if isError {
				if s := one(t, out, lan); s.l4[0] != kind {
					t.Errorf("%s: type %d left as type %d", f.name, kind, s.l4[0])
				}
			} else if len(out) != 0 {
				t.Errorf("%s: type %d was passed on", f.name, kind)
			}
		}
		punts := map[bool]uint64{true: 5}[f.v6] // neighbour discovery has types 133 to 137
		if got := r.reasons(); got["punt_nd"] != punts || got["icmp_unsupported"] != 140-5-punts {
			t.Errorf("%s: reasons %v", f.name, got)
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
			for _, ttl := range []uint8{0, 1} {
				r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoTCP, mode: mode}})
				in := pk{from: f.client, to: f.vip, flags: "S", ttl: 1}.frame(t)
				in[map[bool]int{false: 22, true: 21}[f.v6]] = ttl
				setSums(in)
				s := one(t, r.send(wan, in), wan)
				own := map[bool]string{false: "203.0.113.2", true: "2001:db8::2"}[f.v6]
				kind := map[bool]byte{false: 11, true: 3}[f.v6]
				if s.src.Addr().String() != own || s.dst.Addr() != netipAddr(f.client) || s.l4[0] != kind || s.l4[1] != 0 {
					t.Errorf("%s: %s type %d", f.name, &s, s.l4[0])
				}
				if !bytes.Equal(s.l4[8:], in[14:]) {
					t.Errorf("%s: the quote differs from the packet", f.name)
				}
				if want := map[bool]uint8{false: 0xc0, true: 0}[f.v6]; s.tos != want { // RFC 1812 section 4.3.2.5
					t.Errorf("%s: TOS %02x, want %02x", f.name, s.tos, want)
				}
				if n := r.workers[0].Counters().Live; n != 0 {
					t.Errorf("%s: %d connections were made", f.name, n)
				}
				one(t, r.send(wan, pk{from: f.client, to: f.vip, flags: "S"}.frame(t)), lan)
				if s := one(t, r.send(wan, in), wan); s.l4[0] != kind {
					t.Errorf("%s, of a known connection: type %d", f.name, s.l4[0])
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

func TestErrorsAboutConnectionsThatAreOverAreDropped(t *testing.T) {
	for name, c := range map[string]struct {
		end    func(r *rig)
		reason string
	}{
		"expired":      {func(r *rig) { r.advance(300_000) }, "icmp_no_connection"},
		"backend gone": {func(r *rig) { r.replaceBackend(); r.publish() }, "backend_gone"},
	} {
		r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: NAT}})
		one(t, r.send(wan, pk{from: client4, to: vip4, udp: true}.frame(t)), lan)
		c.end(r)
		in := icmpFrame("192.0.2.9", "203.0.113.10", 3, 1, quoteOf(pk{from: vip4, to: client4, udp: true}.frame(t), 8), gwMAC, wanMAC, 64)
		if out := r.send(wan, in); len(out) != 0 || r.reasons()[c.reason] != 1 {
			t.Errorf("%s: %d frames left, reasons %v", name, len(out), r.reasons())
		}
	}
}

func TestErrorsTooLargeForTheWayAreDropped(t *testing.T) {
	for _, toClient := range []bool{false, true} {
		r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: NAT, peers: []string{"10.0.0.11:80"}}}, withLanMTU(1300))
		out := r.send(wan, pk{from: client4, to: vip4, udp: true}.frame(t))
		one(t, out, lan)
		r.setMTU(wan, 1280)
		in, port := icmpFrame("192.0.2.9", "203.0.113.10", 3, 1, quoteOf(pk{from: vip4, to: client4, udp: true, payload: 1300}.frame(t), 1300), gwMAC, wanMAC, 64), wan
		if toClient {
			body := append(quoteOf(out[0].data, 8), make([]byte, 1225)...)
			in, port = icmpFrame("10.0.0.11", "198.51.100.7", 3, 3, body, rs1MAC, lanMAC, 64), lan
		}
		if out := r.send(port, in); len(out) != 0 || r.reasons()["too_big"] != 1 {
			t.Errorf("to the client %t: %d frames left, reasons %v", toClient, len(out), r.reasons())
		}
	}
}

func TestErrorsWithoutAnAddressOfThePortComeFromTheVIP(t *testing.T) {
	for _, f := range families {
		r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoTCP, mode: NAT}})
		p := &r.workers[0].ports[wan]
		p.own4, p.own6 = nexthop.Addr{}, nexthop.Addr{}
		if s := one(t, r.send(wan, pk{from: f.client, to: f.vip, flags: "S", ttl: 1}.frame(t)), wan); s.src.Addr() != netipAddr(f.vip) {
			t.Errorf("%s: %s", f.name, &s)
		}
	}
}

func TestFramesAsLargeAsABufferAreAnswered(t *testing.T) {
	for _, f := range families {
		header := 14 + map[bool]int{false: 28, true: 48}[f.v6]
		for _, mode := range []Mode{NAT, TUN, DR} {
			for reason, p := range map[string]pk{"ttl_exceeded": {ttl: 1}, "too_big": {df: true}} {
				if mode == DR && p.ttl == 1 {
					continue
				}
				r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: mode}})
				p.from, p.to, p.udp, p.payload = f.client, f.vip, true, memport.MaxFrame-header
				in := p.frame(t)
				s := one(t, r.send(wan, in), wan) // the rig checks what is free around the frame
				if len(in) != memport.MaxFrame || !bytes.HasPrefix(ipOf(in), s.l4[8:]) || r.reasons()[reason] != 1 {
					t.Errorf("%s, mode %d: %s, reasons %v", f.name, mode, &s, r.reasons())
				}
			}
		}
	}
}

func TestPaddingIsNotQuoted(t *testing.T) {
	r := newRig(t, tcp4())
	in := pk{from: client4, to: vip4, flags: "S", ttl: 1, pad: 20}.frame(t)
	s := one(t, r.send(wan, in), wan)
	if !bytes.Equal(s.l4[8:], ipOf(in)) {
		t.Errorf("quoted %x", s.l4[8:])
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
