package sched

func init() {
	Register("dh", "Destination hashing: by the VIP's address; weights do not count. For services with many addresses in front of "+
		"caches, which then hold different things.", newDH)
}

// dh is LVS's table: the servers take the buckets in turn.
type dh struct {
	buckets [hashBuckets]int32 // servers; -1: none, or one that takes no connections
	bounds  bounds
}

func newDH(servers []Server, _ Options) (Scheduler, error) {
	owners := make([]int32, 0, hashBuckets)
	for i := 0; i < len(servers) && len(owners) < hashBuckets; i++ {
		if servers[i].Down {
			continue
		}
		o := int32(-1)
		if servers[i].Weight > 0 {
			o = int32(i)
		}
		owners = append(owners, o)
	}
	s := &dh{bounds: boundsOf(servers)}
	for b := range s.buckets {
		s.buckets[b] = -1
		if len(owners) > 0 {
			s.buckets[b] = owners[b%len(owners)]
		}
	}
	return s, nil
}

func (s *dh) Pick(k *Key, _ *State) int {
	server := s.buckets[foldedHash(&k.Dst, k.V6, 0)]
	if s.bounds.full(server) {
		return -1
	}
	return int(server)
}
