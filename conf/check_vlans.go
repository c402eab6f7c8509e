package conf

import "fmt"

// vlanTag is the length of a tag. Devices have room for one beside their MTU.
const vlanTag = 4

// subPorts checks that each is a VLAN of a port, and of its own.
func (c *checker) subPorts() {
	type tags struct {
		parent string
		vlan   [2]int
	}
	seen := first[tags]{}
	for i := range c.cfg.Ports {
		p, at := &c.cfg.Ports[i], c.port(i)
		if p.Parent == "" {
			if v := at.field("vlan"); v.exists() && !at.field("parent").exists() {
				v.errorf("has a meaning only with a parent: write the port whose VLAN it is, or remove the key")
			}
			continue
		}
		for _, key := range []string{"device", "mac", "queues", "rx_descriptors", "tx_descriptors", "promiscuous", "rss"} {
			if v := at.field(key); v.exists() {
				v.errorf("is that of the parent %s: remove the key", p.Parent)
			}
		}
		c.subPort(i, p, at)
		if len(p.VLAN) == 0 {
			continue
		}
		t := tags{parent: p.Parent}
		copy(t.vlan[:], p.VLAN)
		if j, ok := seen.again(t, i); ok {
			at.field("vlan").errorf("is that of %s already: choose another", c.portNamed(j))
		}
	}
}

func (c *checker) subPort(i int, p *Port, at value) {
	if v := at.field("vlan"); !v.exists() {
		at.field("parent").errorf("needs a vlan: write for example vlan: 100")
	} else if len(p.VLAN) == 0 {
		v.errorf("is empty: write for example vlan: 100, or vlan: [200, 100] for a tag in a tag")
	}
	j, ok := c.cfg.PortIndex(p.Parent)
	switch {
	case !ok:
		at.field("parent").errorf("there is no port %s", p.Parent)
		return
	case c.cfg.Ports[j].Parent != "":
		at.field("parent").errorf("%s is a VLAN itself: write the port that has the device, and both tags as vlan: [outer, inner]", p.Parent)
		return
	case j > i:
		at.field("parent").errorf("%s comes later in the file: write it before its VLANs", p.Parent)
	}
	most, why := c.cfg.Ports[j].MTU, ""
	if len(p.VLAN) > 1 {
		most -= vlanTag
		why = fmt.Sprintf(" less %d for the second tag", vlanTag)
	}
	switch {
	case c.cfg.Ports[j].MTU == 0 || p.MTU <= most:
	case at.field("mtu").exists():
		at.field("mtu").errorf("is more than the mtu of the parent %s, which is %d%s", p.Parent, c.cfg.Ports[j].MTU, why)
	default:
		p.MTU = most
	}
}

// Where is a port's device or, of a sub-port, its VLAN.
func (p *Port) Where() string {
	if p.Parent == "" {
		return p.Device
	}
	s := "vlan"
	for i, v := range p.VLAN {
		s += fmt.Sprintf("%c%d", " ."[min(i, 1)], v)
	}
	return s + " of " + p.Parent
}

// Sub reports whether a port is a VLAN of another, and of which.
func (c *Config) Sub(i int) (parent int, ok bool) {
	if c.Ports[i].Parent == "" {
		return 0, false
	}
	return c.PortIndex(c.Ports[i].Parent)
}
