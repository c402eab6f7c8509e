package neighbor

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

func serialize(l ...gopacket.SerializableLayer) []byte {
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, l...); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// arp is what another station sends; dst is the frame's destination.
func arp(dst [6]byte, op uint16, sha [6]byte, spa netip.Addr, tha [6]byte, tpa netip.Addr) []byte {
	return serialize(
		&layers.Ethernet{SrcMAC: sha[:], DstMAC: dst[:], EthernetType: layers.EthernetTypeARP},
		&layers.ARP{
			AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
			Operation: op, SourceHwAddress: sha[:], SourceProtAddress: spa.AsSlice(),
			DstHwAddress: tha[:], DstProtAddress: tpa.AsSlice(),
		})
}

func whoHas(a netip.Addr, sha [6]byte, tell netip.Addr) []byte {
	return arp(broadcastMAC, arpRequest, sha, tell, noMAC, a)
}

// isAt is the answer to a request of port's.
func isAt(port int, a netip.Addr, sha [6]byte) []byte {
	l := links()[port]
	return arp(l.MAC, arpReply, sha, a, l.MAC, l.Addresses[0].Addr())
}

func gratuitous(a netip.Addr, sha [6]byte) []byte { return whoHas(a, sha, a) }

// nd is a neighbour discovery message; the zero MAC leaves the option out.
type nd struct {
	kind             uint8
	from, to         [6]byte
	src, dst, target netip.Addr
	flags            uint8
	option           [6]byte
}

func (m nd) frame() []byte {
	eth := &layers.Ethernet{SrcMAC: m.from[:], DstMAC: m.to[:], EthernetType: layers.EthernetTypeIPv6}
	ip6 := &layers.IPv6{Version: 6, NextHeader: layers.IPProtocolICMPv6, HopLimit: 255, SrcIP: m.src.AsSlice(), DstIP: m.dst.AsSlice()}
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(m.kind, 0)}
	_ = icmp.SetNetworkLayerForChecksum(ip6)
	var opts layers.ICMPv6Options
	kind := layers.ICMPv6OptSourceAddress
	if m.kind == ndAdvertisement {
		kind = layers.ICMPv6OptTargetAddress
	}
	if m.option != noMAC {
		opts = layers.ICMPv6Options{{Type: kind, Data: m.option[:]}}
	}
	if m.kind == ndSolicitation {
		return serialize(eth, ip6, icmp, &layers.ICMPv6NeighborSolicitation{TargetAddress: m.target.AsSlice(), Options: opts})
	}
	return serialize(eth, ip6, icmp, &layers.ICMPv6NeighborAdvertisement{Flags: m.flags, TargetAddress: m.target.AsSlice(), Options: opts})
}

func solicitation(target netip.Addr, from [6]byte, src netip.Addr) nd {
	g := solicitedNode(target).As16()
	m := nd{
		kind: ndSolicitation, from: from, to: [6]byte{0x33, 0x33, g[12], g[13], g[14], g[15]},
		src: src, dst: solicitedNode(target), target: target, option: from,
	}
	if src.IsUnspecified() {
		m.option = noMAC
	}
	return m
}

// answer is the advertisement that answers a solicitation of port's.
func answer(port int, target netip.Addr, from [6]byte) nd {
	l := links()[port]
	return nd{
		kind: ndAdvertisement, from: from, to: l.MAC, src: target, dst: l.Addresses[1].Addr(), target: target,
		flags: flagSolicited | flagOverride, option: from,
	}
}

func unsolicited(target netip.Addr, from [6]byte) nd {
	return nd{
		kind: ndAdvertisement, from: from, to: allNodesMAC, src: target, dst: allNodes, target: target,
		flags: flagOverride, option: from,
	}
}

// describe is a frame in words, read by an independent decoder.
func describe(t testing.TB, frame []byte) string {
	t.Helper()
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	eth, ok := p.LinkLayer().(*layers.Ethernet)
	if !ok {
		return "garbage"
	}
	to := eth.DstMAC.String() + " "
	if a, ok := p.Layer(layers.LayerTypeARP).(*layers.ARP); ok {
		return to + describeARP(t, eth, a)
	}
	v6, ok := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6)
	if !ok {
		return to + string(frame[ethLen:])
	}
	if v6.HopLimit != 255 || checksum(frame[ethLen+8:ethLen+40], v6.Payload) != 0 {
		t.Errorf("neighbour discovery with hop limit %d and a checksum that is %v", v6.HopLimit, checksum(frame[ethLen+8:ethLen+40], v6.Payload))
	}
	path := fmt.Sprintf("%s>%s ", v6.SrcIP, v6.DstIP)
	if ns, ok := p.Layer(layers.LayerTypeICMPv6NeighborSolicitation).(*layers.ICMPv6NeighborSolicitation); ok {
		return to + path + "ns " + ns.TargetAddress.String() + describeOptions(ns.Options)
	}
	if na, ok := p.Layer(layers.LayerTypeICMPv6NeighborAdvertisement).(*layers.ICMPv6NeighborAdvertisement); ok {
		flags := ""
		if na.Router() {
			flags += " router"
		}
		if na.Solicited() {
			flags += " solicited"
		}
		if na.Override() {
			flags += " override"
		}
		return to + path + "na " + na.TargetAddress.String() + flags + describeOptions(na.Options)
	}
	return to + p.String()
}

func describeARP(t testing.TB, eth *layers.Ethernet, a *layers.ARP) string {
	t.Helper()
	sha, tha := net.HardwareAddr(a.SourceHwAddress).String(), net.HardwareAddr(a.DstHwAddress).String()
	spa, tpa := net.IP(a.SourceProtAddress).String(), net.IP(a.DstProtAddress).String()
	if sha != eth.SrcMAC.String() {
		t.Errorf("ARP of %s in a frame from %s", sha, eth.SrcMAC)
	}
	switch {
	case a.Operation == arpReply:
		return fmt.Sprintf("arp %s is-at %s to %s %s", spa, sha, tpa, tha)
	case tha != show(noMAC):
		t.Errorf("an ARP request that names the MAC %s it asks for", tha)
	}
	return fmt.Sprintf("arp who-has %s tell %s", tpa, spa)
}

func describeOptions(opts layers.ICMPv6Options) string {
	var b strings.Builder
	for _, o := range opts {
		switch o.Type {
		case layers.ICMPv6OptSourceAddress:
			b.WriteString(" source ")
		case layers.ICMPv6OptTargetAddress:
			b.WriteString(" target ")
		default:
			fmt.Fprintf(&b, " option %d ", o.Type)
		}
		b.WriteString(net.HardwareAddr(o.Data).String())
	}
	return b.String()
}
