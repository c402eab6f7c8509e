// Package lcore makes Go's threads known to DPDK.
//
// A worker is a goroutine locked to an OS thread that Go created. Registered, the thread has an
// lcore id of its own, and with it a cache in every mempool: without one, each buffer taken or given
// back would go through the pool's shared ring.
package lcore

/*
#cgo pkg-config: libdpdk
#include <rte_errno.h>
#include <rte_lcore.h>

static int weir_thread_register(void) { return rte_thread_register() == 0 ? 0 : -rte_errno; }
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// AnyCore leaves the thread where the kernel puts it.
const AnyCore = -1

// timerSlack lets a worker that sleeps for a fraction of a millisecond wake up in time: the kernel's
// default adds 50 µs.
const timerSlackNS = 1000

// Thread is the calling goroutine's OS thread as an lcore.
type Thread struct {
	id       int
	affinity unix.CPUSet
	slack    int
}

// Register locks the calling goroutine to its thread, binds the thread to core (or to none with
// AnyCore) and registers it with DPDK, which must be running. At most 127 threads can be registered
// at one time. The goroutine must call Unregister on the same thread, before DPDK is closed.
func Register(core int) (*Thread, error) {
	runtime.LockOSThread()
	t := &Thread{}
	if err := t.bind(core); err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	if rc := C.weir_thread_register(); rc != 0 {
		t.restore()
		return nil, registerError(syscall.Errno(-rc))
	}
	t.id = int(C.rte_lcore_id())
	return t, nil
}

func registerError(errno syscall.Errno) error {
	switch errno {
	case syscall.EINVAL:
		return errors.New("registering a worker's thread with DPDK: DPDK is not running")
	case syscall.ENOMEM:
		return fmt.Errorf("registering a worker's thread with DPDK: more than %d workers", int(C.RTE_MAX_LCORE)-1)
	}
	return fmt.Errorf("registering a worker's thread with DPDK: %w", errno)
}

// ID is the thread's number in DPDK, 1 to 127. It says nothing about the core it runs on.
func (t *Thread) ID() int { return t.id }

// Unregister undoes Register. Buffers in the thread's mempool caches stay there, counted as free.
func (t *Thread) Unregister() {
	C.rte_thread_unregister()
	t.restore()
}

// bind sets what the kernel keeps for a thread, remembering what it was.
func (t *Thread) bind(core int) error {
	if err := unix.SchedGetaffinity(0, &t.affinity); err != nil {
		return fmt.Errorf("reading the cores of a thread: %w", err)
	}
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return fmt.Errorf("reading the timer slack of a thread: %w", err)
	}
	t.slack = slack
	if core != AnyCore {
		if err := pin(core); err != nil {
			return err
		}
	}
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, timerSlackNS, 0, 0, 0); err != nil {
		return fmt.Errorf("setting the timer slack of a thread: %w", err)
	}
	return nil
}

func pin(core int) error {
	var set unix.CPUSet
	if core >= 0 {
		set.Set(core)
	}
	err := unix.SchedSetaffinity(0, &set)
	if err == nil {
		return nil
	}
	if !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("core %d: binding a worker to it: %w", core, err)
	}
	online, readErr := os.ReadFile("/sys/devices/system/cpu/online")
	if readErr != nil {
		return fmt.Errorf("core %d is not present, or this process is not allowed on it", core)
	}
	cores := strings.TrimSpace(string(online))
	if !inList(core, cores) {
		return fmt.Errorf("core %d is not present: this machine has cores %s", core, cores)
	}
	return fmt.Errorf("core %d is not allowed for this process: see Cpus_allowed_list in /proc/self/status, and the cpuset of its container or service", core)
}

// inList tells whether n is in a list of the kernel's, such as 0-3,8.
func inList(n int, list string) bool {
	for part := range strings.SplitSeq(list, ",") {
		var from, to int
		switch k, _ := fmt.Sscanf(part, "%d-%d", &from, &to); {
		case k == 2 && from <= n && n <= to, k == 1 && n == from:
			return true
		}
	}
	return false
}

// restore gives the thread back to Go as it was. If that fails it stays locked, and ends with its
// goroutine.
func (t *Thread) restore() {
	affinity := unix.SchedSetaffinity(0, &t.affinity)
	slack := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(t.slack), 0, 0, 0)
	if affinity == nil && slack == nil {
		runtime.UnlockOSThread()
	}
}
