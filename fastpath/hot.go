package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// hot is what the worker looks up for every packet, each with as few instructions as there can be: bases to which an
// index is added that is known to be in range, where slices would be loaded and checked anew after every store.
type hot struct {
	hasher    conn.Hasher
	entries   unsafe.Pointer // of the table
	realCount uint32
	idles     unsafe.Pointer // the snapshot's tables of idle times
	totals    unsafe.Pointer // the backends' counters
	exits     [256]exit      // by port
}

// exit is a port as a finished frame leaves through it.
type exit struct {
	b      *port.Burst // one that is always full, where this worker has no transmit queue
	macLow uint64      // the port's MAC where it lies in a frame's first 8 bytes
	macTop uint32      // and its other 4 bytes
	maxEnd uint32      // the end of the largest frame
}

// full stands for the queues that are none; nobody writes to it.
var full = &port.Burst{NTX: port.TxSize}

func (h *hot) build(w *Worker) {
	h.hasher, h.entries = w.table.Hasher, w.table.Entries()
	h.totals = unsafe.Pointer(unsafe.SliceData(w.backends))
	for i := range h.exits {
		h.exits[i].b = full
	}
	for i := range w.ports {
		p := &w.ports[i]
		if p.tx {
			h.exits[i] = exit{b: p.outgoing(), macLow: p.mac << 48, macTop: uint32(p.mac >> 16), maxEnd: uint32(p.mtu + packet.EthLen)}
		}
	}
}

// entry is the one that a slot names.
func (h *hot) entry(s conn.Slot) *conn.Entry {
	return (*conn.Entry)(unsafe.Add(h.entries, uintptr(s>>1)*conn.EntrySize))
}

// real is the snapshot's backend of an index, as far as it is made: see made. All indices that a connection can name lead
// somewhere, beyond realCount to none.
func (w *Worker) real(i uint32) *Backend {
	chunk := *(*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(&w.chunks), uintptr(i>>conn.ChunkBits)*unsafe.Sizeof(w.chunks[0])))
	return (*Backend)(unsafe.Add(chunk, uintptr(i%conn.ChunkLen)*backendSize))
}

// idle is the table of idle times of a backend's connections.
func (h *hot) idle(b *Backend) *conn.Timeouts {
	return (*conn.Timeouts)(unsafe.Add(h.idles, uintptr(b.timeouts)))
}

// total is the worker's counters of a backend.
func (h *hot) total(i uint32) *BackendCounters {
	return (*BackendCounters)(unsafe.Add(h.totals, uintptr(i)*unsafe.Sizeof(BackendCounters{})))
}

// room reports whether a frame can be queued there at once.
func (x *exit) room() bool { return x.b.NTX < port.TxSize }

// put writes the MACs and queues a frame, for which there is room.
func (x *exit) put(f *port.Frame, h nexthop.Hop) {
	packet.Store64(f.Data, packet.EthDst, uint64(h)&(1<<48-1)|x.macLow)
	packet.Store32(f.Data, packet.EthSrc+2, x.macTop)
	f.MoveTo(&x.b.TX[x.b.NTX%port.TxSize])
	x.b.NTX++
}
