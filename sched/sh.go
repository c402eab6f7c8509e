package sched

import "encoding/binary"

func init() {
	Register("sh", "Source hashing: a client always gets the same server, until the servers change. For services that keep "+
		"state about clients; mh moves fewer clients when the servers change.", newSH)
}

// shBuckets is LVS's number of buckets, so at most so many servers take part.
const shBuckets = 256

// sh is LVS's table with the flag sh-fallback worked in: every bucket holds the server that a client
// falling into it gets in the end.
type sh struct {
	buckets [shBuckets]int16 // servers, all below shBuckets; -1: none
	ports   bool
}

func newSH(servers []Server, opt Options) (Scheduler, error) {
	owners := shOwners(servers)
	s := &sh{ports: opt.Ports}
	for b := range s.buckets {
		s.buckets[b] = shResolve(servers, &owners, b)
	}
	return s, nil
}

// shOwners deals the buckets out: to each server in turn as many in a row as its weight, over and
// over. A server with weight 0 gets one, as in LVS, so that draining a server with weight 1 does not
// move the buckets of the others.
func shOwners(servers []Server) (owners [shBuckets]int16) {
	server, given := 0, 0
	for b := range owners {
		if len(servers) == 0 {
			owners[b] = -1
			continue
		}
		owners[b] = int16(server)
		given++
		if given >= servers[server].Weight {
			server, given = (server+1)%len(servers), 0
		}
	}
	return owners
}

// shResolve finds the server for bucket b. If the owner takes no connections, LVS's fallback tries the
// buckets from 2b on: it adds the hash both as the start of the search and as the client's own.
func shResolve(servers []Server, owners *[shBuckets]int16, b int) int16 {
	takes := func(o int16) bool { return o >= 0 && servers[o].Weight > 0 }
	if takes(owners[b]) {
		return owners[b]
	}
	for i := range shBuckets {
		if o := owners[(2*b+i)%shBuckets]; takes(o) {
			return o
		}
	}
	return -1
}

func (s *sh) Pick(k *Key, _ *State) int {
	return int(s.buckets[shHash(k, s.ports)])
}

// shHash is LVS's: the address folded to 32 bits by XOR, the port added, and the upper 8 bits of the
// product with the kernel's hash_32 multiplier.
func shHash(k *Key, ports bool) uint8 {
	v := binary.BigEndian.Uint32(k.Src[0:])
	if k.V6 {
		v ^= binary.BigEndian.Uint32(k.Src[4:]) ^ binary.BigEndian.Uint32(k.Src[8:]) ^ binary.BigEndian.Uint32(k.Src[12:])
	}
	if ports {
		v += uint32(k.SrcPort)
	}
	return uint8(v * 0x61c88647 >> 24)
}
