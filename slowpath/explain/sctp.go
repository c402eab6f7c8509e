package explain

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/weirlb/weir/fastpath/packet"
)

// chunkTypes are the chunks of SCTP (RFC 9260 section 3.2) that a packet can be given.
var chunkTypes = map[string]uint8{
	"data": 0, "init": packet.ChunkInit, "init_ack": 2, "sack": 3, "heartbeat": 4, "heartbeat_ack": 5, "abort": packet.ChunkAbort,
	"shutdown": 7, "shutdown_ack": 8, "error": 9, "cookie_echo": packet.ChunkCookieEcho, "cookie_ack": packet.ChunkCookieAck,
	"shutdown_complete": 14,
}

// chunkSize is the length of the shortest chunk of a type.
func chunkSize(name string) int {
	switch name {
	case "data":
		return 17 // no user data is an error (RFC 9260 section 3.3.1)
	case "init", "init_ack":
		return 20
	case "sack":
		return 16
	case "shutdown":
		return 8
	}
	return packet.ChunkLen
}

// padded is the space that a chunk of n bytes takes before another one.
func padded(n int) int { return (n + 3) &^ 3 }

// chunksLen is the length of all chunks; the last one is as short as it can be, and not padded.
func (p *Packet) chunksLen() (n int) {
	for i, name := range p.Flags {
		size := chunkSize(name)
		if i < len(p.Flags)-1 {
			size = padded(size)
		}
		n += size
	}
	return n
}

// sctp is the SCTP packet with its checksum; the last chunk is longer by more than it must be.
func (p *Packet) sctp(more int) []byte {
	b := binary.BigEndian.AppendUint16(nil, p.Src.Port())
	b = binary.BigEndian.AppendUint16(b, p.Dst.Port())
	b = append(b, make([]byte, packet.SCTPLen-len(b))...) // an INIT has the verification tag 0
	for i, name := range p.Flags {
		size, space := chunkSize(name), padded(chunkSize(name))
		if i == len(p.Flags)-1 {
			size += more
			space = size
		}
		chunk := make([]byte, space)
		chunk[0] = chunkTypes[name]
		binary.BigEndian.PutUint16(chunk[packet.ChunkLength:], uint16(size))
		b = append(b, chunk...)
	}
	binary.LittleEndian.PutUint32(b[packet.SCTPChecksum:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return b
}
