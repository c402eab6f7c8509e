package ethdev

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/weirlb/weir/dpdk/internal/dpdktest"
	"github.com/weirlb/weir/dpdk/lcore"
	"github.com/weirlb/weir/fastpath/port"
)

// onVeth opens a net_af_packet device on one end of a veth pair. The test's goroutine is its worker.
func onVeth(t *testing.T, cfg Config, args string) (d *Device, ours, theirs string) {
	t.Helper()
	asWorker(t, lcore.AnyCore)
	ours, theirs = dpdktest.Veth(t)
	cfg.Name = "p0"
	cfg.Device = fmt.Sprintf("%s,iface=%s%s", dpdktest.Name("net_af_packet"), ours, args)
	return open(t, cfg)[0], ours, theirs
}

func attrs(t *testing.T, name string) *netlink.LinkAttrs {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return l.Attrs()
}

func TestAFPacketReceivesAndSends(t *testing.T) {
	d, _, theirs := onVeth(t, Config{}, "")
	wire, q := dpdktest.NewWire(t, theirs), d.Queue(0)
	var frames [][]byte
	for i, size := range []int{60, 61, 200, 1514} {
		frames = append(frames, testFrame(size, i))
	}
	for _, f := range frames {
		wire.Send(f)
	}
	expect(t, q, frames...)
	send(t, q, frames...)
	for _, f := range frames {
		wire.Expect(f)
	}
	s, err := d.Stats()
	if want := (Stats{RxPackets: 4, TxPackets: 4, RxBytes: 1835, TxBytes: 1835}); err != nil || s != want {
		t.Errorf("counters %+v, %v, want %+v", s, err, want)
	}
}

func TestAFPacketTakesOnTheConfiguredMACAndMTUAndGivesThemBack(t *testing.T) {
	mac := [6]byte{0x02, 1, 2, 3, 4, 5}
	asWorker(t, lcore.AnyCore)
	ours, _ := dpdktest.Veth(t)
	before := attrs(t, ours)
	d := open(t, Config{Name: "p0", Device: dpdktest.Name("net_af_packet") + ",iface=" + ours, MTU: 1400, MAC: mac, HasMAC: true})[0]
	if got := d.Info(); got != (port.Info{Name: "p0", MAC: mac, MTU: 1400}) {
		t.Errorf("info %+v", got)
	}
	now := attrs(t, ours)
	if !bytes.Equal(now.HardwareAddr, mac[:]) || now.MTU != 1400 || now.Promisc != 1 {
		t.Errorf("the interface has MAC %v, MTU %d and is promiscuous %d times", now.HardwareAddr, now.MTU, now.Promisc)
	}
	closeDevice(t, d)
	now = attrs(t, ours)
	if !bytes.Equal(now.HardwareAddr, before.HardwareAddr) || now.MTU != before.MTU || now.Promisc != 0 {
		t.Errorf("afterwards it has MAC %v, MTU %d and is promiscuous %d times", now.HardwareAddr, now.MTU, now.Promisc)
	}
}

func TestAFPacketKeepsTheInterfacesOwnMAC(t *testing.T) {
	d, ours, _ := onVeth(t, Config{}, "")
	if mac := d.Info().MAC; !bytes.Equal(mac[:], attrs(t, ours).HardwareAddr) {
		t.Errorf("MAC %x, the interface has %v", mac, attrs(t, ours).HardwareAddr)
	}
}

func TestAFPacketsLinkIsTheInterfaces(t *testing.T) {
	d, ours, theirs := onVeth(t, Config{}, "")
	dpdktest.Until(t, "the link is up", func() bool { return d.Link().Up })
	dpdktest.SetUp(t, theirs, false)
	dpdktest.Until(t, "no carrier: the link is down", func() bool { return !d.Link().Up })
	dpdktest.SetUp(t, theirs, true)
	dpdktest.Until(t, "the carrier is back: the link is up", func() bool { return d.Link().Up })
	dpdktest.SetUp(t, ours, false)
	dpdktest.Until(t, "the interface is down: the link is down", func() bool { return !d.Link().Up })
}

func TestAFPacketGoesOnAfterTheInterfaceWasDown(t *testing.T) {
	d, ours, theirs := onVeth(t, Config{}, "")
	wire, q := dpdktest.NewWire(t, theirs), d.Queue(0)
	dpdktest.SetUp(t, ours, false)
	for range 3 { // more than the ring holds: sending must neither hang nor leak
		offer(q, filled(t, q, numbered(port.TxSize-int(q.Burst().NTX), 60)...)...)
		q.Exchange(port.BurstSize)
	}
	dpdktest.SetUp(t, ours, true)
	in, out := testFrame(99, 1), testFrame(98, 2)
	dpdktest.Until(t, "a frame can be sent and received again", func() bool {
		if q.Burst().NTX < port.TxSize {
			offer(q, filled(t, q, out)...)
		}
		wire.Send(in)
		for _, f := range take(q) {
			if bytes.Equal(f, in) {
				f, ok := wire.Receive()
				return ok && len(f) > 0
			}
		}
		return false
	})
}

func TestAFPacketCountsWhatItsRingHadNoRoomFor(t *testing.T) {
	d, _, theirs := onVeth(t, Config{RxDescriptors: 64, TxDescriptors: 64}, "")
	wire := dpdktest.NewWire(t, theirs)
	for _, f := range numbered(100, 60) {
		wire.Send(f)
	}
	expect(t, d.Queue(0), numbered(64, 60)...)
	for range 2 { // the kernel forgets what it has told
		if s, err := d.Stats(); err != nil || s.RxPackets != 64 || s.RxMissed != 36 {
			t.Errorf("counters %+v, %v: want 64 received, 36 missed", s, err)
		}
	}
	for _, f := range numbered(70, 60) {
		wire.Send(f)
	}
	expect(t, d.Queue(0), numbered(64, 60)...)
	if s, err := d.Stats(); err != nil || s.RxMissed != 36+6 {
		t.Errorf("counters %+v, %v: want 42 missed", s, err)
	}
}

func TestAFPacketSpreadsFlowsOverItsQueues(t *testing.T) {
	const flows, each = 64, 5
	d, _, theirs := onVeth(t, Config{Workers: 2}, "")
	wire := dpdktest.NewWire(t, theirs)
	for range each {
		for i := range flows {
			wire.Send(udp(t, fmt.Sprintf("198.51.100.7:%d", 1024+i), "203.0.113.10:80", 18+i, nil))
		}
	}
	seen := map[int]int{} // which queue has which flow
	count := [2]int{}
	dpdktest.Until(t, "all frames arrive", func() bool {
		for w := range 2 {
			for _, f := range take(d.Queue(w)) {
				if old, known := seen[len(f)]; known && old != w {
					t.Errorf("a flow is on both queues: %x", f)
				}
				seen[len(f)] = w
				count[w]++
			}
		}
		return count[0]+count[1] == flows*each
	})
	if count[0] == 0 || count[1] == 0 {
		t.Errorf("the queues got %d and %d frames", count[0], count[1])
	}
	for w := range 2 {
		frame := testFrame(60+w, w)
		send(t, d.Queue(w), frame)
		wire.Expect(frame)
	}
}

// The driver puts the tag back, in front of the frame: the worker sees it as it was on the wire.
func TestAFPacketKeepsVLANTags(t *testing.T) {
	d, _, theirs := onVeth(t, Config{}, "")
	wire, q := dpdktest.NewWire(t, theirs), d.Queue(0)
	tagged := vlan(testFrame(100, 1), 42)
	wire.Send(tagged)
	expect(t, q, tagged)
	send(t, q, tagged)
	wire.Expect(tagged)
}

// A frame over the ring's frame size comes cut off: the worker finds its IP header to say more.
func TestAFPacketCutsOffWhatDoesNotFitItsRing(t *testing.T) {
	d, ours, theirs := onVeth(t, Config{}, "")
	for _, name := range []string{ours, theirs} {
		if err := netIf(name).setMTU(9000); err != nil {
			t.Fatal(err)
		}
	}
	wire, q := dpdktest.NewWire(t, theirs), d.Queue(0)
	long := testFrame(4000, 1)
	wire.Send(long)
	var got [][]byte
	dpdktest.Until(t, "the frame arrives", func() bool { got = take(q); return len(got) > 0 })
	if n := len(got[0]); n < 1514 || n > 2016 || !bytes.Equal(got[0], long[:n]) {
		t.Errorf("%d bytes arrived", n)
	}
}

// The driver would have the kernel put them together (packetsocket.c).
func TestAFPacketLeavesFragmentsAsTheyAre(t *testing.T) {
	d, _, theirs := onVeth(t, Config{}, "")
	wire, q := dpdktest.NewWire(t, theirs), d.Queue(0)
	whole := udp(t, "198.51.100.7:1024", "203.0.113.10:80", 1400, nil)
	first, last := fragments(whole, 800)
	wire.Send(first)
	wire.Send(last)
	expect(t, q, first, last)
}

// Frames of 9000 bytes come and go in one buffer.
func TestAFPacketTakesJumboFrames(t *testing.T) {
	ours, theirs := dpdktest.Veth(t)
	if err := netIf(theirs).setMTU(9000); err != nil {
		t.Fatal(err)
	}
	d := open(t, Config{Device: fmt.Sprintf("%s,iface=%s", dpdktest.Name("net_af_packet"), ours), MTU: 9000})[0]
	wire, q := dpdktest.NewWire(t, theirs), d.Queue(0)
	long := testFrame(9014, 1)
	wire.Send(long)
	expect(t, q, long)
	send(t, q, long)
	wire.Expect(long)
}

// With sub-ports, the driver is asked to take the tag off and says what was in it.
func TestAFPacketTakesVLANTagsOffIfThereAreSubPorts(t *testing.T) {
	d, _, theirs := onVeth(t, Config{VLANs: true}, "")
	wire, q := dpdktest.NewWire(t, theirs), d.Queue(0)
	frame := testFrame(100, 1)
	wire.Send(vlan(frame, 42))
	b := q.Burst()
	dpdktest.Until(t, "the frame arrives", func() bool { q.Exchange(port.BurstSize); return b.NRX > 0 })
	f := b.RX[0]
	if f.Flags != port.VLANStripped || f.Hash&0xfff != 42 || int(f.Len) != len(frame) {
		t.Errorf("flags %x, hash %x, %d bytes", f.Flags, f.Hash, f.Len)
	}
	b.Free[0], b.NFree = f.Buf, 1
	q.Exchange(0)
	tagged := vlan(testFrame(1514, 2), 42)
	send(t, q, tagged)
	wire.Expect(tagged)
}
