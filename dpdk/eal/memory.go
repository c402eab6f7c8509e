package eal

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Memory is what DPDK runs on.
type Memory struct {
	HugePages bool
	MB        int
	// Note says why there are no huge pages although they were welcome; empty otherwise.
	Note string
}

// pages are the huge pages of one size.
type pages struct {
	kB    int
	total int
	free  int  // not reserved, and within the control groups' limit
	held  bool // a control group's limit leaves fewer than are free
}

const hugepagesDir = "sys/kernel/mm/hugepages"

// planMemory decides on huge pages. It must be right before rte_eal_init is called: that can not be
// called again after it failed for want of memory. sys is the root file system.
func planMemory(o Options, sys fs.FS) (Memory, error) {
	m := Memory{MB: o.MemoryMB}
	if o.Hugepages == HugepagesOff {
		return m, checkAvailable(o.MemoryMB, sys)
	}
	missing := missingPages(o.MemoryMB, readPages(sys))
	switch {
	case missing == "":
		m.HugePages = true
		return m, nil
	case o.Hugepages == HugepagesRequire:
		return m, fmt.Errorf("hugepages: require, memory_mb: %d: %s", o.MemoryMB, missing)
	}
	m.Note = missing
	return m, checkAvailable(o.MemoryMB, sys)
}

// missingPages is a sentence about what there is too little of, with the command that helps; it is
// empty if the free pages hold mb megabytes.
func missingPages(mb int, all []pages) string {
	if len(all) == 0 {
		return "this kernel has no huge pages"
	}
	want, have := mb*1024, 0
	for _, p := range all {
		have += p.free * p.kB
	}
	if have >= want {
		return ""
	}
	for _, p := range all {
		if p.held {
			return fmt.Sprintf("%d of %d MB are left of the huge pages that this process's control group may use: raise its hugetlb.%s.max",
				have/1024, mb, sizeName(p.kB))
		}
	}
	// The smallest size is the one that can still be had on a running system.
	p := all[0]
	lack := (want - have + p.kB - 1) / p.kB
	file := fmt.Sprintf("/%s/hugepages-%dkB/nr_hugepages", hugepagesDir, p.kB)
	return fmt.Sprintf("%d of %d MB are free in huge pages: run: echo %d > %s", have/1024, mb, p.total+lack, file)
}

// readPages lists the sizes of huge pages the kernel has, smallest first.
func readPages(sys fs.FS) []pages {
	entries, err := fs.ReadDir(sys, hugepagesDir)
	if err != nil {
		return nil // no such directory: a kernel without huge pages
	}
	var all []pages
	for _, e := range entries {
		var p pages
		if _, err := fmt.Sscanf(e.Name(), "hugepages-%dkB", &p.kB); err != nil || p.kB <= 0 {
			continue
		}
		dir := path.Join(hugepagesDir, e.Name())
		p.total = readInt(sys, path.Join(dir, "nr_hugepages"))
		p.free = max(readInt(sys, path.Join(dir, "free_hugepages"))-readInt(sys, path.Join(dir, "resv_hugepages")), 0)
		for _, resource := range []string{"hugetlb." + sizeName(p.kB), "hugetlb." + sizeName(p.kB) + ".rsvd"} {
			if left, limited := groupLeft(sys, resource); limited && left/1024/p.kB < p.free {
				p.free, p.held = left/1024/p.kB, true
			}
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b pages) int { return a.kB - b.kB })
	return all
}

// sizeName is a size of huge pages as control groups name it.
func sizeName(kB int) string {
	switch {
	case kB >= 1<<20:
		return fmt.Sprintf("%dGB", kB>>20)
	case kB >= 1<<10:
		return fmt.Sprintf("%dMB", kB>>10)
	}
	return fmt.Sprintf("%dKB", kB)
}

// checkAvailable refuses memory the machine does not have: DPDK would take it and the kernel would
// end the process later, at the first packets.
func checkAvailable(mb int, sys fs.FS) error {
	data, err := fs.ReadFile(sys, "proc/meminfo")
	if err != nil {
		return fmt.Errorf("reading the free memory: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		var kB int
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kB); err == nil && kB/1024 < mb {
			return fmt.Errorf("memory_mb: %d MB are wanted, but only %d MB are available: lower memory_mb or free some memory", mb, kB/1024)
		}
	}
	if left, limited := groupLeft(sys, "memory"); limited && left>>20 < mb {
		return fmt.Errorf("memory_mb: %d MB are wanted, but this process's control group leaves only %d MB: lower memory_mb or raise the group's memory.max", mb, left>>20)
	}
	return nil
}

// readInt reads a file of one number; what can't be read counts as 0.
func readInt(sys fs.FS, name string) int {
	data, err := fs.ReadFile(sys, name)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0
	}
	return n
}
