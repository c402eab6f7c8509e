package ethdev

/*
#include <stdlib.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include "device.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"github.com/weirlb/weir/dpdk/eal"
	"github.com/weirlb/weir/dpdk/internal/rtelog"
	"github.com/weirlb/weir/dpdk/mempool"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/rss"
)

var errNoMemory = errors.New("the machine has no memory left")

// Config is one port as it is wanted.
type Config struct {
	Name   string // for messages and port.Info
	Device string // PCI address or virtual device, with DPDK's device arguments
	// Workers is the number of threads that will exchange bursts with the device, at least 1.
	Workers int
	// Queues is the most receive and transmit queues to use; 0 is one per worker. There are never
	// more than workers, nor more than the device has.
	Queues int
	// RxDescriptors and TxDescriptors are per queue; the device's limits apply. 0 is 1024.
	RxDescriptors int
	TxDescriptors int
	// MTU is the largest IP packet, 1280 to 9000; 0 is 1500.
	MTU int
	// MAC is set if HasMAC. On a device that can't change its own, the port becomes promiscuous and
	// MAC is used all the same.
	MAC    [6]byte
	HasMAC bool
	// Promiscuous receives frames for any station.
	Promiscuous bool
	// VLANs says that frames have tags, up to two.
	VLANs bool
	// RSS spreads received frames over the queues by their addresses and ports, on a device that can.
	RSS bool
}

// Device is one network device in use. Its methods may be called from any goroutine.
type Device struct {
	eal    *eal.EAL
	cfg    Config
	device device
	id     uint16
	handle *C.struct_rte_device
	driver string
	socket int

	rxQueues, txQueues           int
	rxDescriptors, txDescriptors int
	preloaded                    int

	mu      sync.Mutex // guards what follows; held while DPDK changes or reads the device
	mac     [6]byte
	pool    *mempool.Pool
	queues  []*Queue
	spread  *rss.Spread // nil: the device does not tell, or does not spread
	started bool
	closed  bool
	undo    []func() // puts back what Start changed outside this process
	changed []string // at the kernel's interfaces, for Changed
	caveats []error

	packetSockets []int  // of net_af_packet
	missed        uint64 // frames its rings had no room for
}

// claimed holds the names of devices and interfaces in use: two ports on one would share its frames.
var claimed = struct {
	sync.Mutex
	names map[string]bool
}{names: map[string]bool{}}

// claim takes all of the names; if one is taken, it takes none and returns it.
func claim(names []string) (taken string, ok bool) {
	claimed.Lock()
	defer claimed.Unlock()
	for _, n := range names {
		if claimed.names[n] {
			return n, false
		}
	}
	for _, n := range names {
		claimed.names[n] = true
	}
	return "", true
}

func release(names []string) {
	claimed.Lock()
	defer claimed.Unlock()
	for _, n := range names {
		delete(claimed.names, n)
	}
}

// Probe finds the device, has DPDK's driver take it, and settles the number of queues and
// descriptors. Errors name the port and its device and say what to do. The caller ends the device
// with Close.
func Probe(e *eal.EAL, cfg Config) (*Device, error) {
	d := &Device{eal: e, cfg: cfg.withDefaults()}
	if err := d.probe(); err != nil {
		return nil, d.errorf(err)
	}
	if err := d.settle(); err != nil {
		return nil, d.errorf(errors.Join(err, d.detach()))
	}
	return d, nil
}

// errorf puts in front which port and device an error is about.
func (d *Device) errorf(err error) error {
	return fmt.Errorf("port %s (device %s): %w", d.cfg.Name, d.cfg.Device, err)
}

func (d *Device) probe() error {
	if err := d.cfg.validate(); err != nil {
		return err
	}
	var err error
	if d.device, err = parseDevice(d.cfg.Device); err != nil {
		return err
	}
	if err := d.device.preflight(os.DirFS("/")); err != nil {
		return err
	}
	d.device.imply(d.cfg.queues(), max(d.cfg.RxDescriptors, d.cfg.TxDescriptors), d.cfg.MTU)
	if err := d.device.checkLocked(); err != nil {
		return err
	}
	switch taken, ok := claim(d.device.claims()); {
	case ok:
	case taken == d.device.name:
		return errors.New("another port has the device: a virtual device can be had once more under another number, such as net_tap1 beside net_tap0")
	default:
		return fmt.Errorf("another port has the %s: each port needs one of its own", taken)
	}
	if err := d.attach(); err != nil {
		release(d.device.claims())
		return err
	}
	return nil
}

// attach makes the driver take the device. DPDK has already done so with PCI devices at its start if
// it could; the second try is for the cause.
func (d *Device) attach() error {
	args := C.CString(d.device.String())
	defer C.free(unsafe.Pointer(args))
	if d.findPort() == nil {
		return nil
	}
	var rc C.int
	lines := rtelog.Record(func() { rc = C.rte_dev_probe(args) })
	switch {
	case rc == 0:
		err := d.findPort()
		if err != nil && !d.device.pci {
			d.unplug()
		}
		return err
	case rc == -C.int(syscall.EFAULT) && !d.device.pci: // no bus knows such a name
		return fmt.Errorf("DPDK has no driver %s: see whether its name is right and its package (on Debian librte-%s23) is installed",
			d.device.driver, strings.ReplaceAll(d.device.driver, "_", "-"))
	case rc == -C.int(syscall.ENOTSUP) && d.device.pci:
		return rtelog.Explain(errors.New("DPDK has no driver for this PCI device: see whether the driver's package is installed"), lines)
	case len(d.device.args) > 0:
		return rtelog.Failed(fmt.Sprintf("the driver did not take the device with the arguments %q", strings.Join(d.device.args, ",")), int(rc), lines)
	}
	return rtelog.Failed("the driver did not take the device", int(rc), lines)
}

// unplug takes a virtual device that is no network device from its driver.
func (d *Device) unplug() {
	bus, name := C.CString("vdev"), C.CString(d.device.name)
	defer C.free(unsafe.Pointer(bus))
	defer C.free(unsafe.Pointer(name))
	C.rte_eal_hotplug_remove(bus, name)
}

// findPort looks for DPDK's port of the device.
func (d *Device) findPort() error {
	name := C.CString(d.device.name)
	defer C.free(unsafe.Pointer(name))
	var id C.uint16_t
	if rc := C.rte_eth_dev_get_port_by_name(name, &id); rc != 0 {
		return errors.New("DPDK has the device, but it is no network device")
	}
	d.id = uint16(id)
	return nil
}

// detach takes the device from its driver.
func (d *Device) detach() error {
	defer release(d.device.claims())
	var rc C.int
	lines := rtelog.Record(func() {
		C.rte_eth_dev_close(C.uint16_t(d.id))
		rc = C.rte_dev_remove(d.handle)
	})
	// Some buses can't unplug; the device is closed nevertheless.
	if rc != 0 && rc != -C.int(syscall.ENOTSUP) {
		return rtelog.Failed("giving the device up", int(rc), lines)
	}
	return nil
}

// Demand is where the device and its workers keep buffers, for the size of the pool.
func (d *Device) Demand() mempool.Demand {
	return mempool.Demand{
		Descriptors: d.rxQueues*d.rxDescriptors + d.txQueues*d.txDescriptors,
		Bursts:      d.cfg.Workers,
		Workers:     d.cfg.Workers,
		Extra:       d.preloaded + d.keeps(),
		Frame:       d.largestReceived(),
	}
}

// largestReceived is the length of the largest frame that is received, with all that may be around its packet.
func (d *Device) largestReceived() int { return d.cfg.MTU + etherHeader + 2*vlanTag + etherCRC }

// Socket is the NUMA node the device is attached to, or mempool.AnySocket.
func (d *Device) Socket() int { return d.socket }

// Driver is the name of DPDK's driver.
func (d *Device) Driver() string { return d.driver }

// Queues is the number of receive and of transmit queues in use.
func (d *Device) Queues() (rx, tx int) { return d.rxQueues, d.txQueues }

// Info is what workers and the slow path must know. It is complete once the device is started.
func (d *Device) Info() port.Info {
	d.mu.Lock()
	defer d.mu.Unlock()
	return port.Info{Name: d.cfg.Name, MAC: d.mac, MTU: uint16(d.cfg.MTU), RSS: d.spread}
}

// Changed is what Start changed of the kernel's network interfaces under the device, until it is closed, so that they hand
// over frames as they are on a wire: in ethtool's words, and "xdp" for a program on a veth.
func (d *Device) Changed() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}

// Caveats are what Start could not do, but goes without, and what follows.
func (d *Device) Caveats() []error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.caveats
}

// Queue is worker w's queue, 0 ≤ w < Config.Workers, on a started device.
func (d *Device) Queue(w int) *Queue { return d.queues[w] }

// Close stops the device and gives up everything it holds; buffers in its bursts and descriptors go
// back to their pools. The workers must have stopped. A second call does nothing.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	stopped := d.stop()
	for _, q := range d.queues {
		q.free()
	}
	if d.pool != nil {
		d.pool.Excuse(d.keeps())
	}
	if err := errors.Join(stopped, d.detach()); err != nil {
		return d.errorf(err)
	}
	return nil
}

// ringSize is what net_ring's queues hold.
const ringSize = 1024

func (d *Device) stop() error {
	d.countMissed()
	d.packetSockets = nil // the driver closes them
	for _, f := range slices.Backward(d.undo) {
		f()
	}
	if !d.started {
		return nil
	}
	if d.driver == "net_ring" {
		// It frees its rings without the frames in them.
		C.weir_device_drain(C.uint16_t(d.id), C.uint16_t(d.rxQueues), ringSize)
	}
	var rc C.int
	lines := rtelog.Record(func() { rc = C.rte_eth_dev_stop(C.uint16_t(d.id)) })
	if rc != 0 {
		return rtelog.Failed("stopping the device", int(rc), lines)
	}
	return nil
}
