package ethdev

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirlb/weir/dpdk/internal/dpdktest"
	"github.com/weirlb/weir/dpdk/lcore"
	"github.com/weirlb/weir/fastpath/port"
)

// needDriver skips the test where a driver of DPDK's is not installed.
func needDriver(t *testing.T, driver string) {
	t.Helper()
	d, err := Probe(dpdktest.EAL(), Config{Name: "p0", Device: dpdktest.Name(driver) + ",iface=lo,bogus=1", Workers: 1})
	if err == nil {
		closeDevice(t, d)
	}
	need(t, err == nil || !strings.Contains(err.Error(), "DPDK has no driver"), "DPDK's driver "+driver)
}

func TestNullReceivesZeroesAndSwallows(t *testing.T) {
	asWorker(t, lcore.AnyCore)
	d := open(t, Config{Name: "p0", Device: dpdktest.Name("net_null") + ",size=100", Workers: 2, RSS: true})[0]
	for w := range 2 {
		q := d.Queue(w)
		q.Exchange(port.BurstSize)
		b := q.Burst()
		if b.NRX != port.BurstSize || b.RX[0].Len != 100 {
			t.Errorf("worker %d got %d frames of %d bytes", w, b.NRX, b.RX[0].Len)
		}
		offer(q, b.RX[:b.NRX]...)
		q.Exchange(0)
		if b.NTX != 0 || b.TxFrames != port.BurstSize {
			t.Errorf("worker %d sent %d frames, %d wait", w, b.TxFrames, b.NTX)
		}
	}
	if s, err := d.Stats(); err != nil || s.RxPackets != 2*port.BurstSize || s.TxPackets != 2*port.BurstSize {
		t.Errorf("counters %+v, %v", s, err)
	}
}

func TestRingLoopsEachQueue(t *testing.T) {
	asWorker(t, lcore.AnyCore)
	d := open(t, Config{Name: "p0", Device: dpdktest.Name("net_ring"), Workers: 3})[0]
	for w := range 3 {
		send(t, d.Queue(w), testFrame(60+w, w))
	}
	for w := range 3 {
		expect(t, d.Queue(w), testFrame(60+w, w))
	}
}

func TestADeviceThatCannotTakeOnAMAC(t *testing.T) {
	mac := [6]byte{2, 8, 8, 8, 8, 8}
	d := open(t, Config{Name: "p0", Device: dpdktest.Name("net_ring"), HasMAC: true, MAC: mac})[0]
	if got := d.Info().MAC; got != mac {
		t.Errorf("the port's MAC is %x", got)
	}
}

func TestADeviceWithoutAMACGetsOneOfThePortsName(t *testing.T) {
	mac := func(name string) [6]byte {
		d := open(t, Config{Name: name, Device: dpdktest.Name("net_ring")})[0]
		return d.Info().MAC
	}
	a, b := mac("a"), mac("b")
	if a == b || a != mac("a") || a[0] != 2 || b[0] != 2 {
		t.Errorf("MACs %x and %x", a, b)
	}
}

func TestMemifConnectsTwoDevices(t *testing.T) {
	needDriver(t, "net_memif")
	asWorker(t, lcore.AnyCore)
	socket := filepath.Join(t.TempDir(), "memif.sock")
	arg := func(role string) string {
		return fmt.Sprintf("%s,role=%s,id=7,socket=%s,socket-abstract=no", dpdktest.Name("net_memif"), role, socket)
	}
	devices := open(t, Config{Name: "server", Device: arg("server"), Workers: 2}, Config{Name: "client", Device: arg("client"), Workers: 2})
	for _, d := range devices {
		dpdktest.Until(t, d.cfg.Name+" is connected", func() bool { return d.Link().Up })
	}
	server, client := devices[0], devices[1]
	for w := range 2 {
		frames := [][]byte{testFrame(60, w), testFrame(1514, w+10)}
		send(t, client.Queue(w), frames...)
		expect(t, server.Queue(w), frames...)
		take(client.Queue(w)) // a client lends the server buffers when it polls
		send(t, server.Queue(w), frames...)
		expect(t, client.Queue(w), frames...)
	}
	closeDevice(t, client)
	dpdktest.Until(t, "the server notices that its client is gone", func() bool { return !server.Link().Up })
}

func TestAFXDPReceivesAndSends(t *testing.T) {
	needDriver(t, "net_af_xdp")
	asWorker(t, lcore.AnyCore)
	ours, theirs := dpdktest.Veth(t)
	d := device1(t, "%s,iface=%s", dpdktest.Name("net_af_xdp"), ours)
	wire, q := dpdktest.NewWire(t, theirs), d.Queue(0)
	for range 50 { // more buffers than the pool has go through the rings
		in, out := numbered(port.BurstSize, 60), numbered(port.BurstSize, 1514)
		for _, f := range in {
			wire.Send(f)
		}
		expect(t, q, in...)
		send(t, q, out...)
		for _, f := range out {
			wire.Expect(f)
		}
	}
	s, err := d.Stats()
	if err != nil || s.RxPackets != 3200 || s.TxPackets != 3200 || s.RxMissed != 0 || s.TxErrors != 0 {
		t.Errorf("counters %+v, %v", s, err)
	}
	if x := attrs(t, ours).Xdp; x == nil || !x.Attached {
		t.Error("the interface has no XDP program")
	}
	dpdktest.SetUp(t, theirs, false)
	dpdktest.Until(t, "the link is down", func() bool { return !d.Link().Up })
	closeDevice(t, d)
	if x := attrs(t, ours).Xdp; x != nil && x.Attached {
		t.Error("the XDP program is still there")
	}
}

func TestAFXDPWithMoreQueuesThanTheInterfaceHas(t *testing.T) {
	needDriver(t, "net_af_xdp")
	ours, _ := dpdktest.Veth(t)
	got := mustNotProbe(t, Config{Device: "net_af_xdp80,queue_count=9,iface=" + ours})
	if want := `the driver did not take the device with the arguments "queue_count=9,iface=` + ours + `" (DPDK says: init_internals(): Specified queue count 9 is larger than combined queue count 1)`; got != want {
		t.Errorf("error %s,\nwant  %s", got, want)
	}
}
