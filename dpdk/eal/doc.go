// Package eal starts and ends DPDK's environment abstraction layer (EAL): its memory, its threads
// and its log.
//
//	options.go   what can be asked for, and the arguments DPDK gets for it
//	memory.go    huge pages or not: looked up before DPDK is started, as that can fail only once
//	cgroup.go    what the process's control groups leave of memory and huge pages
//	start.go     rte_eal_init and rte_eal_cleanup, on a thread of their own
//	clock.go     the time stamp counter in nanoseconds
//
// DPDK can be started once in a process. Secondary processes, DPDK's own worker threads
// (rte_eal_remote_launch) and service cores are not supported: workers are Go's, see package lcore.
package eal
