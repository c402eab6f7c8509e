// Package port is the burst-level interface between the packet path and whatever moves frames:
// DPDK (package dpdk) in the daemon, memory and captures (package memport) in tests and replay.
//
// The structures here are shared with C: their sizes and offsets are asserted in package dpdk.
// Everything a burst needs crosses in one call, [Queue.Exchange]; nothing is called per packet.
package port

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/rss"
)

const (
	// BurstSize is the most frames one Exchange receives.
	BurstSize = 64
	// TxSize bounds the frames waiting for transmission on one queue. What does not fit is dropped
	// by the worker, counted as tx_full.
	TxSize = 512
	// FreeSize bounds the buffers waiting to be given back. It holds every frame a worker can drop
	// between two exchanges of one queue.
	FreeSize = 1024
	// SpareSize is how many empty buffers Exchange keeps at hand for packets the worker makes itself.
	SpareSize = 32
	// Headroom is the least number of free bytes in front of a received frame: room for the outer
	// headers of a tunnel (40) or an ICMPv6 error's headers (48).
	Headroom = 128
)

// Flags of a received Frame.
const (
	// HashValid: Frame.Hash holds the device's RSS hash.
	HashValid uint16 = 1 << iota
	// BadIPChecksum: the device checked the IPv4 header checksum and found it wrong.
	BadIPChecksum
	// BadL4Checksum: the device checked the TCP, UDP or SCTP checksum and found it wrong.
	BadL4Checksum
	// Segmented: the frame continues in further buffers, for it fits into no single one. The worker drops it, counted as
	// segmented.
	Segmented
	// VLANStripped: the device took a VLAN tag off, whose control information Frame.Hash has in its low 16 bits.
	VLANStripped
)

// Frame is one frame of a burst, 32 bytes. It is a value: the worker moves it between vectors and
// may move Data and Len within the buffer (Room bytes in front of Data and Tail bytes behind
// Data+Len are free and writable). Whoever holds the Frame owns the buffer; the port keeps the buffer's memory alive,
// for to the garbage collector a Frame need not be a reference.
type Frame struct {
	Data  unsafe.Pointer // first byte of the Ethernet header
	Buf   unsafe.Pointer // the port's own handle of the buffer (an rte_mbuf in DPDK); opaque here
	Len   uint32         // bytes at Data, without FCS
	Hash  uint32         // RSS hash, if HashValid
	Room  uint16         // free bytes in front of Data
	Tail  uint16         // free bytes behind the frame
	Flags uint16
	Port  uint8 // index of the port the frame came in on; set by the worker
	Proto uint8 // free for the worker: the protocol of the datagram that a fragment is of
}

// MoveTo copies the frame word by word. A plain assignment would ask at every packet whether the garbage collector
// wants to know of its pointers; it need not: whoever makes frames keeps their buffers alive.
func (f *Frame) MoveTo(dst *Frame) {
	*(*frameWords)(unsafe.Pointer(dst)) = *(*frameWords)(unsafe.Pointer(f))
}

// Wrap makes the frame begin hdr bytes earlier, for which there is Room, and cuts off what lies behind its first end
// bytes.
func (f *Frame) Wrap(end, hdr uint32) {
	*(*uintptr)(unsafe.Pointer(&f.Data)) -= uintptr(hdr) // see MoveTo
	f.Room -= uint16(hdr)
	f.Tail += uint16(f.Len - end)
	f.Len = end + hdr
}

// frameWords is a Frame to the compiler's eyes when it copies one: not an array, for which it calls memmove.
type frameWords struct{ a, b, c, d uint64 }

var _ [32 - unsafe.Sizeof(Frame{})]struct{}
var _ [unsafe.Sizeof(Frame{}) - 32]struct{}

// Burst is the state a Queue shares with its worker. The worker reads RX[:NRX] after an Exchange and
// must move every frame of it to a TX or Free vector (of any queue), a ring, or the spare vector
// before the next that may receive. Only the owning worker touches it.
type Burst struct {
	NRX    uint32
	NTX    uint32
	NFree  uint32
	NSpare uint32
	// Now is the time of the last Exchange in nanoseconds from an arbitrary start; it never goes back.
	Now uint64
	// TxFrames and TxBytes count what was handed to the device.
	TxFrames uint64
	TxBytes  uint64

	RX    [BurstSize]Frame
	TX    [TxSize]Frame
	Spare [SpareSize]Frame // empty buffers: Len 0, Room at least Headroom, Tail at least 1792
	Free  [FreeSize]unsafe.Pointer
}

// Queue is one worker's receive and transmit queue of one port. It is not safe for concurrent use.
type Queue interface {
	// Burst returns the vectors shared with the worker. The pointer is constant for the queue's life.
	Burst() *Burst
	// Exchange, in this order, frees Free[:NFree], offers TX[:NTX] to the device (what it does not take
	// moves to the front and stays, NTX tells how many), tops Spare up, and receives at most limit
	// frames (0 to BurstSize) into RX. With a limit of 0 it leaves what is in RX alone, so that a worker
	// in the middle of a burst may call it for room or buffers. It sets Now and all counts. A queue
	// without a receive side receives nothing; on a queue without a transmit side the worker must leave
	// NTX at 0.
	Exchange(limit int)
	// HasRX and HasTX tell which sides the queue has. A device with fewer queues than workers gives
	// some workers a queue with neither, which still frees and keeps time.
	HasRX() bool
	HasTX() bool
}

// Info is what the worker and the slow path must know of a port. It does not change while it runs.
type Info struct {
	Name string
	MAC  [6]byte
	MTU  uint16 // bytes of the largest IP packet, 1280 to 9000
	// RSS is how the device spreads received packets over its queues; nil: it does not tell.
	RSS *rss.Spread
}
