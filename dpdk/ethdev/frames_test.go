package ethdev

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// udp is an Ethernet frame with a UDP datagram in IPv4. change may spoil it after its checksums are
// computed.
func udp(t testing.TB, from, to string, payload int, change func(frame []byte)) []byte {
	t.Helper()
	src, dst := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	eth := &layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 0, 0xa}, DstMAC: []byte{2, 0, 0, 0, 0, 0xb}, EthernetType: layers.EthernetTypeIPv4}
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: src.Addr().AsSlice(), DstIP: dst.Addr().AsSlice()}
	l4 := &layers.UDP{SrcPort: layers.UDPPort(src.Port()), DstPort: layers.UDPPort(dst.Port())}
	if err := l4.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, eth, ip, l4, gopacket.Payload(make([]byte, payload))); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(buf.Bytes())
	}
	return buf.Bytes()
}

// fragments cuts a UDP frame into two IPv4 fragments, the first with at bytes of IP payload.
func fragments(frame []byte, at int) (first, last []byte) {
	const header = 34
	cut := func(data []byte, offset int, more bool) []byte {
		f := append(append([]byte{}, frame[:header]...), data...)
		ip := f[14:header]
		binary.BigEndian.PutUint16(ip[2:], uint16(20+len(data)))
		field := uint16(offset / 8)
		if more {
			field |= 0x2000
		}
		binary.BigEndian.PutUint16(ip[6:], field)
		binary.BigEndian.PutUint16(ip[10:], 0)
		binary.BigEndian.PutUint16(ip[10:], ^sum(ip))
		return f
	}
	return cut(frame[header:header+at], 0, true), cut(frame[header+at:], at, false)
}

// sum is the one's complement sum of RFC 1071.
func sum(b []byte) uint16 {
	var s uint32
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		s += uint32(b[len(b)-1]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// checksumIsRight verifies the UDP checksum of an IPv4 frame without options.
func checksumIsRight(frame []byte) bool {
	ip := frame[14:34]
	datagram := frame[34 : 14+binary.BigEndian.Uint16(ip[2:])]
	pseudo := append(append([]byte{}, ip[12:20]...), 0, ip[9], byte(len(datagram)>>8), byte(len(datagram)))
	return sum(append(pseudo, datagram...)) == 0xffff
}

// vlan puts an 802.1Q tag into a frame.
func vlan(frame []byte, id uint16) []byte {
	return append(append(append([]byte{}, frame[:12]...), 0x81, 0, byte(id>>8), byte(id)), frame[12:]...)
}
