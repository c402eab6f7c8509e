package ipvs

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// trouble is an ICMP error.
type trouble struct {
	name         string
	type4, code4 uint8
	type6, code6 uint8
	mtu          uint32
}

var troubles = []trouble{
	{"port-unreachable", 3, 3, 1, 4, 0},
	{"host-unreachable", 3, 1, 1, 3, 0},
	{"prohibited", 3, 13, 1, 1, 0},
	{"too-big", 3, 4, 2, 0, 1400},
	{"time-exceeded", 11, 0, 3, 0, 0},
}

// frame is such an error from one address to another, about an IP packet of which it quotes so many bytes.
func (e trouble) frame(from, to netip.Addr, srcMAC, dstMAC [6]byte, about []byte, quote int) []byte {
	about = about[:min(quote, len(about))]
	eth := &layers.Ethernet{SrcMAC: srcMAC[:], DstMAC: dstMAC[:], EthernetType: layers.EthernetTypeIPv4}
	if to.Is4() {
		ip := &layers.IPv4{Version: 4, TTL: 60, Id: 99, Protocol: layers.IPProtocolICMPv4, SrcIP: from.AsSlice(), DstIP: to.AsSlice()}
		icmp := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(e.type4, e.code4), Id: uint16(e.mtu >> 16), Seq: uint16(e.mtu)}
		return serialize(eth, ip, icmp, gopacket.Payload(about))
	}
	eth.EthernetType = layers.EthernetTypeIPv6
	ip := &layers.IPv6{Version: 6, HopLimit: 60, NextHeader: layers.IPProtocolICMPv6, SrcIP: from.AsSlice(), DstIP: to.AsSlice()}
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(e.type6, e.code6)}
	check(icmp.SetNetworkLayerForChecksum(ip))
	return serialize(eth, ip, icmp, gopacket.Payload(append(binary.BigEndian.AppendUint32(nil, e.mtu), about...)))
}

// complain lets somebody complain about the first frame that packet n made leave by a port: the one it was for, or a router
// on the way there.
func (t *story) complain(n int, by string, e trouble, quote int, router bool) int {
	return t.complainAbout(n, 0, by, e, quote, router)
}

// complainAbout is complain about the frame that is so many after the first.
func (t *story) complainAbout(n, after int, by string, e trouble, quote int, router bool) int {
	return t.packet(func(h *History) (string, []byte) {
		left := after
		for _, f := range h.Out[n] {
			if f.Port != by {
				continue
			}
			if left--; left >= 0 {
				continue
			}
			source, dest, ok := outer(f.Data)
			if !ok {
				break
			}
			from := dest
			if router {
				from = map[bool]netip.Addr{false: netip.MustParseAddr("198.18.0.1"), true: netip.MustParseAddr("2001:db8:18::1")}[dest.Is6()]
			}
			return by, e.frame(from, source, [6]byte(f.Data[:6]), [6]byte(f.Data[6:]), f.Data[14:], quote)
		}
		return "", nil
	})
}

// outer is the outermost addresses of a frame.
func outer(frame []byte) (src, dst netip.Addr, ok bool) {
	ip := frame[14:]
	switch {
	case len(ip) >= 20 && ip[0]>>4 == 4:
		return netip.AddrFrom4([4]byte(ip[12:])), netip.AddrFrom4([4]byte(ip[16:])), true
	case len(ip) >= 40 && ip[0]>>4 == 6:
		return netip.AddrFrom16([16]byte(ip[8:])), netip.AddrFrom16([16]byte(ip[24:])), true
	}
	return src, dst, false
}

// complaints are ICMP errors about connections, from both sides.
func complaints() (all []Scenario) {
	for _, proto := range Protocols {
		for _, mode := range Modes {
			for _, v6 := range []bool{false, true} {
				for _, e := range troubles {
					all = append(all, complaining(proto, mode, v6, e))
				}
			}
		}
	}
	return all
}

func complaining(proto Protocol, mode Mode, v6 bool, e trouble) Scenario {
	s := service(proto, mode, "rr", v6, 1, 1)
	t := newStory("icmp/"+e.name+"/"+string(proto)+"/"+string(mode)+"/"+version(v6), s)
	header := map[bool]int{false: 20, true: 40}[v6]
	for i, quote := range []int{header + 8, 128, 548} {
		p := s.opening(i)
		p.Payload = 600
		n := t.send(p)
		if mode == NAT {
			if !v6 { // see the differences
				t.complain(n, Lan, e, quote, false)
				t.complain(n, Lan, e, quote, true)
			}
			back := s.answer()
			back.Payload = 600
			r := t.reply(n, back)
			t.complain(r, Wan, e, quote, false)
			t.complain(r, Wan, e, quote, true)
			continue
		}
		// The backend answers by another way; a client's complaint about that comes to the VIP, here.
		t.frame(Wan, e.frame(p.From.Addr(), p.To.Addr(), RouterMAC, Ports[0].MAC, s.replyTo(p), quote))
	}
	return t.s
}

// replyTo is a backend's answer to a packet, as the client gets it in tun and dr: an IP packet.
func (s Service) replyTo(p Packet) []byte {
	back := s.answer()
	back.Protocol, back.From, back.To, back.Payload = p.Protocol, p.To, p.From, 600
	return back.Frame(Ports[0].MAC, RouterMAC)[14:]
}

// refusals are packets that the balancer has to answer itself.
func refusals() (all []Scenario) {
	for _, v6 := range []bool{false, true} {
		for _, proto := range Protocols {
			for _, mode := range []Mode{NAT, Tun} {
				s := service(proto, mode, "rr", v6, 1, 1)
				t := newStory("refusal/"+string(proto)+"/"+string(mode)+"/"+version(v6), s)
				n := t.open(s, 1)
				p := s.further(1)
				p.TTL = 1
				t.send(p)
				if mode == NAT {
					back := s.answer()
					back.TTL = 1
					t.reply(n, back)
				}
				if mode == Tun && proto != SCTP { // too large with the outer header
					p := s.further(1)
					for _, p.Payload = range []int{1472, 1460, 1440, 1400} {
						t.send(p)
					}
				}
				t.table()
				all = append(all, t.s)
			}
		}
		s := service(TCP, NAT, "rr", v6, 1, 1)
		t := newStory("refusal/echo/"+version(v6), s)
		t.frame(Wan, echo(client(1, v6), s.Address.Addr()))
		all = append(all, t.s)
	}
	return all
}

// echo is an echo request from the client side.
func echo(from, to netip.Addr) []byte {
	e := trouble{type4: 8, type6: 128, mtu: 7<<16 | 1}
	return e.frame(from, to, RouterMAC, Ports[0].MAC, []byte("0123456789abcdefghij"), 100)
}
