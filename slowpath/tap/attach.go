package tap

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"
)

// cloneDevice makes a new interface each time it is opened and set up.
const cloneDevice = "/dev/net/tun"

// checkName refuses what the kernel refuses without saying why, and what it would take for a pattern (%d).
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) >= unix.IFNAMSIZ:
		return fmt.Errorf("the name has %d bytes, and at most %d are possible", len(name), unix.IFNAMSIZ-1)
	case name == "." || name == ".." || strings.ContainsAny(name, "/:%\x00") || strings.ContainsFunc(name, unicode.IsSpace):
		return errors.New("the name must not contain a space or any of / : %, nor be . or ..")
	}
	return nil
}

// attach makes the interface and returns the file that its frames go through.
func attach(path, name string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, openError(path, err)
	}
	if err := makeInterface(fd, name); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	// Only now: the poller would never hear of frames of an interface that the file is given later.
	return os.NewFile(uintptr(fd), path), nil
}

func makeInterface(fd int, name string) error {
	req, err := unix.NewIfreq(name)
	if err != nil {
		return fmt.Errorf("the name is impossible: %w", err)
	}
	// IFF_TUN_EXCL: a persistent TAP of that name is somebody else's too.
	req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_TUN_EXCL)
	err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EEXIST):
		return fmt.Errorf("there is an interface of that name already: choose another, or remove it (ip link delete %s): %w", name, err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("making it needs the capability CAP_NET_ADMIN: run weir as root, a container with --cap-add NET_ADMIN: %w", err)
	}
	return fmt.Errorf("the kernel did not make it: %w", err)
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("the kernel offers no TAP interfaces: load the module (modprobe tun), "+
			"give a container --device %s, or leave the port's tap empty: opening %s: %w", path, path, err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%s may not be used: run weir as root, a container with --device %s: %w", path, path, err)
	}
	return fmt.Errorf("opening %s: %w", path, err)
}
