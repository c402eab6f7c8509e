package neighbor

import (
	"encoding/binary"
	"net/netip"
)

// ARP for IPv4 over Ethernet (RFC 826), offsets from the ARP header:
//
//	0     2     4  5  6     8        14     18       24     28
//	+-----+-----+--+--+-----+--------+------+--------+------+
//	|  1  | 800h| 6| 4| op  |  sha   | spa  |  tha   | tpa  |
//	+-----+-----+--+--+-----+--------+------+--------+------+
const (
	arpLen     = 28
	arpRequest = 1
	arpReply   = 2
)

var broadcastMAC = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// arpPacket is a request or reply: sender and target, hardware and protocol address.
type arpPacket struct {
	op       uint16
	sha, tha [6]byte
	spa, tpa netip.Addr
}

// decodeARP reads a frame; false if it is not a valid request or reply. RFC 1812 section 3.3.2 forbids to
// believe in a group MAC.
func decodeARP(frame []byte) (p arpPacket, ok bool) {
	if len(frame) < ethLen+arpLen {
		return p, false
	}
	b := frame[ethLen:]
	if binary.BigEndian.Uint64(b)>>16 != 0x0001_0800_06_04 {
		return p, false
	}
	p = arpPacket{
		op:  binary.BigEndian.Uint16(b[6:]),
		sha: [6]byte(b[8:]), spa: netip.AddrFrom4([4]byte(b[14:])),
		tha: [6]byte(b[18:]), tpa: netip.AddrFrom4([4]byte(b[24:])),
	}
	if !unicast(p.sha) || !plausible(p.spa) || !plausible(p.tpa) {
		return p, false
	}
	return p, p.op == arpRequest || p.op == arpReply && !p.spa.IsUnspecified()
}

// encodeARP makes a frame from p.sha.
func encodeARP(to [6]byte, p arpPacket) []byte {
	b := ethernet(to, p.sha, etherARP, arpLen)
	b = append(b, 0, 1, 8, 0, 6, 4, byte(p.op>>8), byte(p.op))
	b = append(append(b, p.sha[:]...), p.spa.AsSlice()...)
	return append(append(b, p.tha[:]...), p.tpa.AsSlice()...)
}

// ethernet makes an Ethernet header with room for size bytes after it.
func ethernet(to, from [6]byte, kind uint16, size int) []byte {
	b := make([]byte, 0, ethLen+size)
	b = append(append(b, to[:]...), from[:]...)
	return append(b, byte(kind>>8), byte(kind))
}
