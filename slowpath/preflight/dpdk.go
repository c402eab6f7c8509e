package preflight

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// The oldest DPDK that Weir is tested with.
const oldestYear, oldestMonth = 22, 11

func (m *Machine) checkDPDK() []Result {
	var year, month int
	if _, err := fmt.Sscanf(m.DPDK, "DPDK %d.%d", &year, &month); err != nil {
		return one(found(Warning, "the version of DPDK is unknown: %q", m.DPDK).run("apt-get install librte-meta-all"))
	}
	if year < oldestYear || year == oldestYear && month < oldestMonth {
		return one(found(Wrong, "%s is older than %d.%d", m.DPDK, oldestYear, oldestMonth).run("apt-get install librte-meta-all"))
	}
	n := 0
	for _, f := range m.list(m.driverFolder()) {
		if strings.HasSuffix(f, ".so") {
			n++
		}
	}
	if n == 0 {
		return one(found(Wrong, "%s has no drivers in %s", m.DPDK, m.Drivers).run("apt-get install librte-meta-all"))
	}
	return one(ok("%s, %d drivers", m.DPDK, n))
}

func (m *Machine) driverFolder() string { return strings.Trim(m.Drivers, "/") }

// pmd is what one of DPDK's drivers says of itself in its file.
type pmd struct {
	Name string    `json:"name"`
	IDs  [][]int64 `json:"pci_ids"` // vendor, device, and their subsystem's
}

// pmds reads the network drivers there are. They are many and large, so only for ports that need to know.
func (m *Machine) pmds() []pmd {
	var out []pmd
	for _, name := range m.list(m.driverFolder()) {
		if !strings.HasPrefix(name, "librte_net_") || !strings.HasSuffix(name, ".so") {
			continue
		}
		image, err := fs.ReadFile(m.Root, m.driverFolder()+"/"+name)
		if err == nil {
			out = append(out, readPMDs(image)...)
		}
	}
	return out
}

// readPMDs finds the descriptions in a driver's file, each a text that begins with a mark and ends with a zero byte.
func readPMDs(image []byte) []pmd {
	mark := []byte("PMD_INFO_STRING= ")
	var out []pmd
	for {
		_, after, more := bytes.Cut(image, mark)
		if !more {
			return out
		}
		text, rest, _ := bytes.Cut(after, []byte{0})
		var p pmd
		if json.Unmarshal(text, &p) == nil {
			out = append(out, p)
		}
		image = rest
	}
}

// drives tells whether the driver is for a PCI device.
func (p pmd) drives(vendor, device int) bool {
	return slices.ContainsFunc(p.IDs, func(id []int64) bool {
		return len(id) >= 2 && id[0] == int64(vendor) && id[1] == int64(device)
	})
}

// checkDrivers looks whether DPDK has a driver for every port.
func (m *Machine) checkDrivers() []Result {
	if m.Config == nil {
		return nil
	}
	all := m.pmds()
	pci := map[string]string{}
	for _, p := range m.pciPorts() {
		pci[p.name] = p.address
	}
	var out []Result
	for i := range m.Config.Ports {
		p := &m.Config.Ports[i]
		if p.Parent != "" {
			continue // it has no device
		}
		address, isPCI := pci[p.Name]
		what := driverOf(p.Device)
		fits := func(d pmd) bool { return d.Name == what }
		if isPCI {
			if !m.exists(pciDevices + "/" + address) {
				continue // told already
			}
			vendor, device := m.ids(address)
			what = fmt.Sprintf("[%04x:%04x]", vendor, device)
			fits = func(d pmd) bool { return d.drives(vendor, device) }
		}
		if j := slices.IndexFunc(all, fits); j >= 0 {
			out = append(out, ok("port %s: DPDK has %s", p.Name, all[j].Name))
			continue
		}
		out = append(out, found(Wrong, "port %s: DPDK has no driver for %s here", p.Name, what).
			run("apt-get install librte-meta-all"))
	}
	return out
}
