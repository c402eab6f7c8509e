package preflight

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
)

// Interface is what the kernel tells of one of its interfaces beyond /sys.
type Interface struct {
	Features map[string]bool // which offloads are on, by the kernel's names for them
	Fixed    map[string]bool // which of those cannot be changed
	Kind     string          // such as veth or bridge, as in ip -d link
	Peer     string          // a veth's other end; empty if that is in another network namespace
}

// ReadInterface asks the kernel, in the calling thread's network namespace.
func ReadInterface(name string) (Interface, error) {
	var i Interface
	kernel, err := ethtool.NewEthtool()
	if err != nil {
		return i, fmt.Errorf("asking for the offloads of interface %s: %w", name, err)
	}
	defer kernel.Close()
	states, err := kernel.FeaturesWithState(name)
	if err != nil {
		return i, fmt.Errorf("asking for the offloads of interface %s: %w", name, err)
	}
	i.Features, i.Fixed = map[string]bool{}, map[string]bool{}
	for feature, s := range states {
		i.Features[feature], i.Fixed[feature] = s.Active, s.NeverChanged || !s.Available
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return i, fmt.Errorf("asking for interface %s: %w", name, err)
	}
	a := link.Attrs()
	if i.Kind = link.Type(); i.Kind != "veth" || a.NetNsID >= 0 {
		return i, nil
	}
	peer, err := netlink.LinkByIndex(a.ParentIndex)
	var gone netlink.LinkNotFoundError
	switch {
	case errors.As(err, &gone):
		return i, nil
	case err != nil:
		return i, fmt.Errorf("asking for the other end of interface %s: %w", name, err)
	}
	i.Peer = peer.Attrs().Name
	return i, nil
}

// offload is what ethtool -K calls a group of the kernel's features.
type offload struct {
	name     string
	features []string
}

// joined are the offloads that make an interface's received frames larger than they were on the wire. Weir itself turns
// them off at its own interfaces for as long as it runs.
var joined = []offload{{"gro", []string{"rx-gro"}}, {"lro", []string{"rx-lro"}}, {"rx-gro-hw", []string{"rx-gro-hw"}}}

// unsplit are those that leave it to an interface to split what its kernel sends, which a veth does not.
var unsplit = []offload{
	{"tso", []string{"tx-tcp-segmentation", "tx-tcp-ecn-segmentation", "tx-tcp-mangleid-segmentation", "tx-tcp6-segmentation"}},
	{"gso", []string{"tx-generic-segmentation"}},
	{"tx-udp-segmentation", []string{"tx-udp-segmentation"}},
	{"tx-sctp-segmentation", []string{"tx-sctp-segmentation"}},
}

// on names those of the offloads that are on; with fixed, those only that cannot be turned off.
func (i Interface) on(offloads []offload, fixed bool) []string {
	var names []string
	for _, o := range offloads {
		if slices.ContainsFunc(o.features, func(f string) bool { return i.Features[f] && (i.Fixed[f] || !fixed) }) {
			names = append(names, o.name)
		}
	}
	return names
}

// checkOffloads looks for what makes frames on the interfaces under net_af_packet larger than Weir's buffers and is not
// ended by Weir itself: they would be dropped as truncated.
func (m *Machine) checkOffloads() []Result {
	if m.Config == nil || m.Interface == nil {
		return nil
	}
	var out []Result
	for i := range m.Config.Ports {
		p := &m.Config.Ports[i]
		if d := driverOf(p.Device); d != "net_af_packet" && d != "net_pcap" {
			continue
		}
		for _, name := range kernelInterfaces(p.Device) {
			if m.exists("sys/class/net/" + name) { // interface tells if not
				out = append(out, m.checkOffloadsOf("port "+p.Name, name)...)
			}
		}
	}
	return out
}

func (m *Machine) checkOffloadsOf(who, name string) []Result {
	own, err := m.Interface(name)
	if err != nil {
		return one(unknown(who, err, name, "no gro, lro and rx-gro-hw"))
	}
	var out []Result
	if on := own.on(joined, true); len(on) > 0 {
		out = append(out, found(Warning, "%s: interface %s has %s on, fixed, and joins received frames into larger ones than Weir's buffers: "+
			"they are dropped as truncated", who, name, strings.Join(on, ", ")).do("give Weir another interface, or one of its own by DPDK's driver"))
	}
	for _, below := range m.below(name) {
		i, err := m.Interface(below)
		if err != nil {
			out = append(out, unknown(who, err, below, "no gro, lro and rx-gro-hw"))
		} else if on := i.on(joined, false); len(on) > 0 {
			out = append(out, tooLarge(who+": interface "+below+", which "+name+" is on,", on, "joins received frames into larger ones than Weir's buffers", below))
		}
	}
	if own.Kind == "veth" {
		out = append(out, m.checkPeer(who, name, own)...)
	} else if n, ok := neighbors[own.Kind]; ok {
		out = append(out, found(Warning, "%s: interface %s is a %s: frames of %s may come unsplit, larger than Weir's buffers: they are dropped as truncated",
			who, name, own.Kind, n.whose).do(n.mend, name))
	}
	if len(out) == 0 {
		return one(ok("%s: interface %s gets no frames larger than they are on a wire", who, name))
	}
	return out
}

// neighbors are the senders whose frames reach an interface of a kind in this machine, without a device that would split them.
var neighbors = map[string]struct{ whose, mend string }{
	"bridge":  {"what else is on it, such as containers and virtual machines,", "give Weir a veth whose other end is a port of it: ip link add weir0 type veth peer name weir1 && ip link set weir1 up master %s"},
	"macvlan": {"others on the same device", "give Weir a veth whose other end is a port of a bridge, in the place of %s"},
	"ipvlan":  {"others on the same device", "give Weir a veth whose other end is a port of a bridge, in the place of %s"},
	"tuntap":  {"the virtual machine or program that it is made for", "there, ethtool -K IFACE tx off for the interface that is %s here"},
}

// below are the interfaces that one is made of, such as the NIC of a VLAN.
func (m *Machine) below(name string) []string {
	var out []string
	for _, entry := range m.list("sys/class/net/" + name) {
		if lower, ok := strings.CutPrefix(entry, "lower_"); ok {
			out = append(append(out, lower), m.below(lower)...)
		}
	}
	return out
}

// checkPeer looks whether a veth's other end may send larger frames than fit. Weir attaches a program to its own end, which
// makes the other one split them, if it may.
func (m *Machine) checkPeer(who, name string, own Interface) []Result {
	var lacks string
	switch {
	case !m.exists("proc/sys/kernel/unprivileged_bpf_disabled"): // which every kernel with bpf(2) has
		lacks = "this kernel has no bpf()"
	case !m.has(bpf) && !m.has(sysAdmin):
		lacks = "this process lacks " + bpf.name + " (" + bpf.why + ")"
	default:
		return one(ok("%s: interface %s is a veth, whose other end splits its frames while Weir runs: Weir attaches a program to it", who, name))
	}
	if own.Peer == "" {
		return one(found(Warning, "%s: %s, and interface %s is a veth whose other end, in another network namespace, may send larger frames than "+
			"Weir's buffers: they are dropped as truncated", who, lacks, name).do("there, ethtool -k should show tso and gso off"))
	}
	peer, err := m.Interface(own.Peer)
	if err != nil {
		return one(unknown(who, err, own.Peer, "tso and gso off"))
	}
	if on := peer.on(unsplit, false); len(on) > 0 {
		return one(tooLarge(who+": "+lacks+", and the other end "+own.Peer+" of interface "+name, on, "sends larger frames than Weir's buffers", own.Peer))
	}
	return nil
}

func unknown(who string, err error, name, shows string) Result {
	return found(Warning, "%s: whether frames come joined is not known: %v", who, err).do("see that ethtool -k %s shows %s", name, shows)
}

// tooLarge is the result for offloads that are on at an interface.
func tooLarge(who string, on []string, does, name string) Result {
	return found(Warning, "%s has %s on and %s: they are dropped as truncated", who, strings.Join(on, ", "), does).
		run("ethtool -K %s %s off", name, strings.Join(on, " off "))
}
