package preflight

import (
	"slices"
	"strings"
)

// flags are what Debian's DPDK is compiled for on amd64: rte_eal_init refuses a CPU without them.
var flags = []string{"sse", "sse2", "pni", "ssse3", "sse4_1", "sse4_2"}

func (m *Machine) checkFlags() []Result {
	info := m.text("proc/cpuinfo")
	if !strings.Contains(info, "vendor_id") {
		return one(ok("not an x86 CPU: DPDK itself looks at it"))
	}
	have := strings.Fields(m.value("proc/cpuinfo", "flags"))
	var missing []string
	for _, f := range flags {
		if !slices.Contains(have, f) {
			missing = append(missing, f)
		}
	}
	if len(missing) > 0 {
		return one(found(Wrong, "the CPU lacks %s, which DPDK is compiled for", strings.Join(missing, ", ")).
			do("take another machine, or let the virtual machine see the host's CPU (QEMU: -cpu host)"))
	}
	name := m.value("proc/cpuinfo", "model name")
	if name == "" {
		name = "the CPU"
	}
	return one(ok("%s has what DPDK is compiled for", name))
}

// checkClock looks at what the kernel thinks of the time stamp counter. Weir reads that counter for every burst, and
// connections expire by it.
func (m *Machine) checkClock() []Result {
	const dir = "sys/devices/system/clocksource/clocksource0"
	current, available := m.text(dir+"/current_clocksource"), strings.Fields(m.text(dir+"/available_clocksource"))
	switch current {
	case "":
		return one(found(Warning, "the kernel's clock source is unknown").run("dmesg | grep -i clocksource"))
	case "tsc", "arch_sys_counter", "hyperv_clocksource_tsc_page":
		return one(ok("clock source %s", current))
	}
	if slices.Contains(available, "tsc") {
		return one(found(Warning, "clock source %s, though the kernel trusts the CPU's own counter: asking for the time is slower", current).
			run("echo tsc > /%s/current_clocksource", dir))
	}
	if current == "kvm-clock" {
		return one(found(Warning, "clock source kvm-clock, and the kernel does not trust the CPU's counter, which Weir's timeouts go by: it may change its pace when this virtual machine moves").
			do("give the virtual machine an invariant counter (QEMU: -cpu host,+invtsc)"))
	}
	return one(m.bootWith(found(Wrong, "clock source %s: the kernel does not trust the CPU's counter, which Weir's timeouts go by", current),
		"tsc=reliable"))
}
