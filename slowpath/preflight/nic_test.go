package preflight

import "testing"

// kernels is a NIC that the kernel has, with an interface.
func kernels(driver, iface string) tree {
	return tree{
		nic0 + "/driver":                      "-> ../../../../bus/pci/drivers/" + driver,
		nic0 + "/net/" + iface + "/ifindex":   "2",
		"sys/class/net/" + iface + "/ifindex": "2",
	}
}

const group7 = "sys/kernel/iommu_groups/7/devices/"

const wan = "port wan: 0000:03:00.0 [8086:10d3] on node 0"

func TestNICsThatDPDKCannotHave(t *testing.T) {
	testFindings(t, (*Machine).checkNICs, []finding{
		{name: "the kernel has it", changes: kernels("e1000e", "eth0"), want: []string{
			"wrong: " + wan + ", the kernel's driver e1000e has it, DPDK needs vfio-pci: run: scripts/nic bind 0000:03:00.0"}},
		{name: "no driver has it", changes: tree{nic0 + "/driver": "gone"}, want: []string{
			"wrong: " + wan + " has no driver, DPDK needs vfio-pci: run: scripts/nic bind 0000:03:00.0"}},
		{name: "there is none", changes: tree{nic1: "gone"}, want: []string{
			"wrong: port lan: there is no PCI device 0000:04:00.0: run: scripts/nic status"}},
		{name: "it carries the default route", changes: kernels("e1000e", "mgmt0"), want: []string{
			"wrong: " + wan + ", the kernel's driver e1000e has it, and its interface mgmt0 carries the default route: it may be how you are connected: run: scripts/nic bind --force 0000:03:00.0"}},
		{name: "a bridge on a VLAN on it carries the default route", changes: kernels("e1000e", "eth0").and(tree{
			"sys/class/net/eth0/upper_eth0.5": "-> ../eth0.5", "sys/class/net/eth0.5/upper_mgmt0": "-> ../mgmt0"}), want: []string{
			"wrong: " + wan + ", the kernel's driver e1000e has it, and its interface eth0 carries the default route: it may be how you are connected: run: scripts/nic bind --force 0000:03:00.0"}},
		{name: "virtio carries the default route of IPv6", changes: tree{
			nic0 + "/driver": "-> ../../../../bus/pci/drivers/virtio-pci", nic0 + "/virtio3/net/eth9/ifindex": "9",
			"proc/net/ipv6_route": "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth9\n00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo"}, want: []string{
			"wrong: " + wan + ", the kernel's driver virtio-pci has it, and its interface eth9 carries the default route: it may be how you are connected: run: scripts/nic bind --force 0000:03:00.0"}},
		{name: "it shares its IOMMU group", changes: tree{
			group7 + "0000:03:00.0": "", group7 + "0000:03:00.1": "", group7 + "0000:00:01.0": "",
			"sys/bus/pci/devices/0000:03:00.1/driver": "-> ../drivers/ixgbe", "sys/bus/pci/devices/0000:03:00.1/class": "0x020000",
			"sys/bus/pci/devices/0000:00:01.0/driver": "-> ../drivers/pcieport", "sys/bus/pci/devices/0000:00:01.0/class": "0x060400"}, want: []string{
			"wrong: " + wan + ", driver vfio-pci, but its IOMMU group 7 also has 0000:03:00.1 (driver ixgbe), which vfio-pci must have too: run: scripts/nic bind 0000:03:00.1"}},
		{name: "it does without an IOMMU", changes: tree{nic0 + "/driver": "-> ../drivers/uio_pci_generic"}, want: []string{
			"warning: " + wan + ", driver uio_pci_generic: the NIC can write to any memory: run: scripts/nic bind 0000:03:00.0"}},
		{name: "it is shared with DPDK", changes: tree{nic0 + "/driver": "-> ../drivers/mlx5_core"}},
		{name: "it is in no IOMMU group", changes: tree{nic0 + "/iommu_group": "gone"}, want: []string{
			"wrong: " + wan + ", driver vfio-pci, but it is in no IOMMU group: turn the IOMMU on, see iommu"}},
	})
}

func TestIOMMUThatIsOff(t *testing.T) {
	off := tree{"sys/kernel/iommu_groups": "gone"}
	const none = "off: no device is in an IOMMU group, and vfio-pci takes none"
	testFindings(t, (*Machine).checkIOMMU, []finding{
		{name: "the kernel was not told", changes: off.and(tree{"proc/cmdline": "quiet"}), want: []string{
			"wrong: " + none + `: run: sed -i 's/^GRUB_CMDLINE_LINUX="/&intel_iommu=on iommu=pt /' /etc/default/grub && update-grub && reboot`}},
		{name: "on AMD, without GRUB", changes: off.and(tree{"proc/cpuinfo": "vendor_id\t: AuthenticAMD", "etc/default/grub": "gone"}), want: []string{
			"wrong: " + none + ": add amd_iommu=on iommu=pt to the kernel's command line and boot again"}},
		{name: "the machine has none", changes: off, want: []string{
			"wrong: " + none + ": turn VT-d or AMD-Vi on in the firmware's setup, or give the virtual machine an IOMMU: the kernel was told intel_iommu=on and found none"}},
		{name: "vfio-pci was told to do without", changes: off.and(tree{"sys/module/vfio/parameters/enable_unsafe_noiommu_mode": "Y"}), want: []string{
			"warning: off, and vfio-pci runs without it: a NIC can write to any memory: turn the IOMMU on where there is one"}},
		{name: "no port is on the PCI bus", changes: off, config: "ports: [{name: wan, device: net_null0, addresses: [203.0.113.2/24]}]"},
		{name: "no configuration", none: true, changes: off.and(tree{"proc/cmdline": "quiet", "etc/default/grub": "gone"}), want: []string{
			"warning: " + none + ": add intel_iommu=on iommu=pt to the kernel's command line and boot again"}},
	})
}

func TestVFIOThatIsMissing(t *testing.T) {
	testFindings(t, (*Machine).checkVFIO, []finding{
		{name: "not loaded", changes: tree{"sys/bus/pci/drivers/vfio-pci": "gone"}, want: []string{
			"wrong: vfio-pci is not loaded: run: modprobe -a vfio-pci vfio_iommu_type1 && echo vfio-pci > /etc/modules-load.d/weir.conf"}},
		{name: "not needed", changes: tree{"sys/bus/pci/drivers/vfio-pci": "gone"}, config: "ports: [{name: wan, device: net_null0, addresses: [203.0.113.2/24]}]"},
		{name: "no configuration", none: true, changes: tree{"sys/bus/pci/drivers/vfio-pci": "gone"}, want: []string{
			"warning: vfio-pci is not loaded: run: modprobe -a vfio-pci vfio_iommu_type1 && echo vfio-pci > /etc/modules-load.d/weir.conf"}},
		{name: "without what programs the IOMMU", changes: tree{"sys/module/vfio_iommu_type1": "gone"}, want: []string{
			"wrong: vfio-pci is loaded, but vfio_iommu_type1, which programs the IOMMU for it, is not: run: modprobe -a vfio-pci vfio_iommu_type1"}},
		{name: "without an IOMMU", changes: tree{"sys/module/vfio_iommu_type1": "gone", "sys/kernel/iommu_groups": "gone"}},
		{name: "without its device file", changes: tree{"dev/vfio": "gone"}, want: []string{
			"wrong: vfio-pci is loaded, but /dev/vfio/vfio is missing: run: mkdir -p /dev/vfio && mknod -m 666 /dev/vfio/vfio c 10 196"}},
	})
}

func TestDriversOfDPDKThatAreMissing(t *testing.T) {
	const install = ": run: apt-get install librte-meta-all"
	testFindings(t, (*Machine).checkDrivers, []finding{
		{name: "a NIC it does not know", changes: tree{nic0 + "/device": "0x1234"}, want: []string{
			"wrong: port wan: DPDK has no driver for [8086:1234] here" + install}},
		{name: "no driver for the device", changes: tree{pmds + "/librte_net_e1000.so": "gone"}, want: []string{
			"wrong: port wan: DPDK has no driver for [8086:10d3] here" + install, "wrong: port lan: DPDK has no driver for [8086:10d3] here" + install}},
		{name: "a virtual device", config: "ports: [{name: wan, device: \"net_af_packet0,iface=eth1\", addresses: [203.0.113.2/24]}]"},
		{name: "a virtual device by its old name", config: "ports: [{name: wan, device: \"eth_af_packet0,iface=eth1\", addresses: [203.0.113.2/24]}]"},
		{name: "an unknown virtual device", config: "ports: [{name: wan, device: net_nosuch0, addresses: [203.0.113.2/24]}]", want: []string{
			"wrong: port wan: DPDK has no driver for net_nosuch here" + install}},
		{name: "a file that is no driver", changes: tree{pmds + "/librte_net_bad.so": "PMD_INFO_STRING= {\"name\": PMD_INFO_STRING= "}},
	})
}

func TestDPDKThatIsTooOld(t *testing.T) {
	for version, want := range map[string]Status{"DPDK 22.11.11": OK, "DPDK 24.03.0": OK, "DPDK 21.11.4": Wrong, "DPDK 22.07.0": Wrong, "": Warning} {
		m := machine(t, ready(), "")
		m.DPDK = version
		if r := m.checkDPDK(); len(r) != 1 || r[0].Status != want || want != OK && r[0].Mend == "" {
			t.Errorf("%q: %+v", version, r)
		}
	}
	m := machine(t, ready().with(tree{pmds: "gone"}), "")
	if r := m.checkDPDK(); len(r) != 1 || r[0].Status != Wrong {
		t.Errorf("without drivers: %+v", r)
	}
}

func TestNICsAreListedWithoutAConfiguration(t *testing.T) {
	m := machine(t, ready().with(kernels("e1000e", "mgmt0")).with(tree{
		"sys/bus/pci/devices/0000:00:02.0/class": "0x030000", nic1 + "/driver": "gone", nic1 + "/numa_node": "-1",
	}), "")
	want := []string{
		"0000:03:00.0 [8086:10d3] on node 0, driver e1000e, interface mgmt0, which carries the default route",
		"0000:04:00.0 [8086:10d3], no driver",
	}
	got := m.checkNICs()
	if len(got) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for i, r := range got {
		if r.Status != OK || r.Found != want[i] {
			t.Errorf("%+v, want %s", r, want[i])
		}
	}
}
