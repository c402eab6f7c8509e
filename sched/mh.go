package sched

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

func init() {
	Register("mh", "Maglev hashing: a client always gets the same server on every machine, and nearly all keep theirs when the "+
		"servers change. For several balancers behind ECMP, caches, and state kept about clients.", newMH)
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
	maglev *maglev // nil if no server takes connections
	byRank []int32 // index of each member in the slice given to New
	ports  bool
}

func newMH(servers []Server, opt Options) (Scheduler, error) {
	size := opt.TableSize
	if size == 0 {
		size = DefaultTableSize
	}
	if err := CheckTableSize(size, len(servers)); err != nil {
		return nil, err
	}
	s := &mh{byRank: mhRanks(servers), ports: opt.Ports}
	if len(s.byRank) > 0 {
		s.maglev = mhTables.get(size, mhMembers(servers, s.byRank))
	}
	return s, nil
}

// mhRanks returns the servers that take connections, ordered by what identifies them. Servers with the
// same address are the same to a client; the heavier comes first.
func mhRanks(servers []Server) []int32 {
	ranks := make([]int32, 0, len(servers))
	for i := range servers {
		if servers[i].Weight > 0 {
			ranks = append(ranks, int32(i))
		}
	}
	slices.SortFunc(ranks, func(a, b int32) int {
		x, y := &servers[a], &servers[b]
		if c := strings.Compare(x.Address, y.Address); c != 0 {
			return c
		}
		if x.Weight != y.Weight {
			return y.Weight - x.Weight
		}
		return int(a - b)
	})
	return ranks
}

// mhMembers reduces the weights by their common divisor, as only their ratio matters.
func mhMembers(servers []Server, ranks []int32) []member {
	divisor := 0
	for _, i := range ranks {
		divisor = gcd(divisor, servers[i].Weight)
	}
	members := make([]member, len(ranks))
	for r, i := range ranks {
		members[r] = member{servers[i].Address, servers[i].Weight / divisor}
	}
	return members
}

func (s *mh) Pick(k *Key, _ *State) int {
	if s.maglev == nil {
		return -1
	}
	table := s.maglev.table
	// The upper half of the product maps the hash evenly to 0..len-1 without a division.
	entry, _ := bits.Mul64(mhClientKey.sumSource(k, s.ports), uint64(len(table)))
	return int(s.byRank[table[entry]])
}
