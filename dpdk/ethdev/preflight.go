package ethdev

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// preflight looks for what a device commonly lacks. Drivers notice too, but speak of ioctls and
// pointers. sys is the root file system.
func (d device) preflight(sys fs.FS) error {
	if d.pci {
		return d.preflightPCI(sys)
	}
	if err := d.checkCapabilities(); err != nil {
		return err
	}
	switch d.driver {
	case "net_af_packet", "net_af_xdp":
		if len(d.values("iface")) != 1 {
			return fmt.Errorf("%s needs one network interface of the kernel: write %s,iface=eth1", d.driver, d.name)
		}
	}
	for _, n := range d.interfaces() {
		if err := n.bringUp(); err != nil {
			return err
		}
	}
	for _, file := range d.values("rx_pcap") {
		f, err := os.Open(file)
		if err != nil {
			return fmt.Errorf("the capture to read: %w", err)
		}
		f.Close()
	}
	return nil
}

// Drivers of the kernel that DPDK takes a device over from, and those it works beside.
var pciDrivers = map[string]bool{
	"vfio-pci": true, "uio_pci_generic": true, "igb_uio": true,
	"mlx4_core": true, "mlx5_core": true, "mana": true,
}

func (d device) preflightPCI(sys fs.FS) error {
	dir := path.Join("sys/bus/pci/devices", d.name)
	if _, err := fs.Stat(sys, dir); err != nil {
		return errors.New("there is no such PCI device: see lspci -D")
	}
	bind := "bind it with: scripts/nic bind " + d.name
	link, err := fs.ReadLink(sys, path.Join(dir, "driver"))
	if err != nil {
		return fmt.Errorf("no driver has the PCI device, DPDK needs vfio-pci: %s", bind)
	}
	driver := path.Base(link)
	if !pciDrivers[driver] {
		return fmt.Errorf("the kernel's driver %s has the PCI device, DPDK needs vfio-pci: %s", driver, bind)
	}
	if driver != "vfio-pci" {
		return nil
	}
	group, err := fs.ReadLink(sys, path.Join(dir, "iommu_group"))
	if err != nil {
		return errors.New("vfio-pci has the PCI device, but it is in no IOMMU group: turn the IOMMU on (intel_iommu=on or amd_iommu=on on the kernel's command line)")
	}
	node := "/dev/vfio/" + path.Base(group)
	if err := unix.Access(node, unix.R_OK|unix.W_OK); errors.Is(err, unix.EACCES) {
		return fmt.Errorf("no permission to open %s: run as root, or give this user the file", node)
	}
	return nil
}

// capability is one of the kernel's privileges.
type capability struct {
	bit  uint
	name string
}

var (
	netAdmin = capability{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"}
	netRaw   = capability{unix.CAP_NET_RAW, "CAP_NET_RAW"}
	sysAdmin = capability{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}
	ipcLock  = capability{unix.CAP_IPC_LOCK, "CAP_IPC_LOCK"}
)

// required are the privileges a driver can't do without.
func (d device) required() []capability {
	switch d.driver {
	case "net_af_packet":
		return []capability{netRaw, netAdmin}
	case "net_af_xdp":
		return []capability{netRaw, netAdmin, sysAdmin}
	case "net_tap":
		return []capability{netAdmin}
	case "net_pcap":
		if len(d.interfaces()) > 0 {
			return []capability{netRaw}
		}
	}
	return nil
}

func (d device) checkCapabilities() error {
	need := d.required()
	if len(need) == 0 {
		return nil
	}
	have, err := effective()
	if err != nil {
		return err
	}
	var missing []string
	for _, c := range need {
		if !have.has(c) {
			missing = append(missing, c.name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s needs %s: run as root", d.driver, strings.Join(missing, " and "))
	}
	return nil
}

// capabilities are those that this thread may use.
type capabilities [2]unix.CapUserData

func effective() (have capabilities, err error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&header, &have[0]); err != nil {
		return have, fmt.Errorf("reading this process's capabilities: %w", err)
	}
	return have, nil
}

func (c *capabilities) has(one capability) bool {
	return c[one.bit/32].Effective&(1<<(one.bit%32)) != 0
}
