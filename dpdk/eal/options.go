package eal

import (
	"fmt"
	"strconv"
	"strings"
)

// Hugepages says whether DPDK's memory consists of huge pages.
type Hugepages string

// The values of Hugepages.
const (
	HugepagesAuto    Hugepages = "auto" // if enough are free
	HugepagesRequire Hugepages = "require"
	HugepagesOff     Hugepages = "off"
)

// minMemoryMB is what DPDK itself and a handful of buffers need.
const minMemoryMB = 16

// Options is what Start needs to know.
type Options struct {
	Hugepages Hugepages // empty: auto
	// MemoryMB is the memory for buffers and descriptors, at least 16. Without huge pages it is all
	// there is; with them DPDK takes more when it runs out and more are free.
	MemoryMB int
	// PCI lists the PCI devices DPDK may touch, each an address with optional device arguments
	// (0000:03:00.0,arg=value). If there are none, DPDK does not look at the PCI bus at all.
	PCI []string
}

func (o Options) validate() error {
	switch o.Hugepages {
	case "", HugepagesAuto, HugepagesRequire, HugepagesOff:
	default:
		return fmt.Errorf("hugepages: %q is none of auto, require and off", o.Hugepages)
	}
	if o.MemoryMB < minMemoryMB {
		return fmt.Errorf("memory_mb: %d is too little, DPDK needs at least %d", o.MemoryMB, minMemoryMB)
	}
	return nil
}

// arguments are rte_eal_init's. The one lcore is the thread that calls it, allowed on all of cpus:
// DPDK would otherwise bind that thread, and every thread it makes, to the first CPU.
func arguments(o Options, m Memory, cpus []int) []string {
	list := make([]string, len(cpus))
	for i, c := range cpus {
		list[i] = strconv.Itoa(c)
	}
	args := []string{"weir", "--lcores", "0@(" + strings.Join(list, ",") + ")", "--no-telemetry", "-m", strconv.Itoa(m.MB)}
	if m.HugePages {
		// Neither a mounted hugetlbfs nor files that outlive the process.
		args = append(args, "--in-memory")
	} else {
		args = append(args, "--no-huge", "--no-shconf")
	}
	if len(o.PCI) == 0 {
		// Without a device that does DMA virtual addresses serve as IO addresses everywhere.
		return append(args, "--no-pci", "--iova-mode", "va")
	}
	for _, d := range o.PCI {
		args = append(args, "-a", d)
	}
	return args
}
