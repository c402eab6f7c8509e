package dpdk

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirlb/weir/dpdk/eal"
	"github.com/weirlb/weir/dpdk/ethdev"
	"github.com/weirlb/weir/dpdk/internal/dpdktest"
	"github.com/weirlb/weir/dpdk/lcore"
	"github.com/weirlb/weir/dpdk/mempool"
	"github.com/weirlb/weir/fastpath/port"
)

// Every test that opens a data plane runs in a process of its own.
func TestMain(m *testing.M) {
	dpdktest.Isolate()
	os.Exit(m.Run())
}

// ring is a port whose transmit queues are its receive queues.
func ring(name string) ethdev.Config {
	return ethdev.Config{Name: name, Device: dpdktest.Name("net_ring")}
}

func options(workers int, ports ...ethdev.Config) Options {
	return Options{Hugepages: dpdktest.Hugepages(), MemoryMB: 128, Workers: workers, Ports: ports}
}

func mustOpen(t *testing.T, o Options) *Dataplane {
	t.Helper()
	d, err := Open(t.Context(), o)
	if err != nil {
		t.Fatalf("%v\nDPDK's log:\n%s", err, strings.Join(eal.Log(), "\n"))
	}
	return d
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("error %v,\nwant  %s", err, want)
	}
}

// work passes n frames through each of a worker's ports.
func work(t *testing.T, d *Dataplane, w, n int) {
	th, err := lcore.Register(lcore.AnyCore)
	if err != nil {
		t.Error(err)
		return
	}
	defer th.Unregister()
	for p := range d.Ports() {
		q := d.Queue(p, w)
		b := q.Burst()
		q.Exchange(0)
		for got := 0; got < n; {
			if b.NSpare > 0 {
				b.NSpare--
				b.TX[b.NTX] = b.Spare[b.NSpare]
				b.TX[b.NTX].Len = 60
				b.NTX++
			}
			q.Exchange(port.BurstSize)
			for _, f := range b.RX[:b.NRX] {
				b.Free[b.NFree] = f.Buf
				b.NFree++
				got++
			}
		}
		q.Exchange(0)
	}
}

func TestADataplaneFromStartToEnd(t *testing.T) {
	if !dpdktest.Alone(t) {
		return
	}
	const workers, frames = 2, 5000
	o := options(workers, ring("wan"), ring("lan"))
	d := mustOpen(t, o)
	if o.Ports[0].Workers != 0 {
		t.Error("the caller's options were changed")
	}
	if m := d.Memory(); m.MB != 128 || m.HugePages != (dpdktest.Hugepages() == eal.HugepagesRequire) && dpdktest.Hugepages() != eal.HugepagesAuto {
		t.Errorf("memory %+v", m)
	}
	for i, name := range []string{"wan", "lan"} {
		if got := d.Ports()[i].Info().Name; got != name {
			t.Errorf("port %d is %s, want %s", i, got, name)
		}
	}
	var running sync.WaitGroup
	for w := range workers {
		running.Go(func() { work(t, d, w, frames) })
	}
	running.Wait()
	for p, device := range d.Ports() {
		if s, err := device.Stats(); err != nil || s.RxPackets < workers*frames || s.TxPackets < s.RxPackets {
			t.Errorf("port %d: counters %+v, %v", p, s, err)
		}
		if total, free := d.Buffers(p); total == 0 || free > total || free < total/2 {
			t.Errorf("port %d: %d of %d buffers are free", p, free, total)
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if total, free := d.Buffers(0); total != free {
		t.Errorf("afterwards %d of %d buffers are free", free, total)
	}
	_, err := Open(t.Context(), o)
	wantError(t, err, "DPDK was already started: it can be started once in a process")
}

func TestAFrameThatAWorkerKept(t *testing.T) {
	if !dpdktest.Alone(t) {
		return
	}
	d := mustOpen(t, options(1, ring("wan")))
	b := d.Queue(0, 0).Burst()
	d.Queue(0, 0).Exchange(0)
	b.NSpare -= 2 // taken and never given back
	err := d.Close()
	if got := mempool.Leaked(err); got != 2 {
		t.Errorf("%d buffers leaked by the error %v, want 2", got, err)
	}
}

func TestAFailedOpenTakesEverythingBack(t *testing.T) {
	if !dpdktest.Alone(t) {
		return
	}
	ours, _ := dpdktest.Veth(t)
	before, err := net.InterfaceByName(ours)
	if err != nil {
		t.Fatal(err)
	}
	first := ethdev.Config{Name: "wan", Device: "net_af_packet0,iface=" + ours, MTU: 1400, MAC: [6]byte{2, 0, 0, 0, 0, 1}, HasMAC: true}
	// It is probed, but does not start.
	second := ethdev.Config{Name: "lan", Device: "net_af_packet1,blocksz=4096,framesz=4096,iface=lo"}
	_, err = Open(t.Context(), options(1, first, second))
	wantError(t, err, "port lan (device net_af_packet1,blocksz=4096,framesz=4096,iface=lo): setting up receive queue 0: cannot allocate memory (DPDK says: eth_rx_queue_setup(): net_af_packet1: 4064 bytes will not fit in mbuf (2048 bytes))")
	after, err := net.InterfaceByName(ours)
	if err != nil {
		t.Fatal(err)
	}
	// The kernel notices the other end's carrier when it likes.
	before.Flags |= net.FlagRunning
	after.Flags |= net.FlagRunning
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the first port's interface (-before +after):\n%s", diff)
	}
}

func TestWhatIsNoLongerWantedIsNotOpened(t *testing.T) {
	if !dpdktest.Alone(t) {
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, options(1, ring("wan"))); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestAPortThatIsNotToBeHad(t *testing.T) {
	if !dpdktest.Alone(t) {
		return
	}
	_, err := Open(t.Context(), options(1, ring("wan"), ethdev.Config{Name: "lan", Device: "net_af_packet0,iface=nope"}))
	wantError(t, err, `port lan (device net_af_packet0,iface=nope): there is no network interface "nope": see ip link`)
}

// The memory that an error advises must do.
func TestTooLittleMemory(t *testing.T) {
	const adviceFile = "WEIR_DPDKTEST_ADVICE"
	if os.Getenv(adviceFile) == "" {
		t.Setenv(adviceFile, filepath.Join(t.TempDir(), "advice"))
	}
	o := options(4, ring("wan"), ring("lan"), ring("dmz"))
	o.Hugepages = eal.HugepagesOff // with huge pages DPDK takes more than memory_mb if there are more
	t.Run("refused", func(t *testing.T) {
		if !dpdktest.Alone(t) {
			return
		}
		o.MemoryMB = 32
		_, err := Open(t.Context(), o)
		want := regexp.MustCompile(`^not enough memory for \d+ packet buffers: they take \d+ MB and DPDK has memory_mb: 32: set it to (\d+), or use fewer queues or descriptors$`)
		if err == nil || !want.MatchString(err.Error()) {
			t.Fatalf("error %v", err)
		}
		if err := os.WriteFile(os.Getenv(adviceFile), []byte(want.FindStringSubmatch(err.Error())[1]), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("as advised", func(t *testing.T) {
		if !dpdktest.Alone(t) {
			return
		}
		advice, err := os.ReadFile(os.Getenv(adviceFile))
		if err != nil {
			t.Fatal(err)
		}
		if o.MemoryMB, err = strconv.Atoi(string(advice)); err != nil {
			t.Fatal(err)
		}
		if err := mustOpen(t, o).Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestHugePagesThatAreRequiredAndMissing(t *testing.T) {
	o := options(1, ring("wan"))
	o.Hugepages, o.MemoryMB = eal.HugepagesRequire, 1<<30
	_, err := Open(t.Context(), o)
	if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("hugepages: require, memory_mb: %d: ", o.MemoryMB)) {
		t.Errorf("error %v", err)
	}
}

type fakePort struct {
	socket int
	demand mempool.Demand
}

func (p fakePort) Socket() int            { return p.socket }
func (p fakePort) Demand() mempool.Demand { return p.demand }

func TestPoolsByNode(t *testing.T) {
	on := func(socket, descriptors int) fakePort {
		return fakePort{socket, mempool.Demand{Descriptors: descriptors, Workers: 2}}
	}
	sum := func(descriptors int) mempool.Demand { return mempool.Demand{Descriptors: descriptors, Workers: 2} }
	for _, tc := range []struct {
		name  string
		ports []fakePort
		want  map[int]mempool.Demand
	}{
		{"ports of no node", []fakePort{on(-1, 1), on(-1, 2)}, map[int]mempool.Demand{-1: sum(3)}},
		{"ports of one node", []fakePort{on(1, 1), on(1, 2)}, map[int]mempool.Demand{1: sum(3)}},
		{"a port of no node joins the others", []fakePort{on(-1, 4), on(1, 2)}, map[int]mempool.Demand{1: sum(6)}},
		{"two nodes", []fakePort{on(0, 1), on(1, 2), on(0, 4), on(-1, 8)}, map[int]mempool.Demand{0: sum(13), 1: sum(2)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, demands(tc.ports)); diff != "" {
				t.Errorf("demands (-want +got):\n%s", diff)
			}
		})
	}
}
