package neighbor

import (
	"net/netip"
	"testing"
	"time"

	"github.com/weirlb/weir/fastpath/reason"
)

// RFC 4861 section 7.2.5, and appendix C: what an advertisement does to an entry.
func TestAdvertisements(t *testing.T) {
	const s, o = flagSolicited, flagOverride
	cases := []struct {
		name   string
		before string
		flags  uint8
		option [6]byte
		mac    [6]byte
		after  string
	}{
		{"unknown neighbor", "", s | o, serverMAC, noMAC, ""},

		{"incomplete: answer", "incomplete", s, serverMAC, serverMAC, "reachable"},
		{"incomplete: answer without a MAC", "incomplete", s | o, noMAC, noMAC, "incomplete"},
		{"incomplete: unsolicited", "incomplete", o, serverMAC, serverMAC, "stale"},
		{"failed: unsolicited", "failed", o, serverMAC, serverMAC, "stale"},
		{"failed: answer", "failed", s, serverMAC, serverMAC, "reachable"},

		{"reachable: answer, same MAC", "reachable", s, serverMAC, serverMAC, "reachable"},
		{"reachable: answer without a MAC", "reachable", s, noMAC, serverMAC, "reachable"},
		{"reachable: unsolicited, same MAC", "reachable", o, serverMAC, serverMAC, "reachable"},
		{"reachable: other MAC, no override", "reachable", 0, spareMAC, serverMAC, "stale"},
		{"reachable: other MAC, solicited, no override", "reachable", s, spareMAC, serverMAC, "stale"},
		{"reachable: other MAC, override", "reachable", o, spareMAC, spareMAC, "stale"},
		{"reachable: other MAC, solicited, override", "reachable", s | o, spareMAC, spareMAC, "reachable"},

		{"stale: answer without a MAC", "stale", s, noMAC, serverMAC, "reachable"},
		{"stale: answer, same MAC", "stale", s, serverMAC, serverMAC, "reachable"},
		{"stale: unsolicited, same MAC", "stale", o, serverMAC, serverMAC, "stale"},
		{"stale: other MAC, no override", "stale", s, spareMAC, serverMAC, "stale"},
		{"stale: other MAC, override", "stale", o, spareMAC, spareMAC, "stale"},
		{"stale: other MAC, solicited, override", "stale", s | o, spareMAC, spareMAC, "reachable"},

		{"static: another MAC", "static", s | o, spareMAC, serverMAC, "static"},
		{"static: another MAC, unsolicited", "static", o, spareMAC, serverMAC, "static"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := withVIPs(t)
			r.bring(lan, c.before)
			m := answer(lan, server6, serverMAC)
			m.flags, m.option = c.flags, c.option
			r.handle(lan, m.frame())
			r.expectState(lan, server6, c.after)
			if c.after != "" {
				r.expectMAC(lan, server6, c.mac)
			}
			if len(r.drops) > 0 {
				t.Errorf("dropped %v", r.drops)
			}
		})
	}
}

// bring makes server6 a wanted neighbour in a state, with serverMAC if that is a state with a MAC.
func (r *rig) bring(port int, state string) {
	r.t.Helper()
	if state == "" {
		return
	}
	if state == "static" {
		if err := r.table.SetStatic(r.now, []Static{{port, server6, serverMAC}}); err != nil {
			r.t.Fatal(err)
		}
		return
	}
	r.resolve(port, server6)
	r.pass(0)
	switch state {
	case "failed":
		r.pass(MaxTries * RetryInterval)
	case "reachable":
		r.handle(port, answer(port, server6, serverMAC).frame())
	case "stale":
		r.handle(port, unsolicited(server6, serverMAC).frame())
	}
	r.expectState(port, server6, state)
}

// RFC 826, and what RFC 5227 says about announcements.
func TestARPIsLearnedFrom(t *testing.T) {
	self := ip("10.0.0.1")
	cases := []struct {
		name  string
		frame []byte
		mac   [6]byte
		after string
	}{
		{"answer to us", isAt(lan, server4, spareMAC), spareMAC, "reachable"},
		{"answer to a VIP", arp(lanMAC, arpReply, spareMAC, server4, lanMAC, vip4), spareMAC, "reachable"},
		{"answer to 0.0.0.0", arp(lanMAC, arpReply, spareMAC, server4, lanMAC, ip("0.0.0.0")), spareMAC, "reachable"},
		{"answer to us, broadcast", arp(broadcastMAC, arpReply, spareMAC, server4, lanMAC, self), spareMAC, "stale"},
		{"answer to somebody else", arp(lanMAC, arpReply, spareMAC, server4, lanMAC, ip("10.0.0.9")), spareMAC, "stale"},
		{"request for us", whoHas(self, spareMAC, server4), spareMAC, "stale"},
		{"request for somebody else", whoHas(ip("10.0.0.9"), spareMAC, server4), spareMAC, "stale"},
		{"gratuitous request", gratuitous(server4, spareMAC), spareMAC, "stale"},
		{"gratuitous reply", arp(broadcastMAC, arpReply, spareMAC, server4, noMAC, server4), spareMAC, "stale"},
		{"gratuitous request, same MAC", gratuitous(server4, serverMAC), serverMAC, "reachable"},
		{"probe", whoHas(server4, spareMAC, ip("0.0.0.0")), serverMAC, "reachable"},
		{"of another station", gratuitous(ip("10.0.0.9"), spareMAC), serverMAC, "reachable"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := withVIPs(t)
			r.resolve(lan, server4)
			r.handle(lan, isAt(lan, server4, serverMAC))
			r.pass(time.Millisecond)
			r.handle(lan, c.frame)
			r.expectMAC(lan, server4, c.mac)
			r.expectState(lan, server4, c.after)
		})
	}
}

// A neighbour is one port's: who has its address elsewhere is somebody else.
func TestSameAddressOnAnotherPortIsAnotherNeighbor(t *testing.T) {
	r := withVIPs(t)
	r.resolve(lan, server4)
	r.handle(wan, gratuitous(server4, spareMAC))
	r.expectMAC(lan, server4, noMAC)
	r.resolve(wan, server4)
	r.handle(lan, isAt(lan, server4, serverMAC))
	r.expectMAC(lan, server4, serverMAC)
	r.expectMAC(wan, server4, noMAC)
}

func TestStrangersAreRememberedOnlyIfTheyAskForUs(t *testing.T) {
	far4, far6 := ip("192.0.2.9"), ip("2001:db8:ffff::9")
	cases := []struct {
		name  string
		who   string
		frame []byte
		state string
	}{
		{"request for a VIP", client4.String(), whoHas(vip4, clientMAC, client4), "stale"},
		{"solicitation for a VIP", client6.String(), solicitation(vip6, clientMAC, client6).frame(), "stale"},
		{"solicitation from a link-local address", "fe80::77", solicitation(vip6, clientMAC, ip("fe80::77")).frame(), "stale"},
		{"request for somebody else", client4.String(), whoHas(gateway4, clientMAC, client4), ""},
		{"gratuitous ARP", client4.String(), gratuitous(client4, clientMAC), ""},
		{"answer that nobody asked for", client4.String(), isAt(wan, client4, clientMAC), ""},
		{"advertisement", client6.String(), unsolicited(client6, clientMAC).frame(), ""},
		{"solicited advertisement", client6.String(), answer(wan, client6, clientMAC).frame(), ""},
		{"request from another network", far4.String(), whoHas(vip4, clientMAC, far4), ""},
		{"solicitation from another network", far6.String(), solicitation(vip6, clientMAC, far6).frame(), ""},
		{
			"solicitation without a MAC", client6.String(),
			nd{kind: ndSolicitation, from: clientMAC, to: wanMAC, src: client6, dst: vip6, target: vip6}.frame(), "",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := withVIPs(t)
			r.handle(wan, c.frame)
			r.expectState(wan, ip(c.who), c.state)
			if len(r.drops) > 0 {
				t.Errorf("dropped %v", r.drops)
			}
		})
	}
}

func TestOtherStationWithOurAddressIsReportedAndAnswered(t *testing.T) {
	garp := "wan: ff:ff:ff:ff:ff:ff arp who-has 203.0.113.10 tell 203.0.113.10"
	na := "wan: 33:33:00:00:00:01 2001:db8::10>ff02::1 na 2001:db8::10 override target 02:00:00:00:00:02"
	cases := []struct {
		name   string
		frame  []byte
		defend string
		report string
	}{
		{"gratuitous ARP for a VIP", gratuitous(vip4, spareMAC), garp, "wan 203.0.113.10 02:00:00:00:02:02"},
		{"ARP reply for a VIP", isAt(wan, vip4, spareMAC), garp, "wan 203.0.113.10 02:00:00:00:02:02"},
		{"request from a VIP", whoHas(gateway4, spareMAC, vip4), garp, "wan 203.0.113.10 02:00:00:00:02:02"},
		{
			"gratuitous ARP for the port's address", gratuitous(ip("203.0.113.2"), spareMAC),
			"wan: ff:ff:ff:ff:ff:ff arp who-has 203.0.113.2 tell 203.0.113.2", "wan 203.0.113.2 02:00:00:00:02:02",
		},
		{"advertisement of a VIP", unsolicited(vip6, spareMAC).frame(), na, "wan 2001:db8::10 02:00:00:00:02:02"},
		{"solicitation from a VIP", solicitation(gateway6, spareMAC, vip6).frame(), na, "wan 2001:db8::10 02:00:00:00:02:02"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := withVIPs(t)
			for range 5 {
				r.handle(wan, c.frame)
			}
			r.expectSent(c.defend)
			r.expectDrops(reason.SpoofedSource, 5)
			if len(r.conflicts) != 1 || r.conflicts[0] != c.report {
				t.Errorf("conflicts %v, want %s", r.conflicts, c.report)
			}
			r.pass(DefendInterval)
			r.take()
			r.handle(wan, c.frame)
			r.expectSent(c.defend)
			if len(r.table.entries) > 0 {
				t.Error("the other station was learned")
			}
		})
	}
}

func TestConflictWithoutAListenerIsCounted(t *testing.T) {
	r := withVIPs(t)
	r.table.OnConflict = nil
	r.handle(wan, gratuitous(vip4, spareMAC))
	r.expectDrops(reason.SpoofedSource, 1)
}

// An address that goes and comes back is defended at once.
func TestDefenceIsForgottenWithTheAddress(t *testing.T) {
	r := withVIPs(t)
	r.handle(wan, gratuitous(vip4, spareMAC))
	r.table.SetLocal(r.now, nil)
	r.handle(wan, gratuitous(vip4, spareMAC))
	r.table.SetLocal(r.now, []netip.Addr{vip4})
	r.take()
	r.handle(wan, gratuitous(vip4, spareMAC))
	r.expectSent("wan: ff:ff:ff:ff:ff:ff arp who-has 203.0.113.10 tell 203.0.113.10")
	if len(r.conflicts) != 2 {
		t.Errorf("conflicts %v", r.conflicts)
	}
}

// Two ports may be on one link, and some devices hand back what was sent.
func TestOurOwnFramesAreNoConflict(t *testing.T) {
	r := withVIPs(t)
	r.resolve(wan, server4)
	for _, frame := range [][]byte{
		gratuitous(vip4, lanMAC), gratuitous(vip4, wanMAC), whoHas(vip4, lanMAC, ip("10.0.0.1")),
		unsolicited(vip6, lanMAC).frame(), unsolicited(vip6, wanMAC).frame(),
		solicitation(vip6, wanMAC, ip("2001:db8::2")).frame(),
		nd{kind: ndAdvertisement, from: clientMAC, to: wanMAC, src: client6, dst: ip("2001:db8::2"), target: client6, flags: flagSolicited, option: lanMAC}.frame(),
		nd{kind: ndSolicitation, from: clientMAC, to: wanMAC, src: client6, dst: vip6, target: vip6, option: wanMAC}.frame(),
	} {
		r.handle(wan, frame)
	}
	r.expectSent()
	if len(r.drops) > 0 || len(r.conflicts) > 0 {
		t.Errorf("dropped %v, conflicts %v", r.drops, r.conflicts)
	}
}
