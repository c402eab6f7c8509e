package daemon

import (
	"context"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/rss"
)

// Hardware is what the daemon runs on: DPDK, or memory in tests.
type Hardware interface {
	// Open brings up every port of a configuration, in its order, with a queue of each for every worker, or fails as ctx
	// does when that ends.
	Open(ctx context.Context, cfg *conf.Config, workers int) ([]Device, error)
	// Hugepages reports whether huge pages are in use.
	Hugepages() bool
	// ClockHertz is the rate of the counter that the queues' clock is made of, in which cycles are told.
	ClockHertz() float64
	// Enter prepares the calling goroutine, locked to its thread, for work on a core (-1: any). leave is
	// called on the same thread at the end.
	Enter(core int) (leave func(), err error)
	// Close stops the ports and gives everything back. The queues are not used any more.
	Close() error
}

// Device is one port's device.
type Device interface {
	MAC() [6]byte
	Driver() string
	// Queues is how many queues of each direction the device has, at most one for each worker.
	Queues() int
	// RSS is how the device spreads received packets over its queues; nil: it does not tell.
	RSS() *rss.Spread
	// Queue is the queue of a worker; those beyond Queues get one without either side.
	Queue(worker int) port.Queue
	LinkUp() bool
	// Changed is what Weir changed at the kernel's interface under the device, for as long as it runs.
	Changed() []string
	// Caveats are what could not be set up, but is gone without, and what follows.
	Caveats() []error
	Stats() DeviceStats
}

// DeviceStats are a device's totals since it was opened.
type DeviceStats struct {
	PacketsIn, PacketsOut uint64
	BytesIn, BytesOut     uint64
	Missed                uint64 // lost because no worker took them in time
	ErrorsIn, ErrorsOut   uint64
	NoBuffers             uint64
	BuffersFree, Buffers  int // of the pool the device receives into
}
