package replay

import (
	"encoding/binary"
	"fmt"

	"github.com/google/gopacket/layers"

	"github.com/weirlb/weir/fastpath/packet"
)

// link is a capture's link type (https://www.tcpdump.org/linktypes.html): what stands before the IP packet.
type link uint16

// The link types that are replayed. tcpdump writes the cooked ones for the interface "any", and raw IP for tunnels.
const (
	linkNull     link = 0 // BSD loopback: the address family in the byte order of whoever captured
	linkEthernet link = 1
	linkRawBSD   link = 12
	linkRawBSDi  link = 14
	linkRaw      link = 101
	linkLoop     link = 108 // as linkNull, in network byte order
	linkCooked   link = 113
	linkIPv4     link = 228
	linkIPv6     link = 229
	linkCooked2  link = 276
)

func (l link) check() error {
	switch l {
	case linkNull, linkEthernet, linkRawBSD, linkRawBSDi, linkRaw, linkLoop, linkCooked, linkIPv4, linkIPv6, linkCooked2:
		return nil
	}
	return fmt.Errorf("the capture's link type is %d: Weir replays Ethernet (1), Linux cooked (113, 276), raw IP (12, 14, 101, 228, 229) and loopback (0, 108)", l)
}

// Lengths of the headers of cooked captures and of loopback.
const (
	cookedLen   = 16
	cooked2Len  = 20
	loopbackLen = 4
)

// frame appends a packet of the link type to an empty buffer, as an Ethernet frame. Such a packet names no station that it is for: a
// frame of zeros' MAC, or of a group's, stands for it. A packet that is too short for its header becomes a frame that is too short.
func (l link) frame(buf, data []byte) []byte {
	var from, to [6]byte
	var kind uint16
	switch l {
	case linkCooked:
		if len(data) < cookedLen {
			return buf
		}
		to, from = cookedMACs(binary.BigEndian.Uint16(data), binary.BigEndian.Uint16(data[4:]), data[6:])
		kind, data = binary.BigEndian.Uint16(data[14:]), data[cookedLen:]
	case linkCooked2:
		if len(data) < cooked2Len {
			return buf
		}
		to, from = cookedMACs(uint16(data[10]), uint16(data[11]), data[12:])
		kind, data = binary.BigEndian.Uint16(data), data[cooked2Len:]
	case linkNull, linkLoop:
		if len(data) < loopbackLen {
			return buf
		}
		data = data[loopbackLen:] // the family's number for IPv6 is each system's own; the packet tells its version
		kind = etherType(data)
	default:
		kind = etherType(data)
	}
	buf = append(append(buf, to[:]...), from[:]...)
	return append(binary.BigEndian.AppendUint16(buf, kind), data...)
}

// cookedMACs are the stations that a cooked header tells of: who sent the packet, and whether it was for all.
func cookedMACs(kind, length uint16, addr []byte) (to, from [6]byte) {
	const broadcast, multicast = 1, 2
	if kind == broadcast || kind == multicast {
		to = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	}
	if length == uint16(len(from)) {
		copy(from[:], addr)
	}
	return to, from
}

// etherType is that of an IP packet, by its version.
func etherType(ip []byte) uint16 {
	if len(ip) > 0 && ip[0]>>4 == 6 {
		return packet.Swap16(packet.EtherIPv6)
	}
	return packet.Swap16(packet.EtherIPv4)
}

// ngLink is the link type of an interface of pcapng. gopacket keeps 8 of its 16 bits; blocks has refused what is more than that but for
// one, whose 8 bits are no other's.
func ngLink(l layers.LinkType) link {
	if l == layers.LinkType(linkCooked2&0xff) {
		return linkCooked2
	}
	return link(l)
}
