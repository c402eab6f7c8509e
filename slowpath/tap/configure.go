package tap

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/weirlb/weir/fastpath/packet"
)

// configure gives the new interface everything but its routes, and brings it up.
func (d *Device) configure(o Options) error {
	v6 := slices.ContainsFunc(o.Addresses, func(p netip.Prefix) bool { return p.Addr().Is6() })
	// Before anything else: a udev rule may choose the MAC of an interface that has no chosen one.
	if err := d.kernel.LinkSetHardwareAddr(d.link, o.MAC[:]); err != nil {
		return fmt.Errorf("giving it the MAC %s: %w", net.HardwareAddr(o.MAC[:]), err)
	}
	if err := d.kernel.LinkSetMTU(d.link, o.MTU); err != nil {
		return fmt.Errorf("giving it the MTU %d: %w", o.MTU, err)
	}
	if err := d.prepare(v6); err != nil {
		return err
	}
	if err := d.kernel.LinkSetUp(d.link); err != nil {
		return fmt.Errorf("bringing it up: %w", err)
	}
	addrs := slices.Clone(o.Addresses)
	own := netip.PrefixFrom(netip.AddrFrom16(packet.LinkLocal(o.MAC)), 64)
	if v6 && !slices.ContainsFunc(addrs, func(p netip.Prefix) bool { return p.Addr() == own.Addr() }) {
		addrs = append(addrs, own)
	}
	for _, a := range addrs {
		if err := d.addAddress(a); err != nil {
			return fmt.Errorf("giving it the address %s: %w", a, err)
		}
	}
	return nil
}

func (d *Device) addAddress(p netip.Prefix) error {
	if !p.IsValid() {
		return errors.New("it is none")
	}
	a := &netlink.Addr{IPNet: ipNet(p)}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	return d.kernel.AddrAdd(d.link, a)
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// setting is one of the interface's own under /proc/sys/net, which the kernel does without if need be.
type setting struct{ family, key, value, without string }

var settings4 = []setting{
	{"ipv4", "rp_filter", "2", "the kernel may drop packets whose answers do not leave through it"},
	{"ipv4", "arp_ignore", "8", "the kernel may answer ARP that Weir answers"},
	{"ipv4", "arp_announce", "2", "the kernel may ask for neighbours in the name of other interfaces' addresses"},
}

var settings6 = []setting{
	{"ipv6", "accept_ra", "0", "the kernel asks for routers"},
	{"ipv6", "autoconf", "0", "the kernel may give it addresses that the port does not know"},
}

// prepare sets what must be set before the interface comes up.
func (d *Device) prepare(v6 bool) error {
	settings := settings4
	if v6 {
		if err := d.enableIPv6(); err != nil {
			return err
		}
		settings = slices.Concat(settings, settings6)
	}
	for _, s := range settings {
		if err := set(d.sysctl(s.family, s.key), s.value); err != nil {
			d.warn(s.without, fmt.Errorf("setting %s to %s: %w", s.key, s.value, err))
		}
	}
	// The kernel's own link-local address might be another than the one that Weir answers for.
	err := d.kernel.LinkSetIP6AddrGenMode(d.link, nl.IN6_ADDR_GEN_MODE_NONE)
	if err != nil && v6 {
		return fmt.Errorf("keeping the kernel from choosing a link-local address for it: %w", err)
	}
	return nil // without IPv6 in the kernel there is nothing to keep it from
}

// enableIPv6 makes sure that IPv6 addresses can be added: new interfaces may start without, as in most
// containers.
func (d *Device) enableIPv6() error {
	err := set(d.sysctl("ipv6", "disable_ipv6"), "0")
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("it has IPv6 addresses, but the kernel runs without IPv6 (ipv6.disable=1?): %w", err)
	}
	return fmt.Errorf("it has IPv6 addresses, but IPv6 is off on new interfaces and cannot be turned on: set "+
		"net.ipv6.conf.default.disable_ipv6 to 0 before, a container with --sysctl: %w", err)
}

func (d *Device) sysctl(family, key string) string {
	return filepath.Join("/proc/sys/net", family, "conf", d.name, key)
}

// set writes a setting unless it has the value already, which a read-only /proc/sys is no hindrance to.
func set(path, value string) error {
	if have, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(have)) == value {
		return nil
	}
	return os.WriteFile(path, []byte(value), 0)
}
