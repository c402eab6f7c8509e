package mempool

import "github.com/weirlb/weir/fastpath/port"

// cacheSize is the number of buffers each lcore's cache is filled to, the most DPDK allows; it
// flushes at one and a half times as many.
const cacheSize = 512

// DefaultRoom and JumboRoom are the two sizes that buffers have for a frame.
const (
	DefaultRoom = 2048
	JumboRoom   = 9216
)

// Room is the size that takes frames of so many bytes.
func Room(frame int) int {
	if frame <= DefaultRoom {
		return DefaultRoom
	}
	return JumboRoom
}

// minBuffers keeps a pool of one small port from running dry by chance.
const minBuffers = 1024

// Demand is where buffers can be at one time.
type Demand struct {
	Descriptors int // of all receive and transmit queues: each can hold a buffer
	Bursts      int // queues that workers exchange bursts with (workers × ports)
	Workers     int // threads with a cache of their own
	Rings       int // frames that can wait in rings: from worker to worker, to the slow path
	Extra       int // anything else, such as packets a driver loads in advance
	Frame       int // bytes of the largest frame
}

// Add returns the sum of two demands on one pool. Workers are the same threads in both.
func (d Demand) Add(o Demand) Demand {
	return Demand{
		Descriptors: d.Descriptors + o.Descriptors,
		Bursts:      d.Bursts + o.Bursts,
		Workers:     max(d.Workers, o.Workers),
		Rings:       d.Rings + o.Rings,
		Extra:       d.Extra + o.Extra,
		Frame:       max(d.Frame, o.Frame),
	}
}

// Buffers is the size of a pool that can not run dry: every place that holds buffers may be full,
// and there is still one to receive the next frame in.
func (d Demand) Buffers() int {
	const burst = port.BurstSize + port.TxSize + port.FreeSize + port.SpareSize
	const cached = cacheSize + cacheSize/2
	return max(d.Descriptors+d.Bursts*burst+d.Workers*cached+d.Rings+d.Extra, minBuffers)
}
