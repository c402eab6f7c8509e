package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// stride is the most that the clock may leap at once: between two ticks, the kernel multiplies the nanoseconds that have
// passed by 2²⁴, in 64 bits. It is longer than any connection lives that is left alone, the slack of the kernel's timers included.
const stride = 1050 * time.Second

// Wait implements ipvs.Balancer: it sets the kernel's clock forward.
func (k *kernel) Wait(d time.Duration) error {
	for ; d > stride; d -= stride {
		if err := leap(stride); err != nil {
			return err
		}
	}
	if err := leap(d); err != nil {
		return err
	}
	// The tick that sees a leap does what was due, but what this leads to may be done by the next one.
	return tick(coarse() + 1)
}

// leap sets the clock forward. The clock is the host's plus an offset from a file, which scripts/ipvslab names in the
// environment (see internal/ipvs/host).
func leap(d time.Duration) error {
	f, err := os.OpenFile(os.Getenv("IPVSLAB_CLOCK"), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("the kernel's clock: %w", err)
	}
	defer f.Close()
	var b [8]byte
	if _, err := f.ReadAt(b[:], 0); err != nil {
		return fmt.Errorf("the kernel's clock: %w", err)
	}
	before := coarse()
	binary.LittleEndian.PutUint64(b[:], binary.LittleEndian.Uint64(b[:])+uint64(d))
	if _, err := f.WriteAt(b[:], 0); err != nil {
		return fmt.Errorf("setting the kernel's clock: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("setting the kernel's clock: %w", err)
	}
	return tick(before + d)
}

// tick waits until the last tick was at a time or later.
func tick(at time.Duration) error {
	for deadline := time.Now().Add(patience); coarse() < at; {
		if time.Now().After(deadline) {
			return fmt.Errorf("the kernel's clock stands at %s and does not come to %s", coarse(), at)
		}
	}
	return nil
}

// forget lets so much time pass that no connection is left.
func (k *kernel) forget() error {
	for range 10 {
		if err := leap(stride); err != nil {
			return err
		}
		data, err := os.ReadFile("/proc/net/ip_vs_conn")
		if err != nil || bytes.Count(data, []byte("\n")) == 1 { // the headings
			return err
		}
	}
	return errors.New("connections do not end")
}

// coarse is the time of the kernel's last tick.
func coarse() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC_COARSE, &t); err != nil {
		panic(err) // every Linux has this clock
	}
	return time.Duration(t.Nano())
}
