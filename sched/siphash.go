package sched

import (
	"encoding/binary"
	"math/bits"
)

// sipKey is a key of SipHash-1-3, the variant of SipHash (Aumasson and Bernstein, 2012) with one round
// a word and three to finish, which the Linux kernel and others use in hash tables. mh's keys are fixed
// and public, LVS's: every machine must come to the same table, so nobody is kept from choosing addresses
// that meet in one entry.
type sipKey struct{ k0, k1 uint64 }

// newSipKey takes a key of 16 bytes.
func newSipKey(key string) sipKey {
	return sipKey{binary.LittleEndian.Uint64([]byte(key)), binary.LittleEndian.Uint64([]byte(key)[8:])}
}

type sipState struct{ v0, v1, v2, v3 uint64 }

func (k *sipKey) start() sipState {
	return sipState{
		k.k0 ^ 0x736f6d6570736575, k.k1 ^ 0x646f72616e646f6d,
		k.k0 ^ 0x6c7967656e657261, k.k1 ^ 0x7465646279746573,
	}
}

func (s *sipState) round() {
	s.v0 += s.v1
	s.v2 += s.v3
	s.v1 = bits.RotateLeft64(s.v1, 13) ^ s.v0
	s.v3 = bits.RotateLeft64(s.v3, 16) ^ s.v2
	s.v0 = bits.RotateLeft64(s.v0, 32) + s.v3
	s.v2 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 17) ^ s.v2
	s.v3 = bits.RotateLeft64(s.v3, 21) ^ s.v0
	s.v2 = bits.RotateLeft64(s.v2, 32)
}

func (s *sipState) word(m uint64) {
	s.v3 ^= m
	s.round()
	s.v0 ^= m
}

// finish takes the last word: the message's last bytes, fewer than 8, and its length in the top byte.
func (s *sipState) finish(last uint64) uint64 {
	s.word(last)
	s.v2 ^= 0xff
	s.round()
	s.round()
	s.round()
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3
}

func (k *sipKey) sum(message string) uint64 {
	s := k.start()
	length := uint64(len(message))
	b := []byte(message)
	for ; len(b) >= 8; b = b[8:] {
		s.word(binary.LittleEndian.Uint64(b))
	}
	var tail [8]byte
	copy(tail[:], b)
	return s.finish(binary.LittleEndian.Uint64(tail[:]) | length<<56)
}

// sumSource hashes a client: the 4 or 16 bytes of its address, and then, if ports is set, the 2 of its
// port in network order.
func (k *sipKey) sumSource(src *Key, ports bool) uint64 {
	s := k.start()
	length := uint64(4)
	var last uint64
	shift := 32
	if src.V6 {
		s.word(binary.LittleEndian.Uint64(src.Src[0:]))
		s.word(binary.LittleEndian.Uint64(src.Src[8:]))
		length, shift = 16, 0
	} else {
		last = uint64(binary.LittleEndian.Uint32(src.Src[0:]))
	}
	if ports {
		last |= uint64(bits.ReverseBytes16(src.SrcPort)) << shift
		length += 2
	}
	return s.finish(last | length<<56)
}

// sum32 is the lower half of the hash of a number's 4 bytes, what the kernel calls hsiphash on a 64-bit machine.
func (k *sipKey) sum32(v uint32) uint32 {
	s := k.start()
	return uint32(s.finish(uint64(v) | 4<<56))
}
