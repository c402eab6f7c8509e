// Command decap is the lab's end of a tunnel, for kernels that have neither ipip nor ip6tnl: it takes packets wrapped in
// IPv4 or IPv6, with GRE, GUE or VXLAN between or nothing, off its sockets and gives what is inside them back to the kernel through a TUN interface. It is no
// part of Weir, and no example for a real server: it copies every packet twice, and ignores ECN (RFC 6040).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	tun := flag.String("tun", "decap0", "the TUN interface to give the inner packets to; made if it does not exist")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *tun)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "decap:", err)
		os.Exit(1)
	}
}

// run decapsulates until ctx ends.
func run(ctx context.Context, name string) error {
	tun, err := openTUN(name)
	if err != nil {
		return err
	}
	defer tun.Close()
	var sockets []*os.File
	defer func() {
		for _, s := range sockets {
			_ = s.Close()
		}
	}()
	errs := make(chan error, len(tunnels))
	var readers sync.WaitGroup
	for _, t := range tunnels {
		s, err := t.open()
		if err != nil {
			return err
		}
		sockets = append(sockets, s)
		readers.Go(func() { errs <- t.carry(s, tun) })
	}
	select {
	case <-ctx.Done():
		err = nil
	case err = <-errs:
	}
	for _, s := range sockets {
		_ = s.Close() // wakes the readers
	}
	readers.Wait()
	return err
}

// openTUN attaches to a TUN interface, whose frames are then bare IP packets.
func openTUN(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("opening /dev/net/tun: %w", err)
	}
	ifr, err := unix.NewIfreq(name)
	if err == nil {
		ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("attaching to the TUN interface %s: %w", name, err)
	}
	// Only now: the runtime's poller takes no TUN file that is not attached yet.
	return os.NewFile(uintptr(fd), name), nil
}

// carry moves packets from a raw socket to the TUN interface until the socket is closed.
func (t tunnel) carry(s, tun *os.File) error {
	buf := make([]byte, 1<<16)
	for {
		n, err := s.Read(buf)
		if errors.Is(err, os.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s packets: %w", t.name, err)
		}
		inner, ok := t.inner(buf[:n])
		if !ok {
			continue
		}
		if _, err := tun.Write(inner); err != nil && !errors.Is(err, unix.EINVAL) { // EINVAL: no packet for the kernel
			return fmt.Errorf("writing to %s: %w", tun.Name(), err)
		}
	}
}
