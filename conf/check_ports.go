package conf

import (
	"fmt"
	"net/netip"
	"slices"
)

// ports checks what must differ from port to port.
func (c *checker) ports() {
	if at := c.root.field("ports"); at.exists() && at.isEmpty() {
		at.errorf("is empty: Weir needs at least one port")
	}
	c.subPorts()
	names, devices := first[string]{}, first[string]{}
	interfaces := map[string]int{} // by the port that uses the kernel's interface
	for i := range c.cfg.Ports {
		p := &c.cfg.Ports[i]
		if j, ok := names.again(p.Name, i); ok && p.Name != "" {
			c.port(i).field("name").errorf("is the name of the port on line %d already: choose another", c.port(j).line)
		}
		if name := deviceName(p.Device); name != "" {
			if j, ok := devices.again(name, i); ok {
				c.port(i).field("device").errorf("is the device of %s already: %s", c.portNamed(j), otherDevice(name))
			}
		}
		for _, k := range kernelInterfaces(p.Device) {
			if j, ok := interfaces[k]; ok && j != i {
				c.port(i).field("device").errorf("uses the interface %s, which %s uses already", k, c.portNamed(j))
			}
			interfaces[k] = i
		}
		if c.workers > 0 && p.Queues > c.workers {
			c.port(i).field("queues").errorf("is %d, more than the workers that dataplane.cores makes (%d): write auto",
				p.Queues, c.workers)
		}
	}
	c.taps(interfaces)
}

// otherDevice tells how to come to a device that no port has yet.
func otherDevice(name string) string {
	if pciForm.MatchString(name) {
		return "every port needs one of its own"
	}
	return "give every virtual device its own number, as in net_af_packet0 and net_af_packet1"
}

func (c *checker) taps(interfaces map[string]int) {
	names := first[string]{}
	for i := range c.cfg.Ports {
		tap := c.cfg.Ports[i].TAP
		if tap == "" {
			continue
		}
		if j, ok := names.again(tap, i); ok {
			c.port(i).field("tap").errorf("is the TAP of %s already: choose another name", c.portNamed(j))
		}
		if j, ok := interfaces[tap]; ok {
			c.port(i).field("tap").errorf("is the name of the interface that the device of %s uses: choose another, Weir makes it anew", c.portNamed(j))
		}
	}
}

// addresses checks that the ports' networks tell them apart.
func (c *checker) addresses() {
	type network struct {
		prefix netip.Prefix
		at     place
	}
	var networks []network
	for i := range c.cfg.Ports {
		for j, a := range c.cfg.Ports[i].Addresses {
			if !a.IsValid() {
				continue
			}
			if before, ok := c.own[a.Addr()]; ok {
				c.addressAt(place{i, j}).errorf("%s is an address of %s already", a.Addr(), c.entryNamed(before, "addresses"))
				continue
			}
			c.own[a.Addr()] = place{i, j}
			n := slices.IndexFunc(networks, func(n network) bool { return n.at.port != i && n.prefix.Overlaps(a) })
			if n >= 0 && !linkLocal6(a.Addr()) {
				c.addressAt(place{i, j}).errorf("the network %s overlaps %s of %s: Weir could not tell on which port a host is",
					a.Masked(), networks[n].prefix.Masked(), c.entryNamed(networks[n].at, "addresses"))
			}
			networks = append(networks, network{a, place{i, j}})
		}
	}
}

// someAddress reports ports without any address once, instead of with every backend.
func (c *checker) someAddress() {
	reached := func(s Service) bool {
		return s.whole() && slices.ContainsFunc(s.Backends, func(b Backend) bool { return b.Address.IsValid() })
	}
	if !c.networks || len(c.own) > 0 || !slices.ContainsFunc(c.cfg.Services, reached) {
		return
	}
	c.port(0).field("addresses").errorf("no port has an address, so that Weir reaches no backend: write Weir's own, for example addresses: [203.0.113.2/24]")
	c.networks = false
}

func (c *checker) addressAt(p place) value { return c.port(p.port).field("addresses").item(p.index) }

// gateways checks that each is a neighbour that packets can be handed to.
func (c *checker) gateways() {
	for i := range c.cfg.Ports {
		p := &c.cfg.Ports[i]
		seen := first[netip.Addr]{}
		for j, g := range p.Gateways {
			if !g.IsValid() {
				continue
			}
			at := c.port(i).field("gateways").item(j)
			if before, ok := seen.again(g, j); ok {
				at.errorf("%s is given twice: first on line %d", g, c.port(i).field("gateways").item(before).line)
				continue
			}
			if own, ok := c.own[g]; ok {
				at.errorf("%s is Weir's own address, of %s: write the router's", g, c.entryNamed(own, "addresses"))
				continue
			}
			c.gateway(at, i, g)
		}
	}
}

func (c *checker) gateway(at value, port int, g netip.Addr) {
	p := &c.cfg.Ports[port]
	ofFamily := func(a netip.Prefix) bool { return a.IsValid() && a.Addr().Is6() == g.Is6() }
	switch {
	case !c.networks:
	case !slices.ContainsFunc(p.Addresses, ofFamily):
		at.errorf("%s is an %s gateway of a port without an %s address: give the port one under addresses", g, family(g), family(g))
		return
	case linkLocal6(g):
		return
	case !contains(p, g):
		if other, ok, _ := c.cfg.egress(g); ok {
			at.errorf("%s is on a network of port %s, not of this port: move it there", g, c.cfg.Ports[other].Name)
			return
		}
		at.errorf("%s is on no network of this port (%s): a gateway must be reached directly", g, c.networksOf(p))
		return
	}
	c.host(at, g)
}

// host reports an address that is that of a network rather than of a host.
func (c *checker) host(at value, a netip.Addr) {
	for i := range c.cfg.Ports {
		for _, n := range c.cfg.Ports[i].Addresses {
			if what := notHost(n, a); n.IsValid() && what != "" {
				at.errorf("%s is %s: write the address of a host", a, what)
				return
			}
		}
	}
}

func family(a netip.Addr) string {
	if a.Is6() {
		return "IPv6"
	}
	return "IPv4"
}

// portNamed is how errors speak of another port.
func (c *checker) portNamed(i int) string { return named("port", c.cfg.Ports[i].Name, c.port(i).line) }

// entryNamed is how errors speak of an entry of a port's list.
func (c *checker) entryNamed(p place, list string) string {
	return named("port", c.cfg.Ports[p.port].Name, c.port(p.port).field(list).item(p.index).line)
}

func named(what, name string, line int) string {
	if name == "" {
		return fmt.Sprintf("the %s on line %d", what, line)
	}
	return fmt.Sprintf("%s %s (line %d)", what, name, line)
}

// networksOf lists the networks of a port for an error.
func (c *checker) networksOf(p *Port) string {
	var out []string
	for _, a := range p.Addresses {
		if a.IsValid() && !slices.Contains(out, a.Masked().String()) {
			out = append(out, a.Masked().String())
		}
	}
	return allOf(out)
}
