package conf

import (
	"net/netip"
	"slices"
)

// backends checks a service's backends, and gives them the service's port where the mode leaves the port as it is.
func (c *checker) backends(i int, s *Service) {
	if g, ok := c.groupOf(i); ok {
		u := useOf(s, g)
		known, ok := c.used[u]
		if !ok {
			known = s.withPort(s.Backends)
			c.used[u] = known
		}
		s.Backends = known
		if ok {
			return
		}
	}
	c.thresholds(i, s)
	seen := make(first[netip.AddrPort], len(s.Backends))
	for j := range s.Backends {
		b := &s.Backends[j]
		if !b.Address.IsValid() {
			continue
		}
		at := func() value { return c.backendAt(i, j).field("address") }
		if s.whole() {
			c.backendPort(at, s, b)
		}
		if k, ok := seen.again(b.Address, j); ok {
			at().errorf("%s is given twice: first on line %d", b.Address, s.Backends[k].Line)
			continue
		}
		c.backendAddress(at, i, s, b.Address.Addr())
	}
}

// sorry checks the sorry server as a backend, which it is when no other is left.
func (c *checker) sorry(i int, s *Service) {
	b := s.Sorry
	if b == nil || !b.Address.IsValid() {
		return
	}
	at := func() value { return c.service(i).field("sorry") }
	b.Line = at().line
	if s.whole() {
		c.backendPort(at, s, b)
	}
	for j := range s.Backends {
		if s.Backends[j].Address == b.Address {
			at().errorf("%s is a backend already, on line %d: a sorry server is another", b.Address, s.Backends[j].Line)
			return
		}
	}
	c.backendAddress(at, i, s, b.Address.Addr())
}

// whole reports whether a service's address and mode could be read. What depends on them cannot be said otherwise.
func (s *Service) whole() bool {
	return len(s.Addresses) > 0 && !slices.ContainsFunc(s.Addresses, func(e Endpoint) bool { return !e.Valid() }) && s.Mode != ""
}

// rewrites reports whether a mode changes the port of packets.
func (m Mode) rewrites() bool { return m == NAT || m == FullNAT }

func (c *checker) backendPort(at func() value, s *Service, b *Backend) {
	port := b.Address.Port()
	vip, one := s.Port()
	switch {
	case !one && (s.Mode.rewrites() || port == 0):
	case !one:
		at().errorf("has port %d, but mode %s leaves a packet's port as it is, and the service has several: write %s without a port", port, s.Mode, b.Address.Addr())
	case s.Mode.rewrites() && port == 0:
		at().errorf("has no port: write for example %s", portAdded(b.Address.Addr(), vip))
	case !s.Mode.rewrites() && port != 0 && port != vip:
		at().errorf("has port %d, but mode %s leaves the service's port %d as it is: write %s without a port", port, s.Mode, vip, b.Address.Addr())
	case !s.Mode.rewrites():
		b.Address = netip.AddrPortFrom(b.Address.Addr(), vip)
	}
}

// backendAddress checks that packets get from Weir to a backend in the service's mode.
func (c *checker) backendAddress(at func() value, i int, s *Service, a netip.Addr) {
	if s.whole() && s.Mode != TUN && s.Mode != FullNAT && a.Is6() != s.Addresses[0].Prefix.Addr().Is6() {
		at().errorf("%s is %s, but the service is %s: in mode %s both must be of one kind, only tun and fullnat can mix them", a, family(a), family(s.Addresses[0].Prefix.Addr()), s.Mode)
		return
	}
	if slices.ContainsFunc(s.Addresses, func(e Endpoint) bool { return e.Prefix.Contains(a) }) {
		at().errorf("%s is the service's own address: write the backend's", a)
		return
	}
	if own, ok := c.own[a]; ok {
		at().errorf("%s is Weir's own address, of %s: Weir forwards to other hosts only", a, c.entryNamed(own, "addresses"))
		return
	}
	if v, ok := c.vipOf(a); ok {
		at().errorf("%s is the address of %s, and so Weir's: write the backend's own", a, c.serviceNamed(v))
		return
	}
	if v, ok := c.locals[a]; ok {
		at().errorf("%s is a local address of %s, and so Weir's: write the backend's own", a, c.serviceNamed(v))
		return
	}
	port, onLink, ok := c.cfg.egress(a)
	switch {
	case onLink:
		c.backendHost(at, a)
	case !c.networks || !s.whole():
		return
	case s.Mode == DR:
		at().errorf("%s is on no network of a port: mode dr reaches a backend by its MAC alone, so without a gateway between", a)
	case !ok:
		at().errorf("%s is on no network of a port, and no port has an %s gateway: Weir cannot reach it", a, family(a))
	}
	if ok && s.whole() && s.Mode == TUN && slices.ContainsFunc(s.Addresses, func(e Endpoint) bool { return e.Prefix.Addr().Is6() }) {
		c.tunnelMTU(at, s, a, &c.cfg.Ports[port])
	}
}

// backendHost is host, at the cost of finding the place only if it is one of an error.
func (c *checker) backendHost(at func() value, a netip.Addr) {
	for i := range c.cfg.Ports {
		for _, n := range c.cfg.Ports[i].Addresses {
			if n.IsValid() && notHost(n, a) != "" {
				c.host(at(), a)
				return
			}
		}
	}
}
