package ethdev

import (
	"io/fs"
	"net"
	"runtime"
	"slices"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"

	"github.com/weirlb/weir/dpdk/internal/dpdktest"
)

// sysfs is a fake /sys with one PCI device. driver and group are empty if it has none.
func sysfs(address, driver, group string) fstest.MapFS {
	dir := "sys/bus/pci/devices/" + address
	sys := fstest.MapFS{dir + "/vendor": {Data: []byte("0x8086\n")}}
	if driver != "" {
		sys[dir+"/driver"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("../../../bus/pci/drivers/" + driver)}
	}
	if group != "" {
		sys[dir+"/iommu_group"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("../../../kernel/iommu_groups/" + group)}
	}
	return sys
}

func TestWhatAPCIDeviceLacks(t *testing.T) {
	const bind = "bind it with: scripts/nic bind 0000:03:00.0"
	for _, tc := range []struct {
		name string
		sys  fs.FS
		want string // empty: nothing
	}{
		{"there is none", fstest.MapFS{}, "there is no such PCI device: see lspci -D"},
		{"another address", sysfs("0000:03:00.1", "vfio-pci", "7"), "there is no such PCI device: see lspci -D"},
		{"no driver", sysfs("0000:03:00.0", "", ""), "no driver has the PCI device, DPDK needs vfio-pci: " + bind},
		{"the kernel's driver", sysfs("0000:03:00.0", "ixgbe", "7"), "the kernel's driver ixgbe has the PCI device, DPDK needs vfio-pci: " + bind},
		{
			"no IOMMU", sysfs("0000:03:00.0", "vfio-pci", ""),
			"vfio-pci has the PCI device, but it is in no IOMMU group: turn the IOMMU on (intel_iommu=on or amd_iommu=on on the kernel's command line)",
		},
		{"ready", sysfs("0000:03:00.0", "vfio-pci", "7"), ""},
		{"a driver of DPDK's own kind", sysfs("0000:03:00.0", "uio_pci_generic", ""), ""},
		{"a NIC that the kernel keeps", sysfs("0000:03:00.0", "mlx5_core", ""), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d, err := parseDevice("0000:03:00.0")
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := d.preflight(tc.sys); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("error %q,\nwant  %q", got, tc.want)
			}
		})
	}
}

func TestCapabilitiesADriverNeeds(t *testing.T) {
	for in, want := range map[string][]capability{
		"net_af_packet0,iface=a": {netRaw, netAdmin},
		"net_af_xdp0,iface=a":    {netRaw, netAdmin, sysAdmin},
		"net_tap0":               {netAdmin},
		"net_pcap0,iface=a":      {netRaw},
		"net_pcap0,rx_pcap=f":    nil,
		"net_null0":              nil,
	} {
		d, err := parseDevice(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.required(); !slices.Equal(got, want) {
			t.Errorf("%s needs %v, want %v", in, got, want)
		}
	}
}

func TestAPermissionThatIsMissing(t *testing.T) {
	for device, want := range map[string]string{
		"net_af_packet77,iface=lo": "port p0 (device net_af_packet77,iface=lo): net_af_packet needs CAP_NET_RAW and CAP_NET_ADMIN: run as root",
		"net_tap77":                "port p0 (device net_tap77): net_tap needs CAP_NET_ADMIN: run as root",
	} {
		failed := make(chan error)
		go func() {
			runtime.LockOSThread() // for good: the thread ends here, without its capabilities
			header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			var none [2]unix.CapUserData
			if err := unix.Capset(&header, &none[0]); err != nil {
				failed <- err
				return
			}
			_, err := Probe(dpdktest.EAL(), Config{Name: "p0", Device: device, Workers: 1})
			failed <- err
		}()
		wantError(t, <-failed, want)
	}
}

func TestInterfacesAreBroughtUp(t *testing.T) {
	ours, _ := dpdktest.Veth(t)
	dpdktest.SetUp(t, ours, false)
	if netIf(ours).running() {
		t.Error("an interface that is down runs")
	}
	if err := netIf(ours).bringUp(); err != nil {
		t.Fatal(err)
	}
	iface, err := net.InterfaceByName(ours)
	if err != nil {
		t.Fatal(err)
	}
	if iface.Flags&net.FlagUp == 0 {
		t.Error("the interface is still down")
	}
	dpdktest.Until(t, "the interface runs", netIf(ours).running)
}
