package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/weirlb/weir/internal/ipvs"
)

// kernel is this machine's IPVS.
type kernel struct {
	taps  []tap
	marks []marks
	admin *admin
	buf   []byte
}

// tap is a port of the balancer.
type tap struct {
	name string
	fd   int
}

// settings are what the balancer's kernel needs to stand between two networks, and what keeps it from speaking unasked:
// each a file under /proc/sys/net and its content.
var settings = [][2]string{
	{"ipv4/ip_forward", "1"}, {"ipv6/conf/all/forwarding", "1"},
	{"ipv4/conf/all/rp_filter", "0"}, {"ipv4/conf/default/rp_filter", "0"},
	{"ipv4/conf/all/send_redirects", "0"}, {"ipv4/conf/default/send_redirects", "0"},
	{"ipv4/icmp_ratelimit", "0"}, {"ipv6/icmp/ratelimit", "0"},
	{"ipv6/conf/default/accept_dad", "0"}, {"ipv6/conf/default/accept_ra", "0"},
	{"ipv6/conf/default/router_solicitations", "0"}, {"ipv6/conf/default/addr_gen_mode", "1"},
}

func newKernel(n *ipvs.Network) (*kernel, error) {
	k := &kernel{buf: make([]byte, 1<<16)}
	for _, v := range settings {
		if err := os.WriteFile("/proc/sys/net/"+v[0], []byte(v[1]), 0o644); err != nil {
			return nil, err
		}
	}
	err := k.network(n)
	if err == nil {
		k.admin, err = startAdmin()
	}
	if err != nil {
		k.close()
		return nil, err
	}
	return k, nil
}

// perform takes the kernel through a scenario, from nothing to nothing.
func (k *kernel) perform(s *ipvs.Scenario) ([]ipvs.Event, error) {
	if err := k.admin.set(s.Timeouts); err != nil {
		return nil, err
	}
	if err := k.Edit(nil, s.Services); err != nil {
		return nil, err
	}
	restore, err := k.sysctls(s.Sysctls)
	if err != nil {
		return nil, err
	}
	events, err := s.Run(k)
	if err != nil {
		return nil, err
	}
	err = errors.Join(restore(), k.Edit(s.Last(), nil), k.forget())
	_, late := k.receive() // such as what Linux says of fragments in the end
	return events, errors.Join(err, late)
}

// sysctls sets those of IPVS, and returns what sets them back.
func (k *kernel) sysctls(set map[string]int) (restore func() error, err error) {
	before := map[string][]byte{}
	write := func(name string, value []byte) error {
		return os.WriteFile("/proc/sys/net/ipv4/vs/"+name, value, 0o644)
	}
	for name, value := range set {
		if before[name], err = os.ReadFile("/proc/sys/net/ipv4/vs/" + name); err != nil {
			return nil, err
		}
		if err := write(name, []byte(strconv.Itoa(value))); err != nil {
			return nil, err
		}
	}
	return func() (err error) {
		for name, value := range before {
			err = errors.Join(err, write(name, value))
		}
		return err
	}, nil
}

// network lays out what is around the balancer.
func (k *kernel) network(n *ipvs.Network) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := errors.Join(netlink.LinkSetUp(lo), addVIPs(lo, n.VIPs)); err != nil {
		return err
	}
	links := map[string]netlink.Link{}
	for i := range n.Ports {
		p := &n.Ports[i]
		fd, err := openTap(p.Name)
		if err != nil {
			return fmt.Errorf("opening the TAP %s: %w", p.Name, err)
		}
		k.taps = append(k.taps, tap{p.Name, fd})
		if links[p.Name], err = configure(p); err != nil {
			return fmt.Errorf("configuring %s: %w", p.Name, err)
		}
	}
	for _, n := range n.Neighbors {
		neigh := &netlink.Neigh{LinkIndex: links[n.Port].Attrs().Index, State: netlink.NUD_PERMANENT, IP: n.Address.AsSlice(), HardwareAddr: n.MAC[:]}
		if err := netlink.NeighSet(neigh); err != nil {
			return fmt.Errorf("neighbour %s: %w", n.Address, err)
		}
	}
	for i := range n.Ports {
		l := links[n.Ports[i].Name]
		for _, r := range n.Ports[i].Gateways {
			if err := netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Gw: r.AsSlice()}); err != nil {
				return fmt.Errorf("route by %s: %w", r, err)
			}
		}
		k.marks = append(k.marks, marks{link: l})
	}
	return nil
}

// addVIPs makes the VIPs the kernel's own.
func addVIPs(lo netlink.Link, vips []netip.Prefix) (err error) {
	for _, p := range vips {
		if p.IsSingleIP() {
			err = errors.Join(err, addAddress(lo, p))
			continue
		}
		to := &net.IPNet{IP: p.Masked().Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
		r := &netlink.Route{LinkIndex: lo.Attrs().Index, Dst: to, Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST}
		if e := netlink.RouteAdd(r); e != nil {
			err = errors.Join(err, fmt.Errorf("VIPs %s: %w", p, e))
		}
	}
	return err
}

func addAddress(l netlink.Link, p netip.Prefix) error {
	mask := net.CIDRMask(p.Bits(), p.Addr().BitLen())
	a := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: mask}}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	if err := netlink.AddrAdd(l, a); err != nil {
		return fmt.Errorf("address %s: %w", p, err)
	}
	return nil
}

func openTap(name string) (int, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	req, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return 0, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

func configure(p *ipvs.Port) (netlink.Link, error) {
	l, err := netlink.LinkByName(p.Name)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(netlink.LinkSetHardwareAddr(l, p.MAC[:]), netlink.LinkSetMTU(l, p.MTU), netlink.LinkSetUp(l)); err != nil {
		return nil, err
	}
	for _, a := range p.Addresses {
		if err := addAddress(l, a); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// Send implements ipvs.Balancer. The kernel has one CPU and does not preempt: it has done with the frame when the write
// returns.
func (k *kernel) Send(port string, frame []byte) (out []ipvs.Frame, err error) {
	for _, t := range k.taps {
		if t.name == port {
			if _, err := unix.Write(t.fd, frame); err != nil {
				return nil, fmt.Errorf("sending %d bytes by %s: %w", len(frame), port, err)
			}
		}
	}
	return k.receive()
}

func (k *kernel) receive() (out []ipvs.Frame, err error) {
	for _, t := range k.taps {
		for {
			n, err := unix.Read(t.fd, k.buf)
			if errors.Is(err, unix.EAGAIN) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("receiving from %s: %w", t.name, err)
			}
			if k.buf[0]&1 == 0 { // multicast is the kernel's own
				out = append(out, ipvs.Frame{Port: t.name, Data: append([]byte(nil), k.buf[:n]...)})
			}
		}
	}
	return out, nil
}

func (k *kernel) close() {
	if k.admin != nil {
		k.admin.close()
	}
	for _, t := range k.taps {
		_ = unix.Close(t.fd)
	}
}
