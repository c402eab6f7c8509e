package conf

import (
	"net/netip"
	"slices"
)

// tunnel checks that a section tunnel has what its type needs and nothing that means something in others only.
func (c *checker) tunnel(i int, s *Service) {
	at, t := c.service(i).field("tunnel"), &s.Tunnel
	if !at.exists() {
		return
	}
	if s.Mode != TUN && s.Mode != "" {
		at.errorf("has a meaning only in mode tun, this one is %s: remove it", s.Mode)
		return
	}
	if t.Type == "" {
		return // its error is reported
	}
	for _, k := range []struct {
		key   string
		types []Encap
	}{
		{"port", []Encap{GUE, VXLAN}}, {"vni", []Encap{VXLAN}}, {"mac", []Encap{VXLAN}}, {"key", []Encap{GRE}},
		{"checksum", []Encap{GUE, GRE, VXLAN}},
	} {
		if v := at.field(k.key); v.exists() && !slices.Contains(k.types, t.Type) && !(k.key == "checksum" && t.Checksum == Auto) {
			v.errorf("has a meaning only for type %s, this one is %s: remove the key", anyOf(k.types), t.Type)
		}
	}
	if t.Type == VXLAN {
		for key, example := range map[string]string{"vni": "100", "mac": "02:00:00:00:64:01, that of the VXLAN interface of every backend"} {
			if !at.field(key).exists() {
				at.errorf("of type vxlan needs %s: write for example %s: %s", key, key, example)
			}
		}
	}
	c.tunnelSources(at.field("sources"), s)
}

func anyOf(types []Encap) string {
	out := ""
	for i, t := range types {
		if i > 0 {
			out += " or "
		}
		out += string(t)
	}
	return out
}

// tunnelSources checks that they are hosts' addresses that nobody else has.
func (c *checker) tunnelSources(at value, s *Service) {
	seen := first[netip.Addr]{}
	for j, a := range s.Tunnel.Sources {
		if !a.IsValid() {
			continue // its error is reported
		}
		v := at.item(j)
		if _, again := seen.again(a, j); again {
			v.errorf("%s is given twice", a)
			continue
		}
		if k, ok := c.vipOf(a); ok {
			v.errorf("%s is the address of %s: a tunnel comes from another", a, c.serviceNamed(k))
			continue
		}
		if slices.ContainsFunc(s.Backends, func(b Backend) bool { return b.Address.Addr() == a }) {
			v.errorf("%s is a backend's", a)
			continue
		}
		c.host(v, a)
	}
}

// overhead is how many bytes the headers to a backend take.
func (t *Tunnel) overhead(v6 bool) int {
	n := 20
	if v6 {
		n = 40
	}
	switch t.Type {
	case GUE:
		n += 8 + 4
	case GRE:
		n += 4
		if t.Summed(v6) {
			n += 4
		}
		if t.Key != 0 {
			n += 4
		}
	case VXLAN:
		n += 8 + 8 + 14
	}
	return n
}

// tunnelMTU checks that the tunnel to a backend takes every packet that IPv6 promises to get through. Its senders do not
// heed an ICMPv6 error that asks for smaller ones (RFC 8201 section 4).
func (c *checker) tunnelMTU(at func() value, s *Service, a netip.Addr, p *Port) {
	const least = 1280 // RFC 8200 section 5
	outer := s.Tunnel.overhead(a.Is6())
	if p.MTU != 0 && p.MTU-outer < least {
		what := "outer header"
		if s.Tunnel.Type != IPIP {
			what = "headers of " + string(s.Tunnel.Type)
		}
		at().errorf("the %s to %s takes %d of the %d bytes of port %s's mtu, and IPv6 needs %d: set that mtu to %d or more",
			what, a, outer, p.MTU, p.Name, least, least+outer)
	}
}
