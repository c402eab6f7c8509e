// Package mempool is DPDK's pools of packet buffers (mbufs). The buffers of a pool are all alike:
// 128 bytes of headroom and 2048 for the frame or, where a port takes jumbo frames, 9216.
//
//	size.go      how many buffers a pool must have
//	mempool.c    how they lie in memory
package mempool

/*
#cgo pkg-config: libdpdk
#include <stdlib.h>
#include <rte_mempool.h>
#include <rte_memory.h>
#include "mempool.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"unsafe"

	"github.com/weirlb/weir/dpdk/eal"
	"github.com/weirlb/weir/dpdk/internal/rtelog"
)

// AnySocket is the NUMA node of a pool that may lie on any.
const AnySocket = -1

// Pool is a pool of packet buffers. Its methods may be called from any goroutine, also after Close.
type Pool struct {
	name  string
	total int

	mu      sync.Mutex
	mp      *C.struct_rte_mempool // nil once closed
	excused int
}

// New makes a pool of n buffers for frames of that many bytes on a NUMA node, or on any node if that one has no memory. The name
// must be unique and at most 20 bytes.
func New(e *eal.EAL, name string, n, frame, socket int) (*Pool, error) {
	cname := C.CString(name)
	defer C.free(unsafe.Pointer(cname))
	var mp *C.struct_rte_mempool
	var errno C.int
	cache, room := C.uint32_t(min(cacheSize, n/2)), C.uint32_t(Room(frame))
	lines := rtelog.Record(func() {
		mp = C.weir_mempool_create(cname, C.uint32_t(n), room, cache, C.int(socket), &errno)
		if mp == nil && socket != AnySocket {
			mp = C.weir_mempool_create(cname, C.uint32_t(n), room, cache, C.SOCKET_ID_ANY, &errno)
		}
	})
	switch {
	case mp != nil:
		return &Pool{name: name, total: n, mp: mp}, nil
	case syscall.Errno(errno) == syscall.ENOMEM:
		return nil, memoryError(n, Room(frame), e.Memory())
	}
	return nil, rtelog.Explain(fmt.Errorf("making a pool of %d packet buffers: %w", n, syscall.Errno(errno)), lines)
}

// memoryError names the memory_mb that will do. A quarter is added for what DPDK and the devices'
// descriptors take themselves.
func memoryError(n, room int, m eal.Memory) error {
	const mega = 1 << 20
	need := n * int(C.weir_mempool_element(C.uint32_t(room)))
	advice := (need + need/4 + 16*mega + mega - 1) / mega
	if advice <= m.MB {
		advice = 2 * m.MB
	}
	return fmt.Errorf("not enough memory for %d packet buffers: they take %d MB and DPDK has memory_mb: %d: set it to %d, or use fewer queues or descriptors",
		n, (need+mega-1)/mega, m.MB, advice)
}

// Pointer is DPDK's handle, for package ethdev. It is nil once the pool is closed.
func (p *Pool) Pointer() unsafe.Pointer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return unsafe.Pointer(p.mp)
}

// Total is the number of buffers.
func (p *Pool) Total() int { return p.total }

// Free is the number of buffers nobody uses, wherever they are cached. While workers run it is off
// by what moves meanwhile. In a closed pool all are free.
func (p *Pool) Free() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mp == nil {
		return p.total
	}
	return int(C.rte_mempool_avail_count(p.mp))
}

// InUse is Total − Free.
func (p *Pool) InUse() int { return p.total - p.Free() }

// Excuse lets Close pass over up to n buffers that a closed device's driver has forgotten.
func (p *Pool) Excuse(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.excused += n
}

// Close frees the pool. It refuses, with an error that counts them, while buffers are in use:
// whoever has them would write into memory that is no longer the pool's.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mp == nil {
		return nil
	}
	if n := p.total - int(C.rte_mempool_avail_count(p.mp)); n > p.excused {
		return fmt.Errorf("pool %s: %w", p.name, LeakError(n))
	}
	C.rte_mempool_free(p.mp)
	p.mp = nil
	return nil
}

// LeakError is the number of buffers that were not given back.
type LeakError int

func (n LeakError) Error() string {
	return fmt.Sprintf("%d packet buffers were not given back", int(n))
}

// Leaked is the number of buffers err reports as not given back, 0 if it is about something else.
func Leaked(err error) int {
	var n LeakError
	errors.As(err, &n)
	return int(n)
}
