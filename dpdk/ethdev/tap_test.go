package ethdev

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/weirlb/weir/dpdk/internal/dpdktest"
	"github.com/weirlb/weir/dpdk/lcore"
	"github.com/weirlb/weir/fastpath/port"
)

// onTAP opens a net_tap device. The test's goroutine is its worker, the wire the kernel's side of it.
func onTAP(t *testing.T, cfg Config) (*Device, *dpdktest.Wire, string) {
	t.Helper()
	asWorker(t, lcore.AnyCore)
	name := dpdktest.Name("x")
	cfg.Name = "p0"
	cfg.Device = fmt.Sprintf("%s,iface=%s", dpdktest.Name("net_tap"), name)
	d := open(t, cfg)[0]
	return d, dpdktest.NewWire(t, name), name
}

func TestTAPReceivesAndSends(t *testing.T) {
	d, wire, name := onTAP(t, Config{MTU: 1400})
	var frames [][]byte
	for i, size := range []int{60, 61, 200, 1414} {
		frames = append(frames, testFrame(size, i))
		wire.Send(frames[i])
	}
	q := d.Queue(0)
	expect(t, q, frames...)
	send(t, q, frames...)
	for _, f := range frames {
		wire.Expect(f)
	}
	s, err := d.Stats()
	if err != nil || s.RxPackets != 4 || s.TxPackets != 4 || s.RxBytes != 1735 || s.TxBytes != 1735 || s.TxErrors != 0 {
		t.Errorf("counters %+v, %v", s, err)
	}
	if mtu := attrs(t, name).MTU; mtu != 1400 {
		t.Errorf("the interface's MTU is %d, want 1400", mtu)
	}
	if mac := d.Info().MAC; mac == [6]byte{} || mac[0]&1 != 0 {
		t.Errorf("MAC %x", mac)
	}
	if !d.Link().Up {
		t.Error("the link is down")
	}
}

func TestTAPTakesOnTheConfiguredMAC(t *testing.T) {
	mac := [6]byte{2, 7, 7, 7, 7, 7}
	d, _, name := onTAP(t, Config{MAC: mac, HasMAC: true})
	if got := d.Info().MAC; got != mac {
		t.Errorf("the port's MAC is %x", got)
	}
	if got := attrs(t, name).HardwareAddr; !bytes.Equal(got, mac[:]) {
		t.Errorf("the interface's MAC is %v", got)
	}
}

func TestTAPWithAQueueForEachWorker(t *testing.T) {
	d, wire, _ := onTAP(t, Config{Workers: 2, RSS: true})
	if rx, tx := d.Queues(); rx != 2 || tx != 2 {
		t.Fatalf("%d and %d queues, want 2 and 2", rx, tx)
	}
	for w := range 2 {
		frame := testFrame(70+w, w)
		send(t, d.Queue(w), frame)
		wire.Expect(frame)
	}
	for i := range 50 {
		wire.Send(udp(t, fmt.Sprintf("198.51.100.7:%d", 1024+i), "203.0.113.10:80", 100, nil))
	}
	got := 0
	dpdktest.Until(t, "all frames arrive on either queue", func() bool {
		got += len(take(d.Queue(0))) + len(take(d.Queue(1)))
		return got == 50
	})
}

// net_tap checks checksums, as a NIC does.
func TestADevicesVerdictOnChecksums(t *testing.T) {
	d, wire, _ := onTAP(t, Config{})
	q := d.Queue(0)
	const client, vip = "198.51.100.7:1024", "203.0.113.10:80"
	for _, tc := range []struct {
		name   string
		change func([]byte)
		want   uint16
	}{
		{"right", nil, 0},
		{"wrong in the IPv4 header", func(f []byte) { f[24]++ }, port.BadIPChecksum},
		{"wrong in UDP", func(f []byte) { f[40]++ }, port.BadL4Checksum},
		{"none in UDP", func(f []byte) { f[40], f[41] = 0, 0 }, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			wire.Send(udp(t, client, vip, 100, tc.change))
			dpdktest.Until(t, "the frame arrives", func() bool {
				q.Exchange(port.BurstSize)
				return q.Burst().NRX > 0
			})
			f := q.Burst().RX[0]
			if got := f.Flags & (port.BadIPChecksum | port.BadL4Checksum); got != tc.want {
				t.Errorf("flags %#x, want %#x", f.Flags, tc.want)
			}
			discard(q, f)
			q.Exchange(0)
		})
	}
}
