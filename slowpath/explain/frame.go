package explain

import (
	"encoding/binary"
	"net"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/weirlb/weir/fastpath/packet"
)

// mssOption is the length of the option that a SYN has, as every real one does: tun may change it.
const mssOption = 4

// fragmentHeader is the length of IPv6's.
const fragmentHeader = 8

// headers is the length of the packet without payload.
func (p *Packet) headers() int {
	n := packet.IP4Len
	if p.v6() {
		n = packet.IP6Len
		if p.Fragment {
			n += fragmentHeader
		}
	}
	switch p.number {
	case packet.ProtoTCP:
		n += packet.TCPLen
		if p.has(packet.SYN) {
			n += mssOption
		}
	case packet.ProtoSCTP:
		n += packet.SCTPLen + p.chunksLen()
	case packet.ProtoUDP, packet.ProtoICMP:
		n += packet.UDPLen // as ICMP's
	}
	return n
}

// has reports whether a TCP packet has a flag.
func (p *Packet) has(flag uint8) bool {
	for _, f := range p.Flags {
		if tcpFlags[f] == flag {
			return true
		}
	}
	return false
}

// Frame is the packet as it comes in, to one MAC from another.
func (p *Packet) Frame(to, from [6]byte) ([]byte, error) {
	eth := &layers.Ethernet{SrcMAC: from[:], DstMAC: to[:], EthernetType: layers.EthernetTypeIPv4}
	src, dst := net.IP(p.Src.Addr().AsSlice()), net.IP(p.Dst.Addr().AsSlice())
	number := layers.IPProtocol(p.number)
	var ip interface {
		gopacket.SerializableLayer
		gopacket.NetworkLayer
	}
	if p.v6() {
		eth.EthernetType = layers.EthernetTypeIPv6
		if p.number == packet.ProtoICMP {
			number = layers.IPProtocolICMPv6
		}
		ip = &layers.IPv6{Version: 6, HopLimit: p.TTL, NextHeader: number, SrcIP: src, DstIP: dst}
	} else {
		v4 := &layers.IPv4{Version: 4, TTL: p.TTL, Protocol: number, SrcIP: src, DstIP: dst, Id: 1}
		if p.DF {
			v4.Flags |= layers.IPv4DontFragment
		}
		if p.Fragment {
			v4.Flags |= layers.IPv4MoreFragments
		}
		ip = v4
	}
	all := []gopacket.SerializableLayer{eth, ip}
	l4, err := p.transport(ip)
	if err != nil {
		return nil, err
	}
	payload := make([]byte, max(p.Len-p.headers(), 0))
	if p.number == packet.ProtoSCTP {
		payload = p.sctp(len(payload))
	}
	all = append(append(all, l4...), gopacket.Payload(payload))
	buf := gopacket.NewSerializeBuffer()
	err = gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, all...)
	if err != nil || !p.v6() || !p.Fragment {
		return buf.Bytes(), err
	}
	return asFragment(buf.Bytes()), nil
}

// asFragment makes an IPv6 packet the first of several fragments.
func asFragment(frame []byte) []byte {
	const head = packet.EthLen + packet.IP6Len
	next := &frame[packet.EthLen+packet.IP6Next]
	out := append(append([]byte(nil), frame[:head]...), *next, 0, 0, 1, 0, 0, 0, 1)
	out[packet.EthLen+packet.IP6Next] = packet.ProtoFragment
	size := out[packet.EthLen+packet.IP6Payload:]
	binary.BigEndian.PutUint16(size, binary.BigEndian.Uint16(size)+fragmentHeader)
	return append(out, frame[head:]...)
}

// transport is what follows the IP header, before the payload; SCTP is all payload, as its checksum covers it.
func (p *Packet) transport(ip gopacket.NetworkLayer) ([]gopacket.SerializableLayer, error) {
	switch p.number {
	case packet.ProtoTCP:
		tcp := &layers.TCP{
			SrcPort: layers.TCPPort(p.Src.Port()), DstPort: layers.TCPPort(p.Dst.Port()), Window: 64240, Seq: 1,
			FIN: p.has(packet.FIN), SYN: p.has(packet.SYN), RST: p.has(packet.RST), PSH: p.has(tcpFlags["psh"]),
			ACK: p.has(packet.ACK), URG: p.has(tcpFlags["urg"]),
		}
		if tcp.SYN {
			mss := uint16(1500 - packet.IP4Len - packet.TCPLen)
			if p.v6() {
				mss = 1500 - packet.IP6Len - packet.TCPLen
			}
			tcp.Options = []layers.TCPOption{{
				OptionType: layers.TCPOptionKindMSS, OptionLength: mssOption, OptionData: binary.BigEndian.AppendUint16(nil, mss),
			}}
		}
		return []gopacket.SerializableLayer{tcp}, tcp.SetNetworkLayerForChecksum(ip)
	case packet.ProtoUDP:
		udp := &layers.UDP{SrcPort: layers.UDPPort(p.Src.Port()), DstPort: layers.UDPPort(p.Dst.Port())}
		return []gopacket.SerializableLayer{udp}, udp.SetNetworkLayerForChecksum(ip)
	case packet.ProtoICMP:
		if !p.v6() {
			return []gopacket.SerializableLayer{&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(packet.ICMP4Echo, 0), Id: 1, Seq: 1}}, nil
		}
		icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(packet.ICMP6Echo, 0)}
		return []gopacket.SerializableLayer{icmp, &layers.ICMPv6Echo{Identifier: 1, SeqNumber: 1}}, icmp.SetNetworkLayerForChecksum(ip)
	}
	return nil, nil
}
