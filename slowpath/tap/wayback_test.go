package tap

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// rules lists Weir's routing rules of the namespace.
func rules(t *testing.T) (out []string) {
	t.Helper()
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		list, err := netlink.RuleList(family)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			if r.Protocol == protocol {
				table := "gateways"
				if r.Table == unix.RT_TABLE_MAIN && r.SuppressPrefixlen == 0 {
					table = "main"
				}
				out = append(out, fmt.Sprintf("%d %s %s", r.Priority, r.Src, table))
			}
		}
	}
	slices.Sort(out)
	return out
}

func behindGateways() Options {
	o := wan()
	o.Addresses = append(o.Addresses, netip.MustParsePrefix("fe80::2/64"))
	o.Gateways = []netip.Addr{peer4, netip.MustParseAddr("fe80::9")}
	return o
}

var wayBack = []string{
	"30000 2001:db8::2/128 main", "30000 203.0.113.2/32 main",
	"30001 2001:db8::2/128 gateways", "30001 203.0.113.2/32 gateways",
}

// The kernel of a machine whose default route is another, or none at all, answers who comes from behind the gateway.
func TestAnswersGoBackThroughTheGateway(t *testing.T) {
	w := openWire(t, behindGateways())
	far := netip.MustParseAddr("198.51.100.7")
	w.send(
		&layers.Ethernet{SrcMAC: peerMAC[:], DstMAC: portMAC[:], EthernetType: layers.EthernetTypeIPv4},
		ipv4(far, own4, layers.IPProtocolICMPv4), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 1, Seq: 1},
	)
	p := w.receive("the echo reply", isEchoReply)
	if ip := p.NetworkLayer().(*layers.IPv4); !ip.DstIP.Equal(far.AsSlice()) {
		t.Errorf("the answer went to %s", ip.DstIP)
	}
	if eth := p.LinkLayer().(*layers.Ethernet); eth.DstMAC.String() != "02:00:00:00:00:09" {
		t.Errorf("the answer went to %s", eth.DstMAC)
	}
}

func TestIPv6AnswersGoBackThroughTheGateway(t *testing.T) {
	o := behindGateways()
	o.Gateways = []netip.Addr{peer6}
	w := openWire(t, o)
	s := listen(t, own6)
	if _, err := s.WriteToUDPAddrPort([]byte("hello"), netip.MustParseAddrPort("[2001:db8:c::7]:7")); err != nil {
		t.Fatal(err)
	}
	p := w.receive("the packet", func(p gopacket.Packet) bool { return p.Layer(layers.LayerTypeUDP) != nil })
	if eth := p.LinkLayer().(*layers.Ethernet); eth.DstMAC.String() != "02:00:00:00:00:09" {
		t.Errorf("sent to %s", eth.DstMAC)
	}
}

func TestOnlyThePortsAddressesUseItsGateways(t *testing.T) {
	w := openWire(t, behindGateways())
	if got := rules(t); !slices.Equal(got, wayBack) {
		t.Errorf("rules %q, want %q", got, wayBack)
	}
	expectRoutes(t) // none in the main table
	if got, err := netlink.RouteGet([]byte{198, 51, 100, 7}); err == nil {
		t.Errorf("the host got the route %v", got)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := rules(t); len(got) > 0 {
		t.Errorf("rules %q are left", got)
	}
}

// A backend behind another port, or a route of the host's: only where there is but a default route does the
// gateway come in.
func TestSpecificRoutesComeBeforeTheGateway(t *testing.T) {
	namespace(t)
	mgmt := openHere(t, Options{Name: "mgmt0", MAC: peerMAC, MTU: 1500, Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.2/24")},
		Routes: []Route{route("0.0.0.0/0", "192.0.2.1"), route("10.0.0.0/8", "192.0.2.1")}})
	w := openHere(t, behindGateways())
	for dst, want := range map[string]*wire{"10.9.0.1": mgmt, "192.0.2.7": mgmt, "203.0.113.7": w, "198.51.100.7": w} {
		got, err := netlink.RouteGetWithOptions(netip.MustParseAddr(dst).AsSlice(), &netlink.RouteGetOptions{SrcAddr: own4.AsSlice()})
		if err != nil || len(got) != 1 || got[0].LinkIndex != want.link.Attrs().Index {
			t.Errorf("to %s: %v, %v; want %s", dst, got, err, want.name)
		}
	}
	got, err := netlink.RouteGet([]byte{198, 51, 100, 7})
	if err != nil || len(got) != 1 || got[0].LinkIndex != mgmt.link.Attrs().Index {
		t.Errorf("the host's own packets: %v, %v", got, err)
	}
}

func TestSeveralGateways(t *testing.T) {
	o := behindGateways()
	o.Gateways = append(o.Gateways, netip.MustParseAddr("203.0.113.8"), netip.MustParseAddr("2001:db8::8"))
	w := openWire(t, o)
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		list, err := netlink.RouteListFiltered(family, &netlink.Route{Table: w.table()}, netlink.RT_FILTER_TABLE)
		hops := 0
		for _, r := range list {
			hops += max(1, len(r.MultiPath))
		}
		if err != nil || hops != 2 {
			t.Errorf("routes %v, %v", list, err)
		}
	}
}

// A process that is killed leaves its rules behind.
func TestRulesOfAKilledProcessAreReplaced(t *testing.T) {
	namespace(t)
	killed, err := Open(behindGateways())
	if err != nil {
		t.Fatal(err)
	}
	killed.kernel.Close()
	if err := killed.file.Close(); err != nil {
		t.Fatal(err)
	}
	if got := rules(t); len(got) != 4 {
		t.Fatalf("rules %q: the test is wrong", got)
	}
	openHere(t, Options{Name: "other0", MAC: peerMAC, MTU: 1500}) // so that the index is another
	w := openHere(t, behindGateways())
	if got := rules(t); !slices.Equal(got, wayBack) {
		t.Errorf("rules %q, want %q", got, wayBack)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := rules(t); len(got) > 0 {
		t.Errorf("rules %q are left", got)
	}
}
