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
func (t *Table) Hash4(addrs uint64, ports uint32, proto uint8) uint64 {
	x := mum(addrs^t.seed[0], (uint64(ports)|uint64(proto)<<32)^t.seed[1])
	return mum(x^mix1, mix2)
}

// Hash6 is the hash of an IPv6 tuple; addrs points to 32 bytes.
func (t *Table) Hash6(addrs unsafe.Pointer, ports uint32, proto uint8) uint64 {
	w := (*[4]uint64)(addrs)
	x := mum(w[0]^t.seed[0], w[1]^mix1) ^ mum(w[2]^t.seed[1], w[3]^mix2)
	x = mum(x^mix1, (uint64(ports)|uint64(proto)<<32)^t.seed[1])
	return mum(x^mix2, mix1)
}

// HomeOf turns a hash into a place: the upper half chooses the bucket, the low byte is the tag.
func (t *Table) HomeOf(hash uint64) Home {
	bucket := (hash >> 32) * uint64(t.nbuckets) >> 32
	tag := hash & 0xff
	tag |= (tag - 1) >> 63 // 0 becomes 1
	return Home(bucket<<8 | tag)
}

func (t *Table) homeOf(k *Key) Home {
	if k.V6 {
		return t.HomeOf(t.Hash6(k.Addrs, k.Ports, k.Proto))
	}
	return t.HomeOf(t.Hash4(*(*uint64)(k.Addrs), k.Ports, k.Proto))
}
