package ethdev

/*
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include "device.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"syscall"

	"github.com/weirlb/weir/dpdk/internal/rtelog"
	"github.com/weirlb/weir/dpdk/mempool"
)

const (
	etherHeader = 14
	etherCRC    = 4
	vlanTag     = 4

	defaultDescriptors = 1024
	defaultMTU         = 1500
	minMTU             = 1280 // RFC 8200 section 5
	// A frame with VLAN tags and, on devices that keep it, its CRC must fit in one buffer.
	maxMTU = 9000
)

func (c Config) withDefaults() Config {
	if c.RxDescriptors == 0 {
		c.RxDescriptors = defaultDescriptors
	}
	if c.TxDescriptors == 0 {
		c.TxDescriptors = defaultDescriptors
	}
	if c.MTU == 0 {
		c.MTU = defaultMTU
	}
	return c
}

// queues is the number of queues in each direction that are wanted.
func (c Config) queues() int {
	if c.Queues > 0 {
		return min(c.Workers, c.Queues)
	}
	return c.Workers
}

func (c Config) validate() error {
	switch {
	case c.Workers < 1:
		return fmt.Errorf("%d workers: there must be at least 1", c.Workers)
	case c.Queues < 0:
		return fmt.Errorf("queues: %d is negative", c.Queues)
	case c.MTU < minMTU || c.MTU > maxMTU:
		return fmt.Errorf("mtu: %d is not in %d to %d", c.MTU, minMTU, maxMTU)
	case c.RxDescriptors < 0 || c.RxDescriptors > 1<<15 || c.TxDescriptors < 0 || c.TxDescriptors > 1<<15:
		return fmt.Errorf("descriptors: %d and %d are not in 1 to %d", c.RxDescriptors, c.TxDescriptors, 1<<15)
	}
	return nil
}

// settle finds out what the device is and how many queues and descriptors it gets.
func (d *Device) settle() error {
	var info C.struct_rte_eth_dev_info
	if rc := C.rte_eth_dev_info_get(C.uint16_t(d.id), &info); rc != 0 {
		return fmt.Errorf("asking for the device's abilities: %w", syscall.Errno(-rc))
	}
	d.handle = info.device
	d.driver = C.GoString(info.driver_name)
	d.socket = max(int(C.rte_eth_dev_socket_id(C.uint16_t(d.id))), mempool.AnySocket)
	// net_af_packet's limit is that of the interface, whatever it says.
	if limit := mtuLimit(int(info.max_mtu), int(info.max_rx_pktlen)); d.cfg.MTU > limit && d.driver != "net_af_packet" {
		return fmt.Errorf("mtu: %d is more than the device takes: set it to %d or less", d.cfg.MTU, limit)
	}
	d.rxQueues = min(d.cfg.queues(), int(info.max_rx_queues))
	d.txQueues = min(d.cfg.queues(), int(info.max_tx_queues))
	if d.driver == "net_af_packet" && d.rxQueues < int(info.max_rx_queues) {
		return fmt.Errorf("qpairs=%d makes the kernel spread frames over %d queues, but only %d are polled: lower qpairs, or raise the number of cores or queues",
			info.max_rx_queues, info.max_rx_queues, d.rxQueues)
	}
	rx, tx := C.uint16_t(d.cfg.RxDescriptors), C.uint16_t(d.cfg.TxDescriptors)
	if rc := C.rte_eth_dev_adjust_nb_rx_tx_desc(C.uint16_t(d.id), &rx, &tx); rc != 0 {
		return fmt.Errorf("asking for the device's numbers of descriptors: %w", syscall.Errno(-rc))
	}
	d.rxDescriptors, d.txDescriptors = int(rx), int(tx)
	if d.driver == "net_af_packet" {
		var err error
		if d.packetSockets, err = packetSockets(d.device.values("iface")[0]); err != nil {
			return fmt.Errorf("finding the device's packet sockets: %w", err)
		}
	}
	var err error
	d.preloaded, err = d.device.preloaded()
	return err
}

// mtuLimit is the largest MTU a device takes, by what it says of packets and of frames with their
// CRC; 0 says nothing.
func mtuLimit(mtu, frame int) int {
	if mtu == 0 {
		mtu = maxMTU
	}
	if frame == 0 {
		return mtu
	}
	return min(mtu, frame-etherHeader-etherCRC)
}

// Start sets the device up and starts it. Received frames come from pool. onlyPool says that every
// frame ever sent through it does too, which lets some devices free buffers faster.
func (d *Device) Start(pool *mempool.Pool, onlyPool bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pool = pool
	d.takeInterfaces()
	for _, f := range []func() error{
		func() error { return d.configure(onlyPool) },
		d.setUpQueues,
		d.setMTU,
		d.setMAC,
		d.setFilters,
		d.start,
		d.learnSpread,
		d.makeQueues,
	} {
		if err := f(); err != nil {
			return d.errorf(err)
		}
	}
	return nil
}

// takeInterfaces readies the kernel's network interfaces under the device and remembers what the
// steps after it change.
func (d *Device) takeInterfaces() {
	for _, n := range d.device.interfaces() {
		if mtu, err := n.mtu(); err == nil {
			d.undo = append(d.undo, func() { _ = n.setMTU(mtu) })
		}
		d.takeWireSized(n)
		if d.driver == "net_af_packet" {
			d.undo = append(d.undo, n.standAside("/proc"))
		}
	}
}

// step does one thing to the device; what says which. ENOTSUP is returned bare.
func step(what string, f func() C.int) error {
	var rc C.int
	lines := rtelog.Record(func() { rc = f() })
	switch {
	case rc == 0:
		return nil
	case rc == -C.int(syscall.ENOTSUP):
		return syscall.ENOTSUP
	}
	return rtelog.Failed(what, int(rc), lines)
}

func (d *Device) configure(onlyPool bool) error {
	s := C.struct_weir_setup{
		rx_queues: C.uint16_t(d.rxQueues),
		tx_queues: C.uint16_t(d.txQueues),
		mtu:       C.uint16_t(d.toldMTU()),
		frame:     C.uint32_t(d.largestReceived()),
		room:      C.uint32_t(C.rte_pktmbuf_data_room_size((*C.struct_rte_mempool)(d.pool.Pointer())) - C.RTE_PKTMBUF_HEADROOM),
		rss:       boolean(d.cfg.RSS),
		vlans:     boolean(d.cfg.VLANs),
		fast_free: boolean(onlyPool),
		// With the offload, virtio lets the host leave checksums undone between its guests.
		no_l4_checksum: boolean(strings.HasPrefix(d.driver, "net_virtio")),
	}
	return step("configuring the device", func() C.int { return C.weir_device_configure(C.uint16_t(d.id), &s) })
}

func (d *Device) setUpQueues() error {
	id, socket := C.uint16_t(d.id), C.uint(C.rte_eth_dev_socket_id(C.uint16_t(d.id)))
	for q := range d.rxQueues {
		err := step(fmt.Sprintf("setting up receive queue %d", q), func() C.int {
			return C.rte_eth_rx_queue_setup(id, C.uint16_t(q), C.uint16_t(d.rxDescriptors), socket, nil,
				(*C.struct_rte_mempool)(d.pool.Pointer()))
		})
		if err != nil {
			return err
		}
	}
	for q := range d.txQueues {
		err := step(fmt.Sprintf("setting up transmit queue %d", q), func() C.int {
			return C.rte_eth_tx_queue_setup(id, C.uint16_t(q), C.uint16_t(d.txDescriptors), socket, nil)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// toldMTU is what the driver is told when it is configured: net_af_packet refuses more than the usual size, and does not
// look at it otherwise.
func (d *Device) toldMTU() int {
	if d.driver == "net_af_packet" {
		return min(d.cfg.MTU, defaultMTU)
	}
	return d.cfg.MTU
}

// setMTU tells the device the MTU. One that can't be told takes any frame, or the usual size.
func (d *Device) setMTU() error {
	if d.driver == "net_af_packet" {
		for _, n := range d.device.interfaces() {
			if err := n.setMTU(uint32(d.cfg.MTU)); err != nil {
				return fmt.Errorf("setting the MTU of %s to %d: %w", n, d.cfg.MTU, err)
			}
		}
		return nil
	}
	err := step(fmt.Sprintf("setting the MTU to %d", d.cfg.MTU), func() C.int {
		return C.rte_eth_dev_set_mtu(C.uint16_t(d.id), C.uint16_t(d.cfg.MTU))
	})
	if errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}

// setMAC gives the device the configured address, or learns its own. Where the device refuses, every
// frame is received and those for other stations are left to the worker to drop.
func (d *Device) setMAC() error {
	if !d.cfg.HasMAC {
		return d.readMAC()
	}
	d.mac = d.cfg.MAC
	var addr, own C.struct_rte_ether_addr
	known := C.rte_eth_macaddr_get(C.uint16_t(d.id), &own) == 0
	for i, b := range d.cfg.MAC {
		addr.addr_bytes[i] = C.uint8_t(b)
	}
	err := step(fmt.Sprintf("setting the MAC address to % x", d.cfg.MAC), func() C.int {
		return C.rte_eth_dev_default_mac_addr_set(C.uint16_t(d.id), &addr)
	})
	if err == nil {
		if known {
			d.undo = append(d.undo, func() { C.rte_eth_dev_default_mac_addr_set(C.uint16_t(d.id), &own) })
		}
		return nil
	}
	if perr := d.setPromiscuous(); perr != nil && !(errors.Is(err, syscall.ENOTSUP) && errors.Is(perr, syscall.ENOTSUP)) {
		return fmt.Errorf("the device keeps its own MAC address (%w) and can't be made promiscuous (%w): leave mac out", err, perr)
	}
	return nil
}

// readMAC takes the device's own address. A device without one (net_ring) gets one made from the
// port's name, locally administered and the same every time.
func (d *Device) readMAC() error {
	var addr C.struct_rte_ether_addr
	if err := step("reading the MAC address", func() C.int {
		return C.rte_eth_macaddr_get(C.uint16_t(d.id), &addr)
	}); err != nil {
		return err
	}
	for i := range d.mac {
		d.mac[i] = byte(addr.addr_bytes[i])
	}
	if d.mac == [6]byte{} {
		h := fnv.New64a()
		h.Write([]byte(d.cfg.Name))
		sum := h.Sum64()
		d.mac = [6]byte{0x02, byte(sum), byte(sum >> 8), byte(sum >> 16), byte(sum >> 24), byte(sum >> 32)}
	}
	return nil
}

// setFilters opens the device for multicast, which neighbour discovery needs, and for frames to
// other stations if that is wanted. A driver without a switch for multicast is made promiscuous; one
// without either has no filter.
func (d *Device) setFilters() error {
	id := C.uint16_t(d.id)
	multicast := step("receiving multicast", func() C.int { return C.rte_eth_allmulticast_enable(id) })
	if multicast == nil {
		d.undo = append(d.undo, func() { C.rte_eth_allmulticast_disable(id) })
	}
	if !d.cfg.Promiscuous && multicast == nil {
		return nil
	}
	if err := d.setPromiscuous(); err != nil && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}

func (d *Device) setPromiscuous() error {
	id := C.uint16_t(d.id)
	if C.rte_eth_promiscuous_get(id) == 1 {
		return nil
	}
	err := step("making the device promiscuous", func() C.int { return C.rte_eth_promiscuous_enable(id) })
	if err == nil {
		d.undo = append(d.undo, func() { C.rte_eth_promiscuous_disable(id) })
	}
	return err
}

func (d *Device) start() error {
	if err := step("starting the device", func() C.int { return C.rte_eth_dev_start(C.uint16_t(d.id)) }); err != nil {
		return err
	}
	d.started = true
	return nil
}

func (d *Device) makeQueues() error {
	for w := range d.cfg.Workers {
		q, err := d.newQueue(w)
		if err != nil {
			return err
		}
		d.queues = append(d.queues, q)
	}
	return nil
}
