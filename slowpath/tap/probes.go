package tap

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Health checks that take a service's own way are ordinary connections of the kernel's to a VIP. To the kernel a VIP is
// an address like any other, behind a gateway that does not exist: frames for the gateway's MAC are what Weir sends on
// in the service's mode, to the backend that the check is of. For each address of the port there is a rule,
//
//	29999: from ADDRESS lookup TABLE
//
// and TABLE has a route to each VIP, by way of the gateway. The rule also tells the kernel that the answers, which come
// from the VIP, come in by the right interface (rp_filter). Connections from other addresses to a VIP go on as ever.

// ProbeMAC is the destination of frames that the kernel sends to a VIP for a health check: "WEIR", locally administered.
var ProbeMAC = [6]byte{0x02, 'W', 'E', 'I', 'R', 0x01}

const (
	// probeTableBase and the interface's index make the number of the table with the routes to VIPs.
	probeTableBase = 0x50524f42
	probePriority  = 29999
)

// The gateways that do not exist: IPv4's dummy address (RFC 7600 section 4.8) and a link-local one.
var (
	probeGateway4 = netip.MustParseAddr("192.0.0.8")
	probeGateway6 = netip.MustParseAddr("fe80::57:4549:5201")
)

// SetProbed makes vips the addresses that connections from the port's own addresses reach by way of ProbeMAC, each with
// the MTU of the way there. On an error some may be as before.
func (d *Device) SetProbed(vips map[netip.Addr]int) error {
	if err := d.setProbed(vips); err != nil {
		return fmt.Errorf("kernel interface %s: %w", d.name, err)
	}
	return nil
}

func (d *Device) setProbed(vips map[netip.Addr]int) error {
	for _, v6 := range []bool{false, true} {
		needed := false
		for vip := range vips {
			needed = needed || vip.Is6() == v6
		}
		if needed && !d.probing[v6] {
			if err := d.startProbing(v6); err != nil {
				return err
			}
			d.probing[v6] = true
		}
	}
	var errs []error
	for vip, mtu := range d.probed {
		if vips[vip] == mtu {
			continue
		}
		err := d.kernel.RouteDel(d.probeRoute(vip, mtu))
		if err != nil && !errors.Is(err, unix.ESRCH) { // ESRCH: somebody was faster
			errs = append(errs, fmt.Errorf("removing the route to the VIP %s: %w", vip, err))
			continue
		}
		delete(d.probed, vip)
	}
	for vip, mtu := range vips {
		if _, have := d.probed[vip]; have {
			continue
		}
		if err := d.kernel.RouteReplace(d.probeRoute(vip, mtu)); err != nil {
			errs = append(errs, fmt.Errorf("adding a route to the VIP %s for health checks: %w", vip, err))
			continue
		}
		d.probed[vip] = mtu
	}
	return errors.Join(errs...)
}

func (d *Device) probeTable() int { return probeTableBase + d.link.Attrs().Index }

func probeGateway(v6 bool) netip.Addr {
	if v6 {
		return probeGateway6
	}
	return probeGateway4
}

func (d *Device) probeRoute(vip netip.Addr, mtu int) *netlink.Route {
	return &netlink.Route{
		LinkIndex: d.link.Attrs().Index, Dst: ipNet(netip.PrefixFrom(vip, vip.BitLen())), Gw: probeGateway(vip.Is6()).AsSlice(),
		Table: d.probeTable(), Protocol: protocol, Flags: int(netlink.FLAG_ONLINK), MTU: mtu,
	}
}

// startProbing adds what all VIPs of a family share: the gateway's MAC, and the rules.
func (d *Device) startProbing(v6 bool) error {
	err := d.kernel.NeighSet(&netlink.Neigh{
		LinkIndex: d.link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: probeGateway(v6).AsSlice(), HardwareAddr: net.HardwareAddr(ProbeMAC[:]),
	})
	if err != nil {
		return fmt.Errorf("adding the neighbour %s that health checks go to: %w", probeGateway(v6), err)
	}
	family := unix.AF_INET
	if v6 {
		family = unix.AF_INET6
	}
	old, err := d.kernel.RuleList(family)
	if err != nil {
		return fmt.Errorf("listing the routing rules: %w", err)
	}
	for _, p := range d.addresses {
		a := p.Addr()
		if a.Is6() != v6 || a.Is6() && a.IsLinkLocalUnicast() {
			continue
		}
		r := netlink.NewRule()
		r.Priority, r.Table, r.Src, r.Protocol, r.Family = probePriority, d.probeTable(), ipNet(netip.PrefixFrom(a, a.BitLen())), protocol, family
		left := slices.IndexFunc(old, func(o netlink.Rule) bool {
			return o.Priority == probePriority && o.Protocol == protocol && o.Src != nil && o.Src.String() == r.Src.String()
		})
		if left >= 0 {
			if err := d.removeRule(&old[left]); err != nil {
				return err
			}
		}
		if err := d.kernel.RuleAdd(r); err != nil {
			return fmt.Errorf("adding a routing rule for health checks from %s: %w", a, err)
		}
		d.rules = append(d.rules, r)
	}
	return nil
}
