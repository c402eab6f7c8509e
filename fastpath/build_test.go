package fastpath

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// pk describes a test packet; zero values are sensible.
type pk struct {
	from, to   string // address and port
	udp        bool
	chunks     []uint8 // types of SCTP chunks; payload is the length of the last one's value
	flags      string  // of TCP: S A F R
	mss        uint16
	payload    int
	ttl        uint8 // 0: 64
	tos        uint8
	df         bool
	srcMAC     [6]byte
	dstMAC     [6]byte
	noChecksum bool              // UDP checksum 0
	options    int               // bytes of IPv4 options, a multiple of 4
	pad        int               // bytes behind the IP packet
	body       []byte            // instead of payload bytes
	tcp        func(*layers.TCP) // changes the header
}

func (p pk) v6() bool { return netip.MustParseAddrPort(p.to).Addr().Is6() }

// frame makes the bytes, with all checksums right.
func (p pk) frame(t testing.TB) []byte {
	t.Helper()
	from, to := netip.MustParseAddrPort(p.from), netip.MustParseAddrPort(p.to)
	if p.ttl == 0 {
		p.ttl = 64
	}
	if p.srcMAC == [6]byte{} {
		p.srcMAC = gwMAC
	}
	if p.dstMAC == [6]byte{} {
		p.dstMAC = wanMAC
	}
	eth := &layers.Ethernet{SrcMAC: p.srcMAC[:], DstMAC: p.dstMAC[:], EthernetType: layers.EthernetTypeIPv4}
	proto := layers.IPProtocolTCP
	if p.udp {
		proto = layers.IPProtocolUDP
	}
	if p.chunks != nil {
		proto = layers.IPProtocolSCTP
	}
	var ip gopacket.SerializableLayer
	var network gopacket.NetworkLayer
	if p.v6() {
		eth.EthernetType = layers.EthernetTypeIPv6
		l := &layers.IPv6{Version: 6, HopLimit: p.ttl, TrafficClass: p.tos, NextHeader: proto, SrcIP: from.Addr().AsSlice(), DstIP: to.Addr().AsSlice()}
		ip, network = l, l
	} else {
		l := &layers.IPv4{Version: 4, TTL: p.ttl, TOS: p.tos, Id: 0x1234, Protocol: proto, SrcIP: from.Addr().AsSlice(), DstIP: to.Addr().AsSlice()}
		if p.df {
			l.Flags = layers.IPv4DontFragment
		}
		for range p.options {
			l.Options = append(l.Options, layers.IPv4Option{OptionType: 1})
		}
		ip, network = l, l
	}
	body := make([]byte, p.payload)
	for i := range body {
		body[i] = byte(i*7 + 1)
	}
	if p.body != nil {
		body = p.body
	}
	out := []gopacket.SerializableLayer{eth, ip}
	if p.chunks != nil {
		out = append(out, gopacket.Payload(p.sctp(from, to, body)))
	} else {
		out = append(out, p.transport(t, from, to, network), gopacket.Payload(body))
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, out...); err != nil {
		t.Fatal(err)
	}
	b := append([]byte(nil), buf.Bytes()...)
	end := 14 + int(binary.BigEndian.Uint16(b[16:])) // short frames come padded
	if p.v6() {
		end = 54 + int(binary.BigEndian.Uint16(b[18:]))
	}
	b = b[:end]
	if p.udp && p.noChecksum {
		copy(b[len(b)-len(body)-2:], []byte{0, 0})
	}
	return append(b, make([]byte, p.pad)...)
}

func (p pk) transport(t testing.TB, from, to netip.AddrPort, network gopacket.NetworkLayer) gopacket.SerializableLayer {
	if p.udp {
		u := &layers.UDP{SrcPort: layers.UDPPort(from.Port()), DstPort: layers.UDPPort(to.Port())}
		if err := u.SetNetworkLayerForChecksum(network); err != nil {
			t.Fatal(err)
		}
		return u
	}
	c := &layers.TCP{SrcPort: layers.TCPPort(from.Port()), DstPort: layers.TCPPort(to.Port()), Seq: 1000, Window: 65535}
	for _, f := range p.flags {
		switch f {
		case 'S':
			c.SYN = true
		case 'A':
			c.ACK = true
		case 'F':
			c.FIN = true
		case 'R':
			c.RST = true
		}
	}
	if p.mss != 0 {
		c.Options = []layers.TCPOption{{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: binary.BigEndian.AppendUint16(nil, p.mss)}}
	}
	if p.tcp != nil {
		p.tcp(c)
	}
	if err := c.SetNetworkLayerForChecksum(network); err != nil {
		t.Fatal(err)
	}
	return c
}

// sctp makes an SCTP packet with a verification tag and as many chunks as there are types.
func (p pk) sctp(from, to netip.AddrPort, body []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, from.Port())
	b = binary.BigEndian.AppendUint16(b, to.Port())
	b = append(b, 0xca, 0xfe, 0xf0, 0x0d, 0, 0, 0, 0)
	for i, kind := range p.chunks {
		value := body
		if i < len(p.chunks)-1 {
			value = []byte{1, 2, 3, 4, 5, 6}
		}
		b = append(b, kind, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(4+len(value)))
		b = append(b, value...)
		if i < len(p.chunks)-1 {
			b = append(b, 0, 0)
		}
	}
	binary.LittleEndian.PutUint32(b[8:], crc32c(b))
	return b
}

// crc32c is the checksum of an SCTP packet, computed anew.
func crc32c(l4 []byte) uint32 {
	b := append([]byte(nil), l4...)
	copy(b[8:], []byte{0, 0, 0, 0})
	return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
}

// sum16 is the Internet checksum the slow way, over whole bytes in network order.
func sum16(chunks ...[]byte) uint16 {
	var s uint32
	for _, b := range chunks {
		for i := 0; i < len(b); i += 2 {
			w := uint32(b[i]) << 8
			if i+1 < len(b) {
				w |= uint32(b[i+1])
			}
			s += w
			s = s>>16 + s&0xffff
		}
	}
	return ^uint16(s)
}

// seen is what a test checks of a packet that left.
type seen struct {
	srcMAC, dstMAC string
	src, dst       netip.AddrPort
	ttl            uint8
	tos            uint8
	proto          uint8
	v6             bool
	ip             []byte // the IP packet
	l4             []byte
	checksum       uint16 // of UDP or TCP, as sent
}

// look reads a frame without any code of Weir's and checks every checksum in it.
func look(t testing.TB, frame []byte) seen {
	t.Helper()
	s := seen{dstMAC: net.HardwareAddr(frame[:6]).String(), srcMAC: net.HardwareAddr(frame[6:12]).String()}
	switch binary.BigEndian.Uint16(frame[12:]) {
	case 0x0800:
	case 0x86dd:
		s.v6 = true
	default:
		t.Fatalf("EtherType %x", frame[12:14])
	}
	s.read(t, frame[14:])
	return s
}

func (s *seen) read(t testing.TB, ip []byte) {
	t.Helper()
	var src, dst netip.Addr
	if s.v6 = ip[0]>>4 == 6; s.v6 {
		n := 40 + int(binary.BigEndian.Uint16(ip[4:]))
		s.ip, s.l4 = ip[:n], ip[40:n]
		s.ttl, s.proto, s.tos = ip[7], ip[6], ip[0]<<4|ip[1]>>4
		src, dst = netip.AddrFrom16([16]byte(ip[8:24])), netip.AddrFrom16([16]byte(ip[24:40]))
	} else {
		n, hl := int(binary.BigEndian.Uint16(ip[2:])), int(ip[0]&15)*4
		s.ip, s.l4 = ip[:n], ip[hl:n]
		s.ttl, s.proto, s.tos = ip[8], ip[9], ip[1]
		src, dst = netip.AddrFrom4([4]byte(ip[12:16])), netip.AddrFrom4([4]byte(ip[16:20]))
		if c := sum16(ip[:hl]); c != 0 {
			t.Errorf("IPv4 header checksum is off by %04x", c)
		}
	}
	s.src, s.dst = netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, 0)
	if fragmented(s.ip, s.v6) {
		return
	}
	pseudo := append(append(src.AsSlice(), dst.AsSlice()...), 0, 0, byte(len(s.l4)>>8), byte(len(s.l4)), 0, s.proto)
	switch s.proto {
	case 6, 17:
		s.src = netip.AddrPortFrom(src, binary.BigEndian.Uint16(s.l4))
		s.dst = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(s.l4[2:]))
		off := 16
		if s.proto == 17 {
			off = 6
		}
		s.checksum = binary.BigEndian.Uint16(s.l4[off:])
		if tunnel := s.dst.Port() == 6080 || s.dst.Port() == 4789; s.proto == 17 && s.checksum == 0 && (!s.v6 || tunnel) { // RFC 6935
			return
		}
		if c := sum16(pseudo, s.l4); c != 0 {
			t.Errorf("TCP or UDP checksum of %s > %s is off by %04x", s.src, s.dst, c)
		}
	case 132:
		s.src = netip.AddrPortFrom(src, binary.BigEndian.Uint16(s.l4))
		s.dst = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(s.l4[2:]))
		if got, want := binary.LittleEndian.Uint32(s.l4[8:]), crc32c(s.l4); got != want {
			t.Errorf("SCTP checksum of %s > %s is %08x, want %08x", s.src, s.dst, got, want)
		}
	case 58:
		if c := sum16(pseudo, s.l4); c != 0 {
			t.Errorf("ICMPv6 checksum is off by %04x", c)
		}
	case 1:
		if c := sum16(s.l4); c != 0 {
			t.Errorf("ICMP checksum is off by %04x", c)
		}
	}
}

func fragmented(ip []byte, v6 bool) bool {
	return !v6 && binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 || v6 && ip[6] == 44
}

// inner reads the packet inside a tunnel.
func (s *seen) inner(t testing.TB) seen {
	t.Helper()
	if s.proto != 4 && s.proto != 41 {
		t.Fatalf("protocol %d is no tunnel", s.proto)
	}
	var in seen
	in.read(t, s.l4)
	return in
}

func (s *seen) String() string {
	return fmt.Sprintf("%s>%s %s>%s proto %d ttl %d", s.srcMAC, s.dstMAC, s.src, s.dst, s.proto, s.ttl)
}

// one requires exactly one frame and looks at it.
func one(t testing.TB, out []sentFrame, port int) seen {
	t.Helper()
	if len(out) != 1 {
		t.Fatalf("%d frames left, want 1", len(out))
	}
	if out[0].port != port {
		t.Fatalf("the frame left on port %d, want %d", out[0].port, port)
	}
	return look(t, out[0].data)
}

func mac(m [6]byte) string { return net.HardwareAddr(m[:]).String() }

func netipAddr(addrPort string) netip.Addr { return netip.MustParseAddrPort(addrPort).Addr() }

// lowerNaively does what a router does to an IP packet, computing the checksum anew.
func lowerNaively(ip []byte) {
	if ip[0]>>4 == 6 {
		ip[7]--
		return
	}
	ip[8]--
	ip[10], ip[11] = 0, 0
	binary.BigEndian.PutUint16(ip[10:], sum16(ip[:int(ip[0]&15)*4]))
}

// netipPort is an endpoint's address with another port.
func netipPort(addrPort string, port uint16) string {
	return netip.AddrPortFrom(netipAddr(addrPort), port).String()
}
