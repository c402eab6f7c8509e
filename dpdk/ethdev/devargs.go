package ethdev

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// device is a configuration's device string taken apart: a name and arguments, as DPDK has them.
type device struct {
	name   string   // 0000:03:00.0 or net_af_packet0
	driver string   // of a virtual device: its name without the number, net_af_packet
	args   []string // key=value, in order
	pci    bool
}

var pciAddress = regexp.MustCompile(`^(?:([0-9a-fA-F]{4}):)?([0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7])$`)

// parseDevice accepts a PCI address or a virtual device's name, each with optional arguments. Whether
// there is such a device or driver is for preflight and DPDK to say.
func parseDevice(s string) (device, error) {
	name, rest, more := strings.Cut(s, ",")
	d := device{name: name}
	if more {
		d.args = strings.Split(rest, ",")
	}
	if m := pciAddress.FindStringSubmatch(name); m != nil {
		d.pci = true
		d.name = strings.ToLower(m[2])
		if m[1] == "" {
			d.name = "0000:" + d.name
		} else {
			d.name = strings.ToLower(m[1]) + ":" + d.name
		}
		return d, nil
	}
	if !strings.Contains(name, "_") {
		return device{}, fmt.Errorf("%q is neither a PCI address nor a DPDK virtual device: for a network interface of the kernel write net_af_packet0,iface=%s", name, name)
	}
	d.driver = strings.TrimRight(name, "0123456789")
	if old, is := strings.CutPrefix(d.driver, "eth_"); is {
		d.driver = "net_" + old // DPDK's older names
	}
	return d, nil
}

// String is the device as DPDK wants it.
func (d device) String() string {
	return strings.Join(append([]string{d.name}, d.args...), ",")
}

// values are the values of all arguments with one of the keys, in order.
func (d device) values(keys ...string) []string {
	var out []string
	for _, a := range d.args {
		if k, v, _ := strings.Cut(a, "="); slices.Contains(keys, k) {
			out = append(out, v)
		}
	}
	return out
}

// has tells whether there is an argument with one of the keys.
func (d device) has(keys ...string) bool { return len(d.values(keys...)) > 0 }

// interfaces are the kernel's network interfaces the device sits on.
func (d device) interfaces() []netIf {
	var names []string
	switch d.driver {
	case "net_af_packet", "net_af_xdp":
		names = d.values("iface")
	case "net_pcap":
		names = d.values("iface", "rx_iface", "rx_iface_in", "tx_iface")
	case "net_tap":
		names = d.values("remote")
	}
	slices.Sort(names)
	var out []netIf
	for _, n := range slices.Compact(names) {
		out = append(out, netIf(n))
	}
	return out
}

// claims are the names of what no two ports may share.
func (d device) claims() []string {
	out := []string{d.name}
	for _, n := range d.interfaces() {
		out = append(out, "interface "+string(n))
	}
	return out
}

// PCI lists the PCI devices among the ports' devices, for eal.Options. Strings that are no devices
// are left out: Probe reports them.
func PCI(ports []Config) []string {
	var out []string
	for _, p := range ports {
		if d, err := parseDevice(p.Device); err == nil && d.pci {
			out = append(out, d.String())
		}
	}
	return out
}
