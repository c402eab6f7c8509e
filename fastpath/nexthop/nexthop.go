// Package nexthop holds the link-layer addresses that workers write into frames: one record for
// each neighbour, read by every worker, written only by the slow path.
//
// A record's index never changes its meaning while the record lives, so snapshots and workers
// may keep indices. Readers take no lock: a record's changing part is one atomic word.
package nexthop

import (
	"errors"
	"sync/atomic"
)

// MaxRecords bounds the neighbours known at one time, over all ports.
const MaxRecords = 1 << 16

// ErrFull is returned by Ensure when MaxRecords neighbours are known.
var ErrFull = errors.New("the neighbour table is full")

// ID names a record. The zero value names none.
type ID uint32

// Addr is an IP address as the packet path compares it: IPv4 in the first 4 bytes and zeros after,
// IPv6 in all 16. Byte order is the packet's.
type Addr [16]byte

// Key is what a record stands for: an address on one port's link.
type Key struct {
	Addr Addr
	Port uint8
	V6   bool
}

// State of a record, as the packet path sees it.
type State uint8

// The states. Zero means no usable MAC yet: frames for it are punted for the slow path to queue. Frames for a Failed one
// are dropped where they are: traffic for a dead backend must not crowd out what the slow path has to hear of.
const (
	Unresolved State = iota
	Reachable
	Failed
)

// Hop is a record's changing part, packed in a word: bits 0-47 the MAC as the 6 bytes lie in memory
// on a little-endian machine, 48-55 the port, 56-63 the state.
type Hop uint64

// Usable reports whether the MAC may be written into a frame.
func (h Hop) Usable() bool { return State(h>>56) == Reachable }

// Failed reports whether the neighbour is known not to answer.
func (h Hop) Failed() bool { return State(h>>56) == Failed }

// Port is the port the neighbour is on.
func (h Hop) Port() uint8 { return uint8(h >> 48) }

// MAC returns the address bytes.
func (h Hop) MAC() (mac [6]byte) {
	for i := range mac {
		mac[i] = byte(h >> (8 * i))
	}
	return mac
}

func pack(mac [6]byte, port uint8, s State) Hop {
	var h Hop
	for i := range mac {
		h |= Hop(mac[i]) << (8 * i)
	}
	return h | Hop(port)<<48 | Hop(s)<<56
}

type record struct {
	key Key // written once, before the record is published in the index
	hop atomic.Uint64
	// used is bumped by workers when they meet the record unresolved or use it; the slow path reads
	// and clears it to know which neighbours to refresh.
	used atomic.Uint32
}
