package sched

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

func init() {
	Register("mh", "Maglev hashing: a client always gets the same server on every machine, and nearly all keep theirs when the "+
		"servers change. For several balancers behind ECMP, caches, and state kept about clients.", newMH, slowByClient())
}

const (
	// DefaultTableSize is the number of entries of mh's table that the Maglev paper uses: it spreads up
	// to 655 servers with at most 1 % difference. It takes 128 KiB.
	DefaultTableSize = 65537
	// MaxTableSize bounds Options.TableSize: 2 MiB a table.
	MaxTableSize = 1 << 20
)

// CheckTableSize tells in an error why a table of mh cannot have size entries for so many servers. It
// must be a prime from 2 to MaxTableSize with room for every server, also those that have weight 0 for
// now; 100 times as many entries as servers keep their shares within 1 %.
func CheckTableSize(size, servers int) error {
	if size < 2 || size > MaxTableSize || !prime(size) {
		return fmt.Errorf("an mh table cannot have %d entries: use a prime from 2 to %d, such as %d", size, MaxTableSize, DefaultTableSize)
	}
	if most := min(size, maxTableServers); servers > most {
		return fmt.Errorf("%d servers are too many for an mh table of %d entries: it takes %d", servers, size, most)
	}
	return nil
}

func prime(n int) bool {
	for d := 2; d*d <= n; d++ {
		if n%d == 0 {
			return false
		}
	}
	return n > 1
}

// The keys of mh's hashes. To change one is to move the clients of every running service.
var (
	mhClientKey = newSipKey("weir:mh:client\x00\x00")
	mhOffsetKey = newSipKey("weir:mh:offset\x00\x00")
	mhSkipKey   = newSipKey("weir:mh:skip\x00\x00\x00\x00")
)

// mh looks a client's hash up in a Maglev table. The table knows the servers by their rank in the
// order of addresses, so that services with the same servers can share it, in whatever order they
// name them.
type mh struct {
	ranked
	// left is the table of the servers that take connections, for clients whose server does not; empty without
	// mh-fallback, or if all take some.
	left  ranked
	ports bool
}

// ranked is a table, and which server has which rank in it.
type ranked struct {
	maglev *maglev // nil if there is no server in it
	byRank []int32 // index of each member in the slice given to New; -1 if it takes no connections
}

func newMH(servers []Server, opt Options) (Scheduler, error) {
	size := opt.TableSize
	if size == 0 {
		size = DefaultTableSize
	}
	if err := CheckTableSize(size, len(servers)); err != nil {
		return nil, err
	}
	s := &mh{ports: opt.Ports}
	s.ranked = newRanked(size, servers, func(v *Server) int {
		switch {
		case v.Weight > 0:
			return v.Weight
		case v.Down && !opt.Fallback:
			return 0
		}
		return v.Last
	})
	if opt.Fallback && slices.Contains(s.byRank, -1) {
		s.left = newRanked(size, servers, func(v *Server) int { return v.Weight })
	}
	return s, nil
}

// newRanked makes the table of the servers that weight gives one.
func newRanked(size int, servers []Server, weight func(*Server) int) (r ranked) {
	r.byRank = mhRanks(servers, weight)
	if len(r.byRank) == 0 {
		return r
	}
	r.maglev = mhTables.get(size, mhMembers(servers, r.byRank, weight))
	for i, server := range r.byRank {
		if servers[server].Weight == 0 {
			r.byRank[i] = -1
		}
	}
	return r
}

// mhRanks returns the servers of a table, ordered by what identifies them. Servers with the
// same address are the same to a client; the heavier comes first.
func mhRanks(servers []Server, weight func(*Server) int) []int32 {
	ranks := make([]int32, 0, len(servers))
	for i := range servers {
		if weight(&servers[i]) > 0 {
			ranks = append(ranks, int32(i))
		}
	}
	slices.SortFunc(ranks, func(a, b int32) int {
		x, y := &servers[a], &servers[b]
		if c := strings.Compare(x.Address, y.Address); c != 0 {
			return c
		}
		if v, w := weight(x), weight(y); v != w {
			return w - v
		}
		return int(a - b)
	})
	return ranks
}

// mhMembers reduces the weights by their common divisor, as only their ratio matters.
func mhMembers(servers []Server, ranks []int32, weight func(*Server) int) []member {
	divisor := 0
	for _, i := range ranks {
		divisor = gcd(divisor, weight(&servers[i]))
	}
	members := make([]member, len(ranks))
	for r, i := range ranks {
		members[r] = member{servers[i].Address, weight(&servers[i]) / divisor}
	}
	return members
}

func (s *mh) Pick(k *Key, _ *State) int {
	hash := mhClientKey.sumSource(k, s.ports)
	server := s.pick(hash)
	if server < 0 {
		server = s.left.pick(hash)
	}
	return int(server)
}

func (r *ranked) pick(hash uint64) int32 {
	if r.maglev == nil {
		return -1
	}
	table := r.maglev.table
	// The upper half of the product maps the hash evenly to 0..len-1 without a division.
	entry, _ := bits.Mul64(hash, uint64(len(table)))
	return r.byRank[table[entry]]
}
