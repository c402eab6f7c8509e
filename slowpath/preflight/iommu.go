package preflight

import (
	"slices"
	"strings"
)

// needsVFIO tells whether a port of the configuration is a PCI device that DPDK must take over from the kernel.
func (m *Machine) needsVFIO() bool {
	for _, p := range m.pciPorts() {
		if d := m.target(pciDevices + "/" + p.address + "/driver"); !bifurcated[d] && !uio[d] {
			return true
		}
	}
	return false
}

// pointless tells that nothing here needs an IOMMU: there is a configuration, and no port is for vfio-pci.
func (m *Machine) pointless() bool { return m.Config != nil && !m.needsVFIO() }

func (m *Machine) checkIOMMU() []Result {
	if groups := len(m.list("sys/kernel/iommu_groups")); groups > 0 {
		return one(ok("on, with %d groups of devices", groups))
	}
	if m.pointless() {
		return one(ok("off, and no port needs it"))
	}
	if m.text("sys/module/vfio/parameters/enable_unsafe_noiommu_mode") == "Y" {
		return one(found(Warning, "off, and vfio-pci runs without it: a NIC can write to any memory").
			do("turn the IOMMU on where there is one"))
	}
	words := "intel_iommu=on"
	if strings.Contains(m.text("proc/cpuinfo"), "AuthenticAMD") {
		words = "amd_iommu=on"
	}
	off := found(wrongIf(m.needsVFIO()), "off: no device is in an IOMMU group, and vfio-pci takes none")
	if slices.Contains(strings.Fields(m.text("proc/cmdline")), words) {
		return one(off.do("turn VT-d or AMD-Vi on in the firmware's setup, or give the virtual machine an IOMMU: the kernel was told %s and found none", words))
	}
	return one(m.bootWith(off, words+" iommu=pt"))
}

func (m *Machine) checkVFIO() []Result {
	const load = "modprobe -a vfio-pci vfio_iommu_type1"
	switch {
	case m.pointless():
		return one(ok("no port needs vfio-pci"))
	case !m.exists("sys/bus/pci/drivers/vfio-pci"):
		return one(found(wrongIf(m.needsVFIO()), "vfio-pci is not loaded").
			run("%s && echo vfio-pci > /etc/modules-load.d/weir.conf", load))
	case !m.exists("dev/vfio/vfio"):
		return one(found(wrongIf(m.needsVFIO()), "vfio-pci is loaded, but /dev/vfio/vfio is missing").
			run("mkdir -p /dev/vfio && mknod -m 666 /dev/vfio/vfio c 10 196"))
	case m.hasIOMMU() && !m.exists("sys/module/vfio_iommu_type1"):
		return one(found(wrongIf(m.needsVFIO()), "vfio-pci is loaded, but vfio_iommu_type1, which programs the IOMMU for it, is not").
			run("%s", load))
	}
	return one(ok("vfio-pci is loaded"))
}

func (m *Machine) hasIOMMU() bool { return len(m.list("sys/kernel/iommu_groups")) > 0 }
