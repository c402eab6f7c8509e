package ethdev

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"unsafe"

	"github.com/weirlb/weir/dpdk/internal/dpdktest"
	"github.com/weirlb/weir/dpdk/lcore"
	"github.com/weirlb/weir/dpdk/mempool"
	"github.com/weirlb/weir/fastpath/port"
)

func TestMain(m *testing.M) { dpdktest.Main(m) }

// open starts devices on one pool. Everything is closed at the test's end, when no buffer may be
// missing.
func open(t testing.TB, cfgs ...Config) []*Device {
	t.Helper()
	var demand mempool.Demand
	var devices []*Device
	for _, cfg := range cfgs {
		cfg.Workers = max(cfg.Workers, 1)
		d, err := Probe(dpdktest.EAL(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		devices = append(devices, d)
		demand = demand.Add(d.Demand())
	}
	pool := poolFor(t, demand.Buffers(), demand.Frame)
	// Cleanups run last to first: the pool must be closed after the devices.
	for _, d := range devices {
		t.Cleanup(func() { closeDevice(t, d) })
	}
	for _, d := range devices {
		if err := d.Start(pool, true); err != nil {
			t.Fatal(err)
		}
	}
	return devices
}

func closeDevice(t testing.TB, d *Device) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func newPool(t testing.TB, n int) *mempool.Pool {
	t.Helper()
	return poolFor(t, n, mempool.DefaultRoom)
}

// poolFor is a pool for frames of a size.
func poolFor(t testing.TB, n, frame int) *mempool.Pool {
	t.Helper()
	pool, err := mempool.New(dpdktest.EAL(), dpdktest.Name("test"), n, frame, mempool.AnySocket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	return pool
}

// asWorker makes the test's goroutine a worker.
func asWorker(t testing.TB, core int) {
	t.Helper()
	th, err := lcore.Register(core)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(th.Unregister)
}

func device1(t testing.TB, format string, args ...any) *Device {
	t.Helper()
	return open(t, Config{Name: "p0", Device: fmt.Sprintf(format, args...)})[0]
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("error %v,\nwant  %s", err, want)
	}
}

// need skips a test, loudly, where something it stands on is missing; in CI that is a failure.
func need(t testing.TB, ok bool, what string) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("missing: %s", what)
	}
	t.Skipf("SKIPPED, NOT TESTED: missing: %s", what)
}

// data is a frame's bytes.
func data(f port.Frame) []byte { return unsafe.Slice((*byte)(f.Data), f.Len) }

// spares takes n empty buffers from a queue.
func spares(t *testing.T, q *Queue, n int) []port.Frame {
	t.Helper()
	b := q.Burst()
	var out []port.Frame
	for len(out) < n {
		if b.NSpare == 0 {
			q.Exchange(0)
		}
		if b.NSpare == 0 {
			t.Fatalf("there are no more buffers after %d", len(out))
		}
		b.NSpare--
		out = append(out, b.Spare[b.NSpare])
	}
	return out
}

// filled are buffers with frames in them.
func filled(t *testing.T, q *Queue, frames ...[]byte) []port.Frame {
	t.Helper()
	out := spares(t, q, len(frames))
	for i, frame := range frames {
		out[i].Len = uint32(len(frame))
		out[i].Tail -= uint16(len(frame))
		copy(data(out[i]), frame)
	}
	return out
}

// offer puts frames into a queue's transmit vector.
func offer(q *Queue, frames ...port.Frame) {
	b := q.Burst()
	b.NTX += uint32(copy(b.TX[b.NTX:], frames))
}

// send transmits frames, and fails if the device does not take them.
func send(t *testing.T, q *Queue, frames ...[]byte) {
	t.Helper()
	offer(q, filled(t, q, frames...)...)
	dpdktest.Until(t, "the device takes the frames", func() bool {
		q.Exchange(0)
		return q.Burst().NTX == 0
	})
}

// discard gives buffers back at the next exchange.
func discard(q *Queue, frames ...port.Frame) {
	b := q.Burst()
	for _, f := range frames {
		b.Free[b.NFree] = f.Buf
		b.NFree++
	}
}

// take receives once, and returns copies of the frames.
func take(q *Queue) [][]byte {
	q.Exchange(port.BurstSize)
	b := q.Burst()
	var out [][]byte
	for _, f := range b.RX[:b.NRX] {
		out = append(out, bytes.Clone(data(f)))
	}
	discard(q, b.RX[:b.NRX]...)
	return out
}

// expect receives until all of want has come, in that order and nothing else.
func expect(t *testing.T, q *Queue, want ...[]byte) {
	t.Helper()
	var got [][]byte
	dpdktest.Until(t, fmt.Sprintf("%d frames arrive", len(want)), func() bool {
		got = append(got, take(q)...)
		return len(got) >= len(want)
	})
	q.Exchange(0) // gives the buffers back
	if len(got) != len(want) {
		t.Fatalf("%d frames arrived, want %d", len(got), len(want))
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("frame %d has %d bytes %x,\nwant %d bytes %x", i, len(got[i]), got[i][:min(len(got[i]), 80)], len(want[i]), want[i][:min(len(want[i]), 80)])
		}
	}
}

// numbered are n frames of a size.
func numbered(n, size int) [][]byte {
	var out [][]byte
	for i := range n {
		out = append(out, testFrame(size, i))
	}
	return out
}
