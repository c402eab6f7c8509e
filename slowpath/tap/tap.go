package tap

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Options describe an interface.
type Options struct {
	Name      string // at most 15 bytes; no interface may have it yet
	MAC       [6]byte
	MTU       int            // bytes of the largest IP packet; at least 1280 with IPv6 addresses
	Addresses []netip.Prefix // with the network they are in, unmasked
	Gateways  []netip.Addr   // where answers from Addresses to other networks go; none: where the kernel sends them
	Routes    []Route
}

// ErrInterrupted is what Read returns after Interrupt or Close.
var ErrInterrupted = errors.New("reading from the kernel's interface was interrupted")

// Device is an open interface. One goroutine may read while another writes and changes routes.
type Device struct {
	name     string
	file     *os.File
	raw      syscall.RawConn // of file
	kernel   *netlink.Handle // in the network namespace of Open
	link     netlink.Link
	routes   map[netip.Prefix]netip.Addr // to their gateways
	rules    []*netlink.Rule
	warnings []error

	addresses []netip.Prefix     // of the port
	probing   map[bool]bool      // by whether it is IPv6: startProbing has been there
	probed    map[netip.Addr]int // the VIPs that there are routes to, with their MTU
}

// Open makes an interface in the calling thread's network namespace, with its addresses and routes, and brings
// it up. It needs CAP_NET_ADMIN. The error is a sentence that names the interface.
func Open(o Options) (*Device, error) {
	d, err := open(o)
	if err != nil {
		return nil, fmt.Errorf("kernel interface %s: %w", o.Name, err)
	}
	return d, nil
}

func open(o Options) (*Device, error) {
	if err := checkName(o.Name); err != nil {
		return nil, err
	}
	file, err := attach(cloneDevice, o.Name)
	if err != nil {
		return nil, err
	}
	d := &Device{
		name: o.Name, file: file, routes: map[netip.Prefix]netip.Addr{},
		addresses: o.Addresses, probing: map[bool]bool{}, probed: map[netip.Addr]int{},
	}
	if err := d.setUp(o); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Device) setUp(o Options) error {
	var err error
	if d.raw, err = d.file.SyscallConn(); err != nil {
		return err
	}
	// Only what the runtime's poller has taken can be interrupted.
	if err := d.file.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("waiting for frames: %w", err)
	}
	if d.kernel, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("talking to the kernel over netlink: %w", err)
	}
	if d.link, err = d.kernel.LinkByName(o.Name); err != nil {
		return fmt.Errorf("finding the new interface: %w", err)
	}
	if err := d.configure(o); err != nil {
		return err
	}
	if err := d.addWayBack(o); err != nil {
		d.warn("answers to who is behind a gateway may leave by the host's own routes", err)
	}
	return d.setRoutes(o.Routes)
}

// Warnings are settings that the kernel did not take, each with what that means. The interface works without them.
func (d *Device) Warnings() []error { return d.warnings }

func (d *Device) warn(consequence string, err error) {
	d.warnings = append(d.warnings, fmt.Errorf("kernel interface %s: %s: %w", d.name, consequence, err))
}

// Read waits for the next frame that the kernel sends, from its Ethernet header on, and returns its length. buf
// must hold the MTU and 18 bytes; what does not fit is cut off. After Interrupt and Close it fails with
// ErrInterrupted, otherwise only if the interface is gone.
func (d *Device) Read(buf []byte) (int, error) {
	n, err := d.file.Read(buf)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, os.ErrClosed):
		return 0, ErrInterrupted
	case errors.Is(err, unix.EBADFD), d.deleted():
		return 0, fmt.Errorf("kernel interface %s was deleted; restart weir to get it back", d.name)
	}
	return 0, fmt.Errorf("kernel interface %s: %w", d.name, err)
}

// deleted asks the kernel after a Read that failed. While the interface goes, the runtime's poller sees an error on the
// descriptor and does not say which: the kernel has only this one there.
func (d *Device) deleted() (gone bool) {
	_ = d.raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd)}}
		_, err := unix.Poll(fds, 0)
		gone = err == nil && fds[0].Revents&unix.POLLERR != 0
	})
	return gone
}

// Write gives the kernel a frame, from its Ethernet header on, as received by the interface. It never blocks:
// a frame that the kernel does not take, because it is too short to be one, because the interface is down or
// because memory is short, is an error.
func (d *Device) Write(frame []byte) error {
	var failed error
	err := d.raw.Write(func(fd uintptr) bool {
		for {
			if _, failed = unix.Write(int(fd), frame); failed != unix.EINTR {
				return true
			}
		}
	})
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("kernel interface %s did not take a frame of %d bytes: %w", d.name, len(frame), err)
	}
	return nil
}

// Interrupt ends a Read that waits, and makes all later ones fail.
func (d *Device) Interrupt() {
	_ = d.file.SetReadDeadline(time.Unix(1, 0)) // fails only if closed, and then Read does too
}

// Close removes the interface with its addresses and routes. Nothing may be called after it but Read, Write and
// Interrupt, which then do nothing but fail.
func (d *Device) Close() error {
	var err error
	if d.kernel != nil {
		err = d.removeRules()
		d.kernel.Close()
	}
	if err = errors.Join(err, d.file.Close()); err != nil {
		return fmt.Errorf("removing the kernel interface %s: %w", d.name, err)
	}
	return nil
}
