package fastpath

import (
	"net/netip"
	"testing"
	"unsafe"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
)

// A port's link-local address follows from its MAC: neighbours know it, the configuration does not name it.
const (
	wanLinkLocal = "fe80::ff:fe00:2"
	lanLinkLocal = "fe80::ff:fe00:101"
)

func TestLinkLocalAddressOfThePortIsItsOwn(t *testing.T) {
	ping := func(to string) []byte {
		return icmpFrame("fe80::1", to, packet.ICMP6Echo, 0, make([]byte, 4), gwMAC, wanMAC, 9)
	}
	tcp := pk{from: "[fe80::1]:40000", to: "[" + wanLinkLocal + "]:179", flags: "S"}
	spoofed := pk{from: "[" + wanLinkLocal + "]:40000", to: "[2001:db8::2]:179", flags: "S"}
	for name, c := range map[string]struct {
		frame  []byte
		reason string
	}{
		"ping":                             {ping(wanLinkLocal), "punt_local"},
		"TCP":                              {tcp.frame(t), "punt_local"},
		"ping to that of another port":     {ping(lanLinkLocal), "foreign"},
		"ping to somebody else":            {ping("fe80::2"), "foreign"},
		"TCP from somebody who has it too": {spoofed.frame(t), "spoofed_source"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil, withTAP())
			r.send(wan, c.frame)
			if got := r.reasons(); len(got) != 1 || got[c.reason] != 1 {
				t.Errorf("reasons %v, want %s", got, c.reason)
			}
		})
	}
}

func TestPingToTheLinkLocalAddressWithoutTAPIsAnswered(t *testing.T) {
	r := newRig(t, nil)
	s := one(t, r.send(wan, icmpFrame("fe80::1", wanLinkLocal, packet.ICMP6Echo, 0, make([]byte, 4), gwMAC, wanMAC, 9)), wan)
	if s.src.Addr().String() != wanLinkLocal || s.dstMAC != mac(gwMAC) {
		t.Errorf("%s", &s)
	}
}

// The kernel has no interface that could take what comes in on a port without TAP.
func TestOwnAddressOfAPortWithTAPReachedThroughOneWithout(t *testing.T) {
	r := newRig(t, nil, withTAP())
	r.workers[0].ports[lan].tap = false
	r.send(lan, pk{from: "10.0.0.11:40000", to: "203.0.113.2:22", flags: "S", srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t))
	if got := r.reasons(); len(got) != 1 || got["no_tap"] != 1 {
		t.Errorf("reasons %v, want no_tap", got)
	}
	s := one(t, r.send(lan, icmpFrame("10.0.0.11", "203.0.113.2", 8, 0, make([]byte, 4), rs1MAC, lanMAC, 9)), lan)
	if s.src.Addr().String() != "203.0.113.2" {
		t.Errorf("%s", &s)
	}
}

func TestOrdinarySourcesAreNotBad(t *testing.T) {
	var sources []netip.Addr
	for _, near := range []string{"203.0.113.0/24", "10.0.0.0/24"} {
		for a := netip.MustParsePrefix(near).Addr(); netip.MustParsePrefix(near).Contains(a); a = a.Next() {
			sources = append(sources, a)
		}
	}
	for first := range 256 {
		sources = append(sources, netip.AddrFrom4([4]byte{byte(first), 51, 100, 7}))
	}
	nat := func(vip string) *rig {
		return newRig(t, []rigService{{vip: vip, proto: packet.ProtoTCP, mode: NAT, peers: []string{"10.0.0.11:8080"}}})
	}
	for name, r := range map[string]*rig{
		"one address": nat("203.0.113.10:80"),
		"fullnat":     newRig(t, []rigService{{vip: "203.0.113.10:80", proto: packet.ProtoTCP, mode: FullNAT, peers: []string{"10.0.0.11:8080"}}}),
		"tunnel":      tunnelRig(t, tunnelSpecs[1], false, false, false),
	} {
		w := r.workers[0]
		ordinary := 0
		for _, a := range sources {
			b := AddrOf(a)
			bad := w.badSource(&port.Frame{Port: wan}, unsafe.Pointer(&b), false)
			yes := w.snap.ordinary4(packet.Load32(unsafe.Pointer(&b), 0))
			if bad == reason.Unset && a.As4()[0] >= 240 {
				continue // rare: the long way may say so
			}
			if yes != (bad == reason.Unset) {
				t.Errorf("%s: %s is ordinary: %t, and bad: %v", name, a, yes, bad)
			}
			if yes {
				ordinary++
			}
		}
		if ordinary < 500 {
			t.Errorf("%s: %d sources are ordinary", name, ordinary)
		}
	}
}

func TestGlobalSourcesAreNotBadUnlessTheyAreOurs(t *testing.T) {
	r := newRig(t, []rigService{{vip: "[2001:db8::10]:80", proto: packet.ProtoTCP, mode: NAT}})
	w := r.workers[0]
	for _, c := range []struct {
		addr   string
		global bool
	}{
		{"::", false}, {"::1", false}, {"::ffff:1.2.3.4", false}, {"::5", false}, {"ff02::1", false}, {"fe80::1", false}, {"febf::1", false},
		{"fec0::1", true}, {"2001:db8::77", true}, {"fd00::77", true}, {"64:ff9b::1.2.3.4", true}, {"fd7f::1", true},
	} {
		b := AddrOf(netip.MustParseAddr(c.addr))
		p := unsafe.Pointer(&b)
		if got := global6(packet.Load64(p, 0)); got != c.global {
			t.Errorf("%s is global: %t", c.addr, got)
		}
		if bad := w.badSource(&port.Frame{Port: wan}, p, true); c.global && bad != reason.Unset {
			t.Errorf("%s is global, and bad: %v", c.addr, bad)
		}
	}
}
