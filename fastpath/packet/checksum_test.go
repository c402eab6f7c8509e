package packet

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// naiveSum is RFC 1071 section 4.1 to the letter: big-endian words, an odd byte padded, carries added at the end.
func naiveSum(chunks ...[]byte) uint16 {
	var sum uint64
	for _, b := range chunks {
		for i := 0; i+1 < len(b); i += 2 {
			sum += uint64(b[i])<<8 + uint64(b[i+1])
		}
		if len(b)%2 != 0 {
			sum += uint64(b[len(b)-1]) << 8
		}
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

func at(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// edges are words where carries and the two zeros of one's complement matter.
var edges = []uint16{0, 1, 2, 0x00ff, 0x0100, 0x5555, 0x7fff, 0x8000, 0x8001, 0xff00, 0xfffd, 0xfffe, 0xffff}

func TestSumIsTheRFCsAtAnyLengthAndAlignment(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	memory := randomBytes(r, 4096)
	for _, fill := range []func(){func() {}, func() {
		for i := range memory {
			memory[i] = 0xff // every addition carries
		}
	}} {
		fill()
		for n := range 200 {
			for align := range 8 {
				b := memory[align : align+n : align+n]
				if got, want := Swap16(Fold(Sum(at(b), n, 0))), naiveSum(b); got != want {
					t.Fatalf("%d bytes at alignment %d: %04x, want %04x", n, align, got, want)
				}
			}
		}
	}
}

func TestSumContinuesASum(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		a, b := randomBytes(r, 2*r.IntN(40)), randomBytes(r, r.IntN(80))
		if got, want := Swap16(Fold(Sum(at(b), len(b), Sum(at(a), len(a), 0)))), naiveSum(a, b); got != want {
			t.Fatalf("%x then %x: %04x, want %04x", a, b, got, want)
		}
	}
}

func TestFoldKeepsTheSumAndGivesZeroForNothingElse(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	sums := []uint64{0, 1, 0xffff, 0x10000, 0xfffe0001, 0xffffffff, 1 << 32, 1<<48 - 1, 1 << 63, ^uint64(0)}
	for range 10000 {
		sums = append(sums, r.Uint64()>>r.IntN(64))
	}
	for _, s := range sums {
		got := Fold(s)
		if uint64(got)%0xffff != s%0xffff || got == 0 && s != 0 {
			t.Fatalf("Fold(%x) = %04x", s, got)
		}
	}
}

// TestAnUpdateIsAsGoodAsANewChecksum changes a word of a message to every value. The rest of the message stays so
// that its checksum runs through the corners of RFC 1624 section 3.
func TestAnUpdateIsAsGoodAsANewChecksum(t *testing.T) {
	message := make([]byte, 4)
	for _, rest := range edges {
		binary.LittleEndian.PutUint16(message[2:], rest)
		for _, old := range edges {
			binary.LittleEndian.PutUint16(message, old)
			before := ^Fold(Sum(at(message), 4, 0))
			for v := range 1 << 16 {
				now := uint16(v)
				binary.LittleEndian.PutUint16(message, now)
				want := ^Fold(Sum(at(message), 4, 0))
				if got := Replace16(old, now).Update(before); got != want && !zeros(rest, now, got) {
					t.Fatalf("%04x beside %04x became %04x: checksum %04x became %04x, want %04x", old, rest, now, before, got, want)
				}
			}
		}
	}
}

// zeros tells the one case in which an update gives the other zero: a message that becomes all zeros. No packet with
// an IP or pseudo-header in its checksum is.
func zeros(rest, now, got uint16) bool { return rest == 0 && now == 0 && got == 0 }

func TestTheExampleOfRFC1624(t *testing.T) {
	// Section 4: the two equations before this one gave 0xffff.
	if got := Replace16(0x5555, 0x3285).Update(0xdd2f); got != 0 {
		t.Errorf("checksum %04x, want 0000", got)
	}
}

func TestADeltaUndoneGivesTheChecksumBack(t *testing.T) {
	for _, old := range edges {
		for _, now := range edges {
			d := Replace16(old, now)
			for c := range 0xffff { // 0xffff is the checksum of nothing
				if got := d.Neg().Update(d.Update(uint16(c))); got != uint16(c) {
					t.Fatalf("%04x to %04x and back: %04x became %04x", old, now, c, got)
				}
			}
		}
	}
}

func TestDeltasAddUp(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 4))
	for range 20000 {
		n := 2 * (1 + r.IntN(16))
		before, after := randomBytes(r, n), randomBytes(r, n)
		for i := 0; i < n; i += 2 { // many words are edges, and many stay
			switch r.IntN(3) {
			case 0:
				binary.LittleEndian.PutUint16(before[i:], edges[r.IntN(len(edges))])
				binary.LittleEndian.PutUint16(after[i:], edges[r.IntN(len(edges))])
			case 1:
				copy(after[i:i+2], before[i:])
			}
		}
		rest := randomBytes(r, 20)
		c := ^Fold(Sum(at(before), n, Sum(at(rest), 20, 0)))
		want := ^Fold(Sum(at(after), n, Sum(at(rest), 20, 0)))
		whole := Replace(at(before), at(after), n)
		if got := whole.Update(c); got != want {
			t.Fatalf("%x to %x: %04x, want %04x", before, after, got, want)
		}
		k := 2 * r.IntN(n/2+1)
		parts := Replace(at(before), at(after), k).Plus(Replace(at(before[k:]), at(after[k:]), n-k))
		if got := parts.Update(c); got != want {
			t.Fatalf("%x to %x in two parts: %04x, want %04x", before, after, got, want)
		}
	}
}

func TestTheTTLsDelta(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 5))
	for ttl := 1; ttl < 256; ttl++ {
		h := randomBytes(r, IP4Len)
		h[IP4TTL], h[IP4Checksum], h[IP4Checksum+1] = byte(ttl), 0, 0
		before := ^Fold(Sum(at(h), IP4Len, 0))
		h[IP4TTL]--
		if got, want := TTLDelta.Update(before), ^Fold(Sum(at(h), IP4Len, 0)); got != want {
			t.Fatalf("TTL %d: %04x, want %04x", ttl, got, want)
		}
	}
}

func TestPseudoHeaders(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 6))
	for _, length := range []int{0, 1, 8, 20, 1480, 65535} {
		for _, proto := range []uint8{ProtoTCP, ProtoUDP, ProtoICMP6} {
			a4, a6 := randomBytes(r, 8), randomBytes(r, 32)
			tail := []byte{0, 0, byte(length >> 8), byte(length), 0, 0, 0, proto} // RFC 8200; in IPv4 the same sum
			if got, want := Swap16(Fold(PseudoHeader(at(a4), false, proto, length))), naiveSum(a4, tail); got != want {
				t.Errorf("IPv4, %d bytes of protocol %d: %04x, want %04x", length, proto, got, want)
			}
			if got, want := Swap16(Fold(PseudoHeader(at(a6), true, proto, length))), naiveSum(a6, tail); got != want {
				t.Errorf("IPv6, %d bytes of protocol %d: %04x, want %04x", length, proto, got, want)
			}
		}
	}
}
