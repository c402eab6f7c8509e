package ipvs

import (
	"encoding/binary"
	"slices"
)

// piece is the bytes of an IP packet behind its header that a fragment has: from one up to another. All but end are multiples of 8.
type piece struct{ from, to int }

// end is the end of a packet.
const end = 1 << 16

// Fragments cuts a frame's packet into two, at a multiple of 8 of its payload.
func Fragments(frame []byte, at int) [][]byte { return cut(frame, 1, piece{0, at}, piece{at, end}) }

// cut cuts a frame's packet up as a router would, into pieces that may overlap or leave something out. IPv6 has an identification of the
// datagram from here, IPv4 its own.
func cut(frame []byte, id uint32, pieces ...piece) (out [][]byte) {
	for _, p := range pieces {
		if frame[14]>>4 == 6 {
			out = append(out, cut6(frame, id, p))
		} else {
			out = append(out, cut4(frame, p))
		}
	}
	return out
}

func cut4(frame []byte, p piece) []byte {
	header := 14 + int(frame[14]&0xf)*4
	payload := frame[header:]
	f := slices.Concat(frame[:header], payload[p.from:min(p.to, len(payload))])
	ip := f[14:header]
	binary.BigEndian.PutUint16(ip[2:], uint16(len(f)-14))
	offset := binary.BigEndian.Uint16(ip[6:])&0x4000 | uint16(p.from/8)
	if p.to < len(payload) {
		offset |= 0x2000
	}
	binary.BigEndian.PutUint16(ip[6:], offset)
	sealIP4(ip)
	return f
}

func cut6(frame []byte, id uint32, p piece) []byte {
	const header = 14 + 40
	payload := frame[header:]
	extension := []byte{frame[14+6], 0}
	offset := uint16(p.from)
	if p.to < len(payload) {
		offset |= 1
	}
	extension = binary.BigEndian.AppendUint16(extension, offset)
	extension = binary.BigEndian.AppendUint32(extension, id)
	f := slices.Concat(frame[:header], extension, payload[p.from:min(p.to, len(payload))])
	binary.BigEndian.PutUint16(f[14+4:], uint16(len(f)-header))
	f[14+6] = 44
	return f
}

// sealIP4 makes the checksum of an IPv4 header right.
func sealIP4(ip []byte) {
	ip[10], ip[11] = 0, 0
	binary.BigEndian.PutUint16(ip[10:], ^sumIP4(ip))
}

// sumIP4 is the sum of a header's words, 0xffff if its checksum is right.
func sumIP4(ip []byte) uint16 {
	sum := uint32(0)
	for i := 0; i < len(ip); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	sum = sum>>16 + sum&0xffff
	return uint16(sum + sum>>16)
}
