package capture

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/slowpath/view"
)

// Capture is one capture under way.
type Capture struct {
	m       *Manager
	id      int
	request view.CaptureRequest
	tap     *fastpath.Tap
	stop    chan string // why it shall end

	buf     *bufio.Writer
	w       writer
	perPort []uint64
	copies  []copied
	bytes   []byte // of copies
	one     fastpath.CopyBuffer
	full    bool // the file may not grow any more
	last    [2]uint64
	done    view.CaptureSummary
}

// copied is a copy that waits for its turn.
type copied struct {
	fastpath.Copy
	at, end int // in bytes
}

// ID is the capture's number.
func (c *Capture) ID() int { return c.id }

func (c *Capture) end(why string) {
	select {
	case c.stop <- why:
	default: // it is told already
	}
}

const (
	// pause is between two looks at the workers' rings.
	pause = 10 * time.Millisecond
	// batchBytes is what is taken from one worker at a time: a ring full.
	batchBytes = 4 << 20
	writeBytes = 64 << 10
)

const allThere = "all packets that were asked for are there"

// Run writes the capture until it ends: by its bounds, by End, or with ctx or the first error, when nobody reads any more.
func (c *Capture) Run(ctx context.Context, out view.CaptureOutput) (view.CaptureSummary, error) {
	c.buf = bufio.NewWriterSize(out, writeBytes)
	c.w.w = c.buf
	c.perPort = make([]uint64, len(c.m.ports))
	err := c.head()
	if err == nil {
		err = c.flush(out)
	}
	if err == nil {
		err = c.loop(ctx, out)
	}
	c.m.host.RemoveTap(c.tap)
	if err == nil && ctx.Err() == nil {
		if _, err = c.drain(); err == nil {
			err = c.tail(out)
		}
	}
	if err != nil || ctx.Err() != nil {
		c.done.Ended = "the client is gone"
	}
	c.count()
	c.m.forget(c, &c.done)
	return c.done, err
}

func (c *Capture) loop(ctx context.Context, out view.CaptureOutput) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	var over <-chan time.Time
	if c.request.Seconds > 0 {
		t := time.NewTimer(time.Duration(c.request.Seconds * float64(time.Second)))
		defer t.Stop()
		over = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case c.done.Ended = <-c.stop:
			return nil
		case <-over:
			c.done.Ended = "the duration is over"
			return nil
		case <-tick.C:
		}
		n, err := c.drain()
		if err == nil && n > 0 {
			err = c.flush(out)
		}
		if err != nil || c.done.Ended != "" {
			return err
		}
	}
}

// head describes the file and the ports.
func (c *Capture) head() error {
	if err := c.w.section("weir "+c.m.version, words(&c.request)); err != nil {
		return err
	}
	for _, name := range c.m.ports {
		if err := c.w.port(name, uint32(c.request.Snap), c.request.Filter); err != nil {
			return err
		}
	}
	return nil
}

// tail ends the file with the figures.
func (c *Capture) tail(out view.CaptureOutput) error {
	c.count()
	for i := range c.m.ports {
		text := ""
		if i == 0 {
			text = figures(&c.done)
		}
		if err := c.w.statistics(i, uint64(time.Now().UnixNano()), c.perPort[i], text); err != nil {
			return err
		}
	}
	return c.flush(out)
}

func figures(s *view.CaptureSummary) string {
	return fmt.Sprintf("packets captured: %d, in frames: %d, bytes: %d; filtered: %d, above the rate: %d, frames lost: %d; ended: %s",
		s.Packets, s.Frames, s.Bytes, s.Filtered, s.AboveRate, s.Lost, s.Ended)
}

func (c *Capture) flush(out view.CaptureOutput) error {
	if err := c.buf.Flush(); err != nil {
		return err
	}
	return out.Flush()
}

// count takes over what the workers counted.
func (c *Capture) count() {
	n := c.tap.Counters()
	c.done.Filtered, c.done.AboveRate, c.done.Lost = n.Filtered, n.Above, n.Lost
	c.done.Bytes = uint64(c.w.written)
}

// drain writes what there is, in the order of time. The copies of a packet stay together: they have one time, and come from
// one worker in a row.
func (c *Capture) drain() (int, error) {
	c.copies, c.bytes = c.copies[:0], c.bytes[:0]
	for worker := range c.m.workers {
		for begin := len(c.bytes); len(c.bytes)-begin < batchBytes; {
			p, ok := c.tap.Pop(worker, &c.one)
			if !ok {
				break
			}
			at := len(c.bytes)
			c.bytes = append(c.bytes, p.Frame...)
			c.copies = append(c.copies, copied{p, at, len(c.bytes)})
		}
	}
	slices.SortStableFunc(c.copies, func(a, b copied) int { return cmp.Compare(a.Time, b.Time) })
	for i := range c.copies {
		p := &c.copies[i]
		if c.bounded(p) {
			return i, nil
		}
		err := c.w.packet(&packet{
			port: int(p.Port), time: p.Time, size: int(p.Len), frame: c.bytes[p.at:p.end], out: p.Out,
			id: uint64(p.Worker)<<48 | p.Packet, comment: comment(&p.Copy),
		})
		if err != nil {
			return i, err
		}
		c.done.Frames++
		c.perPort[p.Port]++
	}
	if c.request.Count > 0 && c.done.Packets == c.request.Count {
		c.done.Ended = allThere
	}
	return len(c.copies), nil
}

// bounded counts a packet with its first copy; it reports true if that would be beyond the request's bounds.
func (c *Capture) bounded(p *copied) bool {
	const block = 256 // about the most of what is not the frame
	r := &c.request
	if c.full {
		return true
	}
	if id := [2]uint64{uint64(p.Worker), p.Packet}; id != c.last {
		if r.Count > 0 && c.done.Packets == r.Count {
			c.done.Ended = allThere
			return true
		}
		c.last = id
		c.done.Packets++
	}
	if r.MaxSize > 0 && c.w.written+int64(p.end-p.at)+block > r.MaxSize {
		c.done.Ended, c.full = "the size is reached", true
	}
	return c.full
}
