package neighbor

import (
	"encoding/binary"
	"net/netip"
)

// Neighbour discovery (RFC 4861 sections 4.3 and 4.4): an IPv6 header, then
//
//	0    1    2          4                  8                24        26      32
//	+----+----+----------+------------------+----------------+----+----+-------+
//	|type|code| checksum | R S O, reserved  | target address | opt| len|  MAC  | more options
//	+----+----+----------+------------------+----------------+----+----+-------+
const (
	ip6Len  = 40
	ndLen   = 24 // solicitation and advertisement, without options
	optLen  = 8  // a link-layer address option for Ethernet
	ndFirst = 133

	ndSolicitation  = 135
	ndAdvertisement = 136
	ndLast          = 137

	protoICMP6 = 58
	hopLimit   = 255 // proves that no router has passed the packet on

	flagSolicited = 0x40
	flagOverride  = 0x20

	optSourceMAC = 1
	optTargetMAC = 2
)

var (
	allNodes    = netip.IPv6LinkLocalAllNodes()
	allNodesMAC = [6]byte{0x33, 0x33, 0, 0, 0, 1}
)

// ndMessage is a valid message. Of other kinds than solicitation and advertisement only src, dst and kind are
// there.
type ndMessage struct {
	src, dst, target    netip.Addr
	mac                 [6]byte
	kind                uint8
	hasMAC              bool // the source's in a solicitation, the target's in an advertisement
	solicited, override bool
}

// decodeND reads a frame; false if it breaks a rule of RFC 4861 sections 7.1.1 and 7.1.2. Extension headers
// are not supported: nobody sends neighbour discovery with any.
func decodeND(frame []byte) (m ndMessage, ok bool) {
	if len(frame) < ethLen+ip6Len {
		return m, false
	}
	ip := frame[ethLen:]
	size := int(binary.BigEndian.Uint16(ip[4:]))
	if ip[0]>>4 != 6 || ip[6] != protoICMP6 || ip[7] != hopLimit || size < 8 || size > len(ip)-ip6Len {
		return m, false
	}
	b := ip[ip6Len : ip6Len+size]
	if checksum(ip[8:40], b) != 0 {
		return m, false
	}
	m = ndMessage{src: netip.AddrFrom16([16]byte(ip[8:])), dst: netip.AddrFrom16([16]byte(ip[24:])), kind: b[0]}
	switch {
	case b[1] != 0 || m.kind < ndFirst || m.kind > ndLast || !plausible(m.src):
		return m, false
	case m.kind != ndSolicitation && m.kind != ndAdvertisement:
		return m, true
	case len(b) < ndLen:
		return m, false
	}
	m.target = netip.AddrFrom16([16]byte(b[8:]))
	m.solicited, m.override = b[4]&flagSolicited != 0, b[4]&flagOverride != 0
	return m, oneStation(m.target) && m.readOptions(b[ndLen:]) && m.lawful()
}

// readOptions finds the link-layer address option of the message's kind. It skips options it does not know.
func (m *ndMessage) readOptions(b []byte) bool {
	wanted := uint8(optSourceMAC)
	if m.kind == ndAdvertisement {
		wanted = optTargetMAC
	}
	for len(b) > 0 {
		if len(b) < 2 || b[1] == 0 || len(b) < 8*int(b[1]) {
			return false
		}
		size := 8 * int(b[1])
		if b[0] == wanted {
			m.mac, m.hasMAC = [6]byte(b[2:]), true
			if size != optLen || !unicast(m.mac) {
				return false
			}
		}
		b = b[size:]
	}
	return true
}

// lawful checks what depends on the kind of message.
func (m *ndMessage) lawful() bool {
	if m.kind == ndAdvertisement {
		return !m.src.IsUnspecified() && !(m.dst.IsMulticast() && m.solicited)
	}
	return !m.src.IsUnspecified() || isSolicitedNode(m.dst) && !m.hasMAC
}

// solicitedNode is the group that a station with an address listens to (RFC 4291 section 2.7.1).
func solicitedNode(a netip.Addr) netip.Addr {
	b := a.As16()
	return netip.AddrFrom16([16]byte{0xff, 0x02, 11: 1, 0xff, b[13], b[14], b[15]})
}

func isSolicitedNode(a netip.Addr) bool { return a == solicitedNode(a) }

// encodeSolicitation makes a question for the target's MAC: to all that might have it if to is the broadcast
// MAC, which stands for the target's group here, or to one station.
func encodeSolicitation(from, to [6]byte, src, target netip.Addr) []byte {
	dst := target
	if to == broadcastMAC {
		dst = solicitedNode(target)
		g := dst.As16()
		to = [6]byte{0x33, 0x33, g[12], g[13], g[14], g[15]}
	}
	return encodeND(ndMessage{kind: ndSolicitation, src: src, dst: dst, target: target}, 0, from, to, optSourceMAC)
}

// encodeAdvertisement makes an answer, solicited or not; it overrides what was known before.
func encodeAdvertisement(from, to [6]byte, src, dst, target netip.Addr, solicited bool) []byte {
	flags := uint8(flagOverride)
	if solicited {
		flags |= flagSolicited
	}
	return encodeND(ndMessage{kind: ndAdvertisement, src: src, dst: dst, target: target}, flags, from, to, optTargetMAC)
}

func encodeND(m ndMessage, flags uint8, from, to [6]byte, option uint8) []byte {
	const size = ndLen + optLen
	b := ethernet(to, from, etherIPv6, ip6Len+size)
	b = append(b, 6<<4, 0, 0, 0, 0, size, protoICMP6, hopLimit)
	b = append(append(b, m.src.AsSlice()...), m.dst.AsSlice()...)
	b = append(b, m.kind, 0, 0, 0, flags, 0, 0, 0)
	b = append(append(b, m.target.AsSlice()...), option, optLen/8)
	b = append(b, from[:]...)
	ip := b[ethLen:]
	binary.BigEndian.PutUint16(ip[ip6Len+2:], checksum(ip[8:40], ip[ip6Len:]))
	return b
}

// checksum is ICMPv6's (RFC 4443 section 2.3) over the addresses (source and destination in a row) and the
// message. Over a message with its checksum in place it is 0.
func checksum(addrs, message []byte) uint16 {
	sum := uint64(len(message)) + protoICMP6
	for _, b := range [][]byte{addrs, message} {
		for ; len(b) >= 2; b = b[2:] {
			sum += uint64(binary.BigEndian.Uint16(b))
		}
		if len(b) == 1 {
			sum += uint64(b[0]) << 8
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
