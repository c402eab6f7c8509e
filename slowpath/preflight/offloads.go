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
	Veth     bool
	Peer     string // a veth's other end; empty if that is in another network namespace
}

// ReadInterface asks the kernel, in the calling thread's network namespace.
func ReadInterface(name string) (Interface, error) {
	var i Interface
	kernel, err := ethtool.NewEthtool()
	if err != nil {
		return i, fmt.Errorf("asking for the offloads of interface %s: %w", name, err)
	}
	defer kernel.Close()
	if i.Features, err = kernel.Features(name); err != nil {
		return i, fmt.Errorf("asking for the offloads of interface %s: %w", name, err)
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return i, fmt.Errorf("asking for interface %s: %w", name, err)
	}
	a := link.Attrs()
	if i.Veth = link.Type() == "veth"; !i.Veth || a.NetNsID >= 0 {
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
// off two more, gro and lro, for as long as it runs.
var joined = []offload{{"rx-gro-hw", []string{"rx-gro-hw"}}}

// unsplit are those that leave it to an interface to split what its kernel sends, which a veth does not.
var unsplit = []offload{
	{"tso", []string{"tx-tcp-segmentation", "tx-tcp-ecn-segmentation", "tx-tcp-mangleid-segmentation", "tx-tcp6-segmentation"}},
	{"gso", []string{"tx-generic-segmentation"}},
	{"tx-udp-segmentation", []string{"tx-udp-segmentation"}},
	{"tx-sctp-segmentation", []string{"tx-sctp-segmentation"}},
}

// on names those of the offloads that are on.
func (i Interface) on(offloads []offload) []string {
	var names []string
	for _, o := range offloads {
		if slices.ContainsFunc(o.features, func(f string) bool { return i.Features[f] }) {
			names = append(names, o.name)
		}
	}
	return names
}

// checkOffloads looks for what makes frames on the interfaces under net_af_packet larger than Weir's buffers: they would
// be dropped as truncated.
func (m *Machine) checkOffloads() []Result {
	if m.Config == nil || m.Interface == nil {
		return nil
	}
	var out []Result
	for i := range m.Config.Ports {
		p := &m.Config.Ports[i]
		if driverOf(p.Device) != "net_af_packet" {
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
	unknown := func(err error, name, shows string) Result {
		return found(Warning, "%s: whether frames come joined is not known: %v", who, err).
			do("see that ethtool -k %s shows %s", name, shows)
	}
	own, err := m.Interface(name)
	if err != nil {
		return one(unknown(err, name, "no rx-gro-hw"))
	}
	var out []Result
	if on := own.on(joined); len(on) > 0 {
		out = append(out, tooLarge(who+": interface "+name, on, "joins received frames into larger ones than Weir's buffers", name))
	}
	switch {
	case own.Veth && own.Peer == "":
		out = append(out, ok("%s: interface %s is a veth whose other end is in another network namespace: there, ethtool -k should show tso and gso off", who, name))
	case own.Veth:
		peer, err := m.Interface(own.Peer)
		if err != nil {
			return append(out, unknown(err, own.Peer, "tso and gso off"))
		}
		if on := peer.on(unsplit); len(on) > 0 {
			out = append(out, tooLarge(who+": the other end "+own.Peer+" of interface "+name, on, "sends larger frames than Weir's buffers", own.Peer))
		}
	}
	if len(out) == 0 {
		return one(ok("%s: interface %s gets no frames larger than they are on a wire", who, name))
	}
	return out
}

// tooLarge is the result for offloads that are on at an interface.
func tooLarge(who string, on []string, does, name string) Result {
	return found(Warning, "%s has %s on and %s: they are dropped as truncated", who, strings.Join(on, ", "), does).
		run("ethtool -K %s %s off", name, strings.Join(on, " off "))
}
