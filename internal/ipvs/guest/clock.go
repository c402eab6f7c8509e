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

// slow lets the kernel's time pass slower by a factor, but for leaps.
func slow(factor int64) error {
	return change(8, func(int64) int64 { return factor })
}

// period is that of the kernel's ticks. The clock of the last one goes on by whole periods only.
const period = 10 * time.Millisecond

// leap sets the clock forward, by whole periods: a slow clock would take long for the rest of one.
func leap(d time.Duration) error {
	before := coarse()
	d = (d + period - 1) / period * period
	if err := change(0, func(offset int64) int64 { return offset + int64(d) }); err != nil {
		return err
	}
	return tick(before + d - period/10)
}

// change changes a number of the kernel's clock. The clock is the host's, slowed down, plus an offset, both from a file that
// scripts/ipvslab names in the environment (see internal/ipvs/host).
func change(at int64, to func(int64) int64) error {
	f, err := os.OpenFile(os.Getenv("IPVSLAB_CLOCK"), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("the kernel's clock: %w", err)
	}
	defer f.Close()
	var b [8]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		return fmt.Errorf("the kernel's clock: %w", err)
	}
	binary.LittleEndian.PutUint64(b[:], uint64(to(int64(binary.LittleEndian.Uint64(b[:])))))
	if _, err := f.WriteAt(b[:], at); err != nil {
		return fmt.Errorf("setting the kernel's clock: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("setting the kernel's clock: %w", err)
	}
	return nil
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
