package ethdev

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/weirlb/weir/dpdk/internal/dpdktest"
	"github.com/weirlb/weir/dpdk/lcore"
	"github.com/weirlb/weir/dpdk/mempool"
	"github.com/weirlb/weir/fastpath/port"
)

func TestAClosedDevice(t *testing.T) {
	device := dpdktest.Name("net_null")
	d := device1(t, "%s", device)
	if !d.Link().Up {
		t.Error("the link of an open device is down")
	}
	closeDevice(t, d)
	closeDevice(t, d) // does nothing
	if l := d.Link(); l.Up {
		t.Error("the link of a closed device is up")
	}
	_, err := d.Stats()
	wantError(t, err, fmt.Sprintf("port p0 (device %s): reading counters: no such device", device))
	if !errors.Is(err, syscall.ENODEV) {
		t.Error("the error is not ENODEV")
	}
	device1(t, "%s", device) // can be had again
}

func TestADeviceThatWasNeverStarted(t *testing.T) {
	d, err := Probe(dpdktest.EAL(), Config{Name: "p0", Device: dpdktest.Name("net_ring"), Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	closeDevice(t, d)
}

// Wherever frames wait, in the device or in a burst's vectors, closing gives them back: open checks it.
func TestClosingGivesBackWhatWaits(t *testing.T) {
	_, q := loop(t)
	b := q.Burst()
	frames := filled(t, q, numbered(ringSize+200, 60)...)
	for ; len(frames) > 0; q.Exchange(0) {
		n := min(len(frames), port.TxSize-int(b.NTX))
		offer(q, frames[:n]...)
		frames = frames[n:]
	}
	discard(q, spares(t, q, 5)...)
	if b.NTX == 0 || b.NFree == 0 || b.NSpare == 0 {
		t.Errorf("%d to send, %d to free, %d spare: nothing waits somewhere", b.NTX, b.NFree, b.NSpare)
	}
}

func TestAFrameThatNobodyGaveBack(t *testing.T) {
	asWorker(t, lcore.AnyCore)
	d, err := Probe(dpdktest.EAL(), Config{Name: "p0", Device: dpdktest.Name("net_ring"), Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := mempool.New(dpdktest.EAL(), dpdktest.Name("test"), d.Demand().Buffers(), d.Demand().Frame, mempool.AnySocket)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Start(pool, true); err != nil {
		t.Fatal(err)
	}
	kept := spares(t, d.Queue(0), 3)
	closeDevice(t, d)
	err = pool.Close()
	if mempool.Leaked(err) != 3 || !strings.HasSuffix(err.Error(), ": 3 packet buffers were not given back") {
		t.Errorf("error %v", err)
	}
	// With the three back, by way of another device, the pool goes.
	d, err = Probe(dpdktest.EAL(), Config{Name: "p0", Device: dpdktest.Name("net_ring"), Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Start(pool, true); err != nil {
		t.Fatal(err)
	}
	discard(d.Queue(0), kept...)
	closeDevice(t, d)
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
}

// The API and the metrics ask at any time, whatever the workers do.
func TestCountersAndLinkWhileWorkersExchange(t *testing.T) {
	const workers, rounds = 2, 3000
	ours, _ := dpdktest.Veth(t)
	devices := open(t,
		Config{Name: "ring", Device: dpdktest.Name("net_ring"), Workers: workers},
		Config{Name: "null", Device: dpdktest.Name("net_null"), Workers: workers},
		Config{Name: "packet", Device: dpdktest.Name("net_af_packet") + ",iface=" + ours, Workers: workers})
	var running, asking sync.WaitGroup
	for w := range workers {
		running.Go(func() {
			th, err := lcore.Register(lcore.AnyCore)
			if err != nil {
				t.Error(err)
				return
			}
			defer th.Unregister()
			for range rounds {
				for _, d := range devices {
					forward(d.Queue(w))
				}
			}
		})
	}
	stop := make(chan struct{})
	for _, d := range devices {
		asking.Go(func() {
			var last Stats
			for {
				s, err := d.Stats()
				if err != nil || s.TxPackets < last.TxPackets {
					t.Errorf("%s: %v, %+v after %+v", d.cfg.Name, err, s, last)
				}
				last = s
				if !d.Link().Up || d.Info().Name != d.cfg.Name || d.pool.Free() > d.pool.Total() {
					t.Errorf("%s: link down, wrong name or more buffers free than there are", d.cfg.Name)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	running.Wait()
	close(stop)
	asking.Wait()
	if s, err := devices[1].Stats(); err != nil || s.RxPackets == 0 || s.TxPackets == 0 {
		t.Errorf("counters at the end: %+v, %v", s, err)
	}
}
