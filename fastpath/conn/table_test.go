package conn

import (
	"math/rand/v2"
	"testing"
	"unsafe"
)

type tuple struct {
	addrs [4]uint64
	ports uint32
	proto uint8
	v6    bool
}

func (p *tuple) key() *Key {
	return &Key{Addrs: unsafe.Pointer(&p.addrs), Ports: p.ports, Proto: p.proto, V6: p.v6}
}

func randomTuple(r *rand.Rand) tuple {
	p := tuple{ports: r.Uint32(), proto: 6 + 11*uint8(r.IntN(2)), v6: r.IntN(2) == 0}
	p.addrs[0] = r.Uint64()
	if p.v6 {
		p.addrs = [4]uint64{r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()}
	}
	return p
}

// TestAgainstAMap drives the table and a map with the same seeded operations.
func TestAgainstAMap(t *testing.T) {
	const capacity = 5000
	tab, err := New(capacity, false, Seed{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
	tab.SetPeers([]Peer{{Addr: [2]uint64{0x0b00000a}, Port: 0x901f}})
	r := rand.New(rand.NewPCG(3, 4))
	oracle := map[tuple]*Entry{}
	var keys []tuple
	for step := range 200000 {
		switch {
		case len(keys) < capacity && r.IntN(20) < 11:
			k := randomTuple(r)
			reply := tuple{proto: k.proto, v6: k.v6, ports: uint32(0x901f) | k.ports<<16}
			if k.v6 {
				reply.addrs = [4]uint64{0x0b00000a, 0, k.addrs[0], k.addrs[1]}
			} else {
				reply.addrs[0] = 0x0b00000a | k.addrs[0]<<32
			}
			e := tab.Insert(k.key(), reply.key())
			if e == nil {
				t.Fatalf("step %d: no room with %d of %d", step, tab.Len(), capacity)
			}
			oracle[k] = e
			keys = append(keys, k)
			if got := tab.Find(reply.key()); got.Entry != e || !got.Reply {
				t.Fatalf("step %d: the reply of a new connection is not found", step)
			}
		case len(keys) > 0:
			i := r.IntN(len(keys))
			k := keys[i]
			if got := tab.Find(k.key()); got.Entry != oracle[k] || got.Reply {
				t.Fatalf("step %d: found %v, want %p", step, got, oracle[k])
			}
			if r.IntN(10) < 7 {
				tab.Delete(oracle[k])
				delete(oracle, k)
				keys[i] = keys[len(keys)-1]
				keys = keys[:len(keys)-1]
				if tab.Find(k.key()).Entry != nil {
					t.Fatalf("step %d: found after Delete", step)
				}
			}
		}
		if tab.Len() != len(oracle) {
			t.Fatalf("step %d: Len %d, want %d", step, tab.Len(), len(oracle))
		}
	}
	for k, e := range oracle {
		if tab.Find(k.key()).Entry != e {
			t.Fatal("lost a connection")
		}
		tab.Delete(e)
	}
	for i := range tab.buckets {
		for _, tag := range tab.buckets[i].tags {
			if tag != 0 {
				t.Fatal("the index keeps a slot of a deleted connection")
			}
		}
	}
}
