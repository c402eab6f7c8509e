// Package netnstest lets a test make sockets in another network namespace. It needs root.
package netnstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"testing"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// NeedRoot skips a test, loudly, without root; in CI that is a failure.
func NeedRoot(t testing.TB) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("CI") == "true":
		t.Fatal("root is missing")
	default:
		t.Skip("SKIPPED, NOT TESTED: root is missing")
	}
}

// Enter moves the calling thread, to which the goroutine must be locked, into a namespace by its name. The goroutine
// must never be unlocked again, so that the thread ends with it.
func Enter(ns string) error {
	h, err := netns.GetFromName(ns)
	if err != nil {
		return fmt.Errorf("network namespace %s: %w", ns, err)
	}
	return errors.Join(netns.Set(h), h.Close())
}

// In runs f on a thread of its own in a namespace. Sockets that f makes stay there; goroutines that it starts do not
// run there.
func In(ns string, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The process's first thread cannot end; it would stay in the namespace. It waits here while another does it.
			err := In(ns, f)
			runtime.UnlockOSThread()
			done <- err
			return
		}
		err := Enter(ns)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// Dial connects from a namespace.
func Dial(ctx context.Context, ns, network, address string) (net.Conn, error) {
	return DialFrom(ctx, ns, network, nil, address)
}

// DialFrom is Dial from an address and port of the namespace.
func DialFrom(ctx context.Context, ns, network string, local net.Addr, address string) (c net.Conn, err error) {
	err = In(ns, func() (err error) {
		// One family only, so that the dialer needs no second goroutine.
		c, err = (&net.Dialer{FallbackDelay: -1, LocalAddr: local}).DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// Listen listens for TCP in a namespace until the test ends.
func Listen(t testing.TB, ns, address string) (l net.Listener) {
	t.Helper()
	err := In(ns, func() (err error) {
		l, err = net.Listen("tcp", address)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// ListenPacket receives UDP in a namespace until the test ends.
func ListenPacket(t testing.TB, ns, address string) (c net.PacketConn) {
	t.Helper()
	err := In(ns, func() (err error) {
		c, err = net.ListenPacket("udp", address)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
