package preflight

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/weirlb/weir/internal/netnstest"
)

// features are offloads that are on.
func features(names ...string) map[string]bool {
	on := map[string]bool{"tx-tcp-segmentation": false}
	for _, n := range names {
		on[n] = true
	}
	return on
}

func TestOffloadsThatMakeFramesTooLarge(t *testing.T) {
	refused := errors.New("operation not permitted")
	noBPF := tree{"proc/self/status": "CapEff:\t000000000000ffff"}
	for _, c := range []struct {
		name    string
		changes tree
		config  string // empty: packetPort
		known   map[string]Interface
		want    string
	}{
		{name: "none", known: map[string]Interface{"eth1": {Features: features()}},
			want: "ok: port wan: interface eth1 gets no frames larger than they are on a wire"},
		{name: "what it sends itself does not count", known: map[string]Interface{"eth1": {Features: features("tx-tcp-segmentation")}},
			want: "ok: port wan: interface eth1 gets no frames larger than they are on a wire"},
		{name: "Weir turns off what joins", known: map[string]Interface{"eth1": {Features: features("rx-gro", "rx-lro", "rx-gro-hw")}},
			want: "ok: port wan: interface eth1 gets no frames larger than they are on a wire"},
		{name: "the device joins, and cannot be told not to", known: map[string]Interface{"eth1": {Features: features("rx-gro", "rx-gro-hw"), Fixed: features("rx-gro-hw")}},
			want: "warning: port wan: interface eth1 has rx-gro-hw on, fixed, and joins received frames into larger ones than Weir's buffers: they are dropped as truncated: give Weir another interface, or one of its own by DPDK's driver"},
		{name: "a VLAN on a NIC that joins", changes: tree{"sys/class/net/eth1/lower_bond0": "-> ../bond0", "sys/class/net/bond0/lower_eth2": "-> ../eth2"},
			known: map[string]Interface{"eth1": {}, "bond0": {}, "eth2": {Features: features("rx-gro")}},
			want:  "warning: port wan: interface eth2, which eth1 is on, has gro on and joins received frames into larger ones than Weir's buffers: they are dropped as truncated: ethtool -K eth2 gro off"},
		{name: "a veth", known: map[string]Interface{"eth1": {Kind: "veth", Peer: "peer1", Features: features("tx-tcp-segmentation", "rx-gro")}, "peer1": {Features: features("tx-tcp-segmentation")}},
			want: "ok: port wan: interface eth1 is a veth, whose other end splits its frames while Weir runs: Weir attaches a program to it"},
		{name: "a veth whose other end is elsewhere", known: map[string]Interface{"eth1": {Kind: "veth"}},
			want: "ok: port wan: interface eth1 is a veth, whose other end splits its frames while Weir runs: Weir attaches a program to it"},
		{name: "a veth without bpf", changes: tree{"proc/sys/kernel/unprivileged_bpf_disabled": "gone"}, known: map[string]Interface{
			"eth1": {Kind: "veth", Peer: "peer1"}, "peer1": {Features: features("tx-generic-segmentation")}},
			want: "warning: port wan: this kernel has no bpf(), and the other end peer1 of interface eth1 has gso on and sends larger frames than Weir's buffers: they are dropped as truncated: ethtool -K peer1 gso off"},
		{name: "a veth without the capability", changes: noBPF, known: map[string]Interface{
			"eth1": {Kind: "veth", Peer: "peer1", Features: features("tx-tcp-segmentation")},
			"peer1": {Kind: "veth", Peer: "eth1", Features: features("tx-tcp6-segmentation", "tx-generic-segmentation", "tx-udp-segmentation",
				"tx-sctp-segmentation")}},
			want: "warning: port wan: this process lacks CAP_BPF (a program that makes a veth's other end split its frames), and the other end peer1 of interface eth1 has tso, gso, tx-udp-segmentation, tx-sctp-segmentation on and sends larger frames than Weir's buffers: they are dropped as truncated: ethtool -K peer1 tso off gso off tx-udp-segmentation off tx-sctp-segmentation off"},
		{name: "a veth without the capability whose other end splits", changes: noBPF, known: map[string]Interface{
			"eth1": {Kind: "veth", Peer: "peer1", Features: features("tx-tcp-segmentation")}, "peer1": {Kind: "veth", Peer: "eth1", Features: features()}},
			want: "ok: port wan: interface eth1 gets no frames larger than they are on a wire"},
		{name: "a veth without the capability whose other end is elsewhere", changes: noBPF, known: map[string]Interface{"eth1": {Kind: "veth", Features: features()}},
			want: "warning: port wan: this process lacks CAP_BPF (a program that makes a veth's other end split its frames), and interface eth1 is a veth whose other end, in another network namespace, may send larger frames than Weir's buffers: they are dropped as truncated: there, ethtool -k should show tso and gso off"},
		{name: "a bridge", known: map[string]Interface{"eth1": {Kind: "bridge"}},
			want: "warning: port wan: interface eth1 is a bridge: frames of what else is on it, such as containers and virtual machines, may come unsplit, larger than Weir's buffers: they are dropped as truncated: give Weir a veth whose other end is a port of it: ip link add weir0 type veth peer name weir1 && ip link set weir1 up master eth1"},
		{name: "a macvlan", known: map[string]Interface{"eth1": {Kind: "macvlan"}},
			want: "warning: port wan: interface eth1 is a macvlan: frames of others on the same device may come unsplit, larger than Weir's buffers: they are dropped as truncated: give Weir a veth whose other end is a port of a bridge, in the place of eth1"},
		{name: "a TAP", known: map[string]Interface{"eth1": {Kind: "tuntap"}},
			want: "warning: port wan: interface eth1 is a tuntap: frames of the virtual machine or program that it is made for may come unsplit, larger than Weir's buffers: they are dropped as truncated: there, ethtool -K IFACE tx off for the interface that is eth1 here"},
		{name: "the kernel does not tell", known: map[string]Interface{},
			want: "warning: port wan: whether frames come joined is not known: operation not permitted: see that ethtool -k eth1 shows no gro, lro and rx-gro-hw"},
		{name: "the kernel does not tell of the other end", changes: noBPF, known: map[string]Interface{"eth1": {Kind: "veth", Peer: "peer1"}},
			want: "warning: port wan: whether frames come joined is not known: operation not permitted: see that ethtool -k peer1 shows tso and gso off"},
		{name: "no such interface", config: strings.Replace(packetPort, "eth1", "eth7", 1)},
		{name: "another driver", config: strings.Replace(packetPort, "net_af_packet0", "net_af_xdp0", 1)},
		{name: "a NIC", config: twoNICs},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := c.config
			if text == "" {
				text = packetPort
			}
			m := machine(t, ready().with(c.changes), text)
			m.Interface = func(name string) (Interface, error) {
				i, ok := c.known[name]
				if !ok {
					return i, refused
				}
				return i, nil
			}
			var got []string
			for _, r := range m.checkOffloads() {
				line := string(r.Status) + ": " + r.Found
				if r.Mend != "" {
					line += ": " + r.Mend
				}
				got = append(got, line)
			}
			if strings.Join(got, "\n") != c.want {
				t.Errorf("found\n  %s\nwant\n  %s", strings.Join(got, "\n  "), c.want)
			}
		})
	}
	if r := (&Machine{Root: ready().fs()}).checkOffloads(); r != nil {
		t.Errorf("without a configuration: %v", r)
	}
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// The kernel's own account of a veth pair, for a process that may not attach a program, before and after the command that
// the finding has.
func TestOffloadsOfAVeth(t *testing.T) {
	netnstest.NeedRoot(t)
	if _, err := exec.LookPath("ethtool"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("ethtool is missing")
		}
		t.Skip("SKIPPED, NOT TESTED: ethtool is missing")
	}
	ns := fmt.Sprintf("weir-pf%d", os.Getpid())
	for _, name := range []string{ns, ns + "o"} {
		ip(t, "netns", "add", name)
		t.Cleanup(func() { ip(t, "netns", "del", name) })
	}
	ip(t, "-n", ns, "link", "add", "eth1", "type", "veth", "peer", "name", "peer1")
	m := machine(t, ready().with(tree{"proc/self/status": "CapEff:\t000000000000ffff"}), packetPort)
	m.Interface = func(name string) (i Interface, err error) {
		err = netnstest.In(ns, func() error {
			i, err = ReadInterface(name)
			return err
		})
		return i, err
	}
	found := m.checkOffloads()
	if len(found) != 1 || found[0].Status != Warning || !found[0].Command ||
		!strings.Contains(found[0].Found, "the other end peer1 of interface eth1 has tso, gso, ") ||
		!strings.HasPrefix(found[0].Mend, "ethtool -K peer1 tso off gso off ") {
		t.Fatalf("a new veth pair: %+v", found)
	}
	if out, err := exec.Command("ip", append([]string{"netns", "exec", ns}, strings.Fields(found[0].Mend)...)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", found[0].Mend, err, out)
	}
	if found = m.checkOffloads(); len(found) != 1 || found[0].Status != OK || !strings.HasSuffix(found[0].Found, "larger than they are on a wire") {
		t.Errorf("after that command: %+v", found)
	}
	ip(t, "-n", ns, "link", "set", "peer1", "netns", ns+"o")
	if found = m.checkOffloads(); len(found) != 1 || found[0].Status != Warning || !strings.Contains(found[0].Found, "in another network namespace") {
		t.Errorf("with the other end elsewhere: %+v", found)
	}
	ip(t, "-n", ns, "link", "set", "eth1", "name", "eth2")
	for kind, add := range map[string][]string{"bridge": {"link", "add", "eth1", "type", "bridge"}, "tuntap": {"tuntap", "add", "eth1", "mode", "tap"}} {
		ip(t, append([]string{"-n", ns}, add...)...)
		if found = m.checkOffloads(); len(found) != 1 || !strings.Contains(found[0].Found, "interface eth1 is a "+kind+": ") {
			t.Errorf("a %s: %+v", kind, found)
		}
		ip(t, "-n", ns, "link", "del", "eth1")
	}
	if _, err := m.Interface("eth1"); err == nil {
		t.Error("an interface that is not there has offloads")
	}
}
