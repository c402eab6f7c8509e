package conf

import (
	"fmt"
	"net/netip"
)

// endpointAt is where the file has an endpoint of a service.
func (c *checker) endpointAt(i, j int) value {
	if list := c.service(i).field("addresses"); list.exists() {
		return list.item(j)
	}
	return c.service(i).field("address")
}

// endpoints checks a service's address or addresses.
func (c *checker) endpoints(i int, s *Service) {
	at := c.service(i)
	one, list := at.field("address"), at.field("addresses")
	switch {
	case one.exists() && list.exists():
		one.errorf("cannot be given together with addresses: put all into addresses")
		s.Addresses = nil // which of them is meant cannot be told
		return
	case list.exists() && list.isEmpty():
		list.errorf("is empty: write for example addresses: [203.0.113.10:80, 203.0.113.10:443]")
	}
	seen := first[Endpoint]{}
	for j, e := range s.Addresses {
		if !e.Valid() {
			continue
		}
		if k, ok := seen.again(e, j); ok {
			c.endpointAt(i, j).errorf("%s is given twice: first on line %d", e, c.endpointAt(i, k).line)
			continue
		}
		c.vip(i, j, e)
	}
	c.families(i, s)
}

// families checks that a service's clients can all be sent to all of its backends.
func (c *checker) families(i int, s *Service) {
	if s.Mode == TUN || s.Mode == FullNAT || s.Mode == "" {
		return
	}
	for j, e := range s.Addresses {
		if e.Valid() && s.Addresses[0].Valid() && e.Prefix.Addr().Is6() != s.Addresses[0].Prefix.Addr().Is6() {
			c.endpointAt(i, j).errorf("%s is %s, but the first address is %s: in mode %s all must be of one kind, only tun and fullnat can mix them",
				e, family(e.Prefix.Addr()), family(s.Addresses[0].Prefix.Addr()), s.Mode)
			return
		}
	}
}

// vip checks an address or a prefix of a service. An address may be one of Weir's own: the port of the service is then taken
// from the kernel. A prefix holds nobody but clients' destinations.
func (c *checker) vip(i, j int, e Endpoint) {
	at := c.endpointAt(i, j)
	for p := range c.cfg.Ports {
		for k, g := range c.cfg.Ports[p].Gateways {
			if !e.Prefix.Contains(g) {
				continue
			}
			what := "is"
			if !e.Host() {
				what = fmt.Sprintf("holds %s,", g)
			}
			at.errorf("%s %s the gateway of %s: a VIP is an address that no other host has", VIP(e.Prefix), what, c.entryNamed(place{p, k}, "gateways"))
			return
		}
	}
	if e.Host() {
		c.host(at, e.Prefix.Addr())
		return
	}
	for p := range c.cfg.Ports {
		for k, n := range c.cfg.Ports[p].Addresses {
			if !n.IsValid() {
				continue
			}
			if e.Prefix.Contains(n.Addr()) {
				at.errorf("%s holds %s, Weir's own address of %s: only a single address can be both", e.Prefix, n.Addr(), c.entryNamed(place{p, k}, "addresses"))
				return
			}
			for _, edge := range []netip.Addr{n.Masked().Addr(), lastOf(n)} {
				if what := notHost(n, edge); what != "" && e.Prefix.Contains(edge) {
					at.errorf("%s holds %s, %s: split it into prefixes without", e.Prefix, edge, what)
					return
				}
			}
		}
	}
}

// lastOf is the last address of a network.
func lastOf(n netip.Prefix) netip.Addr {
	b := n.Masked().Addr().AsSlice()
	for i := n.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b) // of a right length
	return a
}
