package fastpath

import (
	"encoding/binary"
	"unsafe"
)

// This file checks and makes checksums of whole packets without any code of Weir's.

// transport finds the protocol and offset of what follows an IP header and, in IPv6, its extensions; whole is false
// for a fragment. The headers are there.
func transport(ip []byte) (proto byte, off int, whole bool) {
	if ip[0]>>4 == 4 {
		return ip[9], int(ip[0]&15) * 4, binary.BigEndian.Uint16(ip[6:])&0x3fff == 0
	}
	proto, off = ip[6], 40
	for proto == 0 || proto == 43 || proto == 60 {
		proto, off = ip[off], off+8+8*int(ip[off+1])
	}
	if proto == 44 && ip[off+2]|ip[off+3]&0xf9 == 0 { // an atomic fragment
		return ip[off], off + 8, true
	}
	return proto, off, proto != 44
}

// ipOf is the IP packet in a frame, without what follows it.
func ipOf(frame []byte) []byte {
	ip := frame[14:]
	if ip[0]>>4 == 4 {
		return ip[:binary.BigEndian.Uint16(ip[2:])]
	}
	return ip[:40+int(binary.BigEndian.Uint16(ip[4:]))]
}

// l4Sum is the checksum of a packet's L4 with its checksum field taken as it is: 0 if that is right.
func l4Sum(ip []byte) uint16 {
	proto, off, _ := transport(ip)
	l4 := ip[off:]
	if proto == 1 {
		return sum16(l4)
	}
	if proto == 17 {
		l4 = l4[:binary.BigEndian.Uint16(l4[4:])]
	}
	addrs := ip[12:20]
	if ip[0]>>4 == 6 {
		addrs = ip[8:40]
	}
	return sum16(addrs, []byte{0, 0, byte(len(l4) >> 8), byte(len(l4)), 0, 0, 0, proto}, l4)
}

// sumField is a packet's L4 checksum, nil if its protocol has none of 16 bits.
func sumField(ip []byte) []byte {
	proto, off, whole := transport(ip)
	at, ok := map[byte]int{1: 2, 6: 16, 17: 6, 58: 2}[proto]
	if !ok || !whole || len(ip) < off+at+2 {
		return nil
	}
	return ip[off+at:][:2]
}

// setSums makes a frame's checksums right.
func setSums(frame []byte) {
	ip := ipOf(frame)
	if ip[0]>>4 == 4 {
		ip[10], ip[11] = 0, 0
		binary.BigEndian.PutUint16(ip[10:], sum16(ip[:int(ip[0]&15)*4]))
	}
	if proto, off, whole := transport(ip); proto == 132 && whole && len(ip) >= off+12 {
		binary.LittleEndian.PutUint32(ip[off+8:], crc32c(ip[off:]))
	}
	field := sumField(ip)
	if field == nil {
		return
	}
	field[0], field[1] = 0, 0
	sum := l4Sum(ip)
	if proto, _, _ := transport(ip); proto == 17 && sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(field, sum)
}

// sumsRight reports whether all checksums of a packet, and of one in it if it is a tunnel's, are right. A UDP checksum
// of 0 is none.
func sumsRight(ip []byte) bool {
	if ip[0]>>4 == 4 && sum16(ip[:int(ip[0]&15)*4]) != 0 {
		return false
	}
	proto, off, whole := transport(ip)
	if whole && (proto == 4 || proto == 41) {
		return sumsRight(ip[off:])
	}
	if whole && proto == 132 && len(ip) >= off+12 {
		return binary.LittleEndian.Uint32(ip[off+8:]) == crc32c(ip[off:])
	}
	field := sumField(ip)
	return field == nil || proto == 17 && field[0]|field[1] == 0 || l4Sum(ip) == 0
}

// insert6 puts IPv6 extension headers between an IPv6 header and what follows: each is its type and its bytes, whose
// first two are written here.
func insert6(frame []byte, headers ...[]byte) []byte {
	next := frame[20]
	var all []byte
	for i := len(headers) - 1; i >= 0; i-- {
		h := append([]byte{next, byte(len(headers[i])/8 - 1)}, headers[i][2:]...)
		if next = headers[i][0]; next == 44 {
			h[1] = 0
		}
		all = append(h, all...)
	}
	out := append(append(append([]byte{}, frame[:54]...), all...), frame[54:]...)
	out[20] = next
	binary.BigEndian.PutUint16(out[18:], binary.BigEndian.Uint16(out[18:])+uint16(len(all)))
	return out
}

// at and word are a frame and a MAC as package packet takes them.
func at(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

func word(mac [6]byte) (w uint64) {
	for i, c := range mac {
		w |= uint64(c) << (8 * i)
	}
	return w
}
