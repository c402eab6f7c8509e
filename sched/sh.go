package sched

func init() {
	Register("sh", "Source hashing: a client always gets the same server, until the servers change. For services that keep "+
		"state about clients; mh moves fewer clients when the servers change.", newSH, slowByClient())
}

// hashBuckets is LVS's number of buckets, so at most so many servers take part.
const hashBuckets = 256

// sh is LVS's table with the flag sh-fallback worked in: every bucket holds the server that a client
// falling into it gets in the end.
type sh struct {
	buckets [hashBuckets]int32 // servers; -1: none, or without the flag one that takes no connections
	ports   bool
	// fallback: a client gets another server if its own takes no connections
	fallback bool
	bounds   bounds
	owners   *[hashBuckets]int32 // without those that take no connections; nil unless full servers are to be got round
}

func newSH(servers []Server, opt Options) (Scheduler, error) {
	owners := shOwners(servers, opt.Fallback)
	s := &sh{ports: opt.Ports, fallback: opt.Fallback, bounds: boundsOf(servers)}
	for b := range s.buckets {
		s.buckets[b] = shResolve(servers, &owners, b, opt.Fallback)
	}
	if len(s.bounds) > 0 && opt.Fallback {
		for b, o := range owners {
			if o >= 0 && servers[o].Weight == 0 {
				owners[b] = -1
			}
		}
		s.owners = &owners
	}
	return s, nil
}

// shOwners deals the buckets out: to each server in turn as many in a row as its weight, over and
// over. A server with weight 0 gets one, as in LVS, so that draining a server with weight 1 does not
// move the buckets of the others. Where nobody would take over its clients, a server that is down is left
// out, as LVS's users have it removed.
func shOwners(servers []Server, fallback bool) (owners [hashBuckets]int32) {
	var dealt []int32
	for i := range servers {
		if !servers[i].Down || fallback {
			dealt = append(dealt, int32(i))
		}
		if len(dealt) == hashBuckets {
			break
		}
	}
	at, given := 0, 0
	for b := range owners {
		if len(dealt) == 0 {
			owners[b] = -1
			continue
		}
		owners[b] = dealt[at]
		given++
		if given >= servers[dealt[at]].Weight {
			at, given = (at+1)%len(dealt), 0
		}
	}
	return owners
}

// shResolve finds the server for bucket b. If the owner takes no connections, LVS's fallback tries the
// buckets from 2b on: it adds the hash both as the start of the search and as the client's own.
func shResolve(servers []Server, owners *[hashBuckets]int32, b int, fallback bool) int32 {
	takes := func(o int32) bool { return o >= 0 && servers[o].Weight > 0 }
	if takes(owners[b]) {
		return owners[b]
	}
	for i := 0; fallback && i < hashBuckets; i++ {
		if o := owners[(2*b+i)%hashBuckets]; takes(o) {
			return o
		}
	}
	return -1
}

func (s *sh) Pick(k *Key, _ *State) int {
	port := uint16(0)
	if s.ports {
		port = k.SrcPort
	}
	b := foldedHash(&k.Src, k.V6, port)
	server := s.buckets[b]
	if s.bounds.full(server) {
		server = s.around(int(b))
	}
	return int(server)
}

// around finds who stands in for a bucket's server that is full: the search of shResolve, in which a full server counts
// as one that takes no connections.
func (s *sh) around(b int) int32 {
	if s.owners == nil {
		return -1
	}
	for i := range hashBuckets {
		if o := s.owners[(2*b+i)%hashBuckets]; o >= 0 && !s.bounds.full(o) {
			return o
		}
	}
	return -1
}

// foldedHash is LVS's: the address folded to 32 bits by XOR, the port added, and the upper 8 bits of the
// product with the kernel's hash_32 multiplier.
func foldedHash(addr *[16]byte, v6 bool, port uint16) uint8 {
	return uint8((folded(addr, v6) + uint32(port)) * 0x61c88647 >> 24)
}
