package fastpath

import (
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
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
