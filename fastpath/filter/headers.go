package filter

import "encoding/binary"

// headers is what tests ask of a frame.
type headers struct {
	length           int
	srcMAC, dstMAC   [6]byte
	ether            uint16
	ip, v6           bool
	addressed        bool // src and dst are there; also for ARP
	src, dst         [16]byte
	proto            uint8
	ported           bool
	srcPort, dstPort uint16
	flagged          bool
	flags            uint8 // of TCP
}

const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherIPv6 = 0x86dd

	protoHopByHop = 0
	protoICMP     = 1
	protoTCP      = 6
	protoUDP      = 17
	protoRouting  = 43
	protoFragment = 44
	protoAH       = 51
	protoICMP6    = 58
	protoDestOpts = 60
	protoSCTP     = 132
)

// read takes what there is; the rest stays unset and fits no test.
func (h *headers) read(b []byte, length int) {
	const ethernet = 14
	h.length = length
	if len(b) < ethernet {
		return
	}
	h.dstMAC, h.srcMAC = [6]byte(b), [6]byte(b[6:])
	h.ether = binary.BigEndian.Uint16(b[12:])
	switch rest := b[ethernet:]; h.ether {
	case etherIPv4:
		h.read4(rest)
	case etherIPv6:
		h.read6(rest)
	case etherARP:
		h.readARP(rest)
	}
}

func (h *headers) readARP(b []byte) {
	const sender, target, size = 14, 24, 28 // of ARP for IPv4 over Ethernet (RFC 826)
	if len(b) < size || binary.BigEndian.Uint16(b[2:]) != etherIPv4 || b[4] != 6 || b[5] != 4 {
		return
	}
	h.addressed = true
	copy(h.src[:], b[sender:sender+4])
	copy(h.dst[:], b[target:target+4])
}

func (h *headers) read4(b []byte) {
	const least = 20
	if len(b) < least || b[0]>>4 != 4 {
		return
	}
	h.ip, h.addressed, h.proto = true, true, b[9]
	copy(h.src[:], b[12:16])
	copy(h.dst[:], b[16:20])
	size := int(b[0]&15) * 4
	const offset = 0x1fff
	if size < least || size > len(b) || binary.BigEndian.Uint16(b[6:])&offset != 0 {
		return
	}
	h.readL4(b[size:])
}

func (h *headers) read6(b []byte) {
	const fixed, most = 40, 8
	if len(b) < fixed || b[0]>>4 != 6 {
		return
	}
	h.ip, h.v6, h.addressed, h.proto = true, true, true, b[6]
	copy(h.src[:], b[8:24])
	copy(h.dst[:], b[24:40])
	b = b[fixed:]
	for range most {
		var size int
		switch {
		case !extension(h.proto):
			h.readL4(b)
			return
		case len(b) < 8:
			return
		case h.proto == protoFragment:
			size = 8
			if binary.BigEndian.Uint16(b[2:])&^7 != 0 { // not the first one
				h.proto = b[0]
				return
			}
		case h.proto == protoAH:
			size = 8 + 4*int(b[1])
		default:
			size = 8 + 8*int(b[1])
		}
		if size > len(b) {
			return
		}
		h.proto, b = b[0], b[size:]
	}
}

func extension(proto uint8) bool {
	switch proto {
	case protoHopByHop, protoRouting, protoFragment, protoAH, protoDestOpts:
		return true
	}
	return false
}

func (h *headers) readL4(b []byte) {
	if h.proto != protoTCP && h.proto != protoUDP && h.proto != protoSCTP || len(b) < 4 {
		return
	}
	h.ported = true
	h.srcPort, h.dstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	const flags = 13 // offset in a TCP header
	if h.proto == protoTCP && len(b) > flags {
		h.flagged, h.flags = true, b[flags]
	}
}
