package tap

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// protocol marks what Weir adds: ip route show table all proto 87.
const protocol = 87

const (
	// tableBase and the interface's index make the number of the table with its way back ("WEIR" in ASCII).
	tableBase = 0x57454952
	// The rules come before the main table's, at 32766.
	specificPriority = 30000
	gatewayPriority  = 30001
)

// addWayBack makes what has an address of the port as its source leave through the port's gateways where the
// kernel knows nothing better than a default route: answers go where the questions came from, and the default route of
// the host stays as it is. For each address there are two rules,
//
//	30000: from ADDRESS lookup main suppress_prefixlength 0
//	30001: from ADDRESS lookup TABLE
//
// and TABLE has a default route. Routes vanish with the interface; rules do not, if the process is killed. They do
// nothing then but look into an empty table, and the next Open removes them.
func (d *Device) addWayBack(o Options) error {
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		v6 := family == unix.AF_INET6
		var hops []*netlink.NexthopInfo
		for _, g := range o.Gateways {
			if g.Is6() == v6 {
				hops = append(hops, &netlink.NexthopInfo{LinkIndex: d.link.Attrs().Index, Gw: g.WithZone("").AsSlice(), Flags: int(netlink.FLAG_ONLINK)})
			}
		}
		if len(hops) == 0 {
			continue
		}
		if err := d.addDefault(v6, hops); err != nil {
			return err
		}
		if err := d.addRules(family, o.Addresses); err != nil {
			return err
		}
	}
	return nil
}

func (d *Device) table() int { return tableBase + d.link.Attrs().Index }

func (d *Device) addDefault(v6 bool, hops []*netlink.NexthopInfo) error {
	all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if v6 {
		all = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	err := d.kernel.RouteAdd(&netlink.Route{Dst: ipNet(all), Table: d.table(), MultiPath: hops, Protocol: protocol})
	if err != nil {
		return fmt.Errorf("adding a default route to table %d: %w", d.table(), err)
	}
	return nil
}

func (d *Device) addRules(family int, addrs []netip.Prefix) error {
	old, err := d.kernel.RuleList(family)
	if err != nil {
		return fmt.Errorf("listing the routing rules: %w", err)
	}
	for _, p := range addrs {
		a := p.Addr()
		if a.Is6() != (family == unix.AF_INET6) || a.Is6() && a.IsLinkLocalUnicast() {
			continue
		}
		from := ipNet(netip.PrefixFrom(a, a.BitLen()))
		for i := range old {
			if old[i].Protocol == protocol && old[i].Src != nil && old[i].Src.String() == from.String() {
				if err := d.removeRule(&old[i]); err != nil {
					return err
				}
			}
		}
		specific, gateway := netlink.NewRule(), netlink.NewRule()
		specific.Priority, specific.Table, specific.SuppressPrefixlen = specificPriority, unix.RT_TABLE_MAIN, 0
		gateway.Priority, gateway.Table = gatewayPriority, d.table()
		for _, r := range []*netlink.Rule{specific, gateway} {
			r.Src, r.Protocol, r.Family = from, protocol, family
			if err := d.kernel.RuleAdd(r); err != nil {
				return fmt.Errorf("adding a routing rule for %s: %w", a, err)
			}
			d.rules = append(d.rules, r)
		}
	}
	return nil
}

// removeRules takes back what addRules did.
func (d *Device) removeRules() error {
	var errs []error
	for _, r := range d.rules {
		errs = append(errs, d.removeRule(r))
	}
	d.rules = nil
	return errors.Join(errs...)
}

func (d *Device) removeRule(r *netlink.Rule) error {
	if err := d.kernel.RuleDel(r); err != nil && !errors.Is(err, unix.ENOENT) { // ENOENT: somebody was faster
		return fmt.Errorf("removing the routing rule for %s: %w", r.Src, err)
	}
	return nil
}
