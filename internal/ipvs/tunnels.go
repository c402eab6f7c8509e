package ipvs

import (
	"net/netip"
	"strings"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// GUEPort is the port of GUE in all scenarios.
const GUEPort = 6080

// tunnels are those that are more than IP in IP, with all that ipvsadm can make of them, also through the other IP version.
func tunnels() (all []Scenario) {
	for _, tunnel := range []Tunnel{
		{Type: "gue", Port: GUEPort, Checksum: "nocsum"},
		{Type: "gue", Port: GUEPort, Checksum: "csum"},
		{Type: "gue", Port: GUEPort, Checksum: "remcsum"},
		{Type: "gre", Checksum: "nocsum"},
		{Type: "gre", Checksum: "csum"},
	} {
		for _, proto := range Protocols {
			for _, v6 := range []bool{false, true} {
				all = append(all, tunnelling(tunnel, proto, v6, v6))
			}
		}
		all = append(all, tunnelling(tunnel, TCP, false, true))
	}
	return append(all, narrow())
}

// narrow has a router in a tunnel complain about packets of a client who does not want to hear of it.
func narrow() Scenario {
	s := service(TCP, Tun, "rr", false, 1, 1)
	t := newStory("tunnel/ipip/too-big", s)
	t.open(s, 0)
	p := s.further(0)
	p.Payload, p.DF = 1400, false
	t.send(p)
	t.tooBigInTunnel(s, p, 0, 1400)
	t.table()
	return t.s
}

// tooBigInTunnel is what a router says of a client's packet on its way to a backend in an IPv4 tunnel.
func (t *story) tooBigInTunnel(s Service, p Packet, backend int, mtu uint32) int {
	router, own := netip.MustParseAddr("198.18.0.1"), Ports[1].Addresses[0].Addr()
	outer := &layers.IPv4{Version: 4, TTL: 60, Id: 5, Flags: layers.IPv4DontFragment, Protocol: layers.IPProtocolIPv4, SrcIP: own.AsSlice(),
		DstIP: BackendAddr(backend, false).AsSlice()}
	stack := []gopacket.SerializableLayer{&layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4}, outer}
	switch s.Tunnel.Type {
	case "gue":
		outer.Protocol = layers.IPProtocolUDP
		stack = append(stack, &layers.UDP{SrcPort: 50000, DstPort: layers.UDPPort(s.Tunnel.Port)}, gopacket.Payload{0, 4, 0, 0})
	case "gre":
		outer.Protocol = layers.IPProtocolGRE
		stack = append(stack, &layers.GRE{Protocol: layers.EthernetTypeIPv4})
	}
	inner := p.Frame(RouterMAC, Ports[0].MAC)[14:]
	quoted := serialize(append(stack, gopacket.Payload(inner))...)[14:]
	e := trouble{type4: 3, code4: 4, mtu: mtu}
	return t.frame(Lan, e.frame(router, own, BackendMAC(backend), Ports[1].MAC, quoted, 128))
}

func tunnelling(tunnel Tunnel, proto Protocol, v6, outer6 bool) Scenario {
	s := service(proto, Tun, "rr", v6, 1, 1)
	s.Backends = service(proto, Tun, "rr", outer6, 1, 1).Backends
	s.Tunnel = tunnel
	name := []string{"tunnel", tunnel.Type, tunnel.Checksum, string(proto), version(v6)}
	if outer6 != v6 {
		name = append(name, "in", version(outer6))
	}
	t := newStory(strings.Join(name, "/"), s)
	t.odd(s)
	t.open(s, 40)
	if proto != SCTP { // too large with the headers
		p := s.further(40)
		for _, p.Payload = range []int{1472, 1456, 1448, 1440, 1432, 1424, 1416, 1400, 1384} {
			t.send(p)
		}
	}
	t.table()
	return t.s
}
