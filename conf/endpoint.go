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

// Len is how many ports they are.
func (r PortRange) Len() int { return int(r.Last) - int(r.First) + 1 }

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

// Words is the range as people say it: port 80, ports 8000-8100, all ports.
func (r PortRange) Words() string {
	switch {
	case r == AllPorts:
		return "all ports"
	case r.one():
		return "port " + r.String()
	}
	return "ports " + r.String()
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

// parseEndpoint takes a service's address or prefix, and its port, range of ports, or 0 for all of them.
func parseEndpoint(text string) (Endpoint, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return Endpoint{}, fmt.Errorf("has no port: write %s", portAdded(a.WithZone(""), 80))
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		e := Endpoint{p.Masked(), PortRange{80, 80}}
		return Endpoint{}, fmt.Errorf("has no port: write %s", e)
	}
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return Endpoint{}, errEndpoint(text)
	}
	host := text[:i]
	p, ok := parseHosts(host)
	ports, err := parsePorts(text[i+1:])
	switch {
	case !ok:
		return Endpoint{}, errEndpoint(text)
	case err != nil:
		return Endpoint{}, err
	}
	if err := checkPrefix(p); err != nil {
		return Endpoint{}, err
	}
	return Endpoint{p, ports}, nil
}

func errEndpoint(text string) error {
	return fmt.Errorf("must be an IP address and a port such as 203.0.113.10:80 or [2001:db8::10]:80, is %s", quote(text))
}

// parseHosts takes an address or a prefix; IPv6 stands in brackets.
func parseHosts(text string) (p netip.Prefix, ok bool) {
	inner, brackets := strings.CutPrefix(text, "[")
	if brackets {
		if inner, ok = strings.CutSuffix(inner, "]"); !ok {
			return p, false
		}
	}
	p, err := netip.ParsePrefix(inner)
	if err != nil {
		a, err := netip.ParseAddr(inner)
		if err != nil {
			return p, false
		}
		p = netip.PrefixFrom(a, a.BitLen())
		if a.Zone() != "" {
			return netip.PrefixFrom(a, 0), brackets // checkPrefix has more to say of it
		}
	}
	return p, brackets == p.Addr().Is6()
}

func parsePorts(text string) (PortRange, error) {
	from, to, several := strings.Cut(text, "-")
	first, err := parsePort(from)
	if err == nil && !several {
		return PortRange{first, first}, nil
	}
	if text == "0" {
		return AllPorts, nil
	}
	last, lastErr := parsePort(to)
	switch {
	case !several || err != nil || lastErr != nil:
		return PortRange{}, fmt.Errorf("has the port %s: write one from 1 to 65535, a range such as 8000-8100, or 0 for all", quote(text))
	case first >= last:
		return PortRange{}, fmt.Errorf("has the range of ports %s: write the smaller port first", text)
	}
	return PortRange{first, last}, nil
}

// The shortest prefixes that a service may have: a larger part of the Internet is nobody's.
const (
	minPrefix4 = 8
	minPrefix6 = 16
)

// checkPrefix tells what is wrong with a service's address or prefix.
func checkPrefix(p netip.Prefix) error {
	a := p.Addr()
	if p.IsSingleIP() || a.Zone() != "" {
		return checkEndpoint(a)
	}
	least := minPrefix4
	if a.Is6() {
		least = minPrefix6
	}
	switch {
	case p.Bits() < least:
		return fmt.Errorf("has a prefix of length %d: the shortest is /%d", p.Bits(), least)
	case p.Masked() != p:
		return fmt.Errorf("%s is not the first address of %s: write that, or %s without a length", a, p.Masked(), a)
	}
	return checkEndpoint(a)
}
