package tap

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what should happen at once.
const patience = 10 * time.Second

var (
	portMAC = [6]byte{2, 0, 0, 0, 0, 2}
	peerMAC = [6]byte{2, 0, 0, 0, 0, 9}

	own4  = netip.MustParseAddr("203.0.113.2")
	own6  = netip.MustParseAddr("2001:db8::2")
	local = netip.MustParseAddr("fe80::ff:fe00:2") // what follows from portMAC
	peer4 = netip.MustParseAddr("203.0.113.9")
	peer6 = netip.MustParseAddr("2001:db8::9")
)

func wan() Options {
	return Options{
		Name: "weir0", MAC: portMAC, MTU: 1400,
		Addresses: []netip.Prefix{netip.PrefixFrom(own4, 24), netip.PrefixFrom(own6, 64)},
	}
}

// need skips a test, loudly, where something it stands on is missing; in CI that is a failure.
func need(t *testing.T, ok bool, what string) {
	t.Helper()
	switch {
	case ok:
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is missing", what)
	default:
		t.Skipf("SKIPPED, NOT TESTED: %s is missing", what)
	}
}

// namespace puts the test on a thread of its own in a new network namespace. Both end with the test's goroutine.
func namespace(t *testing.T) {
	t.Helper()
	need(t, os.Geteuid() == 0, "root")
	_, err := os.Stat(cloneDevice)
	need(t, err == nil, cloneDevice)
	runtime.LockOSThread()
	h, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
}

// wire is a Device and who is on the other side of it.
type wire struct {
	*Device
	t *testing.T
}

func openWire(t *testing.T, o Options) *wire {
	t.Helper()
	namespace(t)
	return openHere(t, o)
}

func openHere(t *testing.T, o Options) *wire {
	t.Helper()
	d, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
	for _, w := range d.Warnings() {
		t.Errorf("warning: %v", w)
	}
	return &wire{d, t}
}

// receive returns the next frame that the kernel sends and the test is after. It answers the kernel's questions for
// neighbours.
func (w *wire) receive(what string, wanted func(gopacket.Packet) bool) gopacket.Packet {
	w.t.Helper()
	expired := time.AfterFunc(patience, w.Interrupt)
	defer expired.Stop()
	buf := make([]byte, 4096)
	for {
		n, err := w.Read(buf)
		if err != nil {
			w.t.Fatalf("waiting for %s: %v", what, err)
		}
		p := gopacket.NewPacket(slices.Clone(buf[:n]), layers.LayerTypeEthernet, gopacket.Default)
		w.answer(p)
		if wanted(p) {
			return p
		}
	}
}

// answer is the peer's answer to ARP and neighbour solicitations for its addresses.
func (w *wire) answer(p gopacket.Packet) {
	w.t.Helper()
	eth := &layers.Ethernet{SrcMAC: peerMAC[:], DstMAC: portMAC[:], EthernetType: layers.EthernetTypeARP}
	if a, ok := p.Layer(layers.LayerTypeARP).(*layers.ARP); ok && net.IP(a.DstProtAddress).Equal(peer4.AsSlice()) {
		w.send(eth, &layers.ARP{
			AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
			Operation: layers.ARPReply, SourceHwAddress: peerMAC[:], SourceProtAddress: peer4.AsSlice(),
			DstHwAddress: a.SourceHwAddress, DstProtAddress: a.SourceProtAddress,
		})
	}
	ns, ok := p.Layer(layers.LayerTypeICMPv6NeighborSolicitation).(*layers.ICMPv6NeighborSolicitation)
	if !ok || !ns.TargetAddress.Equal(peer6.AsSlice()) {
		return
	}
	eth.EthernetType = layers.EthernetTypeIPv6
	ip := ipv6(peer6, own6, layers.IPProtocolICMPv6)
	ip.DstIP = p.NetworkLayer().(*layers.IPv6).SrcIP
	ip.HopLimit = 255
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeNeighborAdvertisement, 0)}
	_ = icmp.SetNetworkLayerForChecksum(ip)
	w.send(eth, ip, icmp, &layers.ICMPv6NeighborAdvertisement{
		Flags: 0x60, TargetAddress: peer6.AsSlice(),
		Options: layers.ICMPv6Options{{Type: layers.ICMPv6OptTargetAddress, Data: peerMAC[:]}},
	})
}

func ipv4(src, dst netip.Addr, proto layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
}

func ipv6(src, dst netip.Addr, proto layers.IPProtocol) *layers.IPv6 {
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
}

// send gives the kernel a frame.
func (w *wire) send(l ...gopacket.SerializableLayer) {
	w.t.Helper()
	if err := w.Write(frame(w.t, l...)); err != nil {
		w.t.Fatal(err)
	}
}

func frame(t *testing.T, l ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, l...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// udp is a frame from the peer's MAC to the port's.
func udp(src, dst netip.AddrPort, payload string) []gopacket.SerializableLayer {
	eth := &layers.Ethernet{SrcMAC: peerMAC[:], DstMAC: portMAC[:], EthernetType: layers.EthernetTypeIPv4}
	u := &layers.UDP{SrcPort: layers.UDPPort(src.Port()), DstPort: layers.UDPPort(dst.Port())}
	if src.Addr().Is6() {
		eth.EthernetType = layers.EthernetTypeIPv6
		ip := ipv6(src.Addr(), dst.Addr(), layers.IPProtocolUDP)
		_ = u.SetNetworkLayerForChecksum(ip)
		return []gopacket.SerializableLayer{eth, ip, u, gopacket.Payload(payload)}
	}
	ip := ipv4(src.Addr(), dst.Addr(), layers.IPProtocolUDP)
	_ = u.SetNetworkLayerForChecksum(ip)
	return []gopacket.SerializableLayer{eth, ip, u, gopacket.Payload(payload)}
}

// listen opens a UDP socket of the namespace on an address and any port.
func listen(t *testing.T, a netip.Addr) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

func portOf(c net.PacketConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

func exists(t *testing.T, name string) bool {
	t.Helper()
	_, err := netlink.LinkByName(name)
	var none netlink.LinkNotFoundError
	if err != nil && !errors.As(err, &none) {
		t.Fatal(err)
	}
	return err == nil
}

func sysctl(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("/proc/sys/net", path))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func setSysctl(t *testing.T, path, value string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join("/proc/sys/net", path), []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}
