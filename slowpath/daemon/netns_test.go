package daemon

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/weirlb/weir/internal/netnstest"
)

// namespaces are the network namespaces of a client, Weir and a real server, joined by two wires:
//
//	client 203.0.113.100 ── wan ── weir ── lan ── 10.0.0.11 server
type namespaces struct {
	t                    *testing.T
	client, weir, server string
}

func newNamespaces(t *testing.T) *namespaces {
	t.Helper()
	netnstest.NeedRoot(t)
	id := fmt.Sprintf("weir-d%d", os.Getpid())
	n := &namespaces{t, id + "-client", id + "-weir", id + "-server"}
	for _, ns := range []string{n.client, n.weir, n.server} {
		n.ip("netns", "add", ns)
		t.Cleanup(func() { n.ip("netns", "del", ns) })
		n.ip("-n", ns, "link", "set", "lo", "up")
	}
	n.wire("wan", n.client, "203.0.113.100/24")
	n.wire("lan", n.server, "10.0.0.11/24")
	n.ip("-n", n.server, "route", "add", "default", "via", "10.0.0.1")
	return n
}

// wire joins weir to another namespace with a veth pair whose ends have the same name, without offloads: a frame
// on it is what it would be on a cable.
func (n *namespaces) wire(name, other, address string) {
	n.t.Helper()
	n.ip("-n", n.weir, "link", "add", name, "type", "veth", "peer", "name", name, "netns", other)
	for _, ns := range []string{n.weir, other} {
		n.run("ip", "netns", "exec", ns, "sysctl", "-qw", "net.ipv6.conf."+name+".disable_ipv6=1")
		n.run("ip", "netns", "exec", ns, "ethtool", "-K", name, "tx", "off", "gro", "off")
		n.ip("-n", ns, "link", "set", name, "up")
	}
	n.ip("-n", other, "addr", "add", address, "dev", name)
}

func (n *namespaces) ip(args ...string) { n.t.Helper(); n.run("ip", args...) }

func (n *namespaces) run(name string, args ...string) {
	n.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		n.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
