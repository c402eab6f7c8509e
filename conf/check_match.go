package conf

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// parseSource takes an address or a prefix that clients may have.
func parseSource(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		a, err := parseAddr(text)
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("must be an address or a prefix such as 198.51.100.0/24 or 2001:db8::/32, is %s", quote(text))
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	switch {
	case p.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("is an IPv4 prefix in IPv6's clothes: write %s", p.Addr().Unmap())
	case p.Bits() == 0:
		return netip.Prefix{}, errors.New("has a length of 0, which is every source: remove the entry")
	case p.Masked() != p:
		return netip.Prefix{}, fmt.Errorf("%s is not the first address of %s: write that, or %s without a length", p.Addr(), p.Masked(), p.Addr())
	}
	return p, nil
}

// maxMatches bounds what one service tells apart: its addresses, each from each source by each port.
const maxMatches = 1 << 16

// match checks that packets can come to the service, by the ports that it names and from its sources.
func (c *checker) match(i int, s *Service) {
	at := c.service(i).field("match")
	if !at.isSection() {
		return
	}
	sources, ports := at.field("source"), at.field("port")
	if !sources.exists() && !ports.exists() {
		at.errorf("asks for nothing: give it source or port, or remove it")
		return
	}
	if sources.exists() && sources.isEmpty() {
		sources.errorf("is empty: write for example source: [198.51.100.0/24], or remove the key")
	}
	if ports.exists() && ports.isEmpty() {
		ports.errorf("is empty: write the names of ports, or remove the key")
	}
	c.matchPorts(ports, s)
	seen := first[netip.Prefix]{}
	for j, p := range s.Match.Source {
		if !p.IsValid() {
			continue
		}
		if k, ok := seen.again(p, j); ok {
			sources.item(j).errorf("%s is given twice: first on line %d", VIP(p), sources.item(k).line)
		}
		if s.whole() && !slices.ContainsFunc(s.Addresses, func(e Endpoint) bool { return e.Prefix.Addr().Is6() == p.Addr().Is6() }) {
			sources.item(j).errorf("%s is %s, but no address of the service is", VIP(p), family(p.Addr()))
		}
	}
	for j, e := range s.Addresses {
		if e.Valid() && len(seen) > 0 && !slices.ContainsFunc(s.Match.Source, func(p netip.Prefix) bool { return p.IsValid() && e.Prefix.Addr().Is6() == p.Addr().Is6() }) {
			c.endpointAt(i, j).errorf("%s is %s, but no source of the service's match is: nothing could come to it", e, family(e.Prefix.Addr()))
		}
	}
	if n := len(s.Addresses) * max(1, len(s.Match.Source)) * max(1, len(s.Match.Port)); n > maxMatches {
		at.errorf("makes %d combinations of an address, a source and a port: at most %d are supported", n, maxMatches)
	}
}

func (c *checker) matchPorts(at value, s *Service) {
	var names []string
	for i := range c.cfg.Ports {
		names = append(names, c.cfg.Ports[i].Name)
	}
	seen := first[string]{}
	for j, name := range s.Match.Port {
		if name == "" {
			continue
		}
		if k, ok := seen.again(name, j); ok {
			at.item(j).errorf("%s is given twice: first on line %d", name, at.item(k).line)
		}
		if len(names) > 0 && !slices.Contains(names, "") && !slices.Contains(names, name) {
			at.item(j).noSuchPort(name, names)
		}
	}
}
