package ethdev

/*
#cgo pkg-config: libdpdk
#cgo CFLAGS: -O3
#cgo noescape weir_exchange
#cgo nocallback weir_exchange
#include "exchange.h"
*/
import "C"

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/port"
)

// Queue is one worker's receive and transmit queue of a device. Burst and Exchange are for that
// worker alone; they must not be called after the device is closed.
//
// Exchange with a limit under 8 may receive nothing although frames are waiting: the vector code of
// some drivers takes frames in groups of up to 8.
type Queue struct {
	c     *C.struct_weir_queue
	hasRX bool
	hasTX bool
}

var _ port.Queue = (*Queue)(nil)

// Burst implements port.Queue.
func (q *Queue) Burst() *port.Burst { return (*port.Burst)(unsafe.Pointer(q.c.burst)) }

// Exchange implements port.Queue. The C side gets a number, not a pointer, as cgo would look into
// what a pointer points to, for pointers to Go memory.
func (q *Queue) Exchange(limit int) {
	C.weir_exchange(C.uintptr_t(uintptr(unsafe.Pointer(q.c))), C.uint32_t(limit))
}

// HasRX implements port.Queue.
func (q *Queue) HasRX() bool { return q.hasRX }

// HasTX implements port.Queue.
func (q *Queue) HasTX() bool { return q.hasTX }

// newQueue makes worker w's queue. Workers beyond the device's queues get one that only frees and
// keeps time.
func (d *Device) newQueue(w int) (*Queue, error) {
	q := &Queue{hasRX: w < d.rxQueues, hasTX: w < d.txQueues}
	clock := d.eal.Clock()
	q.c = C.weir_queue_new(&C.struct_weir_queue{
		pool:      (*C.struct_rte_mempool)(d.pool.Pointer()),
		tsc_start: C.uint64_t(clock.Start),
		tsc_mult:  C.uint64_t(clock.Mult),
		max_frame: C.uint32_t(d.maxFrame()),
		port:      C.uint16_t(d.id),
		queue:     C.uint16_t(w),
		has_rx:    boolean(q.hasRX),
		has_tx:    boolean(q.hasTX),
		partial:   boolean(d.listens()),
	})
	if q.c == nil {
		return nil, errNoMemory
	}
	return q, nil
}

// maxFrame is the length of the largest frame that is sent.
func (d *Device) maxFrame() int {
	n := d.cfg.MTU + etherHeader
	if d.cfg.VLANs {
		n += 2 * vlanTag
	}
	return n
}

func boolean(b bool) C.uint8_t {
	if b {
		return 1
	}
	return 0
}

func (q *Queue) free() {
	C.weir_queue_free(q.c)
	q.c = nil
}
