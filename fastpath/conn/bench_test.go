package conn

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// benchTuples are n different tuples of one family, in random order.
func benchTuples(n int, v6 bool) []tuple {
	r := rand.New(rand.NewPCG(uint64(n), 3))
	all := make([]tuple, n)
	for i := range all {
		all[i] = tuple{addrs: [4]uint64{0xc6336407<<32 | uint64(i)}, ports: 0x5000_0000 | uint32(i&0xffff), proto: 17, v6: v6}
		if v6 {
			all[i].addrs[3] = r.Uint64()
		}
	}
	r.Shuffle(n, func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

func benchFamilies(b *testing.B, name string, f func(b *testing.B, v6 bool)) {
	b.Run(name+"v4", func(b *testing.B) { f(b, false) })
	b.Run(name+"v6", func(b *testing.B) { f(b, true) })
}

// add makes a nat connection of a tuple.
func add(b *testing.B, tab *Table, p *tuple) *Entry {
	peer := uint32(0)
	if p.v6 {
		peer = 1
	}
	back := p.reply(peer)
	e := insert(tab, p.key(), back.key())
	if e == nil {
		b.Fatal("the table is full")
	}
	e.Backend, e.Gen, e.Expires = peer, testPeers[peer].Gen, 1
	return e
}

// BenchmarkHash is from a tuple to its place in the index.
func BenchmarkHash(b *testing.B) {
	tab := ordinary(b, 1<<16)
	b.Run("v4", func(b *testing.B) {
		var at Home
		for i := uint64(0); b.Loop(); i++ {
			at ^= tab.HomeOf(tab.Hash4(0xc6336407<<32|i, 0x50000000, 17))
		}
	})
	b.Run("v6", func(b *testing.B) {
		var at Home
		addrs := [4]uint64{1, 2, 3, 4}
		for i := uint64(0); b.Loop(); i++ {
			addrs[1] = i
			at ^= tab.HomeOf(tab.Hash6(unsafe.Pointer(&addrs), 0x50000000, 17))
		}
	})
}

// BenchmarkLookup finds connections in random order, one at a time: without what a burst's prefetches hide.
func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{256, 64 << 10, 1 << 20} {
		benchFamilies(b, fmt.Sprintf("flows=%d/", n), func(b *testing.B, v6 bool) {
			tab := ordinary(b, n)
			all := benchTuples(n, v6)
			for i := range all {
				add(b, tab, &all[i])
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i == n {
					i = 0
				}
				if tab.Find(all[i].key()).Entry == nil {
					b.Fatal("a connection is lost")
				}
			}
		})
	}
}

// BenchmarkInsert makes connections in a table that is nearly full and loses as many: an iteration is a pair.
func BenchmarkInsert(b *testing.B) {
	for _, n := range []int{1 << 10, 1 << 20} {
		benchFamilies(b, fmt.Sprintf("table=%d/", n), func(b *testing.B, v6 bool) {
			tab := ordinary(b, n)
			all := benchTuples(2*n, v6)
			live := make([]*Entry, n)
			for i := range live {
				live[i] = add(b, tab, &all[i])
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i == len(all) {
					i = 0
				}
				at := i & (n - 1)
				tab.Delete(live[at])
				live[at] = add(b, tab, &all[(i+n)&(2*n-1)])
			}
		})
	}
}

// BenchmarkExpire finds and deletes connections whose time is up. An iteration is a connection.
func BenchmarkExpire(b *testing.B) {
	const n = 1 << 16
	benchFamilies(b, "", func(b *testing.B, v6 bool) {
		all := benchTuples(n, v6)
		tab := ordinary(b, n)
		now := Tick(10)
		var dead Dead
		tab.Sweep(now, 0, &dead)
		for left := b.N; left > 0; {
			b.StopTimer()
			for i := range all {
				add(b, tab, &all[i]).Expires = now
			}
			now += SweepPeriod
			b.StartTimer()
			for tab.Len() > 0 && left > 0 {
				found := tab.Sweep(now, 512, &dead)
				for _, e := range dead[:found] {
					tab.Delete(e)
				}
				left -= found
				now++
			}
			b.StopTimer()
			for tab.Len() > 0 { // of the last turn
				found := tab.Sweep(now, n, &dead)
				for _, e := range dead[:found] {
					tab.Delete(e)
				}
				now += SweepPeriod
			}
			b.StartTimer()
		}
	})
}

// BenchmarkSweep walks past connections that stay. An iteration is a connection.
func BenchmarkSweep(b *testing.B) {
	const n = 1 << 20
	tab := ordinary(b, n)
	all := benchTuples(n, false)
	for i := range all {
		add(b, tab, &all[i]).Expires = 1 << 30
	}
	var dead Dead
	now := Tick(10)
	tab.Sweep(now, 0, &dead)
	b.ResetTimer()
	for left := b.N; left > 0; left -= 512 {
		now++ // makes 1049 due
		tab.Sweep(now, 512, &dead)
	}
}
