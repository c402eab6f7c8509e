package conf

import (
	"net/netip"
	"slices"
)

// vips tells which service an address is one of.
type vips struct {
	of   map[netip.Prefix]int // the first service of each
	bits [2][]int             // lengths of the prefixes of IPv4 and IPv6, the longest first
}

func (v *vips) collect(cfg *Config) {
	v.of = map[netip.Prefix]int{}
	for i := range cfg.Services {
		for _, e := range cfg.Services[i].Addresses {
			if !e.Valid() {
				continue
			}
			if _, ok := v.of[e.Prefix]; ok {
				continue
			}
			v.of[e.Prefix] = i
			lengths := &v.bits[familyIndex(e.Prefix.Addr())]
			if !slices.Contains(*lengths, e.Prefix.Bits()) {
				*lengths = append(*lengths, e.Prefix.Bits())
			}
		}
	}
	for f := range v.bits {
		slices.SortFunc(v.bits[f], func(a, b int) int { return b - a })
	}
}

func familyIndex(a netip.Addr) int {
	if a.Is6() {
		return 1
	}
	return 0
}

// vipOf is the service that an address is one of.
func (c *checker) vipOf(a netip.Addr) (service int, ok bool) {
	for _, n := range c.vips.bits[familyIndex(a)] {
		p, err := a.Prefix(n)
		if err != nil {
			continue // the address is none
		}
		if i, ok := c.vips.of[p]; ok {
			return i, true
		}
	}
	return 0, false
}

// claim is what services are told apart by.
type claim struct {
	Endpoint
	protocol Protocol
}

// claimed is an endpoint of a service in the file.
type claimed struct{ service, index int }

// overlaps checks that of any two services that could take one packet, one is more specific.
func (c *checker) overlaps() {
	taken := map[claim]claimed{}
	for i := range c.cfg.Services {
		s := &c.cfg.Services[i]
		for j, e := range s.Addresses {
			if !e.Valid() || s.Protocol == "" {
				continue
			}
			k := claim{e, s.Protocol}
			before, ok := taken[k]
			if !ok {
				taken[k] = claimed{i, j}
			} else if before.service != i {
				c.endpointAt(i, j).errorf("overlaps %s: both are %s %s", c.serviceNamed(before.service), s.Protocol, e)
			}
		}
	}
}
