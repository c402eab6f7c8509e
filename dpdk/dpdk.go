// Package dpdk brings up the whole data plane on DPDK: memory, ports and their queues. It is made
// of these packages, which keep the vocabulary of DPDK and of github.com/yerden/go-dpdk:
//
//	eal       start and end of DPDK, its memory, clock and log
//	mempool   packet buffers
//	ethdev    network devices and the exchange of bursts
//	lcore     threads of Go's as DPDK's lcores
//
// Only these import "C". docs/decisions/0003-own-dpdk-binding.md says why they exist.
package dpdk

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/weirlb/weir/dpdk/eal"
	"github.com/weirlb/weir/dpdk/ethdev"
	"github.com/weirlb/weir/dpdk/mempool"
	"github.com/weirlb/weir/fastpath/port"
)

// Options is the data plane that is wanted.
type Options struct {
	Hugepages eal.Hugepages
	MemoryMB  int
	// Workers is the number of threads that exchange bursts, each with a queue of every port.
	Workers int
	// Ports in the order of their indices. Config.Workers is set by Open.
	Ports []ethdev.Config
	// RingFrames is the number of frames that can wait in rings between workers, and in workers for others.
	RingFrames int
	// ExtraMbufs is added to every pool.
	ExtraMbufs int
}

// Dataplane is a running data plane. Its methods may be called from any goroutine.
type Dataplane struct {
	eal   *eal.EAL
	ports []*ethdev.Device
	pools map[int]*mempool.Pool // by NUMA node
}

// Open starts DPDK and all ports, in that order. The error is one sentence that names what is
// missing; everything is taken back then. As DPDK starts only once, a process can call Open only once.
func Open(ctx context.Context, o Options) (*Dataplane, error) {
	o.Ports = slices.Clone(o.Ports)
	for i := range o.Ports {
		o.Ports[i].Workers = o.Workers
	}
	e, err := eal.Start(eal.Options{Hugepages: o.Hugepages, MemoryMB: o.MemoryMB, PCI: ethdev.PCI(o.Ports)})
	if err != nil {
		return nil, err
	}
	d := &Dataplane{eal: e, pools: map[int]*mempool.Pool{}}
	if err := d.open(ctx, o); err != nil {
		// What can't be taken back after a failure hides behind it.
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

func (d *Dataplane) open(ctx context.Context, o Options) error {
	for _, cfg := range o.Ports {
		if err := ctx.Err(); err != nil {
			return err
		}
		p, err := ethdev.Probe(d.eal, cfg)
		if err != nil {
			return err
		}
		d.ports = append(d.ports, p)
	}
	for socket, demand := range demands(d.ports) {
		demand.Rings += o.RingFrames
		demand.Extra += o.ExtraMbufs
		pool, err := mempool.New(d.eal, fmt.Sprintf("weir%d", socket), demand.Buffers(), demand.Frame, socket)
		if err != nil {
			return err
		}
		d.pools[socket] = pool
	}
	for _, p := range d.ports {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.Start(d.pool(p.Socket()), len(d.pools) == 1); err != nil {
			return err
		}
	}
	return nil
}

// placed is what demands needs of a device.
type placed interface {
	Socket() int
	Demand() mempool.Demand
}

// demands adds up the ports of each NUMA node. Ports of no node share the pool of another, so that
// a machine with one node has one pool.
func demands[P placed](ports []P) map[int]mempool.Demand {
	sums := map[int]mempool.Demand{}
	for _, p := range ports {
		sums[p.Socket()] = sums[p.Socket()].Add(p.Demand())
	}
	if free, some := sums[mempool.AnySocket]; some && len(sums) > 1 {
		delete(sums, mempool.AnySocket)
		home := lowest(sums)
		sums[home] = sums[home].Add(free)
	}
	return sums
}

func lowest[V any](m map[int]V) int {
	first := true
	var low int
	for k := range m {
		if first || k < low {
			low, first = k, false
		}
	}
	return low
}

// pool finds the pool for a port on socket.
func (d *Dataplane) pool(socket int) *mempool.Pool {
	if p := d.pools[socket]; p != nil {
		return p
	}
	return d.pools[lowest(d.pools)]
}

// Memory says what DPDK runs on.
func (d *Dataplane) Memory() eal.Memory { return d.eal.Memory() }

// ClockHertz is the rate of the time stamp counter; 0 if it stands still.
func (d *Dataplane) ClockHertz() float64 { return d.eal.Clock().Hertz() }

// Ports are the devices, in the order of Options.Ports.
func (d *Dataplane) Ports() []*ethdev.Device { return d.ports }

// Queue is what worker w exchanges bursts with on port p.
func (d *Dataplane) Queue(p, w int) port.Queue { return d.ports[p].Queue(w) }

// Buffers counts the packet buffers of the pool that port p receives into.
func (d *Dataplane) Buffers(p int) (total, free int) {
	pool := d.pool(d.ports[p].Socket())
	return pool.Total(), pool.Free()
}

// Close stops the ports and ends DPDK. The workers must have stopped and have unregistered their
// threads, and every frame must be back: what is missing is an error that mempool.Leaked counts.
func (d *Dataplane) Close() error {
	var errs []error
	for _, p := range d.ports {
		errs = append(errs, p.Close())
	}
	for _, p := range d.pools {
		errs = append(errs, p.Close())
	}
	return errors.Join(append(errs, d.eal.Close())...)
}
