package conf

import (
	"cmp"
	"iter"
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
	source   netip.Prefix // none: any
	port     string       // of ingress; empty: any
}

// from is what a claim asks of where packets come from, for an error.
func (k claim) from() string {
	text := ""
	if k.source.IsValid() {
		text = " from " + VIP(k.source)
	}
	if k.port != "" {
		text += " by port " + k.port
	}
	return text
}

// claims are what a service claims at an endpoint: one for each source and port of ingress.
func (s *Service) claims(e Endpoint) iter.Seq[claim] {
	sources, ports := s.Match.Source, s.Match.Port
	if len(sources) == 0 {
		sources = []netip.Prefix{{}}
	}
	if len(ports) == 0 {
		ports = []string{""}
	}
	return func(yield func(claim) bool) {
		for _, src := range sources {
			if src.IsValid() && src.Addr().Is6() != e.Prefix.Addr().Is6() {
				continue
			}
			for _, p := range ports {
				if !yield(claim{e, s.Protocol, src, p}) {
					return
				}
			}
		}
	}
}

// claimed is an endpoint of a service in the file.
type claimed struct{ service, index int }

// overlaps checks that of any two services that could take one packet, one is more specific.
func (c *checker) overlaps() {
	taken := map[claim]claimed{}
	ranges := map[claim][]claimed{} // of ports, by their prefix
	var order []claim
	for i := range c.cfg.Services {
		s := &c.cfg.Services[i]
		for j, e := range s.Addresses {
			if !e.Valid() || s.Protocol == "" {
				continue
			}
			for k := range s.claims(e) {
				before, ok := taken[k]
				if ok && before.service != i {
					c.endpointAt(i, j).errorf("overlaps %s: both are %s %s%s", c.serviceNamed(before.service), s.Protocol, e, k.from())
					break
				}
				taken[k] = claimed{i, j}
			}
			if !e.Ports.one() {
				k := claim{Endpoint: Endpoint{Prefix: e.Prefix}, protocol: s.Protocol}
				if ranges[k] == nil {
					order = append(order, k)
				}
				ranges[k] = append(ranges[k], claimed{i, j})
			}
		}
	}
	for _, k := range order {
		c.crossings(ranges[k])
	}
}

// crossings checks the ranges of ports of one prefix: of two that have ports in common, one must hold the other.
func (c *checker) crossings(list []claimed) {
	ports := func(l claimed) PortRange { return c.cfg.Services[l.service].Addresses[l.index].Ports }
	slices.SortFunc(list, func(a, b claimed) int {
		p, q := ports(a), ports(b)
		return cmp.Or(cmp.Compare(p.First, q.First), cmp.Compare(q.Last, p.Last))
	})
	var around []claimed // the ranges that hold the last one, the narrowest last
	for _, l := range list {
		for len(around) > 0 && ports(around[len(around)-1]).Last < ports(l).First {
			around = around[:len(around)-1]
		}
		if len(around) > 0 && ports(around[len(around)-1]) == ports(l) {
			continue
		}
		if len(around) > 0 && !ports(around[len(around)-1]).Contains(ports(l)) {
			c.crossing(around[len(around)-1], l)
			continue
		}
		around = append(around, l)
	}
}

// crossing reports two ranges at the later one.
func (c *checker) crossing(a, b claimed) {
	if cmp.Or(cmp.Compare(a.service, b.service), cmp.Compare(a.index, b.index)) > 0 {
		a, b = b, a
	}
	of := ""
	if a.service != b.service {
		of = " of " + c.serviceNamed(a.service)
	}
	e, o := c.cfg.Services[b.service].Addresses[b.index], c.cfg.Services[a.service].Addresses[a.index]
	c.endpointAt(b.service, b.index).errorf("%s overlaps %s%s in part: make one range hold the other, or part them", e, o, of)
}
