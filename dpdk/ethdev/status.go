package ethdev

/*
#include <rte_ethdev.h>
#include "device.h"
#include "exchange.h"
*/
import "C"

import (
	"fmt"
	"syscall"
)

// Link is the state of the device's link.
type Link struct {
	Up   bool
	Mbps uint32 // 0: not known
}

// Link asks the device for its link's state. A closed device's link is down. Drivers on an interface
// of the kernel's say that the link is up at all times, and make up its speed: there the interface is
// asked, and the speed is not known.
func (d *Device) Link() Link {
	d.mu.Lock()
	defer d.mu.Unlock()
	var up C.int
	var mbps C.uint32_t
	if d.closed || C.weir_device_link(C.uint16_t(d.id), &up, &mbps) != 0 {
		return Link{}
	}
	if d.device.driver == "net_tap" || len(d.device.interfaces()) == 0 {
		return Link{Up: up != 0, Mbps: uint32(mbps)}
	}
	for _, n := range d.device.interfaces() {
		if !n.running() {
			return Link{}
		}
	}
	return Link{Up: up != 0}
}

// Stats are the device's counters since it was started, as far as its driver keeps them. Bytes are
// without CRC on most devices.
type Stats struct {
	RxPackets uint64
	TxPackets uint64
	RxBytes   uint64
	TxBytes   uint64
	RxMissed  uint64 // lost because no worker took them in time
	RxErrors  uint64
	TxErrors  uint64 // with the frames dropped for being larger than the MTU
	RxNoBuf   uint64 // lost because the pool was empty
}

// Stats reads the counters. It fails on a closed device.
func (d *Device) Stats() (Stats, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return Stats{}, d.errorf(fmt.Errorf("reading counters: %w", syscall.ENODEV))
	}
	var s C.struct_rte_eth_stats
	if rc := C.rte_eth_stats_get(C.uint16_t(d.id), &s); rc != 0 {
		return Stats{}, d.errorf(fmt.Errorf("reading counters: %w", syscall.Errno(-rc)))
	}
	out := Stats{
		RxPackets: uint64(s.ipackets),
		TxPackets: uint64(s.opackets),
		RxBytes:   uint64(s.ibytes),
		TxBytes:   uint64(s.obytes),
		RxMissed:  uint64(s.imissed),
		RxErrors:  uint64(s.ierrors),
		TxErrors:  uint64(s.oerrors),
		RxNoBuf:   uint64(s.rx_nombuf),
	}
	d.countMissed()
	out.RxMissed += d.missed
	for _, q := range d.queues {
		out.TxErrors += uint64(C.weir_queue_oversized(q.c))
	}
	return out, nil
}
