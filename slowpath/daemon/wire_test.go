package daemon

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/fastpath/memport"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/rss"
)

// wires is Hardware on packet sockets: every port is a kernel interface, and the test decides which queue a frame
// arrives in. Ports without an interface have memory queues that nobody feeds.
type wires struct {
	// steer picks the queue of a frame among n.
	steer func(frame []byte, n int) int
	// queues is how many queues a device has; 0: one for each worker.
	queues int

	pool    memport.Pool
	start   time.Time
	devices []*wire
	pumps   sync.WaitGroup
	stop    atomic.Bool
	cut     atomic.Bool // no link has a signal
	entered atomic.Int32
	left    atomic.Int32
	// refuse makes Enter fail for this worker's core.
	refuse error
	closed bool
	spread *rss.Spread // what the devices tell, which need not be what they do
	// opening is called first of all.
	opening func()
}

// wire is one port's device.
type wire struct {
	hw     *wires
	fd     int // -1: no interface
	mac    [6]byte
	n      int // queues with sides
	queues []*memport.Queue
	in     atomic.Uint64
}

func (h *wires) Open(_ context.Context, cfg *conf.Config, workers int) ([]Device, error) {
	if h.opening != nil {
		h.opening()
	}
	h.start = time.Now()
	n := workers
	if h.queues > 0 {
		n = min(n, h.queues)
	}
	var out []Device
	for i := range cfg.Ports {
		w := &wire{hw: h, fd: -1, n: n, mac: [6]byte{2, 0, 0, 0, 0, byte(i + 1)}}
		h.devices = append(h.devices, w)
		if _, iface, ok := strings.Cut(cfg.Ports[i].Device, "iface="); ok {
			if err := w.attach(iface); err != nil {
				return nil, err
			}
		}
		for id := range workers {
			q := memport.NewPartial(&h.pool, h.clock, id < n, id < n)
			q.OnSend(w.send)
			w.queues = append(w.queues, q)
		}
		out = append(out, w)
	}
	for _, w := range h.devices {
		if w.fd >= 0 {
			h.pumps.Add(1)
			go w.pump()
		}
	}
	return out, nil
}

func (h *wires) clock() uint64 { return uint64(time.Since(h.start)) }

func (h *wires) Hugepages() bool { return false }

func (h *wires) ClockHertz() float64 { return 1e9 }

func (h *wires) Enter(int) (func(), error) {
	if h.refuse != nil {
		return nil, h.refuse
	}
	h.entered.Add(1)
	return func() { h.left.Add(1) }, nil
}

// Close fails if a worker still runs or a buffer is missing.
func (h *wires) Close() error {
	h.stop.Store(true)
	h.pumps.Wait()
	h.closed = true
	var err error
	if h.entered.Load() != h.left.Load() {
		err = fmt.Errorf("closed while %d of %d workers still ran", h.entered.Load()-h.left.Load(), h.entered.Load())
	}
	for _, w := range h.devices {
		if w.fd >= 0 {
			err = errors.Join(err, unix.Close(w.fd))
		}
		for _, q := range w.queues {
			q.Exchange(0)
			q.Drain()
		}
	}
	if n := h.pool.InUse(); n != 0 {
		err = errors.Join(err, fmt.Errorf("%d buffers leaked", n))
	}
	return err
}

// attach binds a packet socket to an interface of the calling thread's network namespace.
func (w *wire) attach(iface string) error {
	i, err := net.InterfaceByName(iface)
	if err != nil {
		return err
	}
	w.mac = [6]byte(i.HardwareAddr)
	const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8
	if w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, all); err != nil {
		return err
	}
	if err := unix.SetsockoptTimeval(w.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 20_000}); err != nil {
		return err
	}
	// The socket's own frames would come back otherwise.
	if err := unix.SetsockoptInt(w.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
		return err
	}
	_ = unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20) // a smaller one only loses more
	return unix.Bind(w.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: i.Index})
}

// pump moves frames from the wire to the queues until the hardware stops.
func (w *wire) pump() {
	defer w.hw.pumps.Done()
	buf := make([]byte, 1<<16)
	for !w.hw.stop.Load() {
		n, err := unix.Read(w.fd, buf)
		if err != nil || n > memport.MaxFrame {
			continue
		}
		w.in.Add(1)
		queue := 0
		if w.n > 1 {
			queue = w.hw.steer(buf[:n], w.n)
		}
		_ = w.queues[queue].Put(buf[:n], 0) // fails only for a frame of another size or with a limit
	}
}

func (w *wire) send(frame []byte) {
	if w.fd >= 0 {
		_, _ = unix.Write(w.fd, frame) // a wire may lose frames
	}
}

func (w *wire) MAC() [6]byte                { return w.mac }
func (w *wire) Driver() string              { return "test" }
func (w *wire) Queues() int                 { return w.n }
func (w *wire) RSS() *rss.Spread            { return w.hw.spread }
func (w *wire) Queue(worker int) port.Queue { return w.queues[worker] }
func (w *wire) LinkUp() bool                { return !w.hw.cut.Load() }
func (w *wire) Changed() []string           { return []string{"gro off"} }
func (w *wire) Caveats() []error            { return nil }
func (w *wire) Stats() DeviceStats          { return DeviceStats{PacketsIn: w.in.Load()} }

// ownerOfFrame computes the owner of a TCP or UDP frame over IPv4 without options; vip tells the direction.
func ownerOfFrame(frame []byte, vip netip.Addr, n int) (owner int, ok bool) {
	const ip, l4 = 14, 34
	if len(frame) < l4+4 || binary.BigEndian.Uint16(frame[12:]) != 0x0800 || frame[ip+9] != 6 && frame[ip+9] != 17 {
		return 0, false
	}
	src, dst := netip.AddrFrom4([4]byte(frame[ip+12:])), netip.AddrFrom4([4]byte(frame[ip+16:]))
	client := netip.AddrPortFrom(dst, binary.BigEndian.Uint16(frame[l4+2:]))
	if dst == vip {
		client = netip.AddrPortFrom(src, binary.BigEndian.Uint16(frame[l4:]))
	}
	return fastpath.Owner(client, n), true
}
