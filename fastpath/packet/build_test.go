package packet

import (
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// ownMAC is the port's MAC in these tests, as Parse takes it.
var ownMAC = [6]byte{2, 0, 0, 0, 0, 2}

func asWord(m [6]byte) (w uint64) {
	for i, c := range m {
		w |= uint64(c) << (8 * i)
	}
	return w
}

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

func eth(etherType uint16, body ...[]byte) []byte {
	h := append(ownMAC[:], 2, 0, 0, 0, 0, 1)
	return join(binary.BigEndian.AppendUint16(h, etherType), join(body...))
}

func ip4(proto uint8, body []byte, options ...byte) []byte {
	h := make([]byte, IP4Len, IP4Len+len(options))
	h[0] = 4<<4 | byte(IP4Len+len(options))/4
	binary.BigEndian.PutUint16(h[IP4Total:], uint16(IP4Len+len(options)+len(body)))
	h[IP4TTL], h[IP4Proto] = 64, proto
	return eth(0x0800, append(h, options...), body)
}

func ip6(next uint8, body ...[]byte) []byte {
	b := join(body...)
	h := make([]byte, IP6Len)
	h[0] = 6 << 4
	binary.BigEndian.PutUint16(h[IP6Payload:], uint16(len(b)))
	h[IP6Next], h[IP6HopLimit] = next, 64
	return eth(0x86dd, h, b)
}

// ext is an extension header of n 8-byte units.
func ext(next uint8, n int) []byte {
	h := make([]byte, 8*n)
	h[0], h[1] = next, byte(n-1)
	return h
}

func tcp(flags uint8, payload int) []byte {
	h := make([]byte, TCPLen+payload)
	h[TCPDataOffset], h[TCPFlags] = 5<<4, flags
	return h
}

func udp(payload int) []byte {
	h := make([]byte, UDPLen+payload)
	binary.BigEndian.PutUint16(h[UDPLength:], uint16(len(h)))
	return h
}

// sctp makes an SCTP packet of chunks.
func sctp(chunks ...[]byte) []byte {
	b := make([]byte, SCTPLen)
	for _, c := range chunks {
		b = append(b, c...)
	}
	return b
}

// chunk makes one of a type with a value of n bytes, and what pads it.
func chunk(kind uint8, n int) []byte {
	b := make([]byte, ChunkLen+(n+3)&^3)
	b[0], b[2], b[3] = kind, byte((ChunkLen+n)>>8), byte(ChunkLen+n)
	return b
}

// with changes bytes of a frame: offset, value, offset, value…
func with(frame []byte, changes ...int) []byte {
	f := slices.Clone(frame)
	for i := 0; i < len(changes); i += 2 {
		f[changes[i]] = byte(changes[i+1])
	}
	return f
}

// guard is memory that ends at a page nobody may touch.
type guard struct{ mem []byte }

func newGuard(t testing.TB) *guard {
	const size, page = 1 << 17, 4096
	mem, err := unix.Mmap(-1, 0, size+page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(mem) })
	if err := unix.Mprotect(mem[size:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	return &guard{mem[:size]}
}

// put places a frame right before the page: who reads past it dies.
func (g *guard) put(frame []byte) []byte {
	b := g.mem[len(g.mem)-len(frame):]
	copy(b, frame)
	return b
}
