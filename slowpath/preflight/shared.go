package preflight

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxShared is how many processes are named.
const maxShared = 5

// checkShared looks for threads of other programs that may run on nothing but the workers' cores: another DPDK program,
// another Weir.
func (m *Machine) checkShared() []Result {
	if len(m.cores()) == 0 {
		return nil
	}
	rest := written(m.others())
	if rest == "" {
		return nil // checkCores says so; every process of the machine would be one
	}
	own := m.value("proc/self/status", "Tgid")
	var out []Result
	more := 0
	for _, pid := range m.list("proc") {
		if _, err := strconv.Atoi(pid); err != nil || pid == own {
			continue
		}
		if m.text("proc/"+pid+"/cmdline") == "" {
			continue // a thread of the kernel's: every core has some of its own
		}
		cores := m.pinned(pid)
		switch {
		case len(cores) == 0:
		case len(out) == maxShared:
			more++
		default:
			name := m.value("proc/"+pid+"/status", "Name")
			r := found(Warning, "cores %s: process %s (%s) has threads that run nowhere else", written(cores), pid, name)
			out = append(out, r.run("taskset -acp %s %s", rest, pid))
		}
	}
	if more > 0 {
		out = append(out, found(Warning, "%d other processes have threads that run nowhere but on the workers' cores", more).
			do("move them to cores %s likewise, or name others in dataplane.cores", rest))
	}
	if out == nil {
		return one(ok("no other program is bound to the workers' cores"))
	}
	return out
}

// pinned are the workers' cores to which a process has bound threads.
func (m *Machine) pinned(pid string) []int {
	var out []int
	for _, tid := range m.list("proc/" + pid + "/task") {
		may := numbers(m.value("proc/"+pid+"/task/"+tid+"/status", "Cpus_allowed_list"))
		foreign := func(c int) bool { return !slices.Contains(m.cores(), c) }
		if len(may) == 0 || slices.ContainsFunc(may, foreign) {
			continue
		}
		out = append(out, may...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// checkInterrupts looks for devices whose interrupts go to the workers' cores.
func (m *Machine) checkInterrupts() []Result {
	if len(m.cores()) == 0 {
		return nil
	}
	const dir = "proc/irq"
	var hit []int
	for _, n := range m.list(dir) {
		irq, err := strconv.Atoi(n)
		if err != nil || !m.hasHandler(dir+"/"+n) {
			continue
		}
		to := m.text(dir + "/" + n + "/effective_affinity_list")
		if to == "" {
			to = m.text(dir + "/" + n + "/smp_affinity_list")
		}
		if slices.ContainsFunc(numbers(to), func(c int) bool { return slices.Contains(m.cores(), c) }) {
			hit = append(hit, irq)
		}
	}
	if len(hit) == 0 {
		return one(ok("no device interrupts the workers' cores"))
	}
	slices.Sort(hit)
	r := found(Warning, "interrupts %s go to the workers' cores", written(hit))
	rest := written(m.others())
	if rest == "" {
		return one(r.do("take a core out of dataplane.cores"))
	}
	return one(r.run("for i in %s; do echo %s > /proc/irq/$i/smp_affinity_list; done",
		strings.ReplaceAll(written(hit), ",", " "), rest))
}

// hasHandler tells whether a driver waits for an interrupt: the kernel shows a folder with its name.
func (m *Machine) hasHandler(dir string) bool {
	for _, name := range m.list(dir) {
		if m.isFolder(fmt.Sprintf("%s/%s", dir, name)) {
			return true
		}
	}
	return false
}
