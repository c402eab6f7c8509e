package ethdev

import (
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/weirlb/weir/dpdk/internal/dpdktest"
)

func setting(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile("/proc/sys/net/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func TestTheKernelStandsAsideOnAnInterfaceWithoutAddressesAndComesBack(t *testing.T) {
	ours, _ := dpdktest.Veth(t)
	var before []string
	for _, s := range aside {
		before = append(before, setting(t, strings.Replace(s.file, "%", ours, 1)))
	}
	undo := netIf(ours).standAside("/proc")
	for _, s := range aside {
		if got := setting(t, strings.Replace(s.file, "%", ours, 1)); got != s.value {
			t.Errorf("%s is %s, want %s", s.file, got, s.value)
		}
	}
	undo()
	for i, s := range aside {
		if got := setting(t, strings.Replace(s.file, "%", ours, 1)); got != before[i] {
			t.Errorf("afterwards %s is %s, was %s", s.file, got, before[i])
		}
	}
}

func TestAnInterfaceThatSomebodyUsesIsLeftAsItIs(t *testing.T) {
	ours, _ := dpdktest.Veth(t)
	link, err := netlink.LinkByName(ours)
	if err != nil {
		t.Fatal(err)
	}
	address, err := netlink.ParseAddr("192.0.2.1/24")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(link, address); err != nil {
		t.Fatal(err)
	}
	undo := netIf(ours).standAside("/proc")
	defer undo()
	if got := setting(t, "ipv4/conf/"+ours+"/arp_ignore"); got != "0" {
		t.Errorf("arp_ignore is %s", got)
	}
}

func TestAReadOnlyProcIsNoError(t *testing.T) {
	ours, _ := dpdktest.Veth(t)
	netIf(ours).standAside(t.TempDir())()
}
