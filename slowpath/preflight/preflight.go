// Package preflight looks at everything Weir needs of a machine and says what is wrong and how to mend it, before
// anything is started or changed. It only reads: files (/proc, /sys, /dev and DPDK's drivers), and the kernel's account of
// its interfaces.
//
//	hugepages.go  huge pages of each NUMA node, and memory
//	nic.go        PCI devices, their drivers, IOMMU groups and DPDK's drivers for them
//	iommu.go      IOMMU and vfio-pci
//	cores.go      the workers' cores, and what else runs there
//	process.go    capabilities and limits
//	rings.go      memory of packet sockets
//	kernel.go     TAP interfaces and interfaces under virtual devices
//	offloads.go   offloads that make frames too large under packet sockets
//	cpu.go        CPU flags and clock source
//	dpdk.go       DPDK's version and drivers
//	routes.go     which interfaces carry a default route
package preflight

import (
	"fmt"
	"io/fs"

	"github.com/weirlb/weir/conf"
)

// Status is how a check ended.
type Status string

// The statuses.
const (
	OK      Status = "ok"
	Warning Status = "warning" // Weir runs, but slower, or with less than was asked for
	Wrong   Status = "wrong"   // Weir does not start
)

// Result is what one check found about one thing.
type Result struct {
	Check  string `json:"check"`
	Status Status `json:"status"`
	Found  string `json:"found"`
	// Mend is the command that mends what is wrong, or else what to do, in words; Weir never runs it.
	Mend string `json:"mend,omitempty"`
	// Command says whether Mend is for a shell.
	Command bool `json:"command"`
}

// Machine is what is looked at, and what for.
type Machine struct {
	Root    fs.FS        // the root file system
	Config  *conf.Config // nil: there is none yet, and nothing that it could ask for is wrong
	DPDK    string       // the library's name and version, as in "DPDK 22.11.11"
	Drivers string       // the folder of DPDK's drivers
	Scripts string       // the folder of nic and hugepages, for commands that mend
	// Interface tells of an interface of the kernel's; nil leaves out what needs it.
	Interface func(name string) (Interface, error)
}

// A check's results are in the order in which they help: what comes first can be the cause of what comes later.
var checks = []struct {
	name string
	run  func(*Machine) []Result
}{
	{"dpdk", (*Machine).checkDPDK},
	{"cpu", (*Machine).checkFlags},
	{"clock", (*Machine).checkClock},
	{"hugepages", (*Machine).checkHugepages},
	{"memory", (*Machine).checkMemory},
	{"iommu", (*Machine).checkIOMMU},
	{"vfio", (*Machine).checkVFIO},
	{"nic", (*Machine).checkNICs},
	{"interface", (*Machine).checkInterfaces},
	{"offload", (*Machine).checkOffloads},
	{"driver", (*Machine).checkDrivers},
	{"core", (*Machine).checkCores},
	{"isolation", (*Machine).checkIsolation},
	{"numa", (*Machine).checkNUMA},
	{"sibling", (*Machine).checkSiblings},
	{"shared", (*Machine).checkShared},
	{"interrupts", (*Machine).checkInterrupts},
	{"capabilities", (*Machine).checkCapabilities},
	{"limits", (*Machine).checkLimits},
	{"tap", (*Machine).checkTAP},
}

// Run makes all checks. It changes nothing.
func Run(m *Machine) []Result {
	var all []Result
	for _, c := range checks {
		for _, r := range c.run(m) {
			r.Check = c.name
			all = append(all, r)
		}
	}
	return all
}

// Count counts the results with a status.
func Count(results []Result, s Status) int {
	n := 0
	for i := range results {
		if results[i].Status == s {
			n++
		}
	}
	return n
}

func ok(format string, args ...any) Result {
	return Result{Status: OK, Found: fmt.Sprintf(format, args...)}
}

func found(s Status, format string, args ...any) Result {
	return Result{Status: s, Found: fmt.Sprintf(format, args...)}
}

// run adds the command that mends it.
func (r Result) run(format string, args ...any) Result {
	r.Mend, r.Command = fmt.Sprintf(format, args...), true
	return r
}

// do adds what to do where no one command does it.
func (r Result) do(format string, args ...any) Result {
	r.Mend, r.Command = fmt.Sprintf(format, args...), false
	return r
}

// wrongIf is Wrong for what cannot be done without, and a warning otherwise.
func wrongIf(needed bool) Status {
	if needed {
		return Wrong
	}
	return Warning
}

// one wraps the result of a check that has one.
func one(r Result) []Result { return []Result{r} }

// script is the command for one of the scripts.
func (m *Machine) script(name string) string {
	dir := m.Scripts
	if dir == "" {
		dir = "scripts"
	}
	return dir + "/" + name
}

// bootWith adds the way to get words onto the kernel's command line, which takes a boot.
func (m *Machine) bootWith(r Result, words string) Result {
	if !m.exists("etc/default/grub") {
		return r.do("add %s to the kernel's command line and boot again", words)
	}
	return r.run(`sed -i 's/^GRUB_CMDLINE_LINUX="/&%s /' /etc/default/grub && update-grub && reboot`, words)
}
