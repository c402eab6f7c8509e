package tap

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestInterfaceIsAsThePort(t *testing.T) {
	w := openWire(t, wan())
	link, err := netlink.LinkByName("weir0")
	if err != nil {
		t.Fatal(err)
	}
	a := link.Attrs()
	if a.MTU != 1400 || a.HardwareAddr.String() != "02:00:00:00:00:02" || a.Flags&net.FlagUp == 0 {
		t.Errorf("MTU %d, MAC %s, flags %s", a.MTU, a.HardwareAddr, a.Flags)
	}
	addrs, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range addrs {
		got = append(got, a.IPNet.String())
		if a.Flags&unix.IFA_F_TENTATIVE != 0 {
			t.Errorf("%s is not usable yet", a.IPNet)
		}
	}
	slices.Sort(got)
	if want := []string{"2001:db8::2/64", "203.0.113.2/24", "fe80::ff:fe00:2/64"}; !slices.Equal(got, want) {
		t.Errorf("addresses %v, want %v", got, want)
	}
	for path, want := range map[string]string{
		"ipv4/conf/weir0/rp_filter": "2", "ipv4/conf/weir0/arp_ignore": "8", "ipv4/conf/weir0/arp_announce": "2",
		"ipv6/conf/weir0/accept_ra": "0", "ipv6/conf/weir0/autoconf": "0", "ipv6/conf/weir0/addr_gen_mode": "1",
	} {
		if got := sysctl(t, path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	if w.Warnings() != nil {
		t.Errorf("warnings %v", w.Warnings())
	}
}

func TestPortWithoutIPv6HasNoneInTheKernel(t *testing.T) {
	o := wan()
	o.Addresses = o.Addresses[:1]
	openWire(t, o)
	link, err := netlink.LinkByName("weir0")
	if err != nil {
		t.Fatal(err)
	}
	if addrs, err := netlink.AddrList(link, netlink.FAMILY_V6); err != nil || len(addrs) > 0 {
		t.Errorf("addresses %v, %v", addrs, err)
	}
}

// In most containers new interfaces start without IPv6.
func TestIPv6IsTurnedOnWhereItIsOff(t *testing.T) {
	namespace(t)
	setSysctl(t, "ipv6/conf/default/disable_ipv6", "1")
	openHere(t, wan())
	listen(t, own6)
}

func TestConfiguredLinkLocalAddressIsNotAddedTwice(t *testing.T) {
	o := wan()
	o.Addresses = append(o.Addresses, netip.PrefixFrom(local, 64))
	openWire(t, o)
}

func TestKernelSendsThroughTheInterface(t *testing.T) {
	for _, c := range []struct {
		name      string
		from, to  netip.Addr
		transport gopacket.LayerType
	}{
		{"IPv4", own4, peer4, layers.LayerTypeIPv4},
		{"IPv6", own6, peer6, layers.LayerTypeIPv6},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := openWire(t, wan())
			s := listen(t, c.from)
			if _, err := s.WriteToUDPAddrPort([]byte("hello"), netip.AddrPortFrom(c.to, 7)); err != nil {
				t.Fatal(err)
			}
			p := w.receive("the kernel's packet", func(p gopacket.Packet) bool { return p.Layer(layers.LayerTypeUDP) != nil })
			u := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
			if p.Layer(c.transport) == nil || u.DstPort != 7 || string(u.Payload) != "hello" {
				t.Fatalf("sent %s", p)
			}
			eth := p.LinkLayer().(*layers.Ethernet)
			if eth.SrcMAC.String() != "02:00:00:00:00:02" || eth.DstMAC.String() != "02:00:00:00:00:09" {
				t.Errorf("sent from %s to %s", eth.SrcMAC, eth.DstMAC)
			}
			// The checksum is whole, though the kernel would leave it to a device that can.
			want := gopacket.NewPacket(frame(t, udpLike(c.from, c.to, u)...), layers.LayerTypeEthernet, gopacket.Default)
			if got := want.Layer(layers.LayerTypeUDP).(*layers.UDP).Checksum; got != u.Checksum {
				t.Errorf("checksum %04x, want %04x", u.Checksum, got)
			}
		})
	}
}

func udpLike(from, to netip.Addr, u *layers.UDP) []gopacket.SerializableLayer {
	return udp(netip.AddrPortFrom(from, uint16(u.SrcPort)), netip.AddrPortFrom(to, uint16(u.DstPort)), string(u.Payload))
}

// What the kernel asks for carries the port's MAC and an address of the port: the answer comes back there.
func TestKernelAsksForNeighborsInThePortsName(t *testing.T) {
	w := openWire(t, wan())
	s := listen(t, own4)
	if _, err := s.WriteToUDPAddrPort([]byte("hello"), netip.AddrPortFrom(peer4, 7)); err != nil {
		t.Fatal(err)
	}
	p := w.receive("an ARP request", func(p gopacket.Packet) bool { return p.Layer(layers.LayerTypeARP) != nil })
	a := p.Layer(layers.LayerTypeARP).(*layers.ARP)
	if !net.IP(a.SourceProtAddress).Equal(own4.AsSlice()) || string(a.SourceHwAddress) != string(portMAC[:]) {
		t.Errorf("asked in the name of %v at %v", a.SourceProtAddress, a.SourceHwAddress)
	}
}

func TestKernelReceivesThroughTheInterface(t *testing.T) {
	for _, c := range []struct {
		name     string
		from, to netip.Addr
	}{{"IPv4", peer4, own4}, {"IPv6", peer6, own6}} {
		t.Run(c.name, func(t *testing.T) {
			w := openWire(t, wan())
			s := listen(t, c.to)
			buf := make([]byte, 100)
			var n int
			var from netip.AddrPort
			var err error = os.ErrDeadlineExceeded
			// A new IPv6 address takes the kernel some moments more.
			for deadline := time.Now().Add(patience); errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(deadline); {
				w.send(udp(netip.AddrPortFrom(c.from, 7), portOf(s), "hello")...)
				_ = s.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
				n, from, err = s.ReadFromUDPAddrPort(buf)
			}
			if err != nil || string(buf[:n]) != "hello" || from.Addr().Unmap() != c.from {
				t.Errorf("received %q from %s: %v", buf[:n], from, err)
			}
		})
	}
}

// A client behind a gateway is reached by the kernel's own way into the world, if at all; its packets must come in
// all the same, even where the host filters strictly.
func TestPacketsWithAnotherWayBackAreNotFiltered(t *testing.T) {
	namespace(t)
	setSysctl(t, "ipv4/conf/all/rp_filter", "1")
	mgmt := Options{Name: "mgmt0", MAC: peerMAC, MTU: 1500, Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.2/24")}}
	mgmt.Routes = []Route{{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr("192.0.2.1")}}
	openHere(t, mgmt)
	w := openHere(t, wan())
	s := listen(t, own4)
	w.send(udp(netip.MustParseAddrPort("198.51.100.7:7"), portOf(s), "hello")...)
	if n, _, err := s.ReadFromUDPAddrPort(make([]byte, 100)); n != 5 || err != nil {
		t.Errorf("received %d bytes: %v", n, err)
	}
}

func TestKernelAnswersPing(t *testing.T) {
	w := openWire(t, wan())
	w.send(echo(8)...)
	w.receive("the echo reply", isEchoReply)
}

func echo(kind uint8) []gopacket.SerializableLayer {
	return []gopacket.SerializableLayer{
		&layers.Ethernet{SrcMAC: peerMAC[:], DstMAC: portMAC[:], EthernetType: layers.EthernetTypeIPv4},
		ipv4(peer4, own4, layers.IPProtocolICMPv4),
		&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(kind, 0), Id: 1, Seq: 1},
	}
}

func isEchoReply(p gopacket.Packet) bool {
	i, ok := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
	return ok && i.TypeCode.Type() == layers.ICMPv4TypeEchoReply
}

// Should a question for one of Weir's addresses get here, Weir has answered it already.
func TestKernelDoesNotAnswerARP(t *testing.T) {
	w := openWire(t, wan())
	w.send(&layers.Ethernet{SrcMAC: peerMAC[:], DstMAC: layers.EthernetBroadcast, EthernetType: layers.EthernetTypeARP}, &layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
		Operation: layers.ARPRequest, SourceHwAddress: peerMAC[:], SourceProtAddress: peer4.AsSlice(),
		DstHwAddress: make([]byte, 6), DstProtAddress: own4.AsSlice(),
	})
	w.send(echo(8)...)
	w.receive("the echo reply", func(p gopacket.Packet) bool {
		if a, ok := p.Layer(layers.LayerTypeARP).(*layers.ARP); ok && a.Operation == layers.ARPReply {
			t.Error("the kernel has answered ARP")
		}
		return isEchoReply(p)
	})
}

// With neither duplicate detection nor router solicitation, an idle interface says nothing that others could
// take for a second station; what it says of multicast groups is for switches.
func TestIdleInterfaceClaimsNothing(t *testing.T) {
	w := openWire(t, wan())
	w.send(echo(8)...)
	w.receive("the echo reply", func(p gopacket.Packet) bool {
		ns := p.Layer(layers.LayerTypeICMPv6NeighborSolicitation) != nil
		rs := p.Layer(layers.LayerTypeICMPv6RouterSolicitation) != nil
		na := p.Layer(layers.LayerTypeICMPv6NeighborAdvertisement) != nil
		if ns || rs || na {
			t.Errorf("sent unasked: %s", p)
		}
		return isEchoReply(p)
	})
}

func TestInterruptEndsAWaitingRead(t *testing.T) {
	w := openWire(t, wan())
	ended := make(chan error)
	go func() {
		buf := make([]byte, 2048)
		for {
			if _, err := w.Read(buf); err != nil {
				ended <- err
				return
			}
		}
	}()
	w.Interrupt()
	if err := <-ended; !errors.Is(err, ErrInterrupted) {
		t.Errorf("Read: %v", err)
	}
	// For good, whatever the kernel sends.
	s := listen(t, own4)
	for range 3 {
		_, _ = s.WriteToUDPAddrPort([]byte("hello"), netip.AddrPortFrom(peer4, 7))
		if _, err := w.Read(make([]byte, 2048)); !errors.Is(err, ErrInterrupted) {
			t.Errorf("Read: %v", err)
		}
	}
}

func TestCloseRemovesTheInterface(t *testing.T) {
	w := openWire(t, wan())
	ended := make(chan error)
	go func() {
		buf := make([]byte, 2048)
		for {
			if _, err := w.Read(buf); err != nil {
				ended <- err
				return
			}
		}
	}()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, ErrInterrupted) {
		t.Errorf("Read: %v", err)
	}
	if exists(t, "weir0") {
		t.Error("the interface is still there")
	}
	if err := w.Write(frame(t, echo(8)...)); err == nil {
		t.Error("Write: no error")
	}
	w.Interrupt()
	openHere(t, wan())
}

func TestFrameThatTheKernelDoesNotTakeIsAnError(t *testing.T) {
	w := openWire(t, wan())
	if err := w.Write(make([]byte, 10)); err == nil || !strings.Contains(err.Error(), "weir0 did not take a frame of 10 bytes") {
		t.Errorf("too short: %v", err)
	}
	if err := netlink.LinkSetDown(w.link); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(frame(t, echo(8)...)); !errors.Is(err, unix.EIO) {
		t.Errorf("interface down: %v", err)
	}
}

func TestInterfaceThatSomebodyDeletesIsReported(t *testing.T) {
	w := openWire(t, wan())
	ended := make(chan error)
	go func() {
		buf := make([]byte, 2048)
		for {
			if _, err := w.Read(buf); err != nil {
				ended <- err
				return
			}
		}
	}()
	if err := netlink.LinkDel(w.link); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; errors.Is(err, ErrInterrupted) || err.Error() != "kernel interface weir0 was deleted; restart weir to get it back" {
		t.Errorf("Read: %v", err)
	}
	if err := w.Write(frame(t, echo(8)...)); !errors.Is(err, unix.EBADFD) {
		t.Errorf("Write: %v", err)
	}
}

func TestNothingLeaks(t *testing.T) {
	namespace(t)
	files := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	once := func(o Options) {
		d, err := Open(o)
		if err == nil {
			err = d.Close()
		}
		if (err != nil) != (o.MAC[0]&1 != 0) {
			t.Fatal(err)
		}
	}
	once(wan()) // whatever the runtime opens for good
	before := files()
	bad := wan()
	bad.MAC[0] = 1
	for range 20 {
		once(wan())
		once(bad)
	}
	if after := files(); after != before {
		t.Errorf("%d open files, %d before", after, before)
	}
	if exists(t, "weir0") {
		t.Error("the interface is still there")
	}
}

func TestManyInterfaces(t *testing.T) {
	namespace(t)
	for i := range 8 {
		openHere(t, Options{
			Name: fmt.Sprintf("weir%d", i), MAC: [6]byte{2, 5: byte(i)}, MTU: 1500,
			Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 1}), 24)},
		})
	}
}
