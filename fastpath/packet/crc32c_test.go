package packet

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// crcOf is the CRC32c of an SCTP packet, whose checksum field counts as 0.
func crcOf(b []byte) uint32 {
	c := append([]byte(nil), b...)
	copy(c[SCTPChecksum:], []byte{0, 0, 0, 0})
	return crc32.Checksum(c, crc32.MakeTable(crc32.Castagnoli))
}

func TestAnUpdatedCRCIsTheRecomputedOne(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 42))
	lengths := []int{12, 13, 15, 16, 17, 44, 1452, 1480, 2047, 2048, 2049, 2050, 4095, 4096, 8980, 65535}
	for range 3000 {
		lengths = append(lengths, 12+r.IntN(3000))
	}
	for _, n := range lengths {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		was := crcOf(b)
		for _, off := range []int{0, 2} {
			before := binary.LittleEndian.Uint16(b[off:])
			after := uint16(r.Uint32())
			binary.LittleEndian.PutUint16(b[off:], after)
			now := was ^ ReplaceCRC(before, after, uint16(n-off))
			if want := crcOf(b); now != want {
				t.Fatalf("%d bytes, change at %d: %08x, want %08x", n, off, now, want)
			}
			was = now
		}
	}
}

func TestNoChangeIsNoneOfTheCRC(t *testing.T) {
	for _, rest := range []uint16{0, 1, 12, 2048, 65535} {
		if c := ReplaceCRC(0x5000, 0x5000, rest); c != 0 {
			t.Errorf("%d bytes: %08x", rest, c)
		}
	}
}

// The field holds the CRC as Load32 gives it: the packet is one of RFC 9260's, an INIT made by hand.
func TestTheFieldIsTheCRCAsLoaded(t *testing.T) {
	b := []byte{0x9c, 0x40, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 20, 1, 2, 3, 4, 0, 1, 0, 0, 0, 10, 0, 10, 5, 6, 7, 8}
	binary.LittleEndian.PutUint32(b[SCTPChecksum:], crcOf(b))
	if got := Load32(unsafe.Pointer(&b[0]), SCTPChecksum); got != crcOf(b) {
		t.Errorf("%08x, want %08x", got, crcOf(b))
	}
}

func BenchmarkReplaceCRC(b *testing.B) {
	for _, n := range []uint16{64, 1480, 8980} {
		b.Run(map[uint16]string{64: "64", 1480: "1480", 8980: "8980"}[n], func(b *testing.B) {
			var c uint32
			for i := range b.N {
				c ^= ReplaceCRC(uint16(i), 0x901f, n)
			}
			sinkCRC = c
		})
	}
}

var sinkCRC uint32
