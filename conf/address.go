package conf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// parseAddr takes an address that a single host can have, as IPv4 or IPv6.
func parseAddr(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("must be an IP address such as 203.0.113.1 or 2001:db8::1, is %s", quote(text))
	}
	if err := checkHost(a); err != nil {
		return netip.Addr{}, err
	}
	return a, nil
}

// checkHost tells why no host that packets are forwarded to or from can have an address.
func checkHost(a netip.Addr) error {
	switch {
	case a.Zone() != "":
		return fmt.Errorf("has the zone %s: write the address without %%%s", quote(a.Zone()), a.Zone())
	case a.Is4In6():
		return fmt.Errorf("is an IPv4 address in IPv6's clothes: write %s", a.Unmap())
	case a.IsUnspecified() || a.Is4() && a.As4()[0] == 0:
		return fmt.Errorf("%s stands for no host: write the address of one", a)
	case a.IsMulticast():
		return fmt.Errorf("%s is a multicast address: Weir forwards unicast only", a)
	case a.IsLoopback():
		return fmt.Errorf("%s is a loopback address: no other host can reach it", a)
	case a == limitedBroadcast:
		return fmt.Errorf("%s is the broadcast address: write the address of a host", a)
	}
	return nil
}

// linkLocal6 reports an address that stands for another host on every link. IPv4's are kept apart by their networks, as
// any other.
func linkLocal6(a netip.Addr) bool { return a.Is6() && a.IsLinkLocalUnicast() }

// checkEndpoint is checkHost for an address whose port has to follow from its network.
func checkEndpoint(a netip.Addr) error {
	if err := checkHost(a); err != nil {
		return err
	}
	if linkLocal6(a) {
		return fmt.Errorf("%s is a link-local address, which does not tell on which port it is: write a global or unique local one", a)
	}
	return nil
}

// portAdded is how to write an address with a port, for which there are two ways if the last part of an IPv6 address may have
// been meant for the port.
func portAdded(a netip.Addr, port uint16) string {
	s, text := netip.AddrPortFrom(a, port).String(), a.String()
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return s
	}
	host, err := netip.ParseAddr(text[:i])
	n, portErr := parsePort(text[i+1:])
	if err != nil || portErr != nil {
		return s
	}
	return fmt.Sprintf("%s, or %s if %d is the port", s, netip.AddrPortFrom(host, n), n)
}

// parseBackend takes an address with a port or, leaving the port 0, without one.
func parseBackend(text string) (netip.AddrPort, error) {
	bare := text
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		bare = text[1 : len(text)-1]
	}
	if a, err := netip.ParseAddr(bare); err == nil {
		if err := checkEndpoint(a); err != nil {
			return netip.AddrPort{}, err
		}
		return netip.AddrPortFrom(a, 0), nil
	}
	return parseAddrPort(text, "has port 0: write a port from 1 to 65535, or in the modes tun and dr none")
}

func parseAddrPort(text, portZero string) (netip.AddrPort, error) {
	ap, err := netip.ParseAddrPort(text)
	if err != nil {
		if i := strings.LastIndexByte(text, ':'); i >= 0 && isNumber(text[i+1:]) {
			if _, err := netip.ParseAddrPort(text[:i] + ":1"); err == nil {
				return netip.AddrPort{}, fmt.Errorf("has the port %s: write one from 1 to 65535", text[i+1:])
			}
		}
		return netip.AddrPort{}, fmt.Errorf("must be an IP address and a port such as 203.0.113.10:80 or [2001:db8::10]:80, is %s", quote(text))
	}
	if err := checkEndpoint(ap.Addr()); err != nil {
		return netip.AddrPort{}, err
	}
	if ap.Port() == 0 {
		return netip.AddrPort{}, errors.New(portZero)
	}
	return ap, nil
}

// parseNetwork takes one of Weir's own addresses with the length of its network.
func parseNetwork(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		example := 24
		if a.Is6() {
			example = 64
		}
		return netip.Prefix{}, fmt.Errorf("lacks the length of its network: write for example %s/%d", a, example)
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		if addr, _, ok := strings.Cut(text, "/"); ok {
			if a, err := netip.ParseAddr(addr); err == nil && a.Zone() != "" {
				return netip.Prefix{}, checkHost(a)
			}
		}
		return netip.Prefix{}, fmt.Errorf("must be an address and the length of its network such as 203.0.113.2/24 or 2001:db8::2/64, is %s", quote(text))
	}
	if err := checkHost(p.Addr()); err != nil {
		return netip.Prefix{}, err
	}
	if p.Bits() == 0 {
		return netip.Prefix{}, errors.New("has a network of length 0, which is the whole Internet: write the length of the port's network, and the router under gateways")
	}
	if what := notHost(p, p.Addr()); what != "" {
		return netip.Prefix{}, fmt.Errorf("is %s: write Weir's own address there", what)
	}
	return p, nil
}

// notHost tells what an address is, within a network, that no host of the network can have; "" if it can.
func notHost(network netip.Prefix, a netip.Addr) string {
	free := a.BitLen() - network.Bits()
	if free < 2 || !network.Contains(a) { // no such addresses: RFC 3021, RFC 6164
		return ""
	}
	masked := network.Masked()
	if a == masked.Addr() {
		if a.Is6() {
			return fmt.Sprintf("the anycast address of all routers in %s", masked)
		}
		return fmt.Sprintf("the address of the network %s itself", masked)
	}
	if a.Is4() && !network.Contains(a.Next()) {
		return fmt.Sprintf("the broadcast address of the network %s", masked)
	}
	return ""
}

func parseMAC(text string) (mac [6]byte, err error) {
	hw, err := net.ParseMAC(text)
	if err != nil || len(hw) != len(mac) {
		return mac, fmt.Errorf("must be a MAC such as 02:00:00:00:00:01, is %s", quote(text))
	}
	mac = [6]byte(hw)
	switch {
	case mac == [6]byte{}:
		return mac, errors.New("is all zeros: write the MAC of a station")
	case mac[0]&1 != 0:
		return [6]byte{}, fmt.Errorf("%s is a multicast address: write the MAC of a single station", hw)
	}
	return mac, nil
}
