package conn

import (
	"math/rand/v2"
	"testing"
	"unsafe"
)

// TestMatchFindsEveryTagAndLittleElse compares the word-wise search with a loop. A wrong hit is allowed only above a
// right one, for the entry then decides.
func TestMatchFindsEveryTagAndLittleElse(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 200000 {
		var b bucket
		for i := range b.tags {
			b.tags[i] = uint8(r.IntN(4)) * uint8(r.IntN(86)) // many zeros and equal tags
		}
		b.overflow = uint8(r.Uint32())
		tag := uint8(1 + r.IntN(255))
		if r.IntN(2) == 0 {
			tag = max(1, b.tags[r.IntN(slotsPerBucket)])
		}
		lo, hi := b.match(tag)
		seen := false
		for i, have := range b.tags {
			word, bit := lo, i
			if i >= 8 {
				word, bit = hi, i-8
			}
			hit := word>>(8*bit+7)&1 != 0
			if have == tag && !hit {
				t.Fatalf("tags %v: %d at %d is not found", b.tags, tag, i)
			}
			if hit && have != tag && !seen {
				t.Fatalf("tags %v: %d found at %d before any right place", b.tags, tag, i)
			}
			if i == 7 {
				seen = false // the halves are searched apart
			}
			seen = seen || have == tag
		}
		if hi>>32 != 0 {
			t.Fatalf("tags %v, overflow %d: found behind the tags", b.tags, b.overflow)
		}
	}
}

func TestAnOverflowThatCannotBeCountedStaysForEver(t *testing.T) {
	var b bucket
	for range 254 {
		b.overflowed()
	}
	if b.returned(); b.overflow != 253 {
		t.Errorf("overflow %d, want 253", b.overflow)
	}
	for range 100 {
		b.overflowed()
	}
	for range 400 {
		b.returned()
	}
	if b.overflow != 255 {
		t.Errorf("overflow %d after more than it can count, want 255", b.overflow)
	}
	b = bucket{}
	if b.returned(); b.overflow != 0 {
		t.Errorf("overflow %d after none", b.overflow)
	}
}

func TestTheOtherBucketLeadsBack(t *testing.T) {
	for _, capacity := range []int{1, 5, 1000, 77777} {
		tab := crowded(t, capacity)
		for tag := range 256 {
			for b := range tab.nbuckets {
				o := tab.other(b, uint8(tag))
				if o >= tab.nbuckets || tab.other(o, uint8(tag)) != b {
					t.Fatalf("%d buckets: tag %d leads from %d to %d to %d", tab.nbuckets, tag, b, o, tab.other(o, uint8(tag)))
				}
			}
		}
	}
}

func TestHomesAreSpreadOverAllBucketsAndTags(t *testing.T) {
	// Clients as they are: few addresses, ports in a row, one VIP.
	t.Run("IPv4", func(t *testing.T) {
		testSpread(t, func(tab *Table, i int) Home {
			return tab.HomeOf(tab.Hash4(0x0a0071cb<<32|uint64(i>>14)<<24|0x0212c6, uint32(i&0x3fff)<<8|0x50<<24, 6))
		})
	})
	t.Run("IPv6", func(t *testing.T) {
		testSpread(t, func(tab *Table, i int) Home {
			a := [4]uint64{0x01000c00b80d0120, uint64(i>>14) << 56, 0xb80d0120, 0x10 << 56}
			return tab.HomeOf(tab.Hash6(unsafe.Pointer(&a), uint32(i&0x3fff)<<8|0x50<<24, 6))
		})
	})
}

func testSpread(t *testing.T, home func(*Table, int) Home) {
	tab := crowded(t, 6000)
	const each = 300
	count, tags := make([]int, tab.nbuckets), [256]int{}
	for i := range each * int(tab.nbuckets) {
		h := home(tab, i)
		count[h.bucket()]++
		tags[h.tag()]++
	}
	for b, n := range count {
		if n < each/2 || n > each*3/2 { // 8 standard deviations
			t.Errorf("bucket %d is home to %d of %d tuples each", b, n, each)
		}
	}
	if tags[0] != 0 {
		t.Error("a tag is 0, which marks free slots")
	}
	mean := each * int(tab.nbuckets) / 256
	for tag, n := range tags[2:] { // 1 has 0's share as well
		if n < mean/2 || n > mean*3/2 {
			t.Errorf("tag %d has %d tuples of %d each", tag+2, n, mean)
		}
	}
}

func TestSeedsPlaceTheSameTuplesElsewhere(t *testing.T) {
	a, err := New(1000, false, Seed{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := New(1000, false, Seed{1, 3})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	r := rand.New(rand.NewPCG(9, 10))
	same := 0
	for range 1000 {
		p := randomTuple(r)
		if a.KeyHome(p.key()).bucket() == b.KeyHome(p.key()).bucket() {
			same++
		}
	}
	if same > 50 { // of about 1000/197 by chance
		t.Errorf("%d of 1000 tuples have the same home with another seed", same)
	}
}

// TestAFullIndexSaysSo fills the two buckets of some tuples: Insert must give up and leave everything as it was.
func TestAFullIndexSaysSo(t *testing.T) {
	tab := crowded(t, 4096)
	r := rand.New(rand.NewPCG(11, 12))
	p := randomTuple(r)
	h := tab.KeyHome(p.key())
	var made []tuple
	for tab.Len() < tab.Cap() {
		q := randomTuple(r)
		at := tab.KeyHome(q.key())
		if at.bucket() != h.bucket() || at.tag() != h.tag() {
			continue
		}
		if insert(tab, q.key(), nil) == nil {
			break
		}
		made = append(made, q)
		if len(made) > 2*slotsPerBucket {
			t.Fatal("two buckets took more than they have slots")
		}
	}
	want := 2 * slotsPerBucket
	if tab.other(h.bucket(), h.tag()) == h.bucket() {
		want = slotsPerBucket
	}
	if len(made) != want || tab.Len() != want {
		t.Fatalf("%d tuples of one home found a place, Len %d, want %d", len(made), tab.Len(), want)
	}
	rest := tuple{addrs: [4]uint64{1}, ports: 1, proto: 6}
	if e := insert(tab, rest.key(), p.key()); e != nil {
		t.Error("a connection was made whose reply has no place")
	}
	if tab.Find(rest.key()).Entry != nil || tab.Len() != want {
		t.Error("half a connection is left")
	}
	checkIndex(t, tab)
	for i := range made {
		if tab.Find(made[i].key()).Entry == nil {
			t.Error("a connection was lost")
		}
	}
}

func TestBothFormsOfTheIPv6HashAgree(t *testing.T) {
	h, r := Hasher{seed0: 3, seed1: 5, nbuckets: 1000}, rand.New(rand.NewPCG(7, 8))
	for range 1000 {
		a, ports, proto := [4]uint64{r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()}, r.Uint32(), uint8(r.Uint32())
		if got, want := h.Hash6Of(a[0], a[1], a[2], a[3], ports, proto), h.Hash6(unsafe.Pointer(&a), ports, proto); got != want {
			t.Fatalf("%x: %x by words, %x by address", a, got, want)
		}
	}
}
