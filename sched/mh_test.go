package sched

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// ownersOf tells for each entry of mh's table the address of the server behind it; empty: one that takes no
// connections.
func ownersOf(t testing.TB, ss []Server, opt Options) []string {
	t.Helper()
	s := build(t, "mh", ss, opt).(*mh)
	if s.maglev == nil {
		return nil
	}
	addresses := make([]string, len(s.maglev.table))
	for entry, rank := range s.maglev.table {
		if server := s.byRank[rank]; server >= 0 {
			addresses[entry] = ss[server].Address
		}
	}
	return addresses
}

func TestMaglevTableDependsOnTheRatioOfWeightsOnly(t *testing.T) {
	want := ownersOf(t, servers(1, 2, 0, 4), Options{TableSize: smallTable})
	if got := ownersOf(t, servers(100, 200, 0, 400), Options{TableSize: smallTable}); !slices.Equal(got, want) {
		t.Error("another table for hundredfold weights")
	}
}

func TestMaglevTableIsThatOfTheServersWithWeight(t *testing.T) {
	want := ownersOf(t, slices.Delete(servers(3, 1, 2, 5), 1, 2), Options{TableSize: smallTable})
	if got := ownersOf(t, servers(3, 0, 2, 5), Options{TableSize: smallTable}); !slices.Equal(got, want) {
		t.Error("a server with weight 0 changes the table as compared to one that has left")
	}
}

func TestMaglevTableHoldsServersOfTheSameAddress(t *testing.T) {
	ss := servers(1, 2, 2)
	ss[1].Address, ss[2].Address = ss[0].Address, ss[0].Address
	s := build(t, "mh", ss, Options{TableSize: smallTable})
	var counts [3]int
	r := rand.New(rand.NewPCG(23, 24))
	for range 5000 {
		k := randomKey(r)
		counts[s.Pick(&k, nil)]++
	}
	if counts[0] < 800 || counts[1] < 1700 || counts[2] < 1700 {
		t.Errorf("5000 picks went to weights 1, 2, 2 as %v", counts)
	}
}

// A change of this table moves the clients of running services to other servers, and makes two versions
// side by side disagree. It must be deliberate, and told to users.
func TestMaglevTableStaysTheSameBetweenVersions(t *testing.T) {
	tests := []struct {
		name    string
		weights []int
		size    int
		want    string
	}{
		{"three equal servers", []int{1, 1, 1}, 0, "8c68238ad0f766dcb07d756350e409c6"},
		{"weights", []int{10, 0, 7, 65535, 300}, 0, "b2bb4c1cd0c4cf589e713a23feea0274"},
		{"a small table", []int{5, 1, 1}, 251, "ba69d12c7fec11f3ffb2dd2258b40db5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hash := sha256.New()
			for _, address := range ownersOf(t, servers(tt.weights...), Options{TableSize: tt.size}) {
				hash.Write([]byte(address + "\n"))
			}
			if got := hex.EncodeToString(hash.Sum(nil)[:16]); got != tt.want {
				t.Errorf("the table's hash is %s, want %s", got, tt.want)
			}
		})
	}
}

func TestMaglevChoicesStayTheSameBetweenVersions(t *testing.T) {
	clients := []string{"198.51.100.7:40000", "198.51.100.8:41000", "8.8.8.8:53", "[2001:db8::1]:46000", "[2a00:1450:4001:801::200e]:49000"}
	ss := servers(1, 2, 3, 4, 5)
	for _, tt := range []struct {
		opt  Options
		want []int
	}{
		{Options{}, []int{0, 2, 3, 1, 3}},
		{Options{Ports: true}, []int{1, 4, 2, 3, 4}},
		{Options{TableSize: 509}, []int{3, 1, 2, 3, 4}},
	} {
		s := build(t, "mh", ss, tt.opt)
		var got []int
		for _, c := range clients {
			k := keyOf(c)
			got = append(got, s.Pick(&k, nil))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%+v: picked %v, want %v", tt.opt, got, tt.want)
		}
	}
}

func TestMaglevHashesThePortOnlyIfToldTo(t *testing.T) {
	k := keyOf("192.0.2.1:0")
	for _, ports := range []bool{false, true} {
		s := build(t, "mh", equalServers(4), Options{TableSize: smallTable, Ports: ports})
		var seen [4]int
		for port := range 1000 {
			k.SrcPort = uint16(port)
			seen[s.Pick(&k, nil)]++
		}
		if all := slices.Max(seen[:]); ports && slices.Min(seen[:]) < 200 || !ports && all != 1000 {
			t.Errorf("ports %v: 1000 connections of a client went to four servers as %v", ports, seen)
		}
	}
}

func TestMaglevIgnoresWhatFollowsAnIPv4Address(t *testing.T) {
	s := build(t, "mh", equalServers(50), Options{TableSize: smallTable})
	k := keyOf("192.0.2.1:1")
	want := s.Pick(&k, nil)
	for i := 4; i < 16; i++ {
		k.Src[i] = 0xff
	}
	if got := s.Pick(&k, nil); got != want {
		t.Errorf("picked %d, want %d", got, want)
	}
}

func TestServicesWithTheSameServersShareATable(t *testing.T) {
	ss := servers(1, 2, 3)
	var wg sync.WaitGroup
	tables := make([]*maglev, 8)
	for i := range tables {
		wg.Go(func() {
			s, err := New("mh", slices.Clone(ss), Options{TableSize: 8191, Ports: i%2 == 0})
			if err == nil {
				tables[i] = s.(*mh).maglev
			}
		})
	}
	wg.Wait()
	for i, table := range tables {
		if table == nil || table != tables[0] {
			t.Errorf("service %d has a table of its own", i)
		}
	}
	ss[0].Weight = 7
	if build(t, "mh", ss, Options{TableSize: 8191}).(*mh).maglev == tables[0] {
		t.Error("another weight, the same table")
	}
	runtime.KeepAlive(tables)
}

func TestATableGoesWithItsLastService(t *testing.T) {
	cache := tableCache{live: map[tableID]weakTable{}}
	members := membersOf(equalServers(2))
	used := cache.get(251, members)
	cache.get(509, members)
	deadline := time.Now().Add(10 * time.Second)
	for cache.len() > 1 {
		if time.Now().After(deadline) {
			t.Fatalf("the cache still holds %d tables", cache.len())
		}
		runtime.GC()
		runtime.Gosched()
	}
	if cache.get(251, members) != used {
		t.Error("the table in use is gone from the cache")
	}
}

func (c *tableCache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.live)
}
