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
	on := map[string]bool{"tx-tcp-segmentation": false, "rx-gro": true}
	for _, n := range names {
		on[n] = true
	}
	return on
}

func TestOffloadsThatMakeFramesTooLarge(t *testing.T) {
	refused := errors.New("operation not permitted")
	for _, c := range []struct {
		name   string
		config string // empty: packetPort
		known  map[string]Interface
		want   string
	}{
		{name: "none", known: map[string]Interface{"eth1": {Features: features()}},
			want: "ok: port wan: interface eth1 gets no frames larger than they are on a wire"},
		{name: "what it sends itself does not count", known: map[string]Interface{"eth1": {Features: features("tx-tcp-segmentation", "rx-lro")}},
			want: "ok: port wan: interface eth1 gets no frames larger than they are on a wire"},
		{name: "the device joins", known: map[string]Interface{"eth1": {Features: features("rx-gro-hw")}},
			want: "warning: port wan: interface eth1 has rx-gro-hw on and joins received frames into larger ones than Weir's buffers: they are dropped as truncated: ethtool -K eth1 rx-gro-hw off"},
		{name: "the other end of a veth", known: map[string]Interface{
			"eth1": {Veth: true, Peer: "peer1", Features: features("tx-tcp-segmentation")},
			"peer1": {Veth: true, Peer: "eth1", Features: features("tx-tcp6-segmentation", "tx-generic-segmentation", "tx-udp-segmentation",
				"tx-sctp-segmentation")}},
			want: "warning: port wan: the other end peer1 of interface eth1 has tso, gso, tx-udp-segmentation, tx-sctp-segmentation on and sends larger frames than Weir's buffers: they are dropped as truncated: ethtool -K peer1 tso off gso off tx-udp-segmentation off tx-sctp-segmentation off"},
		{name: "the other end of a veth has none", known: map[string]Interface{
			"eth1": {Veth: true, Peer: "peer1", Features: features("tx-tcp-segmentation")}, "peer1": {Veth: true, Peer: "eth1", Features: features()}},
			want: "ok: port wan: interface eth1 gets no frames larger than they are on a wire"},
		{name: "the other end of a veth is elsewhere", known: map[string]Interface{"eth1": {Veth: true, Features: features()}},
			want: "ok: port wan: interface eth1 is a veth whose other end is in another network namespace: there, ethtool -k should show tso and gso off"},
		{name: "both ends", known: map[string]Interface{
			"eth1": {Veth: true, Peer: "peer1", Features: features("rx-gro-hw")}, "peer1": {Features: features("tx-generic-segmentation")}},
			want: "warning: port wan: interface eth1 has rx-gro-hw on and joins received frames into larger ones than Weir's buffers: they are dropped as truncated: ethtool -K eth1 rx-gro-hw off\n" +
				"warning: port wan: the other end peer1 of interface eth1 has gso on and sends larger frames than Weir's buffers: they are dropped as truncated: ethtool -K peer1 gso off"},
		{name: "the kernel does not tell", known: map[string]Interface{},
			want: "warning: port wan: whether frames come joined is not known: operation not permitted: see that ethtool -k eth1 shows no rx-gro-hw"},
		{name: "the kernel does not tell of the other end", known: map[string]Interface{"eth1": {Veth: true, Peer: "peer1"}},
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
			m := machine(t, ready(), text)
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

// The kernel's own account of a veth pair, before and after the command that the finding has.
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
	m := machine(t, ready(), packetPort)
	m.Interface = func(name string) (i Interface, err error) {
		err = netnstest.In(ns, func() error {
			i, err = ReadInterface(name)
			return err
		})
		return i, err
	}
	found := m.checkOffloads()
	if len(found) != 1 || found[0].Status != Warning || !found[0].Command ||
		!strings.HasPrefix(found[0].Found, "port wan: the other end peer1 of interface eth1 has tso, gso, ") ||
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
	if found = m.checkOffloads(); len(found) != 1 || found[0].Status != OK || !strings.Contains(found[0].Found, "in another network namespace") {
		t.Errorf("with the other end elsewhere: %+v", found)
	}
	ip(t, "-n", ns, "link", "set", "eth1", "name", "eth2")
	if _, err := m.Interface("eth1"); err == nil {
		t.Error("an interface that is not there has offloads")
	}
}
