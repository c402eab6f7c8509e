package conf

import (
	"net/netip"
	"slices"
)

// neighbors checks that each is a station that its port can meet.
func (c *checker) neighbors() {
	type key struct {
		port    string
		address netip.Addr
	}
	var names []string
	for i := range c.cfg.Ports {
		names = append(names, c.cfg.Ports[i].Name)
	}
	list := c.root.field("neighbors")
	seen := make(first[key], len(c.cfg.Neighbors))
	for i, n := range c.cfg.Neighbors {
		port, known := c.cfg.PortIndex(n.Port)
		if n.Port != "" && !known && len(names) > 0 && !slices.Contains(names, "") {
			list.item(i).field("port").noSuchPort(n.Port, names)
		}
		if !n.Address.IsValid() {
			continue
		}
		at := func() value { return list.item(i).field("address") }
		if j, ok := seen.again(key{n.Port, n.Address}, i); ok {
			at().errorf("%s is given twice for port %s: first on line %d", n.Address, n.Port, list.item(j).line)
			continue
		}
		if known {
			c.neighbor(at, port, n.Address)
			if p := &c.cfg.Ports[port]; p.HasMAC && p.MAC == n.MAC {
				list.item(i).field("mac").errorf("is the MAC of port %s itself: write the neighbour's", p.Name)
			}
		}
	}
}

func (v value) noSuchPort(name string, names []string) {
	if n := near(name, names); n != "" {
		v.errorf("there is no port %s: did you mean %s?", quote(name), n)
		return
	}
	v.errorf("there is no port %s: the ports are %s", quote(name), allOf(names))
}

func (c *checker) neighbor(at func() value, port int, a netip.Addr) {
	p := &c.cfg.Ports[port]
	if own, ok := c.own[a]; ok {
		at().errorf("%s is Weir's own address, of %s: a neighbour is another host", a, c.entryNamed(own, "addresses"))
		return
	}
	if v, ok := c.vipOf(a); ok {
		at().errorf("%s is the address of %s, and so Weir's: a neighbour is another host", a, c.serviceNamed(v))
		return
	}
	if v, ok := c.locals[a]; ok {
		at().errorf("%s is a local address of %s, and so Weir's: a neighbour is another host", a, c.serviceNamed(v))
		return
	}
	switch {
	case linkLocal6(a):
	case contains(p, a):
		c.backendHost(at, a)
	case c.networks:
		at().errorf("%s is on no network of port %s: a neighbour is reached directly", a, p.Name)
	}
}
