package sched

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
)

func init() {
	Register("mh", "Maglev hashing: a client always gets the same server on every machine, and nearly all keep theirs when the "+
		"servers change. For several balancers behind ECMP, caches, and state kept about clients.", newMH, slowByClient(), ByAddress())
}

const (
	// DefaultTableSize is the number of entries of mh's table, that of a kernel with the usual configuration
	// (CONFIG_IP_VS_MH_TAB_INDEX=12): it spreads up to 40 servers with at most 1 % difference. It takes 8 KiB.
	DefaultTableSize = 4093
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

// The keys of mh's hashes are LVS's. To change one is to move the clients of every running service.
var (
	mhOffsetKey = sipKey{2654435761, 2654435761} // also of clients
	mhSkipKey   = sipKey{2654446892, 2654446892}
)

// mh looks a client's hash up in a Maglev table. The table knows the servers by their rank among those in it, so
// that services with the same servers can share it.
type mh struct {
	maglev   *maglev // nil if there is no server in it
	byRank   []int32 // index of each member in the slice given to New; -1 if it takes no connections
	fallback bool    // and somebody takes some
	ports    bool
	bounds   bounds
}

func newMH(servers []Server, opt Options) (Scheduler, error) {
	size := opt.TableSize
	if size == 0 {
		size = DefaultTableSize
	}
	if err := CheckTableSize(size, len(servers)); err != nil {
		return nil, err
	}
	s := &mh{ports: opt.Ports, bounds: boundsOf(servers)}
	var members []member
	var weights []int
	for i := range servers {
		v := &servers[i]
		weight := v.Weight
		if weight == 0 && (!v.Down || opt.Fallback) {
			weight = v.Last
		}
		if weight == 0 {
			continue
		}
		id, err := mhID(v.Address)
		if err != nil {
			return nil, err
		}
		members, weights = append(members, member{id: id}), append(weights, weight)
		if v.Weight > 0 {
			s.byRank, s.fallback = append(s.byRank, int32(i)), opt.Fallback
		} else {
			s.byRank = append(s.byRank, -1)
		}
	}
	if len(members) == 0 {
		return s, nil
	}
	for i, n := range turnsOf(size, weights) {
		members[i].turns = n
	}
	s.maglev = mhTables.get(size, members)
	return s, nil
}

// mhID is what LVS knows of a server: its address, folded to 32 bits by XOR, plus the port.
func mhID(address string) (uint32, error) {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		ip, err := netip.ParseAddr(address)
		if err != nil {
			return 0, fmt.Errorf("mh cannot tell servers by %q: it takes an address, with or without a port", address)
		}
		a = netip.AddrPortFrom(ip, 0)
	}
	var b [16]byte
	copy(b[:], a.Addr().AsSlice())
	return folded(&b, a.Addr().Is6()) + uint32(a.Port()), nil
}

// folded is an address in 32 bits, as LVS's hashes have it.
func folded(addr *[16]byte, v6 bool) uint32 {
	v := binary.BigEndian.Uint32(addr[0:])
	if v6 {
		v ^= binary.BigEndian.Uint32(addr[4:]) ^ binary.BigEndian.Uint32(addr[8:]) ^ binary.BigEndian.Uint32(addr[12:])
	}
	return v
}

func (s *mh) Pick(k *Key, _ *State) int {
	if s.maglev == nil {
		return -1
	}
	table := s.maglev.table
	client := folded(&k.Src, k.V6)
	if s.ports {
		client += uint32(k.SrcPort)
	}
	size := uint32(len(table))
	entry := mhOffsetKey.sum32(client) % size
	server := s.byRank[table[entry]]
	switch {
	case server >= 0 && !s.bounds.full(server):
		return int(server)
	case !s.fallback || len(s.bounds) > 0 && !s.open():
		return -1
	}
	// LVS's further hashes of the client: each finds somebody who takes connections with the chance that those have in the
	// table.
	for n := range size {
		if server = s.byRank[table[mhOffsetKey.sum32(client+(entry+n)%size)%size]]; server >= 0 && !s.bounds.full(server) {
			return int(server)
		}
	}
	return -1
}

// open reports whether somebody takes connections and is not full.
func (s *mh) open() bool {
	return slices.ContainsFunc(s.byRank, func(server int32) bool { return server >= 0 && !s.bounds.full(server) })
}
