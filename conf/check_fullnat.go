package conf

import (
	"fmt"
	"net/netip"
)

const (
	// maxLocals is how many entries local_addresses may have, maxLocalAddrs how many addresses those may be, and
	// maxAllLocals how many different ones all services together: a connection has 16 bits for one.
	maxLocals     = 256
	maxLocalAddrs = 4096
	maxAllLocals  = 1 << 15
)

// parseLocal takes an address, or a network all of whose addresses are meant.
func parseLocal(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		if err := checkEndpoint(a); err != nil {
			return netip.Prefix{}, err
		}
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("must be an address or a network such as 10.0.0.20, 10.0.0.32/28 or 2001:db8::20, is %s", quote(text))
	}
	if err := checkEndpoint(p.Addr()); err != nil {
		return netip.Prefix{}, err
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("is no network: write %s for all of its addresses, or %s for this one", p.Masked(), p.Addr())
	}
	if free := p.Addr().BitLen() - p.Bits(); free > 12 {
		return netip.Prefix{}, fmt.Errorf("has more than %d addresses: a service takes as many; each is good for 64,512 connections with every backend", maxLocalAddrs)
	}
	return p, nil
}

// parseLocalPorts takes a port, or the first and last of a range.
func parseLocalPorts(text string) (PortRange, error) {
	r, err := parsePorts(text)
	if err != nil || r == AllPorts {
		return PortRange{}, fmt.Errorf("must be the first and last of a range of ports such as 1024-65535, is %s", quote(text))
	}
	return r, nil
}

// fullnat checks what only services in mode fullnat have.
func (c *checker) fullnat(i int, s *Service) {
	if s.Mode == "" {
		return
	}
	at := c.service(i)
	if s.Mode != FullNAT {
		for _, key := range []string{"local_addresses", "local_ports", "client_address"} {
			if v := at.field(key); v.exists() {
				v.errorf("has a meaning only in mode fullnat, this one is %s: remove it", s.Mode)
			}
		}
		return
	}
	if s.Protocol != TCP && s.Protocol != "" && s.ClientAddress != TellNone && s.ClientAddress != "" {
		at.field("client_address").errorf("is %s, which only TCP has room for, and this service is %s: remove it", s.ClientAddress, s.Protocol)
	}
	v := at.field("local_addresses")
	if !v.exists() || v.isEmpty() {
		at.errorf("has no local_addresses, from which mode fullnat talks to the backends: write for example local_addresses: [10.0.0.20], addresses that no host has and that the backends reach Weir by")
		return
	}
	if ports := s.LocalPorts; ports != (PortRange{}) && c.workers > ports.Len() {
		at.field("local_ports").errorf("are %d, for %d workers: each needs at least one of its own", ports.Len(), c.workers)
	}
	c.localAddresses(i, s)
	c.localFamilies(i, s)
}

// localAddresses checks that every one is Weir's to use, and for this alone.
func (c *checker) localAddresses(i int, s *Service) {
	n := 0
	for j, p := range s.LocalAddresses {
		if !p.IsValid() {
			continue
		}
		at := func() value { return c.service(i).field("local_addresses").item(j) }
		for k, q := range s.LocalAddresses[:j] {
			if q.IsValid() && q.Overlaps(p) {
				at().errorf("%s is given twice: first on line %d", text(p), c.service(i).field("local_addresses").item(k).line)
			}
		}
		if n += 1 << (p.Addr().BitLen() - p.Bits()); n > maxLocalAddrs {
			at().errorf("makes more than %d local addresses: that is the most of a service", maxLocalAddrs)
			return
		}
		for a := p.Addr(); p.Contains(a) && c.localAddress(at, a); a = a.Next() {
		}
	}
	if c.tooMany == i+1 {
		c.service(i).field("local_addresses").errorf("makes more than %d local addresses of all services together: that is the most", maxAllLocals)
	}
}

// collectLocals notes whose the local addresses are, before anything is checked.
func (c *checker) collectLocals() {
	for i := range c.cfg.Services {
		s := &c.cfg.Services[i]
		if s.Mode != FullNAT {
			continue
		}
		for a := range s.Locals() {
			if _, ok := c.locals[a]; ok {
				continue
			}
			if len(c.locals) == maxAllLocals {
				c.tooMany = i + 1
				return
			}
			c.locals[a] = i
		}
	}
}

// text is a local address as it is written.
func text(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// localAddress reports whether an address can be a local one.
func (c *checker) localAddress(at func() value, a netip.Addr) bool {
	if own, ok := c.own[a]; ok {
		at().errorf("%s is an address of %s: the kernel uses its ports for connections of its own, health checks among them; write one that no host has", a, c.entryNamed(own, "addresses"))
		return false
	}
	if v, ok := c.vipOf(a); ok {
		at().errorf("%s is the address of %s: backends' replies to it could not be told from clients' packets; write another", a, c.serviceNamed(v))
		return false
	}
	for p := range c.cfg.Ports {
		for k, g := range c.cfg.Ports[p].Gateways {
			if g == a {
				at().errorf("%s is the gateway of %s: write an address that no host has", a, c.entryNamed(place{p, k}, "gateways"))
				return false
			}
		}
	}
	before := len(c.root.p.list)
	c.backendHost(at, a)
	return len(c.root.p.list) == before
}

// localFamilies checks that there is a local address of every backend's IP version.
func (c *checker) localFamilies(i int, s *Service) {
	var has [2]bool
	for _, p := range s.LocalAddresses {
		if !p.IsValid() {
			return // its error is reported
		}
		has[kindOf(p.Addr())] = true
	}
	check := func(at func() value, a netip.Addr) error {
		if a.IsValid() && !has[kindOf(a)] {
			return fmt.Errorf("%s is %s, and none of the service's local_addresses is: add one", a, family(a))
		}
		return nil
	}
	for j := range s.Backends {
		at := func() value { return c.backendAt(i, j).field("address") }
		if err := check(at, s.Backends[j].Address.Addr()); err != nil {
			at().errorf("%v", err)
		}
	}
	if s.Sorry != nil {
		at := func() value { return c.service(i).field("sorry") }
		if err := check(at, s.Sorry.Address.Addr()); err != nil {
			at().errorf("%v", err)
		}
	}
}

func kindOf(a netip.Addr) int {
	if a.Is6() {
		return 1
	}
	return 0
}
