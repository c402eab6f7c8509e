package preflight

import (
	"fmt"
	"testing"
)

const grub = `: run: sed -i 's/^GRUB_CMDLINE_LINUX="/&isolcpus=1,3 nohz_full=1,3 rcu_nocbs=1,3 /' /etc/default/grub && update-grub && reboot`

func TestCoresThatAWorkerCannotHave(t *testing.T) {
	testFindings(t, (*Machine).checkCores, []finding{
		{name: "out of range", changes: tree{"sys/devices/system/cpu/online": "0-1,4"}, want: []string{
			"wrong: core 3 of worker 1 is not there: this machine's are 0-1,4: name others in dataplane.cores"}},
		{name: "not in the control group", changes: tree{"proc/self/cgroup": "0::/weir/a", "sys/fs/cgroup/weir/cpuset.cpus.effective": "0,2-3"}, want: []string{
			"wrong: core 1 of worker 0 is none of those that this process's control group has: 0,2,3: allow it in the service's AllowedCPUs or the container's --cpuset-cpus, or name others in dataplane.cores"}},
		{name: "not in the control group, version 1", changes: tree{"proc/self/cgroup": "5:cpu,cpuset:/docker/x\n1:name=systemd:/", "sys/fs/cgroup/cpuset/docker/x/cpuset.effective_cpus": "0-2"}, want: []string{
			"wrong: core 3 of worker 1 is none of those that this process's control group has: 0,1,2: allow it in the service's AllowedCPUs or the container's --cpuset-cpus, or name others in dataplane.cores"}},
		{name: "in the control group", changes: tree{"proc/self/cgroup": "0::/weir", "sys/fs/cgroup/cpuset.cpus.effective": "0-7"}},
		{name: "isolated, so not where this process began", changes: tree{"proc/self/status": "Cpus_allowed_list:\t0"}},
		{name: "all there are", changes: tree{"sys/devices/system/cpu/online": "1,3"}, want: []string{
			"warning: every core has a worker: none is left to health checks, the API and the rest of the machine: take a core out of dataplane.cores"}},
		{name: "none given", config: "ports: [{name: wan, device: net_null0, addresses: [203.0.113.2/24]}]"},
		{name: "no configuration", none: true},
	})
}

func TestCoresThatAreNotIsolated(t *testing.T) {
	testFindings(t, (*Machine).checkIsolation, []finding{
		{name: "one of them", changes: tree{"sys/devices/system/cpu/isolated": "3"}, want: []string{
			"warning: cores 1 are not isolated: the kernel runs other programs there, and packets wait meanwhile" + grub}},
		{name: "all of them", changes: tree{"sys/devices/system/cpu/isolated": ""}, want: []string{
			"warning: cores 1,3 are not isolated: the kernel runs other programs there, and packets wait meanwhile" + grub}},
		{name: "isolated, but ticking", changes: tree{"sys/devices/system/cpu/nohz_full": "(null)"}, want: []string{
			"warning: cores 1,3 are isolated, but the kernel's clock interrupts them (nohz_full)" + grub}},
		{name: "there are no others", changes: tree{"sys/devices/system/cpu/online": "1,3"}, want: []string{
			"warning: no core can be isolated: every core has a worker: take a core out of dataplane.cores"}},
	})
}

func TestCoresFarFromTheNIC(t *testing.T) {
	testFindings(t, (*Machine).checkNUMA, []finding{
		{name: "another node", changes: tree{nic1 + "/numa_node": "1"}, want: []string{
			"warning: port lan is on node 1, cores 1,3 are on another: every packet crosses between them: name cores of node 1 in dataplane.cores: 4-7"}},
		{name: "a NIC of no node", changes: tree{nic1 + "/numa_node": "-1"}},
		{name: "a kernel without NUMA", changes: tree{"sys/devices/system/node": "gone"}},
	})
}

func TestHyperthreads(t *testing.T) {
	const list = "/topology/thread_siblings_list"
	testFindings(t, (*Machine).checkSiblings, []finding{
		{name: "two workers on one core", changes: tree{"sys/devices/system/cpu/cpu1" + list: "1,3", "sys/devices/system/cpu/cpu3" + list: "1,3"}, want: []string{
			"warning: cores 1 and 3 are two hyperthreads of one core, and both have a worker: each gets about half: name one of them in dataplane.cores"}},
		{name: "other programs beside a worker", changes: tree{"sys/devices/system/cpu/cpu1" + list: "1,5"}, want: []string{
			"warning: core 5 is the other hyperthread of worker core 1, and other programs run there: run: echo 0 > /sys/devices/system/cpu/cpu5/online"}},
		{name: "isolated", changes: tree{"sys/devices/system/cpu/cpu1" + list: "1,5", "sys/devices/system/cpu/isolated": "1,3,5"}},
		{name: "switched off", changes: tree{"sys/devices/system/cpu/cpu1" + list: "1,5", "sys/devices/system/cpu/online": "0-4"}},
	})
}

func TestCoresSharedWithOthers(t *testing.T) {
	testFindings(t, (*Machine).checkShared, []finding{
		{name: "another DPDK program", changes: tree{
			"proc/500/cmdline": "dpdk-testpmd", "proc/500/status": "Name:\tdpdk-testpmd",
			"proc/500/task/500/status": "Cpus_allowed_list:\t0-7", "proc/500/task/501/status": "Cpus_allowed_list:\t3"}, want: []string{
			"warning: cores 3: process 500 (dpdk-testpmd) has threads that run nowhere else: run: taskset -acp 0,2,4,5,6,7 500"}},
		{name: "many programs, as with a cpuset", changes: manyBound(8), want: []string{
			bound(500), bound(501), bound(502), bound(503), bound(504),
			"warning: 3 other processes have threads that run nowhere but on the workers' cores: move them to cores 0,2,4,5,6,7 likewise, or name others in dataplane.cores"}},
		{name: "every core has a worker", changes: everyCore(manyBound(8))},
		{name: "a program bound elsewhere", changes: tree{
			"proc/500/cmdline": "other", "proc/500/task/500/status": "Cpus_allowed_list:\t2,4"}},
		{name: "a process that ended meanwhile", changes: tree{"proc/500/stat": ""}},
	})
}

// manyBound are processes whose threads run on the workers' cores alone.
func manyBound(n int) tree {
	t := tree{}
	for i := range n {
		pid := fmt.Sprint("proc/", 500+i)
		t[pid+"/cmdline"], t[pid+"/status"] = "other", "Name:\tother"
		t[pid+"/task/1/status"] = "Cpus_allowed_list:\t1,3"
	}
	return t
}

func bound(pid int) string {
	return fmt.Sprintf("warning: cores 1,3: process %d (other) has threads that run nowhere else: run: taskset -acp 0,2,4,5,6,7 %d", pid, pid)
}

func everyCore(t tree) tree {
	t["sys/devices/system/cpu/online"] = "1,3"
	return t
}

func TestInterruptsOnTheWorkersCores(t *testing.T) {
	testFindings(t, (*Machine).checkInterrupts, []finding{
		{name: "some", changes: tree{"proc/irq/24/smp_affinity_list": "0-7", "proc/irq/25/eth0-rx/spurious": ""}, want: []string{
			"warning: interrupts 24,25 go to the workers' cores: run: for i in 24 25; do echo 0,2,4,5,6,7 > /proc/irq/$i/smp_affinity_list; done"}},
		{name: "they could, but do not", changes: tree{"proc/irq/24/smp_affinity_list": "0-7", "proc/irq/24/effective_affinity_list": "2"}},
	})
}
