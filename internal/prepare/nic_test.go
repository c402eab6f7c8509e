package prepare

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const devices = "sys/bus/pci/devices/"

// twoNICs is a machine with an e1000e (eth0, with the default route) and an idle virtio NIC (eth1), whose kernel binds and
// unbinds drivers as the real one does, but never to a driver that refuses.
func twoNICs(t *testing.T, refuses string) *machine {
	files := map[string]string{
		"proc/net/route":                              "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t01000A0A\t0003\t0\t0\t0\t00000000",
		"sys/module/vfio_iommu_type1/refcnt":          "0",
		"proc/net/ipv6_route":                         "",
		"sys/class/net/eth0/mtu":                      "1500",
		"sys/class/net/eth1/mtu":                      "1500",
		devices + "0000:01:00.0/net/eth0/mtu":         "1500",
		devices + "0000:02:00.0/virtio0/net/eth1/mtu": "1500",
		devices + "0000:00:1f.2/class":                "0x010601",
	}
	usual := map[string]string{"0000:01:00.0": "e1000e", "0000:02:00.0": "virtio-pci"}
	for a, d := range usual {
		files[devices+a+"/class"], files[devices+a+"/vendor"], files[devices+a+"/device"] = "0x020000", "0x8086", "0x10d3"
		files[devices+a+"/numa_node"] = "-1"
		files[devices+a+"/driver_override"] = "(null)"
		files[devices+a+"/driver"] = "-> ../../drivers/" + d
		files[devices+a+"/iommu_group"] = "-> ../../../../kernel/iommu_groups/" + a[6:7]
	}
	m := newMachine(t, files)
	release := func(address string) { _ = os.Remove(m.path(devices + address + "/driver")) }
	for _, d := range []string{"e1000e", "virtio-pci", "vfio-pci"} {
		m.obey("sys/bus/pci/drivers/"+d+"/unbind", release)
	}
	m.obey("sys/bus/pci/drivers_probe", func(address string) {
		// What was written to unbind before is obeyed on another thread, and the real kernel obeys in order.
		for deadline := time.Now().Add(5 * time.Second); m.driver(address) != "." && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		driver := m.read(devices + address + "/driver_override")
		if driver == "" || driver == "(null)" {
			driver = usual[address]
		}
		if driver != refuses {
			_ = os.Symlink("../../drivers/"+driver, m.path(devices+address+"/driver"))
		}
	})
	return m
}

func (m *machine) driver(address string) string {
	to, _ := os.Readlink(m.path(devices + address + "/driver")) // none: no driver
	return filepath.Base(to)
}

func TestNICsAreBoundAndGivenBack(t *testing.T) {
	for _, nic := range []string{"0000:02:00.0", "02:00.0", "eth1"} {
		t.Run(nic, func(t *testing.T) {
			m := twoNICs(t, "")
			if said, code := m.script("nic", "bind", nic); code != 0 || said != "0000:02:00.0: virtio-pci → vfio-pci\n" {
				t.Fatalf("exit %d: %s", code, said)
			}
			if d := m.driver("0000:02:00.0"); d != "vfio-pci" {
				t.Errorf("%s has it", d)
			}
			if said, code := m.script("nic", "bind", "02:00.0"); code != 0 || said != "0000:02:00.0: vfio-pci has it already\n" {
				t.Errorf("again: exit %d: %s", code, said)
			}
			if said, code := m.script("nic", "unbind", "02:00.0"); code != 0 || said != "0000:02:00.0: vfio-pci → virtio-pci\n" {
				t.Errorf("back: exit %d: %s", code, said)
			}
			if d := m.driver("0000:02:00.0"); d != "virtio-pci" || m.read(devices+"0000:02:00.0/driver_override") != "" {
				t.Errorf("%s has it", d)
			}
		})
	}
}

func TestTheDefaultRouteIsNotTaken(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		nic   string
		want  string
	}{
		"IPv4":                               {nil, "01:00.0", "0000:01:00.0 is eth0, which carries the default route:"},
		"beside another that could be taken": {nil, "eth1 01:00.0", "0000:01:00.0 is eth0, which carries the default route:"},
		"IPv6": {map[string]string{
			"proc/net/ipv6_route": "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth1",
		}, "eth1", "0000:02:00.0 is eth1, which carries the default route:"},
		"through a bridge": {map[string]string{
			"proc/net/route":               "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\nbr0\t00000000\t01000A0A\t0003\t0\t0\t0\t00000000",
			"sys/class/net/eth1/upper_br0": "-> ../br0",
			"sys/class/net/br0/address":    "02:00:00:00:00:01",
		}, "eth1", "0000:02:00.0 is eth1, which carries the default route through br0:"},
	} {
		t.Run(name, func(t *testing.T) {
			m := twoNICs(t, "")
			for f, text := range c.files {
				m.write(f, text)
			}
			nics := strings.Fields(c.nic)
			said, code := m.script("nic", append([]string{"bind"}, nics...)...)
			if code != 1 || !strings.Contains(said, c.want) || !strings.Contains(said, "bind --force") {
				t.Errorf("exit %d: %s", code, said)
			}
			if m.driver("0000:01:00.0") != "e1000e" || m.driver("0000:02:00.0") != "virtio-pci" {
				t.Error("a driver changed")
			}
			if said, code := m.script("nic", append([]string{"bind", "--force"}, nics...)...); code != 0 {
				t.Errorf("with --force: exit %d: %s", code, said)
			}
		})
	}
}

func TestWhatCannotBeBoundIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		args string
		want string
	}{
		"no such address":          {"bind 0000:09:00.0", "there is no PCI device 0000:09:00.0"},
		"no such interface":        {"bind eth7", "eth7 is neither a PCI address nor the interface of a PCI device"},
		"one of two":               {"bind eth1 eth7", "eth7 is neither"},
		"no NIC":                   {"bind 00:1f.2", "0000:00:1f.2 is no network device (class 0x010601)"},
		"a driver of another kind": {"bind --driver e1000e eth1", `--driver is vfio-pci, uio_pci_generic or igb_uio, not "e1000e"`},
		"a driver there is not":    {"bind --driver igb_uio eth1", "this kernel has no igb_uio"},
		"unbound already":          {"unbind eth1", "0000:02:00.0: virtio-pci has it already"},
	} {
		t.Run(name, func(t *testing.T) {
			m := twoNICs(t, "")
			m.write("bin/modprobe", "#!/bin/sh\nexit 1")
			if err := os.Chmod(m.path("bin/modprobe"), 0o755); err != nil {
				t.Fatal(err)
			}
			said, code := m.script("nic", strings.Fields(c.args)...)
			if wantCode := map[bool]int{true: 0, false: 1}[name == "unbound already"]; code != wantCode || !strings.Contains(said, c.want) {
				t.Errorf("exit %d: %s", code, said)
			}
			if m.driver("0000:01:00.0") != "e1000e" || m.driver("0000:02:00.0") != "virtio-pci" {
				t.Error("a driver changed")
			}
		})
	}
}

func TestVFIOThatRefusesLeavesTheNICToTheKernel(t *testing.T) {
	m := twoNICs(t, "vfio-pci")
	said, code := m.script("nic", "bind", "eth1")
	if code != 1 || !strings.Contains(said, "0000:02:00.0: vfio-pci does not take it (see dmesg); it is back with virtio-pci") {
		t.Errorf("exit %d: %s", code, said)
	}
	if d := m.driver("0000:02:00.0"); d != "virtio-pci" {
		t.Errorf("%s has it", d)
	}
}

func TestWithoutAnIOMMUNothingIsBound(t *testing.T) {
	m := twoNICs(t, "")
	if err := os.Remove(m.path(devices + "0000:02:00.0/iommu_group")); err != nil {
		t.Fatal(err)
	}
	if said, code := m.script("nic", "bind", "eth1"); code != 1 || !strings.Contains(said, "is in no IOMMU group") {
		t.Errorf("exit %d: %s", code, said)
	}
	m.write("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y")
	if said, code := m.script("nic", "bind", "eth1"); code != 0 {
		t.Errorf("told to do without: exit %d: %s", code, said)
	}
}

func TestStatusListsNICs(t *testing.T) {
	said, code := twoNICs(t, "").script("nic", "status")
	want := `ADDRESS       DEVICE     DRIVER           NODE  GROUP INTERFACE
0000:01:00.0  8086:10d3  e1000e           -     1     eth0 (default route)
0000:02:00.0  8086:10d3  virtio-pci       -     2     eth1
`
	if code != 0 || said != want {
		t.Errorf("exit %d:\n%swant\n%s", code, said, want)
	}
}

func TestAMisspeltCommandExplainsTheScripts(t *testing.T) {
	m := newMachine(t, nil)
	for _, c := range []string{"nic", "nic bin", "nic bind", "nic unbind", "nic bind --forc eth0", "nic status now", "hugepages", "hugepages shew", "hugepages reserve 1 2"} {
		words := strings.Fields(c)
		if said, code := m.script(words[0], words[1:]...); code != 2 || !strings.Contains(said, "COMMAND is one of") {
			t.Errorf("%s: exit %d: %s", c, code, said)
		}
	}
}
