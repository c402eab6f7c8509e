package tap

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Route leads to a destination by way of a gateway on the interface's link.
type Route struct {
	Destination netip.Prefix
	Gateway     netip.Addr // of the destination's family; need not be on a network of the interface
}

// SetRoutes makes list the routes that the Device has added, in the kernel's main table. It touches no other
// route: where another leads to the same destination it fails. On an error the routes are what they were, unless
// it says that undoing failed too or that an old one could not be removed.
func (d *Device) SetRoutes(list []Route) error {
	if err := d.setRoutes(list); err != nil {
		return fmt.Errorf("kernel interface %s: %w", d.name, err)
	}
	return nil
}

func (d *Device) setRoutes(list []Route) error {
	want := make(map[netip.Prefix]netip.Addr, len(list))
	for _, r := range list {
		if !r.Destination.IsValid() || !r.Gateway.IsValid() || r.Destination.Addr().Is6() != r.Gateway.Is6() {
			return fmt.Errorf("a route to %s by way of %s is impossible", r.Destination, r.Gateway)
		}
		want[r.Destination.Masked()] = r.Gateway.WithZone("")
	}
	before := maps.Clone(d.routes)
	if err := d.addRoutes(want); err != nil {
		return errors.Join(err, d.restoreRoutes(before))
	}
	return d.removeRoutesBut(want)
}

// addRoutes adds what is missing and changes what leads through another gateway.
func (d *Device) addRoutes(want map[netip.Prefix]netip.Addr) error {
	for _, dst := range sorted(want) {
		had, ok := d.routes[dst]
		if ok && had == want[dst] {
			continue
		}
		if ok {
			if err := d.removeRoute(dst); err != nil {
				return err
			}
		}
		if err := d.addRoute(dst, want[dst]); err != nil {
			return err
		}
	}
	return nil
}

// restoreRoutes takes back what addRoutes did before it failed.
func (d *Device) restoreRoutes(before map[netip.Prefix]netip.Addr) error {
	err := d.removeRoutesBut(before)
	if err = errors.Join(err, d.addRoutes(before)); err != nil {
		return fmt.Errorf("undoing the change: %w", err)
	}
	return nil
}

func (d *Device) removeRoutesBut(keep map[netip.Prefix]netip.Addr) error {
	var errs []error
	for _, dst := range sorted(d.routes) {
		if _, ok := keep[dst]; !ok {
			errs = append(errs, d.removeRoute(dst))
		}
	}
	return errors.Join(errs...)
}

func (d *Device) addRoute(dst netip.Prefix, gateway netip.Addr) error {
	err := d.kernel.RouteAdd(d.route(dst, gateway))
	switch {
	case err == nil:
		d.routes[dst] = gateway
		return nil
	case errors.Is(err, unix.EEXIST):
		return fmt.Errorf("the kernel has another route to %s already, which is not Weir's to change (ip route show %s): %w", dst, dst, err)
	}
	return fmt.Errorf("adding a route to %s by way of %s: %w", dst, gateway, err)
}

func (d *Device) removeRoute(dst netip.Prefix) error {
	err := d.kernel.RouteDel(d.route(dst, d.routes[dst]))
	if err != nil && !errors.Is(err, unix.ESRCH) { // ESRCH: somebody was faster
		return fmt.Errorf("removing the route to %s by way of %s: %w", dst, d.routes[dst], err)
	}
	delete(d.routes, dst)
	return nil
}

func (d *Device) route(dst netip.Prefix, gateway netip.Addr) *netlink.Route {
	return &netlink.Route{
		LinkIndex: d.link.Attrs().Index, Dst: ipNet(dst), Gw: gateway.AsSlice(), Protocol: protocol,
		Flags: int(netlink.FLAG_ONLINK), // the configuration says that the gateway is there
	}
}

func sorted(routes map[netip.Prefix]netip.Addr) []netip.Prefix {
	return slices.SortedFunc(maps.Keys(routes), func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
}
