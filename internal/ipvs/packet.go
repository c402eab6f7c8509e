package ipvs

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// Packet describes a packet of a protocol that is balanced; zero values are sensible.
type Packet struct {
	Protocol   Protocol
	From, To   netip.AddrPort
	Flags      string // of TCP: letters of FSRPAU; of SCTP: the names of its chunks, separated by spaces
	Payload    int    // bytes
	Extra      int    // bytes of the last chunk of SCTP besides its usual ones
	TTL        uint8  // 0: 64
	TOS        uint8
	ID         uint16 // of IPv4
	DF         bool
	NoChecksum bool // UDP checksum 0
	MSS        uint16
	Options    []byte // of IPv4, a multiple of 4
	Damaged    bool   // the checksum of TCP, UDP or SCTP is wrong
}

// sctpChunks are the types by their names in RFC 9260.
var sctpChunks = map[string]layers.SCTPChunkType{
	"DATA": layers.SCTPChunkTypeData, "INIT": layers.SCTPChunkTypeInit, "INIT-ACK": layers.SCTPChunkTypeInitAck,
	"SACK": layers.SCTPChunkTypeSack, "HEARTBEAT": layers.SCTPChunkTypeHeartbeat, "ABORT": layers.SCTPChunkTypeAbort,
	"SHUTDOWN": layers.SCTPChunkTypeShutdown, "SHUTDOWN-ACK": layers.SCTPChunkTypeShutdownAck, "ERROR": layers.SCTPChunkTypeError,
	"COOKIE-ECHO": layers.SCTPChunkTypeCookieEcho, "COOKIE-ACK": layers.SCTPChunkTypeCookieAck,
	"SHUTDOWN-COMPLETE": layers.SCTPChunkTypeShutdownComplete,
}

// Frame is the packet between two stations, with all checksums right.
func (p *Packet) Frame(src, dst [6]byte) []byte {
	head, ip, network := p.network(src, dst)
	stack := append(head, ip)
	switch p.Protocol {
	case TCP:
		l := &layers.TCP{SrcPort: layers.TCPPort(p.From.Port()), DstPort: layers.TCPPort(p.To.Port()), Seq: 1000, Ack: 2000, Window: 8192,
			FIN: p.has("F"), SYN: p.has("S"), RST: p.has("R"), PSH: p.has("P"), ACK: p.has("A"), URG: p.has("U")}
		if p.MSS != 0 {
			mss := binary.BigEndian.AppendUint16(nil, p.MSS)
			l.Options = []layers.TCPOption{{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: mss}}
		}
		check(l.SetNetworkLayerForChecksum(network))
		stack = append(stack, l)
	case UDP:
		l := &layers.UDP{SrcPort: layers.UDPPort(p.From.Port()), DstPort: layers.UDPPort(p.To.Port())}
		check(l.SetNetworkLayerForChecksum(network))
		stack = append(stack, l)
	case SCTP:
		stack = append(stack, &layers.SCTP{SrcPort: layers.SCTPPort(p.From.Port()), DstPort: layers.SCTPPort(p.To.Port()), VerificationTag: 0x11223344})
	}
	frame := serialize(append(stack, gopacket.Payload(p.payload()))...)
	p.spoil(frame)
	return frame
}

// network is the layers below TCP, UDP or SCTP.
func (p *Packet) network(src, dst [6]byte) ([]gopacket.SerializableLayer, gopacket.SerializableLayer, gopacket.NetworkLayer) {
	eth := &layers.Ethernet{SrcMAC: src[:], DstMAC: dst[:], EthernetType: layers.EthernetTypeIPv4}
	proto := map[Protocol]layers.IPProtocol{TCP: layers.IPProtocolTCP, UDP: layers.IPProtocolUDP, SCTP: layers.IPProtocolSCTP}[p.Protocol]
	from, to := p.From.Addr().AsSlice(), p.To.Addr().AsSlice()
	if p.To.Addr().Is6() {
		eth.EthernetType = layers.EthernetTypeIPv6
		l := &layers.IPv6{Version: 6, HopLimit: or(p.TTL, 64), TrafficClass: p.TOS, NextHeader: proto, SrcIP: from, DstIP: to}
		return []gopacket.SerializableLayer{eth}, l, l
	}
	l := &layers.IPv4{Version: 4, TTL: or(p.TTL, 64), TOS: p.TOS, Id: p.ID, Protocol: proto, SrcIP: from, DstIP: to}
	if p.DF {
		l.Flags = layers.IPv4DontFragment
	}
	if len(p.Options) > 0 {
		l.Options = []layers.IPv4Option{{OptionType: p.Options[0], OptionLength: uint8(len(p.Options)), OptionData: p.Options[2:]}}
	}
	return []gopacket.SerializableLayer{eth}, l, l
}

func (p *Packet) payload() []byte {
	var out []byte
	if p.Protocol == SCTP {
		for _, name := range strings.Fields(p.Flags) {
			chunk, ok := sctpChunks[name]
			if !ok {
				panic("ipvs: no SCTP chunk is called " + name)
			}
			out = append(out, byte(chunk), 0, 0, 20)
			out = append(out, make([]byte, 16)...)
		}
		if p.Extra > 0 {
			binary.BigEndian.PutUint16(out[len(out)-18:], uint16(20+p.Extra))
			out = append(out, make([]byte, p.Extra)...)
		}
		return out
	}
	for i := range p.Payload {
		out = append(out, byte(i*7+3))
	}
	return out
}

func (p *Packet) has(flag string) bool { return strings.Contains(p.Flags, flag) }

// spoil makes the checksum what a description wants.
func (p *Packet) spoil(frame []byte) {
	at := 14 + 20 + len(p.Options)
	if p.To.Addr().Is6() {
		at = 14 + 40
	}
	switch {
	case p.NoChecksum:
		frame[at+6], frame[at+7] = 0, 0
	case p.Damaged:
		frame[at+map[Protocol]int{TCP: 17, UDP: 7, SCTP: 11}[p.Protocol]] ^= 0x55
	}
}

func serialize(all ...gopacket.SerializableLayer) []byte {
	buf := gopacket.NewSerializeBuffer()
	check(gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, all...))
	return trim(append([]byte(nil), buf.Bytes()...))
}

// trim takes off what an Ethernet device adds to short frames.
func trim(frame []byte) []byte {
	length := len(frame)
	switch binary.BigEndian.Uint16(frame[12:]) {
	case uint16(layers.EthernetTypeIPv4):
		length = 14 + int(binary.BigEndian.Uint16(frame[16:]))
	case uint16(layers.EthernetTypeIPv6):
		length = 14 + 40 + int(binary.BigEndian.Uint16(frame[18:]))
	}
	return frame[:min(length, len(frame))]
}

// check stops on a description that makes no packet, which only a scenario's author can mend.
func check(err error) {
	if err != nil {
		panic(fmt.Sprintf("ipvs: a scenario describes no packet: %v", err))
	}
}
