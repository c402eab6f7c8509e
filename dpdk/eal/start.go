package eal

/*
#cgo pkg-config: libdpdk
#include <stdlib.h>
#include <rte_eal.h>
#include <rte_lcore.h>
#include "eal.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weirlb/weir/dpdk/internal/rtelog"
)

// EAL is the running DPDK environment.
type EAL struct {
	memory Memory
	clock  Clock
	quit   chan struct{}
	ended  chan error
	closed atomic.Bool
}

// Memory says what DPDK runs on.
func (e *EAL) Memory() Memory { return e.memory }

// Clock is the conversion from the time stamp counter to nanoseconds.
func (e *EAL) Clock() Clock { return e.clock }

// Log returns the last lines of DPDK's log, oldest first. It may be called at any time.
func Log() []string {
	var out []string
	for _, l := range rtelog.Lines() {
		out = append(out, l.Text)
	}
	return out
}

// started is set as soon as rte_eal_init was called: it does not bear a second call.
var started atomic.Bool

// Start starts DPDK. It takes 0.1 s or more, most of it for measuring the clock. The error says in
// one sentence what is missing; what is found out before DPDK is touched (too few huge pages, bad
// options) may be mended and Start called again, anything else is final for the process.
func Start(o Options) (*EAL, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	memory, err := planMemory(o, os.DirFS("/"))
	if err != nil {
		return nil, err
	}
	if err := rtelog.Open(); err != nil {
		return nil, err
	}
	if !started.CompareAndSwap(false, true) {
		return nil, errors.New("DPDK was already started: it can be started once in a process")
	}
	e := &EAL{memory: memory, quit: make(chan struct{}), ended: make(chan error, 1)}
	ready := make(chan error)
	go e.run(o, ready)
	if err := <-ready; err != nil {
		return nil, err
	}
	return e, nil
}

// run holds the thread that DPDK takes for its main lcore. The thread is never unlocked, so it ends
// with the goroutine and its changed state reaches no other goroutine.
func (e *EAL) run(o Options, ready chan<- error) {
	runtime.LockOSThread()
	from := takeSample()
	if err := initialize(o, e.memory); err != nil {
		ready <- err
		return
	}
	e.clock = calibrate(from)
	ready <- nil
	<-e.quit
	var rc C.int
	lines := rtelog.Record(func() { rc = C.rte_eal_cleanup() })
	if rc != 0 {
		e.ended <- rtelog.Explain(errors.New("DPDK could not clean up"), lines)
		return
	}
	e.ended <- nil
}

func initialize(o Options, m Memory) error {
	cpus, err := allowedCPUs()
	if err != nil {
		return err
	}
	args := arguments(o, m, cpus)
	// DPDK keeps pointers to its arguments, so they are never freed.
	argv := unsafe.Slice((**C.char)(C.malloc(C.size_t(len(args)+1)*C.size_t(unsafe.Sizeof((*C.char)(nil))))), len(args)+1)
	for i, a := range args {
		argv[i] = C.CString(a)
	}
	argv[len(args)] = nil
	var rc C.int
	lines := rtelog.Record(func() { rc = C.weir_eal_init(C.int(len(args)), &argv[0]) })
	if rc != 0 {
		return rtelog.Explain(fmt.Errorf("starting DPDK with %d MB: %w", m.MB, syscall.Errno(-rc)), lines)
	}
	return nil
}

// allowedCPUs lists the CPUs the calling thread may run on, as far as DPDK can number them.
func allowedCPUs() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("reading the CPUs this process may use: %w", err)
	}
	var cpus []int
	for c := range int(C.RTE_MAX_LCORE) {
		if set.IsSet(c) {
			cpus = append(cpus, c)
		}
	}
	if len(cpus) == 0 {
		return nil, fmt.Errorf("this process may use none of the first %d CPUs, the only ones DPDK knows", int(C.RTE_MAX_LCORE))
	}
	return cpus, nil
}

// Close ends DPDK. Every device and pool must be closed and every lcore unregistered before: nothing
// that DPDK gave out may be touched afterwards. A second call does nothing.
func (e *EAL) Close() error {
	if e.closed.Swap(true) {
		return nil
	}
	close(e.quit)
	return <-e.ended
}
