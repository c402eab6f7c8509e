package conn

import (
	"math/bits"
	"unsafe"
)

// Home is where a tuple belongs in the index: bucket << 8 | tag. The tag is never 0.
type Home uint32

func (h Home) bucket() uint32 { return uint32(h) >> 8 }
func (h Home) tag() uint8     { return uint8(h) }

// Seed makes the placement of connections unpredictable for whoever chooses their tuples. Replay
// uses a fixed one.
type Seed [2]uint64

// Hasher is what the hashes depend on, as a value: a loop that keeps it in variables of its own need not load it anew
// after every store.
type Hasher struct {
	seed0, seed1 uint64 // two fields, so that a Hasher is passed in registers: an array would not be
	nbuckets     uint32
}

func mum(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

const (
	mix1 = 0xa0761d6478bd642f
	mix2 = 0xe7037ed1a0b428db
)

// Hash4 is the hash of an IPv4 tuple. Each factor holds secret bits, so the product cannot be steered
// to zero.
func (h Hasher) Hash4(addrs uint64, ports uint32, proto uint8) uint64 {
	x := mum(addrs^h.seed0, (uint64(ports)|uint64(proto)<<32)^h.seed1)
	return mum(x^mix1, mix2)
}

// Hash6 is the hash of an IPv6 tuple; addrs points to 32 bytes.
func (h Hasher) Hash6(addrs unsafe.Pointer, ports uint32, proto uint8) uint64 {
	w := (*[4]uint64)(addrs)
	x := mum(w[0]^h.seed0, w[1]^h.seed1) ^ mum(w[2]^h.seed1^mix1, w[3]^h.seed0^mix2)
	return mum(x^mix1, (uint64(ports)|uint64(proto)<<32)^h.seed0^mix2)
}

// Hash6Of is Hash6 of a source and a destination address, each of two words as loaded.
func (h Hasher) Hash6Of(from0, from1, to0, to1 uint64, ports uint32, proto uint8) uint64 {
	x := mum(from0^h.seed0, from1^h.seed1) ^ mum(to0^h.seed1^mix1, to1^h.seed0^mix2)
	return mum(x^mix1, (uint64(ports)|uint64(proto)<<32)^h.seed0^mix2)
}

// HashOf is a hash of a number, for choices that nobody outside shall foresee.
func (h Hasher) HashOf(n uint64) uint64 { return mum(mum(n^h.seed0, h.seed1^mix1)^mix2, mix1) }

// HomeOf turns a hash into a place, which is never 0: the upper half chooses the bucket, the low byte is the tag.
func (h Hasher) HomeOf(hash uint64) Home {
	bucket := (hash >> 32) * uint64(h.nbuckets) >> 32
	tag := hash & 0xff
	tag |= (tag - 1) >> 63 // 0 becomes 1
	return Home(bucket<<8 | tag)
}

// KeyHome is the home of a tuple.
func (h Hasher) KeyHome(k *Key) Home {
	if k.V6 {
		return h.HomeOf(h.Hash6(k.Addrs, k.Ports, k.Proto))
	}
	return h.HomeOf(h.Hash4(*(*uint64)(k.Addrs), k.Ports, k.Proto))
}
