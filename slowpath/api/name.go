package api

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
)

// ParseBackend takes ADDRESS:PORT, or an address alone, whose port is 0 then. An IPv6 address with a port is in brackets.
func ParseBackend(text string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddrPort(text); err == nil {
		return a, nil
	}
	alone := text
	if inner, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(inner, "]") {
		alone = strings.TrimSuffix(inner, "]")
	}
	a, err := netip.ParseAddr(alone)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is no backend: write ADDRESS:PORT or ADDRESS, an IPv6 address with a port in brackets", text)
	}
	return netip.AddrPortFrom(a, 0), nil
}

// Complete gives a backend without a port that of the service's only backend with its address.
func (c *Client) Complete(ctx context.Context, service string, backend netip.AddrPort) (netip.AddrPort, error) {
	if backend.Port() != 0 {
		return backend, nil
	}
	all, err := c.Backends(ctx, service)
	if err != nil {
		return backend, err
	}
	var same, others []string
	for _, b := range all {
		a, err := netip.ParseAddrPort(b.Address)
		switch {
		case err != nil || b.State == "sorry" || b.State == "standby":
		case a == backend: // of a service with several ports
			return backend, nil
		case a.Addr() == backend.Addr():
			same = append(same, b.Address)
		default:
			others = append(others, b.Address)
		}
	}
	switch len(same) {
	case 0:
		return backend, NotFound("service %s has no backend %v: %s", service, backend.Addr(), thereAre(others))
	case 1:
		return netip.ParseAddrPort(same[0])
	}
	return backend, fmt.Errorf("service %s has several backends %v: say which of %s", service, backend.Addr(), strings.Join(same, ", "))
}
