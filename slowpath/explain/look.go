package explain

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/weirlb/weir/fastpath/packet"
)

// seen is what the headers of a frame say.
type seen struct {
	srcMAC, dstMAC string
	outer          string // the tunnel's header; empty: none
	proto          string
	src, dst       string // with ports
	limit          int    // TTL or hop limit
	limitName      string
	size           int    // of the outermost IP packet
	mss            int    // 0: no such option
	kind           string // of ICMP
	detail         string
}

func look(frame []byte) (s seen) {
	ips := 0
	all := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default).Layers()
	for i := 0; i < len(all); i++ {
		switch l := all[i].(type) {
		case *layers.Ethernet:
			if i == 0 { // in VXLAN there is another one
				s.srcMAC, s.dstMAC = l.SrcMAC.String(), l.DstMAC.String()
			}
		case *layers.IPv4:
			s.ip(&ips, l.SrcIP.String(), l.DstIP.String(), "TTL", int(l.TTL), int(l.Length), l.Protocol.String())
			if l.Flags&layers.IPv4MoreFragments != 0 || l.FragOffset != 0 {
				s.detail = fmt.Sprintf(" fragment at %d", int(l.FragOffset)*8)
			}
		case *layers.IPv6:
			s.ip(&ips, l.SrcIP.String(), l.DstIP.String(), "hop limit", int(l.HopLimit), 40+int(l.Length), l.NextHeader.String())
		case *layers.TCP:
			s.flow("tcp", uint16(l.SrcPort), uint16(l.DstPort))
			s.mss = mssOf(l)
		case *layers.UDP:
			s.flow("udp", uint16(l.SrcPort), uint16(l.DstPort))
			all = append(all[:i+1], inGUE(l.Payload, all[i+1:])...)
		case *layers.SCTP:
			s.flow("sctp", uint16(l.SrcPort), uint16(l.DstPort))
		case *layers.ICMPv4:
			s.icmp(l.TypeCode.String())
			if l.TypeCode.Type() == layers.ICMPv4TypeDestinationUnreachable && l.TypeCode.Code() == layers.ICMPv4CodeFragmentationNeeded {
				s.detail = fmt.Sprintf(" (MTU %d)", l.Seq)
			}
		case *layers.ICMPv6:
			s.icmp(l.TypeCode.String())
			if l.TypeCode.Type() == layers.ICMPv6TypePacketTooBig && len(l.Payload) >= 4 {
				s.detail = fmt.Sprintf(" (MTU %d)", binary.BigEndian.Uint32(l.Payload))
			}
		}
		if s.proto == "icmp" {
			return s // what an error quotes is another packet
		}
	}
	return s
}

// inGUE are the layers behind a UDP header: those of a packet in GUE, which gopacket does not know, or the ones it found.
func inGUE(payload []byte, found []gopacket.Layer) []gopacket.Layer {
	const header = 4
	if len(payload) < header+packet.IP4Len || payload[0] != 0 || payload[2]|payload[3] != 0 {
		return found
	}
	first := layers.LayerTypeIPv4
	switch {
	case payload[1] == packet.ProtoIPIP && payload[header]>>4 == 4:
	case payload[1] == packet.ProtoIPv6 && payload[header]>>4 == 6:
		first = layers.LayerTypeIPv6
	default:
		return found
	}
	return gopacket.NewPacket(payload[header:], first, gopacket.Default).Layers()
}

// ip notes an IP header; what was there before is the outer one.
func (s *seen) ip(n *int, src, dst, limitName string, limit, size int, proto string) {
	if *n++; *n > 1 {
		s.outer = fmt.Sprintf("%s > %s, %s %d", s.src, s.dst, s.limitName, s.limit)
	} else {
		s.size = size
	}
	s.src, s.dst, s.limitName, s.limit, s.proto = src, dst, limitName, limit, strings.ToLower(proto)
}

func (s *seen) flow(proto string, src, dst uint16) {
	s.proto, s.src, s.dst = proto, withPort(s.src, src), withPort(s.dst, dst)
}

func withPort(addr string, port uint16) string {
	if strings.Contains(addr, ":") {
		addr = "[" + addr + "]"
	}
	return fmt.Sprintf("%s:%d", addr, port)
}

func (s *seen) icmp(kind string) { s.proto, s.kind, s.outer = "icmp", kind, "" }

func mssOf(tcp *layers.TCP) int {
	for _, o := range tcp.Options {
		if o.OptionType == layers.TCPOptionKindMSS && len(o.OptionData) == 2 {
			return int(binary.BigEndian.Uint16(o.OptionData))
		}
	}
	return 0
}

// String is a frame in a line.
func (s *seen) String() string {
	text := fmt.Sprintf("%s %s > %s", s.proto, s.src, s.dst)
	if s.proto == "icmp" {
		text += ", " + s.kind + s.detail
	} else {
		text += s.detail + fmt.Sprintf(", %s %d", s.limitName, s.limit)
	}
	if s.outer != "" {
		text += ", in " + s.outer
	}
	return text + fmt.Sprintf(", %d bytes", s.size)
}

// changes lists what was rewritten from one frame to the next.
func changes(before, after *seen) (out []string) {
	change := func(what string, a, b any) {
		if a != b {
			out = append(out, fmt.Sprintf("%s %v, was %v", what, b, a))
		}
	}
	change("destination", before.dst, after.dst)
	change("source", before.src, after.src)
	change(before.limitName, before.limit, after.limit)
	change("MSS", before.mss, after.mss)
	if after.outer != "" {
		out = append(out, "wrapped in "+after.outer)
	}
	change("destination MAC", before.dstMAC, after.dstMAC)
	change("source MAC", before.srcMAC, after.srcMAC)
	return out
}
