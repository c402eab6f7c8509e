package conf

import (
	"net/netip"
	"slices"
)

// contains reports whether an address is on a network of the port.
func contains(p *Port, a netip.Addr) bool {
	return slices.ContainsFunc(p.Addresses, func(n netip.Prefix) bool { return n.Contains(a) })
}

// egress finds the port on a network of which an address is or, if there is none, the first with a gateway of its
// family.
func (c *Config) egress(a netip.Addr) (port int, onLink, ok bool) {
	for i := range c.Ports {
		if contains(&c.Ports[i], a) {
			return i, true, true
		}
	}
	for i := range c.Ports {
		if slices.ContainsFunc(c.Ports[i].Gateways, func(g netip.Addr) bool { return g.IsValid() && g.Is6() == a.Is6() }) {
			return i, false, true
		}
	}
	return 0, false, false
}
