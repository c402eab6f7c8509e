package packet

import "unsafe"

// The Internet checksum (RFC 1071) is computed on words as they lie in memory: the one's complement
// sum does not depend on byte order, so nothing is swapped.

// Sum adds n bytes at p to an unfolded sum. An odd last byte counts as if a zero followed.
func Sum(p unsafe.Pointer, n int, sum uint64) uint64 {
	off, end := uintptr(0), uintptr(n)
	for ; off+4 <= end; off += 4 {
		sum += uint64(Load32(p, off))
	}
	if off+2 <= end {
		sum += uint64(Load16(p, off))
		off += 2
	}
	if off < end {
		sum += uint64(Load8(p, off))
	}
	return sum
}

// Fold reduces a sum to 16 bits, end-around carries included. The checksum is its complement.
func Fold(sum uint64) uint16 {
	sum = sum>>32 + sum&0xffffffff
	sum = sum>>32 + sum&0xffffffff
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	return uint16(sum)
}

// Delta is what a change of some words adds to a checksummed sum: the m' - m of RFC 1624. Its
// negative, for the change back, is its complement.
type Delta uint16

// Replace is the delta of changing the n bytes at old to those at new. n must be even.
func Replace(old, new unsafe.Pointer, n int) Delta {
	var sum uint64
	for i := uintptr(0); i < uintptr(n); i += 2 {
		sum += uint64(^Load16(old, i)) + uint64(Load16(new, i))
	}
	return Delta(Fold(sum))
}

// Replace16 is the delta of changing one word, as loaded.
func Replace16(old, new uint16) Delta { return Delta(Fold(uint64(^old) + uint64(new))) }

// Replace32 is the delta of changing two words in a row, as loaded.
func Replace32(old, new uint32) Delta { return Delta(Fold(uint64(^old) + uint64(new))) }

// Plus adds two deltas.
func (d Delta) Plus(e Delta) Delta {
	s := uint32(d) + uint32(e)
	return Delta(s + s>>16)
}

// Neg is the delta of the change undone.
func (d Delta) Neg() Delta { return ^d }

// TTLDelta is the delta of lowering an IPv4 TTL by one: the TTL is the low byte of its word here.
const TTLDelta Delta = 0xfffe

// Update changes a stored checksum (as loaded) by a delta: equation 3 of RFC 1624, which unlike
// equation 4 never turns a right checksum into the other zero.
func (d Delta) Update(checksum uint16) uint16 {
	s := uint32(^checksum) + uint32(d)
	return ^uint16(s + s>>16)
}

// PseudoHeader sums the pseudo-header of TCP, UDP (RFC 9293 section 3.1) or ICMPv6 (RFC 8200
// section 8.1): the addresses (src and dst in a row, 8 or 32 bytes), protocol and L4 length.
func PseudoHeader(addrs unsafe.Pointer, v6 bool, proto uint8, l4len int) uint64 {
	n := 8
	if v6 {
		n = 32
	}
	return Sum(addrs, n, uint64(Swap32(uint32(proto)))+uint64(Swap32(uint32(l4len))))
}
