package preflight

import (
	"slices"
	"strings"
)

// driverOf is the DPDK driver of a virtual device: its name without the number.
func driverOf(device string) string {
	name, _, _ := strings.Cut(device, ",")
	name = strings.TrimRight(name, "0123456789")
	if rest, old := strings.CutPrefix(name, "eth_"); old {
		return "net_" + rest
	}
	return name
}

// kernelInterfaces are the interfaces of the kernel's that a virtual device sits on.
func kernelInterfaces(device string) []string {
	var keys, out []string
	switch driverOf(device) {
	case "net_af_packet", "net_af_xdp":
		keys = []string{"iface"}
	case "net_pcap":
		keys = []string{"iface", "rx_iface", "rx_iface_in", "tx_iface"}
	case "net_tap":
		keys = []string{"remote"}
	}
	for _, arg := range strings.Split(device, ",")[1:] {
		if k, v, _ := strings.Cut(arg, "="); slices.Contains(keys, k) && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// checkInterfaces looks for the interfaces under virtual devices.
func (m *Machine) checkInterfaces() []Result {
	if m.Config == nil {
		return nil
	}
	var out []Result
	for i := range m.Config.Ports {
		p := &m.Config.Ports[i]
		for _, name := range kernelInterfaces(p.Device) {
			switch {
			case !m.exists("sys/class/net/" + name):
				out = append(out, found(Wrong, "port %s: there is no network interface %s", p.Name, name).
					do("plug it in, or name another in the port's device: %s", strings.Join(m.list("sys/class/net"), ", ")))
			case m.carriesDefaultRoute(name):
				out = append(out, found(Warning, "port %s: interface %s carries this machine's default route; Weir answers there too", p.Name, name).
					do("give Weir an interface of its own"))
			default:
				out = append(out, ok("port %s: interface %s is there", p.Name, name))
			}
		}
	}
	return out
}

func (m *Machine) checkTAP() []Result {
	var names []string
	if m.Config != nil {
		for i := range m.Config.Ports {
			if t := m.Config.Ports[i].TAP; t != "" {
				names = append(names, t)
			}
		}
		if len(names) == 0 {
			return one(ok("no port has a TAP interface"))
		}
	}
	if !m.exists("dev/net/tun") {
		return one(found(wrongIf(len(names) > 0), "this kernel has no TAP interfaces: /dev/net/tun is missing").
			run("modprobe tun && mkdir -p /dev/net && { [ -e /dev/net/tun ] || mknod -m 666 /dev/net/tun c 10 200; }"))
	}
	out := one(ok("/dev/net/tun is there"))
	for _, n := range names {
		if m.exists("sys/class/net/" + n) {
			out = append(out, found(Warning, "there is an interface %s already; if no Weir is running, it is in the way", n).
				run("ip link delete %s", n))
		}
	}
	return out
}
