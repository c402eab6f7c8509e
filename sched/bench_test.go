package sched

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkPick picks for a new client each time, from servers with various weights and loads.
func BenchmarkPick(b *testing.B) {
	for _, name := range schedulers {
		for _, n := range []int{2, 10, 1000} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				s := build(b, name, benchServers(n), Options{})
				var st State
				var k Key
				b.ReportAllocs()
				for client := uint32(0xc6336407); b.Loop(); client++ {
					binary.BigEndian.PutUint32(k.Src[:], client)
					s.Pick(&k, &st)
				}
			})
		}
	}
}

// BenchmarkPickSkewed is wrr's hard case: rounds in which only one of many servers is picked.
func BenchmarkPickSkewed(b *testing.B) {
	ss := equalServers(1000)
	ss[500].Weight = MaxWeight
	s := build(b, "wrr", ss, Options{})
	var st State
	for b.Loop() {
		s.Pick(nil, &st)
	}
}

// BenchmarkBuild makes a scheduler anew; mh's table is not taken from those in use.
func BenchmarkBuild(b *testing.B) {
	for _, name := range schedulers {
		memory := NewMemory(name)
		for _, n := range []int{2, 10, 1000} {
			ss := benchServers(n)
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					ss[0].Address = fmt.Sprintf("10.1.%d.%d:80", i>>8&255, i&255)
					build(b, name, ss, Options{Memory: memory})
				}
			})
		}
	}
}

// BenchmarkRebuildMh is what a reload pays for a service that did not change.
func BenchmarkRebuildMh(b *testing.B) {
	ss := benchServers(10)
	used := build(b, "mh", ss, Options{})
	for b.Loop() {
		build(b, "mh", ss, Options{})
	}
	used.Pick(&Key{}, nil)
}

func benchServers(n int) []Server {
	r := rand.New(rand.NewPCG(25, 26))
	ss := equalServers(n)
	for i := range ss {
		ss[i].Weight = 1 + r.IntN(10)
		ss[i].Load.Active.Store(int32(r.IntN(1000)))
	}
	return ss
}
