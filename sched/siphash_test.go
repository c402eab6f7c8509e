package sched

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// The reference vectors: key 00 01 .. 0f, message 00 01 .. of the given length.
func TestSipHashMatchesTheReference(t *testing.T) {
	var b [64]byte
	for i := range b {
		b[i] = byte(i)
	}
	key := newSipKey(string(b[:16]))
	for length, want := range map[int]uint64{
		0: 0xabac0158050fc4dc, 1: 0xc9f49bf37d57ca93, 4: 0xcf75576088d38328, 6: 0xc50d2b50c59f22a7,
		7: 0xd3927d989bb11140, 8: 0x369095118d299a8e, 15: 0xd320d86d2a519956, 16: 0xcc4fdd1a7d908b66,
		18: 0x8ffc389cb473e63e, 63: 0x9d199062b7bbb3a8,
	} {
		if got := key.sum(string(b[:length])); got != want {
			t.Errorf("length %d: %#x, want %#x", length, got, want)
		}
	}
}

func TestAClientIsHashedByItsAddressAndPort(t *testing.T) {
	r := rand.New(rand.NewPCG(16, 17))
	for range 200 {
		k := randomKey(r)
		message := k.Src[:4]
		if k.V6 {
			message = k.Src[:]
		}
		if got, want := slowKey.sumSource(&k, false), slowKey.sum(string(message)); got != want {
			t.Fatalf("%+v: %#x, want %#x", k, got, want)
		}
		withPort := binary.BigEndian.AppendUint16([]byte(string(message)), k.SrcPort)
		if got, want := slowKey.sumSource(&k, true), slowKey.sum(string(withPort)); got != want {
			t.Fatalf("%+v with port: %#x, want %#x", k, got, want)
		}
	}
}

func TestANumberIsHashedByItsBytes(t *testing.T) {
	key := newSipKey("a key of 16 byte")
	for _, v := range []uint32{0, 1, 0x01020304, 0xffffffff} {
		if got, want := key.sum32(v), uint32(key.sum(string(binary.LittleEndian.AppendUint32(nil, v)))); got != want {
			t.Errorf("%#x: %#x, want %#x", v, got, want)
		}
	}
}
