package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/slowpath/api"
	"github.com/weirlb/weir/slowpath/view"
)

// Exit statuses of a command that waits.
const (
	exitTimeUp      = 3
	exitInterrupted = 128 + int(syscall.SIGINT)
)

const (
	drainPeriod = time.Second      // between two looks
	plainPeriod = 10 * time.Second // between two lines where there is no terminal
)

// awaitDrain waits until a backend has no connections left, and shows how it goes.
func awaitDrain(cmd *cobra.Command, c *api.Client, service string, backend netip.AddrPort, wait time.Duration) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	deadline, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	left, err := followDrain(deadline, newProgress(cmd.ErrOrStderr(), time.Now()), func() (view.Backend, error) {
		return c.Backend(deadline, service, backend)
	})
	switch {
	case left == 0 && err == nil:
		fmt.Fprintf(cmd.OutOrStdout(), "backend %s %s is drained: no connections are left\n", service, backend)
		return nil
	case ctx.Err() != nil:
		fmt.Fprintf(cmd.ErrOrStderr(), "weir: interrupted with %s left; the drain stays in force: weir backend drain --undo ends it\n", conf.Counted(left, "connection"))
		return exitError(exitInterrupted)
	case deadline.Err() != nil:
		fmt.Fprintf(cmd.ErrOrStderr(), "weir: the time is up with %s left; the drain stays in force: weir backend drain --undo ends it\n", conf.Counted(left, "connection"))
		return exitError(exitTimeUp)
	}
	return err
}

// followDrain looks at a backend until it has no connections left or ctx ends, and returns how many there were last.
func followDrain(ctx context.Context, p *progress, look func() (view.Backend, error)) (left int, err error) {
	tick := time.NewTicker(drainPeriod)
	defer tick.Stop()
	defer p.end()
	for {
		b, err := look()
		switch {
		case err != nil:
			return left, err
		case b.Weight > 0:
			return left, fmt.Errorf("somebody else has ended the drain: the backend's weight is %d", b.Weight)
		}
		left = b.Active + b.Inactive
		p.show(time.Now(), left)
		if left == 0 {
			return 0, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return left, ctx.Err()
		}
	}
}

// exitError is the exit status of a command that has told the user why.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// exitStatus is what a command ends with after an error.
func exitStatus(err error) int {
	var e exitError
	if errors.As(err, &e) {
		return int(e)
	}
	return 1
}

// progress shows connections becoming fewer: in a line that is written over on a terminal, in a line now and then
// elsewhere.
type progress struct {
	w        io.Writer
	terminal bool
	began    time.Time
	most     int
	shown    time.Time
	rate     drainRate
}

func newProgress(w io.Writer, now time.Time) *progress {
	p := &progress{w: w, began: now}
	if f, ok := w.(interface{ Fd() uintptr }); ok {
		_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
		p.terminal = err == nil
	}
	return p
}

// show shows how many are left now.
func (p *progress) show(now time.Time, left int) {
	p.most = max(p.most, left)
	p.rate.look(now, left)
	text := describeDrain(left, p.rate.perSecond(), now.Sub(p.began))
	if p.terminal {
		fmt.Fprintf(p.w, "\r\033[K%s %s", bar(p.most-left, p.most), text)
		return
	}
	if p.shown.IsZero() || now.Sub(p.shown) >= plainPeriod {
		p.shown = now
		fmt.Fprintln(p.w, text)
	}
}

// end leaves the line.
func (p *progress) end() {
	if p.terminal {
		fmt.Fprintln(p.w)
	}
}

// describeDrain tells how a drain goes.
func describeDrain(left int, rate float64, since time.Duration) string {
	text := fmt.Sprintf("%s left, %.1f end each second", conf.Counted(left, "connection"), rate)
	switch {
	case left == 0:
	case rate > 0:
		text += fmt.Sprintf(", about %s to go", (time.Duration(float64(left) / rate * float64(time.Second))).Round(time.Second))
	default:
		text += ", no end in sight"
	}
	return text + fmt.Sprintf(" (%s)", since.Round(time.Second))
}

const barWidth = 30

func bar(done, all int) string {
	full := barWidth
	if all > 0 {
		full = barWidth * done / all
	}
	b := make([]byte, barWidth)
	for i := range b {
		b[i] = '.'
		if i < full {
			b[i] = '#'
		}
	}
	return "[" + string(b) + "]"
}

// drainRate is how many connections have ended in the last seconds.
type drainRate struct {
	times []time.Time
	left  []int
}

// rateWindow is how many looks the rate is made of: long enough for slow drains, short enough to follow.
const rateWindow = 15

func (r *drainRate) look(now time.Time, left int) {
	r.times, r.left = append(r.times, now), append(r.left, left)
	if len(r.times) > rateWindow {
		r.times, r.left = r.times[1:], r.left[1:]
	}
}

func (r *drainRate) perSecond() float64 {
	last := len(r.times) - 1
	if last < 1 {
		return 0
	}
	return max(0, float64(r.left[0]-r.left[last])/r.times[last].Sub(r.times[0]).Seconds())
}
