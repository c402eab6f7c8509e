package conf

// Former tells for every service of a list which one of an earlier list it goes on from, by their places there; -1 for
// one that is new. That is the one with its name or, if none has, one with an endpoint of its own whose name is gone: it
// was renamed. The protocol must be the same.
func Former(old, now []Service) []int {
	out := make([]int, len(now))
	byName := make(map[string]int, len(old))
	for i := range old {
		byName[old[i].Name] = i
	}
	fresh := false
	for i := range now {
		j, ok := byName[now[i].Name]
		if !ok || old[j].Protocol != now[i].Protocol {
			out[i], fresh = -1, true
			continue
		}
		out[i] = j
		delete(byName, now[i].Name)
	}
	if !fresh || len(byName) == 0 {
		return out
	}
	byEndpoint := map[claim][]int{}
	for i := range old {
		if _, gone := byName[old[i].Name]; !gone {
			continue
		}
		for _, e := range old[i].Addresses {
			k := claim{Endpoint: e, protocol: old[i].Protocol}
			byEndpoint[k] = append(byEndpoint[k], i)
		}
	}
	for i := range now {
		if out[i] < 0 {
			out[i] = renamed(old, &now[i], byEndpoint, byName)
		}
	}
	return out
}

// renamed finds and takes one of the services that are gone, which has an endpoint of s.
func renamed(old []Service, s *Service, byEndpoint map[claim][]int, gone map[string]int) int {
	for _, e := range s.Addresses {
		for _, j := range byEndpoint[claim{Endpoint: e, protocol: s.Protocol}] {
			if _, free := gone[old[j].Name]; free {
				delete(gone, old[j].Name)
				return j
			}
		}
	}
	return -1
}
