package ipvs

import (
	"fmt"
	"strings"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// Describe is a frame in words and bytes, a line for each header.
func Describe(frame []byte) string {
	var b strings.Builder
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	for _, l := range p.Layers() {
		if text := describe(l); text != "" {
			fmt.Fprintf(&b, "      %s\n", text)
		}
	}
	fmt.Fprintf(&b, "      %x\n", frame)
	return b.String()
}

func describe(l gopacket.Layer) string {
	switch l := l.(type) {
	case *layers.Ethernet:
		return fmt.Sprintf("Ethernet %s > %s %s", l.SrcMAC, l.DstMAC, l.EthernetType)
	case *layers.IPv4:
		return fmt.Sprintf("IPv4 %s > %s, %s, TTL %d, TOS %#x, ID %#x, %s offset %d, length %d, header %d, checksum %#04x", l.SrcIP, l.DstIP,
			l.Protocol, l.TTL, l.TOS, l.Id, l.Flags, l.FragOffset, l.Length, l.IHL*4, l.Checksum)
	case *layers.IPv6:
		return fmt.Sprintf("IPv6 %s > %s, %s, hop limit %d, class %#x, flow %#x, length %d", l.SrcIP, l.DstIP, l.NextHeader, l.HopLimit,
			l.TrafficClass, l.FlowLabel, l.Length)
	case *layers.TCP:
		return fmt.Sprintf("TCP %d > %d, %s, seq %d, ack %d, window %d, options %v, checksum %#04x", l.SrcPort, l.DstPort, tcpFlags(l), l.Seq,
			l.Ack, l.Window, l.Options, l.Checksum)
	case *layers.UDP:
		return fmt.Sprintf("UDP %d > %d, length %d, checksum %#04x", l.SrcPort, l.DstPort, l.Length, l.Checksum)
	case *layers.SCTP:
		return fmt.Sprintf("SCTP %d > %d, tag %#x, checksum %#08x", l.SrcPort, l.DstPort, l.VerificationTag, l.Checksum)
	case *layers.ICMPv4:
		return fmt.Sprintf("ICMP %s, id %#x, seq %#x, checksum %#04x", l.TypeCode, l.Id, l.Seq, l.Checksum)
	case *layers.ICMPv6:
		return fmt.Sprintf("ICMPv6 %s, checksum %#04x", l.TypeCode, l.Checksum)
	case *gopacket.Payload:
		return fmt.Sprintf("%d bytes", len(*l))
	}
	return l.LayerType().String()
}

func tcpFlags(l *layers.TCP) string {
	out := ""
	for _, f := range []struct {
		set  bool
		name string
	}{{l.FIN, "F"}, {l.SYN, "S"}, {l.RST, "R"}, {l.PSH, "P"}, {l.ACK, "A"}, {l.URG, "U"}, {l.ECE, "E"}, {l.CWR, "C"}} {
		if f.set {
			out += f.name
		}
	}
	return "flags " + or(out, "none")
}
