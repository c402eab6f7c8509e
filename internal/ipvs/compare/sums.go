package main

import (
	"encoding/binary"
	"hash/crc32"
)

// onesSum is the sum of RFC 1071 over bytes that begin at an even place.
func onesSum(b []byte, sum uint32) uint32 {
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return sum
}

// summed gives an IPv4 header that was changed the checksum it needs.
func (v *view) summed() {
	if v.v6 {
		return
	}
	header := v.ip[:v.ip[0]&15*4]
	header[10], header[11] = 0, 0
	binary.BigEndian.PutUint16(header[10:], ^uint16(onesSum(header, 0)))
}

// checksumAt is where a packet has its checksum of TCP, UDP or SCTP; ok is false if it has none.
func (v *view) checksumAt() (at, length int, ok bool) {
	switch v.proto {
	case protoTCP:
		at, length = v.l4+16, 2
	case protoUDP:
		at, length = v.l4+6, 2
	case protoSCTP:
		at, length = v.l4+8, 4
	default:
		return 0, 0, false
	}
	return at, length, v.ip != nil && v.offset == 0 && at+length <= len(v.ip)
}

// right reports whether that checksum is the one that the packet, which is whole, should have.
func (v *view) right() bool {
	at, _, ok := v.checksumAt()
	if !ok || v.fragment {
		return false
	}
	l4 := v.ip[v.l4:]
	if v.proto == protoSCTP {
		sum := binary.LittleEndian.Uint32(v.ip[at:])
		crc := crc32.New(crc32.MakeTable(crc32.Castagnoli))
		_, _ = crc.Write(l4[:8]) // a hash does not fail
		_, _ = crc.Write(make([]byte, 4))
		_, _ = crc.Write(l4[12:])
		return crc.Sum32() == sum
	}
	sum := onesSum(v.src.AsSlice(), uint32(v.proto)+uint32(len(l4)))
	return onesSum(l4, onesSum(v.dst.AsSlice(), sum)) == 0xffff
}

// sum is what a UDP packet has as its checksum: none, a right one, or a wrong one.
func (v *view) sum() string {
	switch {
	case v.ip[v.l4+6] == 0 && v.ip[v.l4+7] == 0:
		return "none"
	case v.right():
		return "right"
	}
	return "wrong"
}

// mss is where a SYN has its MSS, and its value.
func (v *view) mss() (at int, value uint16, ok bool) {
	const syn, end, nop, mss = 2, 0, 1, 2
	if v.tcpFlags()&syn == 0 || len(v.ip) < v.l4+20 {
		return 0, 0, false
	}
	last := min(len(v.ip), v.l4+int(v.ip[v.l4+12]>>4)*4)
	for i := v.l4 + 20; i < last; {
		switch {
		case v.ip[i] == end:
			return 0, 0, false
		case v.ip[i] == nop:
			i++
		case i+1 >= last || v.ip[i+1] < 2:
			return 0, 0, false
		case v.ip[i] == mss && v.ip[i+1] == 4 && i+4 <= last:
			return i + 2, binary.BigEndian.Uint16(v.ip[i+2:]), true
		default:
			i += int(v.ip[i+1])
		}
	}
	return 0, 0, false
}
