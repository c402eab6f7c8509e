package preflight

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirlb/weir/conf"
)

// connectionBytes is what a connection takes in its worker's table, as docs/configuration.md says.
const connectionBytes = 90

// defaultMB is what to reserve while there is no configuration: the default of dataplane.memory_mb.
const defaultMB = 512

// node is the memory of one NUMA node, in MB.
type node struct {
	id       int
	huge     int // of all huge pages
	free     int // of those nobody has
	buffers  int // what DPDK wants of them
	tables   int // what connection tables take besides, if there is enough
	supports bool
}

func (n node) need() int { return n.buffers + n.tables }

// nodes reads the huge pages of every NUMA node.
func (m *Machine) nodes() []node {
	const dir = "sys/devices/system/node"
	var out []node
	for _, id := range numbers(m.text(dir + "/online")) {
		out = append(out, m.pagesOf(id, fmt.Sprintf("%s/node%d/hugepages", dir, id)))
	}
	if len(out) == 0 { // a kernel without NUMA
		out = append(out, m.pagesOf(0, "sys/kernel/mm/hugepages"))
	}
	return out
}

func (m *Machine) pagesOf(id int, dir string) node {
	n := node{id: id}
	for _, size := range m.list(dir) {
		var kB int
		if _, err := fmt.Sscanf(size, "hugepages-%dkB", &kB); err != nil || kB <= 0 {
			continue
		}
		n.supports = true
		n.huge += m.number(dir+"/"+size+"/nr_hugepages", 0) * kB / 1024
		n.free += m.number(dir+"/"+size+"/free_hugepages", 0) * kB / 1024
	}
	return n
}

// demand spreads what the configuration asks for over the nodes: buffers over those of the NICs, a worker's table on the
// node of its core. What has no node of its own goes where most is free.
func (m *Machine) demand(nodes []node) {
	c := m.Config.Dataplane
	at := func(id int) *node {
		if i := slices.IndexFunc(nodes, func(n node) bool { return n.id == id }); i >= 0 {
			return &nodes[i]
		}
		most := 0
		for i := range nodes {
			if nodes[i].free > nodes[most].free {
				most = i
			}
		}
		return &nodes[most]
	}
	var homes []int
	for _, p := range m.pciPorts() {
		if id := m.nodeOf(p.address); !slices.Contains(homes, id) {
			homes = append(homes, id)
		}
	}
	if len(homes) == 0 {
		homes = []int{-1}
	}
	for _, id := range homes {
		at(id).buffers += (c.MemoryMB + len(homes) - 1) / len(homes)
	}
	table := (c.MaxConnections*connectionBytes + 1<<20 - 1) >> 20
	for _, core := range c.Cores {
		at(m.nodeOfCore(core)).tables += table
	}
	if len(c.Cores) == 0 {
		at(-1).tables += table
	}
}

func (m *Machine) checkHugepages() []Result {
	nodes := m.nodes()
	if !slices.ContainsFunc(nodes, func(n node) bool { return n.supports }) {
		return one(found(wrongIf(m.require()), "this kernel has no huge pages").
			do("run a kernel with CONFIG_HUGETLBFS, or say hugepages: off"))
	}
	switch {
	case m.Config == nil:
		return m.hugepagesForNothing(nodes)
	case m.Config.Dataplane.Hugepages == conf.HugepagesOff:
		return one(ok("none are needed: the configuration says hugepages: off"))
	}
	m.demand(nodes)
	var out []Result
	for _, n := range nodes {
		out = append(out, m.pagesEnough(n))
	}
	return out
}

func (m *Machine) require() bool {
	return m.Config != nil && m.Config.Dataplane.Hugepages == conf.HugepagesRequire
}

func (m *Machine) hugepagesForNothing(nodes []node) []Result {
	var out []Result
	some := false
	for _, n := range nodes {
		some = some || n.free > 0
		out = append(out, ok("node %d: %d of %d MB in huge pages are free", n.id, n.free, n.huge))
	}
	if !some {
		return one(found(Warning, "no huge page is free").run("%s reserve %d", m.script("hugepages"), defaultMB))
	}
	return out
}

func (m *Machine) pagesEnough(n node) Result {
	have := fmt.Sprintf("node %d: %d of %d MB in huge pages are free", n.id, n.free, n.huge)
	var parts []string
	if n.buffers > 0 {
		parts = append(parts, fmt.Sprintf("%d MB for DPDK's buffers", n.buffers))
	}
	if n.tables > 0 {
		parts = append(parts, fmt.Sprintf("%d MB for connection tables", n.tables))
	}
	if len(parts) == 0 {
		return ok("%s, none are needed here", have)
	}
	have += ", needed are " + strings.Join(parts, " and ")
	if n.free >= n.need() {
		return ok("%s", have)
	}
	// Tables that find no huge pages lie in ordinary ones, whatever the configuration requires.
	return found(wrongIf(m.require() && n.free < n.buffers), "%s", have).
		run("%s reserve --node %d %d", m.script("hugepages"), n.id, n.need())
}

func (m *Machine) checkMemory() []Result {
	kB := 0
	if _, err := fmt.Sscanf(m.value("proc/meminfo", "MemAvailable"), "%d kB", &kB); err != nil {
		return one(found(Warning, "the free memory is unknown: /proc/meminfo has no MemAvailable").do("look with: free -m"))
	}
	available := kB / 1024
	if m.Config == nil {
		return one(ok("%d MB are available", available))
	}
	c := m.Config.Dataplane
	nodes := m.nodes()
	m.demand(nodes)
	need, free := 0, 0
	for _, n := range nodes {
		need += n.need()
		free += n.free
	}
	switch {
	case c.Hugepages == conf.HugepagesOff, c.Hugepages == conf.HugepagesAuto && free < c.MemoryMB:
	case free >= need:
		need = 0
	default:
		need -= c.MemoryMB // the tables, some of which may still find huge pages
	}
	if need > available {
		return one(found(Wrong, "%d MB of ordinary memory are needed, %d MB are available", need, available).
			do("lower dataplane.memory_mb or dataplane.max_connections, or free some memory"))
	}
	return one(ok("%d MB of ordinary memory are needed, %d MB are available", need, available))
}
