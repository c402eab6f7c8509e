package preflight

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

const cpus = "sys/devices/system/cpu"

// cores are those of the workers.
func (m *Machine) cores() []int {
	if m.Config == nil {
		return nil
	}
	return m.Config.Dataplane.Cores
}

func (m *Machine) online() []int { return numbers(m.text(cpus + "/online")) }

// others are the cores that are left to everything but the workers.
func (m *Machine) others() []int {
	return slices.DeleteFunc(m.online(), func(c int) bool { return slices.Contains(m.cores(), c) })
}

// allowed are the cores that this process's control group has: a thread can bind itself to any of them, also to one that
// is isolated and so not among those where the process begins.
func (m *Machine) allowed() []int {
	for line := range strings.Lines(m.text("proc/self/cgroup")) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		root, name := "sys/fs/cgroup", "cpuset.cpus.effective" // version 2
		if slices.Contains(strings.Split(f[1], ","), "cpuset") {
			root, name = "sys/fs/cgroup/cpuset", "cpuset.effective_cpus" // version 1
		} else if f[0] != "0" {
			continue
		}
		// A group that is not itself limited can have no such file; the next one up then counts.
		for dir := path.Join("/", f[2]); ; dir = path.Dir(dir) {
			if list := numbers(m.text(path.Join(root, dir, name))); len(list) > 0 {
				return list
			}
			if dir == "/" {
				break
			}
		}
	}
	return m.online()
}

func (m *Machine) checkCores() []Result {
	online := m.online()
	if m.Config == nil {
		return one(ok("%d cores: %s", len(online), m.text(cpus+"/online")))
	}
	if len(m.cores()) == 0 {
		return one(ok("dataplane.cores is empty: one worker, on any core"))
	}
	allowed := m.allowed()
	var out []Result
	for i, c := range m.cores() {
		switch {
		case !slices.Contains(online, c):
			out = append(out, found(Wrong, "core %d of worker %d is not there: this machine's are %s", c, i, m.text(cpus+"/online")).
				do("name others in dataplane.cores"))
		case !slices.Contains(allowed, c):
			out = append(out, found(Wrong, "core %d of worker %d is none of those that this process's control group has: %s", c, i, written(allowed)).
				do("allow it in the service's AllowedCPUs or the container's --cpuset-cpus, or name others in dataplane.cores"))
		default:
			out = append(out, ok("core %d of worker %d is there, on node %d", c, i, max(m.nodeOfCore(c), 0)))
		}
	}
	if len(m.others()) == 0 {
		out = append(out, found(Warning, "every core has a worker: none is left to health checks, the API and the rest of the machine").
			do("take a core out of dataplane.cores"))
	}
	return out
}

// checkIsolation looks whether the kernel keeps everything else off the workers' cores.
func (m *Machine) checkIsolation() []Result {
	if len(m.cores()) == 0 {
		return nil
	}
	isolated := numbers(m.text(cpus + "/isolated"))
	var bare, ticking []int
	for _, c := range m.cores() {
		if !slices.Contains(isolated, c) {
			bare = append(bare, c)
		}
		if !slices.Contains(numbers(m.text(cpus+"/nohz_full")), c) {
			ticking = append(ticking, c)
		}
	}
	list := written(m.cores())
	words := fmt.Sprintf("isolcpus=%s nohz_full=%s rcu_nocbs=%s", list, list, list)
	switch {
	case len(m.others()) == 0:
		return one(found(Warning, "no core can be isolated: every core has a worker").do("take a core out of dataplane.cores"))
	case len(bare) > 0:
		return one(m.bootWith(found(Warning, "cores %s are not isolated: the kernel runs other programs there, and packets wait meanwhile", written(bare)), words))
	case len(ticking) > 0:
		return one(m.bootWith(found(Warning, "cores %s are isolated, but the kernel's clock interrupts them (nohz_full)", written(ticking)), words))
	}
	return one(ok("cores %s are isolated", list))
}

// nodeOfCore is -1 where the kernel knows of no nodes.
func (m *Machine) nodeOfCore(core int) int {
	for _, id := range numbers(m.text("sys/devices/system/node/online")) {
		if slices.Contains(m.coresOfNode(id), core) {
			return id
		}
	}
	return -1
}

func (m *Machine) coresOfNode(id int) []int {
	return numbers(m.text(fmt.Sprintf("sys/devices/system/node/node%d/cpulist", id)))
}

// checkNUMA looks whether workers and NICs are on the same node: between nodes every packet takes longer.
func (m *Machine) checkNUMA() []Result {
	var out []Result
	for _, p := range m.pciPorts() {
		nic := m.nodeOf(p.address)
		if nic < 0 || len(m.cores()) == 0 {
			continue
		}
		var far []int
		for _, c := range m.cores() {
			if n := m.nodeOfCore(c); n >= 0 && n != nic {
				far = append(far, c)
			}
		}
		if len(far) == 0 {
			out = append(out, ok("port %s and all workers are on node %d", p.name, nic))
			continue
		}
		out = append(out, found(Warning, "port %s is on node %d, cores %s are on another: every packet crosses between them", p.name, nic, written(far)).
			do("name cores of node %d in dataplane.cores: %s", nic, m.text(fmt.Sprintf("sys/devices/system/node/node%d/cpulist", nic))))
	}
	return out
}

// checkSiblings looks for hyperthreads: two of them share a core's units and caches.
func (m *Machine) checkSiblings() []Result {
	if len(m.cores()) == 0 {
		return nil
	}
	isolated := numbers(m.text(cpus + "/isolated"))
	online := m.online()
	var out []Result
	var told []int
	for _, c := range m.cores() {
		for _, s := range numbers(m.text(fmt.Sprintf("%s/cpu%d/topology/thread_siblings_list", cpus, c))) {
			switch {
			case s == c || slices.Contains(told, s) || !slices.Contains(online, s):
			case slices.Contains(m.cores(), s):
				told = append(told, c)
				out = append(out, found(Warning, "cores %d and %d are two hyperthreads of one core, and both have a worker: each gets about half", c, s).
					do("name one of them in dataplane.cores"))
			case !slices.Contains(isolated, s):
				out = append(out, found(Warning, "core %d is the other hyperthread of worker core %d, and other programs run there", s, c).
					run("echo 0 > /sys/devices/system/cpu/cpu%d/online", s))
			}
		}
	}
	if out == nil {
		return one(ok("no worker shares a core with a hyperthread"))
	}
	return out
}
