package conf

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Endpoint is where a service is reached: an address, or every address of a prefix, and a port, a range of ports or all.
type Endpoint struct {
	Prefix netip.Prefix // masked; of the address's full length if it is one address
	Ports  PortRange
}

// PortRange is the ports from First to Last.
type PortRange struct{ First, Last uint16 }

// AllPorts is what port 0 stands for.
var AllPorts = PortRange{0, 65535}

// one reports whether it is a single port.
func (r PortRange) one() bool { return r.First == r.Last }

func (r PortRange) has(port uint16) bool { return r.First <= port && port <= r.Last }

// Contains reports whether all ports of another range are of this one.
func (r PortRange) Contains(o PortRange) bool { return r.First <= o.First && o.Last <= r.Last }

// Overlaps reports whether a port is of both.
func (r PortRange) Overlaps(o PortRange) bool { return r.First <= o.Last && o.First <= r.Last }

// String is the range as the file has it: 80, 8000-8100 or, for all, 0.
func (r PortRange) String() string {
	switch {
	case r == AllPorts:
		return "0"
	case r.one():
		return strconv.Itoa(int(r.First))
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// EndpointOf is a single address and port.
func EndpointOf(a netip.AddrPort) Endpoint {
	return Endpoint{netip.PrefixFrom(a.Addr(), a.Addr().BitLen()), PortRange{a.Port(), a.Port()}}
}

// Valid reports whether the endpoint could be read.
func (e Endpoint) Valid() bool { return e.Prefix.IsValid() }

// Host reports whether the endpoint is one address.
func (e Endpoint) Host() bool { return e.Prefix.IsSingleIP() }

// Single is the endpoint's address and port, if there is one of each.
func (e Endpoint) Single() (netip.AddrPort, bool) {
	if !e.Valid() || !e.Host() || !e.Ports.one() {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(e.Prefix.Addr(), e.Ports.First), true
}

// Has reports whether a packet to an address and port is to the endpoint.
func (e Endpoint) Has(a netip.AddrPort) bool {
	return e.Prefix.Contains(a.Addr()) && e.Ports.has(a.Port())
}

// String is the endpoint as the file has it: 203.0.113.10:80, [2001:db8::/64]:8000-8100, 203.0.113.10:0.
func (e Endpoint) String() string {
	host := VIP(e.Prefix)
	if e.Prefix.Addr().Is6() {
		host = "[" + host + "]"
	}
	return host + ":" + e.Ports.String()
}

// VIP is how a service's prefix is told: a single address without its length.
func VIP(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// Port is the port of all endpoints of a service; false if they have several.
func (s *Service) Port() (uint16, bool) {
	if len(s.Addresses) == 0 {
		return 0, false
	}
	ports := s.Addresses[0].Ports
	for _, e := range s.Addresses {
		if e.Ports != ports || !e.Ports.one() {
			return 0, false
		}
	}
	return ports.First, true
}

// Checked is where health checks that take the service's own way go: the first endpoint that has the port that is
// checked, or else the first port of the first one.
func (s *Service) Checked() netip.AddrPort {
	e := s.Addresses[0]
	port := max(e.Ports.First, 1)
	if s.Health != nil && s.Health.Port != 0 {
		port = s.Health.Port
		if i := slices.IndexFunc(s.Addresses, func(e Endpoint) bool { return e.Ports.has(port) }); i >= 0 {
			e = s.Addresses[i]
		}
	}
	return netip.AddrPortFrom(e.Prefix.Addr(), port)
}

// shownEndpoints is how many endpoints of a service are told where there is little room.
const shownEndpoints = 3

// Where is a service's endpoints in a word: all of them, or the first and how many more there are.
func (s *Service) Where() string {
	var b strings.Builder
	for i, e := range s.Addresses {
		if i == shownEndpoints {
			fmt.Fprintf(&b, ",+%d", len(s.Addresses)-i)
			break
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(e.String())
	}
	return b.String()
}

// parseEndpoint takes a service's address and port.
func parseEndpoint(text string) (Endpoint, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return Endpoint{}, fmt.Errorf("has no port: write %s", portAdded(a.WithZone(""), 80))
	}
	ap, err := parseAddrPort(text, "this version does not support port 0 (all ports): write a port from 1 to 65535")
	if err != nil {
		return Endpoint{}, err
	}
	return EndpointOf(ap), nil
}

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
	if s.Mode == TUN || s.Mode == "" {
		return
	}
	for j, e := range s.Addresses {
		if e.Valid() && s.Addresses[0].Valid() && e.Prefix.Addr().Is6() != s.Addresses[0].Prefix.Addr().Is6() {
			c.endpointAt(i, j).errorf("%s is %s, but the first address is %s: in mode %s all must be of one kind, only tun can mix them",
				e, family(e.Prefix.Addr()), family(s.Addresses[0].Prefix.Addr()), s.Mode)
			return
		}
	}
}
