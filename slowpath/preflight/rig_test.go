package preflight

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/weirlb/weir/conf"
)

// tree is what a machine shows of itself. A value that begins with "-> " is a symbolic link.
type tree map[string]string

func (t tree) fs() fs.FS {
	out := fstest.MapFS{}
	for name, text := range t {
		if to, ok := strings.CutPrefix(text, "-> "); ok {
			out[name] = &fstest.MapFile{Mode: fs.ModeSymlink | 0o777, Data: []byte(to)}
			continue
		}
		out[name] = &fstest.MapFile{Data: []byte(text + "\n")}
	}
	return out
}

// with is a tree with changes; what is changed to "gone" is not there, nor is anything below it.
func (t tree) with(changes tree) tree {
	out := maps.Clone(t)
	for name, text := range changes {
		if text != "gone" {
			out[name] = text
			continue
		}
		maps.DeleteFunc(out, func(n, _ string) bool { return n == name || strings.HasPrefix(n, name+"/") })
	}
	return out
}

// and joins changes.
func (t tree) and(more tree) tree {
	out := maps.Clone(t)
	maps.Copy(out, more)
	return out
}

const (
	nic0 = "sys/bus/pci/devices/0000:03:00.0"
	nic1 = "sys/bus/pci/devices/0000:04:00.0"
	pmds = "usr/lib/dpdk/pmds-23.0"
)

// ready is a machine with two nodes of four cores each, where everything is as Weir wants it: two NICs on node 0, bound to
// vfio-pci, and cores 1 and 3 of it isolated.
func ready() tree {
	t := tree{
		"proc/cpuinfo":     "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: A CPU\nflags\t\t: fpu sse sse2 pni ssse3 sse4_1 sse4_2",
		"proc/meminfo":     "MemTotal: 8000000 kB\nMemAvailable: 4194304 kB\nHugepagesize: 2048 kB",
		"proc/cmdline":     "quiet intel_iommu=on",
		"proc/net/route":   "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\nmgmt0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\nmgmt0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
		"proc/self/status": "Name:\tweir\nTgid:\t900\nCapEff:\t000001ffffffffff",
		"proc/sys/kernel/unprivileged_bpf_disabled":                         "2",
		"proc/self/limits":                                                  "Limit                     Soft Limit           Hard Limit           Units\nMax open files            1024                 65536                files\nMax locked memory         8388608              8388608              bytes",
		"proc/900/cmdline":                                                  "weir",
		"proc/900/task/900/status":                                          "Cpus_allowed_list:\t1",
		"proc/2/cmdline":                                                    "",
		"proc/2/task/2/status":                                              "Cpus_allowed_list:\t1",
		"proc/77/cmdline":                                                   "sshd",
		"proc/77/status":                                                    "Name:\tsshd",
		"proc/77/task/77/status":                                            "Cpus_allowed_list:\t0-7",
		"proc/irq/24/smp_affinity_list":                                     "0,2",
		"proc/irq/24/nvme0q0/spurious":                                      "",
		"proc/irq/25/smp_affinity_list":                                     "1",
		"sys/devices/system/cpu/online":                                     "0-7",
		"sys/devices/system/cpu/isolated":                                   "1,3",
		"sys/devices/system/cpu/nohz_full":                                  "1,3",
		"sys/devices/system/node/online":                                    "0-1",
		"sys/devices/system/node/node0/cpulist":                             "0-3",
		"sys/devices/system/node/node1/cpulist":                             "4-7",
		"sys/devices/system/clocksource/clocksource0/current_clocksource":   "tsc",
		"sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc hpet acpi_pm",
		"sys/module/vfio_iommu_type1/refcnt":                                "0",
		"sys/bus/pci/drivers/vfio-pci/new_id":                               "",
		"sys/class/net/mgmt0/address":                                       "02:00:00:00:00:99",
		"sys/class/net/eth1/address":                                        "02:00:00:00:00:98",
		"dev/vfio/vfio":                                                     "",
		"dev/net/tun":                                                       "",
		"etc/default/grub":                                                  `GRUB_CMDLINE_LINUX=""`,
		pmds + "/librte_net_af_packet.so":                                   "\x7fELF..PMD_INFO_STRING= {\"name\" : \"net_af_packet\", \"pci_ids\" : []}\x00..",
		pmds + "/librte_net_e1000.so":                                       "..PMD_INFO_STRING= {\"name\": \"net_e1000_igb\", \"pci_ids\": [[32902, 4297, 65535, 65535]]}\x00.PMD_INFO_STRING= {\"name\": \"net_e1000_em\", \"pci_ids\": [[32902, 4110, 65535, 65535], [32902, 4307, 65535, 65535]]}\x00..",
		"sys/devices/system/node/node1/hugepages/hugepages-1048576kB/nr_hugepages":   "0",
		"sys/devices/system/node/node1/hugepages/hugepages-1048576kB/free_hugepages": "0",
	}
	for n := range 2 {
		dir := fmt.Sprintf("sys/devices/system/node/node%d/hugepages/hugepages-2048kB/", n)
		t[dir+"nr_hugepages"], t[dir+"free_hugepages"] = "400", "350"
	}
	for c := range 8 {
		t[fmt.Sprintf("sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", c)] = fmt.Sprint(c)
	}
	for n, dir := range []string{nic0, nic1} {
		t[dir+"/class"], t[dir+"/vendor"], t[dir+"/device"] = "0x020000", "0x8086", "0x10d3"
		t[dir+"/numa_node"] = "0"
		t[dir+"/driver"] = "-> ../../../../bus/pci/drivers/vfio-pci"
		t[dir+"/iommu_group"] = fmt.Sprintf("-> ../../../../kernel/iommu_groups/%d", 7+n)
		t[fmt.Sprintf("sys/kernel/iommu_groups/%d/type", 7+n)] = "DMA"
	}
	return t
}

// twoNICs is a configuration that the ready machine has everything for.
const twoNICs = `
dataplane: {cores: [1, 3], hugepages: require, memory_mb: 512, max_connections: 1000000}
ports:
  - {name: wan, device: "0000:03:00.0", addresses: [203.0.113.2/24], tap: weir0}
  - {name: lan, device: "04:00.0,arg=1", addresses: [10.0.0.1/24]}
services:
  - name: web
    address: 203.0.113.10:80
    protocol: tcp
    mode: nat
    health: {type: tcp}
    backends: [{address: 10.0.0.11:80}, {address: 10.0.0.12:80}]
`

// config reads a configuration, or gives none for an empty one.
func config(t *testing.T, text string) *conf.Config {
	t.Helper()
	if text == "" {
		return nil
	}
	file := filepath.Join(t.TempDir(), "weir.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := conf.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	cfg.File = "weir.yaml"
	return cfg
}

func machine(t *testing.T, files tree, text string) *Machine {
	t.Helper()
	return &Machine{Root: files.fs(), Config: config(t, text), DPDK: "DPDK 22.11.11", Drivers: "/" + pmds}
}

// finding is a test of one thing that a machine lacks.
type finding struct {
	name    string
	changes tree
	config  string // empty: twoNICs
	none    bool   // no configuration at all
	want    []string
}

// testFindings compares what is not ok, one line each: status, text and command.
func testFindings(t *testing.T, check func(*Machine) []Result, cases []finding) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text := c.config
			switch {
			case c.none:
				text = ""
			case text == "":
				text = twoNICs
			}
			var got []string
			for _, r := range check(machine(t, ready().with(c.changes), text)) {
				if r.Status == OK {
					continue
				}
				mend := ": " + r.Mend
				if r.Command {
					mend = ": run: " + r.Mend
				}
				got = append(got, string(r.Status)+": "+r.Found+mend)
			}
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("found\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(c.want, "\n  "))
			}
		})
	}
}
