package preflight

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const pciDevices = "sys/bus/pci/devices"

// Drivers of the kernel that DPDK works beside: the NIC stays with them.
var bifurcated = map[string]bool{"mlx4_core": true, "mlx5_core": true, "mana": true}

// Drivers of DPDK's own kind that need no IOMMU.
var uio = map[string]bool{"uio_pci_generic": true, "igb_uio": true}

// pciPort is a port of the configuration whose device is on the PCI bus.
type pciPort struct{ name, address string }

var pciAddress = regexp.MustCompile(`^([0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]$`)

func (m *Machine) pciPorts() []pciPort {
	if m.Config == nil {
		return nil
	}
	var out []pciPort
	for i := range m.Config.Ports {
		p := &m.Config.Ports[i]
		a, _, _ := strings.Cut(p.Device, ",")
		if !pciAddress.MatchString(a) {
			continue
		}
		if strings.Count(a, ":") == 1 {
			a = "0000:" + a
		}
		out = append(out, pciPort{p.Name, strings.ToLower(a)})
	}
	return out
}

// nodeOf is the NUMA node of a PCI device, -1 if it has none.
func (m *Machine) nodeOf(address string) int {
	return m.number(pciDevices+"/"+address+"/numa_node", -1)
}

// isNIC goes by the class: network controllers are 0x02xxxx.
func (m *Machine) isNIC(address string) bool {
	return strings.HasPrefix(m.text(pciDevices+"/"+address+"/class"), "0x02")
}

// ids are a PCI device's vendor and device.
func (m *Machine) ids(address string) (vendor, device int) {
	read := func(name string) int {
		n, err := strconv.ParseUint(m.text(pciDevices+"/"+address+"/"+name), 0, 16)
		if err != nil {
			return -1
		}
		return int(n)
	}
	return read("vendor"), read("device")
}

// interfaces are the kernel's interfaces of a PCI device. Those of virtio are a level further down.
func (m *Machine) interfaces(address string) []string {
	dir := path.Join(pciDevices, address)
	out := m.list(dir + "/net")
	for _, name := range m.list(dir) {
		if strings.HasPrefix(name, "virtio") {
			out = append(out, m.list(dir+"/"+name+"/net")...)
		}
	}
	return out
}

func (m *Machine) checkNICs() []Result {
	var out []Result
	if m.Config != nil {
		for _, p := range m.pciPorts() {
			out = append(out, m.checkNIC(p))
		}
		return out
	}
	for _, a := range m.list(pciDevices) {
		if m.isNIC(a) {
			out = append(out, m.describe(a))
		}
	}
	if len(out) == 0 {
		out = one(ok("there is no PCI network device; virtual devices such as net_af_packet do without"))
	}
	return out
}

// describe tells of a NIC that nothing is known to be wanted of.
func (m *Machine) describe(address string) Result {
	driver := m.target(pciDevices + "/" + address + "/driver")
	switch {
	case driver == "":
		driver = "no driver"
	default:
		driver = "driver " + driver
	}
	text := m.model(address) + ", " + driver
	for _, i := range m.interfaces(address) {
		text += ", interface " + i
		if m.carriesDefaultRoute(i) {
			text += ", which carries the default route"
		}
	}
	return ok("%s", text)
}

// model is a PCI device with what is known of where it sits.
func (m *Machine) model(address string) string {
	vendor, device := m.ids(address)
	text := fmt.Sprintf("%s [%04x:%04x]", address, vendor, device)
	if n := m.nodeOf(address); n >= 0 {
		text += fmt.Sprintf(" on node %d", n)
	}
	return text
}

// checkNIC looks at a NIC that is a port.
func (m *Machine) checkNIC(p pciPort) Result {
	dir := pciDevices + "/" + p.address
	if !m.exists(dir) {
		return found(Wrong, "port %s: there is no PCI device %s", p.name, p.address).run("%s status", m.script("nic"))
	}
	who := fmt.Sprintf("port %s: %s", p.name, m.model(p.address))
	driver := m.target(dir + "/driver")
	switch {
	case bifurcated[driver]:
		return ok("%s, driver %s, which shares it with DPDK", who, driver)
	case uio[driver]:
		return found(Warning, "%s, driver %s: the NIC can write to any memory", who, driver).
			run("%s bind %s", m.script("nic"), p.address)
	case driver == "vfio-pci":
		return m.checkGroup(who, p.address)
	case driver == "":
		return found(Wrong, "%s has no driver, DPDK needs vfio-pci", who).run("%s bind %s", m.script("nic"), p.address)
	}
	for _, i := range m.interfaces(p.address) {
		if m.carriesDefaultRoute(i) {
			return found(Wrong, "%s, the kernel's driver %s has it, and its interface %s carries the default route: it may be how you are connected", who, driver, i).
				run("%s bind --force %s", m.script("nic"), p.address)
		}
	}
	return found(Wrong, "%s, the kernel's driver %s has it, DPDK needs vfio-pci", who, driver).
		run("%s bind %s", m.script("nic"), p.address)
}

// checkGroup looks at the IOMMU group of a device that vfio-pci has. All of a group must be free of the kernel's drivers
// before user space gets one of its devices.
func (m *Machine) checkGroup(who, address string) Result {
	group := m.target(pciDevices + "/" + address + "/iommu_group")
	if group == "" {
		return found(Wrong, "%s, driver vfio-pci, but it is in no IOMMU group", who).
			do("turn the IOMMU on, see iommu")
	}
	var taken, others []string
	for _, other := range m.list("sys/kernel/iommu_groups/" + group + "/devices") {
		driver := m.target(pciDevices + "/" + other + "/driver")
		bridge := strings.HasPrefix(m.text(pciDevices+"/"+other+"/class"), "0x06")
		if other == address || bridge || slices.Contains([]string{"", "vfio-pci", "pci-stub", "pcieport"}, driver) {
			continue
		}
		taken = append(taken, fmt.Sprintf("%s (driver %s)", other, driver))
		others = append(others, other)
	}
	if len(taken) > 0 {
		return found(Wrong, "%s, driver vfio-pci, but its IOMMU group %s also has %s, which vfio-pci must have too", who, group, strings.Join(taken, " and ")).
			run("%s bind %s", m.script("nic"), strings.Join(others, " "))
	}
	return ok("%s, driver vfio-pci, IOMMU group %s", who, group)
}
