package ethdev

import (
	"fmt"
	"net"

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
