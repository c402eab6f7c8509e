package ethdev

/*
#include <stdlib.h>
#include <linux/ethtool.h>
#include "iface.h"
*/
import "C"

import (
	"fmt"
	"net"
	"unsafe"

	"golang.org/x/sys/unix"
)

// netIf is the name of a network interface of the kernel's. Its methods work in the calling
// thread's network namespace, as DPDK's drivers do.
type netIf string

// bringUp makes sure the interface exists and is administratively up, as a PCI device is once DPDK
// started it.
func (n netIf) bringUp() error {
	if _, err := net.InterfaceByName(string(n)); err != nil {
		return fmt.Errorf("there is no network interface %q: see ip link", string(n))
	}
	flags, err := n.flags()
	if err == nil && flags&unix.IFF_UP != 0 {
		return nil
	}
	if err == nil {
		err = n.set(unix.SIOCSIFFLAGS, func(r *unix.Ifreq) { r.SetUint16(flags | unix.IFF_UP) })
	}
	if err != nil {
		return fmt.Errorf("the network interface %s is down and can't be set up: %w: try ip link set %s up", string(n), err, string(n))
	}
	return nil
}

// running tells whether the interface is up and has a carrier.
func (n netIf) running() bool {
	flags, err := n.flags()
	return err == nil && flags&unix.IFF_UP != 0 && flags&unix.IFF_RUNNING != 0
}

func (n netIf) flags() (uint16, error) {
	var flags uint16
	err := n.get(unix.SIOCGIFFLAGS, func(r *unix.Ifreq) { flags = r.Uint16() })
	return flags, err
}

func (n netIf) mtu() (uint32, error) {
	var mtu uint32
	err := n.get(unix.SIOCGIFMTU, func(r *unix.Ifreq) { mtu = r.Uint32() })
	return mtu, err
}

func (n netIf) setMTU(mtu uint32) error {
	return n.set(unix.SIOCSIFMTU, func(r *unix.Ifreq) { r.SetUint32(mtu) })
}

// get runs a request and hands the answer to read.
func (n netIf) get(request uint, read func(*unix.Ifreq)) error {
	return n.ioctl(request, func(*unix.Ifreq) {}, read)
}

// set runs a request that fill has completed.
func (n netIf) set(request uint, fill func(*unix.Ifreq)) error {
	return n.ioctl(request, fill, func(*unix.Ifreq) {})
}

func (n netIf) ioctl(request uint, fill, read func(*unix.Ifreq)) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(string(n))
	if err != nil {
		return err
	}
	fill(req)
	if err := unix.IoctlIfreq(fd, request, req); err != nil {
		return err
	}
	read(req)
	return nil
}

func (n netIf) ethtool(command, value uint32) (uint32, error) {
	name := C.CString(string(n))
	defer C.free(unsafe.Pointer(name))
	v := C.uint32_t(value)
	if rc := C.weir_iface_ethtool(name, C.uint32_t(command), &v); rc != 0 {
		return 0, unix.Errno(-rc)
	}
	return uint32(v), nil
}

// stopMerging turns off what makes the kernel join received frames into larger ones than were sent
// (GRO and LRO): they would not fit into a buffer. undo turns on again what was on. An interface
// that knows neither is left alone.
func (n netIf) stopMerging() (undo func()) {
	undo = func() {}
	if on, err := n.ethtool(C.ETHTOOL_GGRO, 0); err == nil && on != 0 {
		if _, err := n.ethtool(C.ETHTOOL_SGRO, 0); err == nil {
			undo = func() { _, _ = n.ethtool(C.ETHTOOL_SGRO, 1) }
		}
	}
	flags, err := n.ethtool(C.ETHTOOL_GFLAGS, 0)
	if err != nil || flags&C.ETH_FLAG_LRO == 0 {
		return undo
	}
	if _, err := n.ethtool(C.ETHTOOL_SFLAGS, flags&^C.ETH_FLAG_LRO); err != nil {
		return undo
	}
	gro := undo
	return func() {
		gro()
		_, _ = n.ethtool(C.ETHTOOL_SFLAGS, flags)
	}
}
