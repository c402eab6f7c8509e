package preflight

import "testing"

func TestHugePagesThatAreMissing(t *testing.T) {
	const (
		node0   = "sys/devices/system/node/node0/hugepages/hugepages-2048kB/"
		node1   = "sys/devices/system/node/node1/hugepages"
		reserve = ": run: scripts/hugepages reserve "
	)
	twoNodes := tree{nic1 + "/numa_node": "1"}
	testFindings(t, (*Machine).checkHugepages, []finding{
		{name: "none are free", changes: tree{node0 + "free_hugepages": "0"}, want: []string{
			"wrong: node 0: 0 of 800 MB in huge pages are free, needed are 512 MB for DPDK's buffers and 172 MB for connection tables" + reserve + "--node 0 684"}},
		{name: "enough for buffers, not for tables", changes: tree{node0 + "free_hugepages": "300"}, want: []string{
			"warning: node 0: 600 of 800 MB in huge pages are free, needed are 512 MB for DPDK's buffers and 172 MB for connection tables" + reserve + "--node 0 684"}},
		{name: "a node with a NIC has none", changes: twoNodes.and(tree{node1 + "/hugepages-2048kB/free_hugepages": "0"}), want: []string{
			"wrong: node 1: 0 of 800 MB in huge pages are free, needed are 256 MB for DPDK's buffers" + reserve + "--node 1 256"}},
		{name: "a node without a NIC or a worker has none", changes: tree{node1: "gone"}},
		{name: "large pages do as well", changes: tree{node0 + "free_hugepages": "0",
			"sys/devices/system/node/node0/hugepages/hugepages-1048576kB/nr_hugepages":   "1",
			"sys/devices/system/node/node0/hugepages/hugepages-1048576kB/free_hugepages": "1"}},
		{name: "auto does without, on the NIC's node", changes: tree{node0 + "free_hugepages": "1"},
			config: "dataplane: {memory_mb: 64, max_connections: 1000}\nports: [{name: wan, device: \"0000:03:00.0\", addresses: [203.0.113.2/24]}]",
			want: []string{
				"warning: node 0: 2 of 800 MB in huge pages are free, needed are 64 MB for DPDK's buffers" + reserve + "--node 0 64"}},
		{name: "auto does without, on the only node", changes: tree{node0 + "free_hugepages": "1", node1: "gone"},
			config: "dataplane: {memory_mb: 64, max_connections: 1000}\nports: [{name: wan, device: net_null0, addresses: [203.0.113.2/24]}]",
			want: []string{
				"warning: node 0: 2 of 800 MB in huge pages are free, needed are 64 MB for DPDK's buffers and 1 MB for connection tables" + reserve + "--node 0 65"}},
		{name: "off", changes: tree{node0 + "free_hugepages": "0"}, config: "dataplane: {hugepages: off}\nports: [{name: wan, device: net_null0, addresses: [203.0.113.2/24]}]"},
		{name: "a kernel without", changes: tree{"sys/devices/system/node": "gone"}, want: []string{
			"wrong: this kernel has no huge pages: run a kernel with CONFIG_HUGETLBFS, or say hugepages: off"}},
		{name: "a kernel without NUMA", changes: tree{"sys/devices/system/node": "gone", nic0 + "/numa_node": "-1", nic1 + "/numa_node": "-1",
			"sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "10", "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages": "10"}, want: []string{
			"wrong: node 0: 20 of 20 MB in huge pages are free, needed are 512 MB for DPDK's buffers and 172 MB for connection tables" + reserve + "--node 0 684"}},
		{name: "no configuration, and none at all", none: true, changes: tree{node0 + "free_hugepages": "0", node1: "gone"}, want: []string{
			"warning: no huge page is free: run: scripts/hugepages reserve 512"}},
		{name: "no configuration, and some are there", none: true},
	})
}

func TestMemoryThatIsMissing(t *testing.T) {
	little := tree{"proc/meminfo": "MemAvailable: 102400 kB"}
	testFindings(t, (*Machine).checkMemory, []finding{
		{name: "all of it is in huge pages", changes: little},
		{name: "tables that find no huge pages", changes: little.and(tree{"sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages": "256", "sys/devices/system/node/node1/hugepages": "gone"}), want: []string{
			"wrong: 172 MB of ordinary memory are needed, 100 MB are available: lower dataplane.memory_mb or dataplane.max_connections, or free some memory"}},
		{name: "without huge pages", changes: little,
			config: "dataplane: {hugepages: off, memory_mb: 64}\nports: [{name: wan, device: net_null0, addresses: [203.0.113.2/24]}]",
			want: []string{
				"wrong: 150 MB of ordinary memory are needed, 100 MB are available: lower dataplane.memory_mb or dataplane.max_connections, or free some memory"}},
		{name: "unknown", changes: tree{"proc/meminfo": "gone"}, want: []string{
			"warning: the free memory is unknown: /proc/meminfo has no MemAvailable: look with: free -m"}},
	})
}
