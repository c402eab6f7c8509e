package tap

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

func route(dst, gateway string) Route {
	return Route{netip.MustParsePrefix(dst), netip.MustParseAddr(gateway)}
}

// added lists the routes of the namespace that lead through a gateway.
func added(t *testing.T) (out []string) {
	t.Helper()
	routes, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range routes {
		if r.Gw != nil {
			out = append(out, fmt.Sprintf("%s via %s", r.Dst, r.Gw))
		}
	}
	slices.Sort(out)
	return out
}

func expectRoutes(t *testing.T, want ...string) {
	t.Helper()
	if got := added(t); !slices.Equal(got, want) {
		t.Errorf("routes %q, want %q", got, want)
	}
}

func replace(t *testing.T, w *wire, routes ...Route) {
	t.Helper()
	if err := w.SetRoutes(routes); err != nil {
		t.Fatal(err)
	}
}

func TestRoutesAreReplaced(t *testing.T) {
	o := wan()
	o.Routes = []Route{route("10.9.0.1/32", "203.0.113.1"), route("10.9.0.2/32", "203.0.113.1")}
	w := openWire(t, o)
	expectRoutes(t, "10.9.0.1/32 via 203.0.113.1", "10.9.0.2/32 via 203.0.113.1")
	replace(t, w, route("10.9.0.2/32", "203.0.113.3"), route("10.9.0.3/32", "203.0.113.1"))
	expectRoutes(t, "10.9.0.2/32 via 203.0.113.3", "10.9.0.3/32 via 203.0.113.1")
	replace(t, w)
	expectRoutes(t)
}

func TestRoutesLeadThroughTheInterface(t *testing.T) {
	o := wan()
	o.Routes = []Route{route("10.9.0.1/32", "203.0.113.1")}
	w := openWire(t, o)
	got, err := netlink.RouteGet([]byte{10, 9, 0, 1})
	if err != nil || len(got) != 1 {
		t.Fatalf("%v, %v", got, err)
	}
	if got[0].LinkIndex != w.link.Attrs().Index || !got[0].Src.Equal(own4.AsSlice()) {
		t.Errorf("the kernel would send %s", got[0])
	}
}

func TestIPv6Routes(t *testing.T) {
	o := wan()
	o.Routes = []Route{route("2001:db8:9::1/128", "fe80::1"), route("2001:db8:9::2/128", "2001:db8::1")}
	w := openWire(t, o)
	expectRoutes(t, "2001:db8:9::1/128 via fe80::1", "2001:db8:9::2/128 via 2001:db8::1")
	replace(t, w, route("2001:db8:9::1/128", "2001:db8::1"))
	expectRoutes(t, "2001:db8:9::1/128 via 2001:db8::1")
}

// With an address of no network (/32) the gateway is on the link because the configuration says so.
func TestGatewayOnNoNetworkOfTheInterface(t *testing.T) {
	o := wan()
	o.Addresses = []netip.Prefix{netip.PrefixFrom(own4, 32), netip.PrefixFrom(own6, 128)}
	o.Routes = []Route{route("10.9.0.1/32", "192.0.2.1"), route("2001:db8:9::1/128", "2001:db8:7::1")}
	openWire(t, o)
	expectRoutes(t, "10.9.0.1/32 via 192.0.2.1", "2001:db8:9::1/128 via 2001:db8:7::1")
}

func TestHostsRoutesAreLeftAlone(t *testing.T) {
	o := wan()
	o.Routes = []Route{route("10.9.0.2/32", "203.0.113.1"), route("10.9.0.3/32", "203.0.113.1")}
	w := openWire(t, o)
	hosts := &netlink.Route{LinkIndex: w.link.Attrs().Index, Dst: ipNet(netip.MustParsePrefix("10.9.0.5/32")), Gw: []byte{203, 0, 113, 7}}
	if err := netlink.RouteAdd(hosts); err != nil {
		t.Fatal(err)
	}
	before := added(t)
	// One is new, one changes its gateway, one goes; then one is the host's. Nothing of it happens.
	err := w.SetRoutes([]Route{route("10.9.0.1/32", "203.0.113.1"), route("10.9.0.2/32", "203.0.113.3"), route("10.9.0.5/32", "203.0.113.1")})
	const want = "kernel interface weir0: the kernel has another route to 10.9.0.5/32 already, which is not Weir's to change"
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error %v", err)
	}
	expectRoutes(t, before...)
	replace(t, w)
	expectRoutes(t, "10.9.0.5/32 via 203.0.113.7")
}

func TestFailedUndoingIsReported(t *testing.T) {
	o := wan()
	o.Routes = []Route{route("10.9.0.2/32", "203.0.113.1")}
	w := openWire(t, o)
	// Both need the interface up, and with it down neither the new gateway nor the old can be set.
	if err := netlink.LinkSetDown(w.link); err != nil {
		t.Fatal(err)
	}
	err := w.SetRoutes([]Route{route("10.9.0.2/32", "203.0.113.3")})
	if err == nil || !strings.Contains(err.Error(), "undoing the change: adding a route to 10.9.0.2/32 by way of 203.0.113.1: network is down") {
		t.Errorf("error %v", err)
	}
}

func TestRouteThatSomebodyElseRemovedIsNoError(t *testing.T) {
	o := wan()
	o.Routes = []Route{route("10.9.0.2/32", "203.0.113.1")}
	w := openWire(t, o)
	if err := netlink.RouteDel(w.route(o.Routes[0].Destination, o.Routes[0].Gateway)); err != nil {
		t.Fatal(err)
	}
	replace(t, w)
}

// The daemon's loop is on another thread than the one that opened the interface.
func TestRoutesAreSetInTheInterfacesNamespace(t *testing.T) {
	w := openWire(t, wan())
	done := make(chan error)
	go func() { done <- w.SetRoutes([]Route{route("10.9.0.1/32", "203.0.113.1")}) }()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	expectRoutes(t, "10.9.0.1/32 via 203.0.113.1")
}

func TestRoutesAreMarkedAsWeirs(t *testing.T) {
	o := wan()
	o.Routes = []Route{route("10.9.0.1/24", "203.0.113.1")} // a network is masked
	w := openWire(t, o)
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{LinkIndex: w.link.Attrs().Index, Protocol: protocol},
		netlink.RT_FILTER_OIF|netlink.RT_FILTER_PROTOCOL)
	if err != nil || len(routes) != 1 || routes[0].Dst.String() != "10.9.0.0/24" {
		t.Errorf("routes %v, %v", routes, err)
	}
}
