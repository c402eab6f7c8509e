package packet

// SCTP's checksum is CRC32c (RFC 9260 appendix A), which is linear: when bits of a packet change, its CRC changes by the
// CRC of the change, whatever else is in the packet. That depends only on what has changed and how many bytes are behind
// it: a polynomial over GF(2) times a power of x. So it is updated like the Internet checksum, and a wrong one stays
// wrong by just as much.
//
// Polynomials are reflected, as the CRC's bytes are: bit 31 is the coefficient of 1, bit 0 that of x^31. As loaded by
// Load32, the field in the packet is the CRC.

// castagnoli is the CRC's polynomial, x^32 left out.
const castagnoli = 0x82f63b78

// crcStep is how many entries the first table of powers has: with it alone, packets of less are done.
const crcStep = 1 << 11

var (
	crcNear [crcStep]uint32             // x^(8·i+16)
	crcFar  [(1<<16)/crcStep + 1]uint32 // x^(8·crcStep·i)
)

func init() {
	one := uint32(1 << 31)
	crcNear[0] = timesX(one, 16)
	for i := 1; i < len(crcNear); i++ {
		crcNear[i] = timesX(crcNear[i-1], 8)
	}
	step := timesX(one, 8*crcStep)
	crcFar[0] = one
	for i := 1; i < len(crcFar); i++ {
		crcFar[i] = multiply(crcFar[i-1], step)
	}
}

// timesX is p times x^n.
func timesX(p uint32, n int) uint32 {
	for range n {
		p = p>>1 ^ castagnoli&-(p&1)
	}
	return p
}

// multiply is the product of two polynomials, modulo the CRC's. It takes a step for each coefficient of a up to its
// highest.
func multiply(a, b uint32) (product uint32) {
	for ; a != 0; a <<= 1 {
		product ^= b & -(a >> 31)
		b = b>>1 ^ castagnoli&-(b&1)
	}
	return product
}

// ReplaceCRC is what a CRC32c changes by when 16 bits, as loaded, become others; rest counts the bytes from the first
// of them to the end of what the CRC covers.
func ReplaceCRC(old, new, rest uint16) uint32 {
	if old == new {
		return 0
	}
	c := multiply(uint32(old^new)<<16, crcNear[rest%crcStep])
	if far := rest / crcStep; far != 0 {
		c = multiply(crcFar[far], c)
	}
	return c
}
