package tap

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

var (
	vip4 = netip.MustParseAddr("192.0.2.10")
	vip6 = netip.MustParseAddr("2001:db8:f::10")
)

func isUDP(p gopacket.Packet) bool { return p.Layer(layers.LayerTypeUDP) != nil }

// The kernel of a machine that filters strictly, and where no route leads to a VIP at all, or one on the port's own
// network, sends probes to it and takes the answers.
func TestKernelReachesVIPsFromThePortsAddresses(t *testing.T) {
	for _, c := range []struct {
		name     string
		own, vip netip.Addr
	}{
		{"IPv4", own4, vip4}, {"IPv4 on the link", own4, netip.MustParseAddr("203.0.113.77")},
		{"IPv6", own6, vip6}, {"IPv6 on the link", own6, netip.MustParseAddr("2001:db8::77")},
	} {
		t.Run(c.name, func(t *testing.T) {
			namespace(t)
			setSysctl(t, "ipv4/conf/all/rp_filter", "1")
			w := openHere(t, wan())
			if err := w.SetProbed(map[netip.Addr]int{c.vip: 1360}); err != nil {
				t.Fatal(err)
			}
			s := listen(t, c.own)
			if _, err := s.WriteToUDPAddrPort([]byte("hello"), netip.AddrPortFrom(c.vip, 7)); err != nil {
				t.Fatal(err)
			}
			eth := w.receive("the probe", isUDP).LinkLayer().(*layers.Ethernet)
			if eth.DstMAC.String() != net.HardwareAddr(ProbeMAC[:]).String() {
				t.Errorf("sent to %s", eth.DstMAC)
			}
			buf := make([]byte, 100)
			var n int
			var err error = os.ErrDeadlineExceeded
			// A new IPv6 address takes the kernel some moments more.
			for deadline := time.Now().Add(patience); errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(deadline); {
				w.send(udp(netip.AddrPortFrom(c.vip, 7), portOf(s), "yes")...)
				_ = s.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
				n, _, err = s.ReadFromUDPAddrPort(buf)
			}
			if err != nil || string(buf[:n]) != "yes" {
				t.Errorf("received %q: %v", buf[:n], err)
			}
		})
	}
}

func TestProbesAreNotLargerThanFitsThroughTheTunnel(t *testing.T) {
	w := openWire(t, wan())
	if err := w.SetProbed(map[netip.Addr]int{vip4: 1360}); err != nil {
		t.Fatal(err)
	}
	s := listen(t, own4)
	if _, err := s.WriteToUDPAddrPort(make([]byte, 1360), netip.AddrPortFrom(vip4, 7)); err != nil {
		t.Fatal(err)
	}
	p := w.receive("a piece", func(p gopacket.Packet) bool { _, ok := p.NetworkLayer().(*layers.IPv4); return ok })
	if n := p.NetworkLayer().(*layers.IPv4).Length; n > 1360 {
		t.Errorf("%d bytes in one packet", n)
	}
}

func TestVIPsComeAndGo(t *testing.T) {
	w := openWire(t, behindGateways())
	set := func(vips map[netip.Addr]int) {
		t.Helper()
		if err := w.SetProbed(vips); err != nil {
			t.Fatal(err)
		}
	}
	reaches := func(vip netip.Addr) string {
		t.Helper()
		s := listen(t, own4)
		if _, err := s.WriteToUDPAddrPort([]byte("hello"), netip.AddrPortFrom(vip, 7)); err != nil {
			return err.Error()
		}
		return w.receive("a packet", isUDP).LinkLayer().(*layers.Ethernet).DstMAC.String()
	}
	probe, peer := net.HardwareAddr(ProbeMAC[:]).String(), net.HardwareAddr(peerMAC[:]).String()
	other := netip.MustParseAddr("192.0.2.11")
	set(map[netip.Addr]int{vip4: 1360, other: 1360})
	set(map[netip.Addr]int{vip4: 1380, vip6: 1380})
	if a, b := reaches(vip4), reaches(other); a != probe || b != peer {
		t.Errorf("sent to %s and %s", a, b)
	}
	want := slices.Concat([]string{"29999 2001:db8::2/128 gateways", "29999 203.0.113.2/32 gateways"}, wayBack)
	if got := rules(t); !slices.Equal(got, want) {
		t.Errorf("rules %q, want %q", got, want)
	}
	set(nil)
	if a := reaches(vip4); a != peer {
		t.Errorf("sent to %s", a)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := rules(t); len(got) > 0 {
		t.Errorf("rules %q are left", got)
	}
}
