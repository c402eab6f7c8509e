package sched

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSourceHashIsStablePerSource(t *testing.T) {
	s := build(t, "sh", servers(1, 2, 3, 0), Options{Fallback: true})
	r := rand.New(rand.NewPCG(12, 13))
	for range 1000 {
		k := randomKey(r)
		want := s.Pick(&k, nil)
		for range 10 {
			k.SrcPort, k.DstPort = uint16(r.Uint32()), uint16(r.Uint32())
			if got := s.Pick(&k, nil); got != want {
				t.Fatalf("client %v went to %d, then to %d", k.Src, want, got)
			}
		}
	}
}

func TestSourceHashSpreadsTheConnectionsOfOneClientByPort(t *testing.T) {
	s := build(t, "sh", equalServers(4), Options{Ports: true})
	var seen [4]int
	k := keyOf("192.0.2.1:0")
	for port := range 1000 {
		k.SrcPort = uint16(port)
		seen[s.Pick(&k, nil)]++
	}
	if slices.Min(seen[:]) < 200 {
		t.Errorf("1000 ports went to four servers as %v", seen)
	}
}

// LVS deals 256 buckets out by weight in order, so weights with a large sum cut off the last servers.
func TestSourceHashDealsOutTheBuckets(t *testing.T) {
	tests := []struct {
		name    string
		weights []int
		want    []int // buckets per server
	}{
		{"equal", []int{1, 1, 1, 1}, []int{64, 64, 64, 64}},
		{"by weight", []int{3, 1}, []int{192, 64}},
		{"the last round is cut", []int{100, 100, 100}, []int{100, 100, 56}},
		{"a huge weight takes all", []int{1000, 1}, []int{256, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := build(t, "sh", servers(tt.weights...), Options{}).(*sh)
			got := make([]int, len(tt.weights))
			for _, server := range s.buckets {
				got[server]++
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("buckets %v, want %v", got, tt.want)
			}
		})
	}
}

func TestSourceHashMovesOnlyTheClientsOfADrainedServer(t *testing.T) {
	ss := equalServers(5)
	before := build(t, "sh", ss, Options{Fallback: true})
	ss[2].Weight = 0
	after := build(t, "sh", ss, Options{Fallback: true})
	r := rand.New(rand.NewPCG(14, 15))
	for range 10000 {
		k := randomKey(r)
		was, is := before.Pick(&k, nil), after.Pick(&k, nil)
		if was == 2 && is == 2 || was != 2 && is != was {
			t.Fatalf("client %v went from %d to %d when 2 was drained", k.Src, was, is)
		}
	}
}

func TestSourceHashUsesTheFirst256Servers(t *testing.T) {
	ss := equalServers(300)
	s := build(t, "sh", ss, Options{})
	seen := map[int]bool{}
	for a := range 4096 {
		k := Key{Src: [16]byte{10, 0, byte(a >> 8), byte(a)}}
		seen[s.Pick(&k, nil)] = true
	}
	if len(seen) != 256 || seen[-1] || seen[256] {
		t.Errorf("%d servers were picked, want the first 256", len(seen))
	}
}
