package neighbor

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/weirlb/weir/fastpath/reason"
)

func TestAnswersForItsAddresses(t *testing.T) {
	wanLinkLocal := ip("fe80::ff:fe00:2")
	cases := []struct {
		name  string
		port  int
		frame []byte
		want  []string
	}{
		{
			"ARP request for a VIP", wan, whoHas(vip4, clientMAC, client4),
			[]string{"wan: 02:00:00:00:03:01 arp 203.0.113.10 is-at 02:00:00:00:00:02 to 203.0.113.77 02:00:00:00:03:01"},
		},
		{
			"ARP request for a VIP on the other port", lan, whoHas(vip4, serverMAC, server4),
			[]string{"lan: 02:00:00:00:02:01 arp 203.0.113.10 is-at 02:00:00:00:00:03 to 10.0.0.11 02:00:00:00:02:01"},
		},
		{
			"ARP request for the port's own address", lan, whoHas(ip("10.0.0.1"), serverMAC, server4),
			[]string{"lan: 02:00:00:00:02:01 arp 10.0.0.1 is-at 02:00:00:00:00:03 to 10.0.0.11 02:00:00:00:02:01"},
		},
		{"ARP request for the other port's own address", wan, whoHas(ip("10.0.0.1"), clientMAC, client4), nil},
		{"ARP request for somebody else", wan, whoHas(gateway4, clientMAC, client4), nil},
		{
			"ARP request from another network", wan, whoHas(vip4, clientMAC, ip("192.0.2.9")),
			[]string{"wan: 02:00:00:00:03:01 arp 203.0.113.10 is-at 02:00:00:00:00:02 to 192.0.2.9 02:00:00:00:03:01"},
		},
		{
			"unicast ARP request", wan, arp(wanMAC, arpRequest, gatewayA, gateway4, wanMAC, vip4),
			[]string{"wan: 02:00:00:00:01:0a arp 203.0.113.10 is-at 02:00:00:00:00:02 to 203.0.113.1 02:00:00:00:01:0a"},
		},
		{
			"ARP probe", wan, whoHas(vip4, clientMAC, netip.IPv4Unspecified()),
			[]string{"wan: 02:00:00:00:03:01 arp 203.0.113.10 is-at 02:00:00:00:00:02 to 0.0.0.0 02:00:00:00:03:01"},
		},
		{
			"solicitation for a VIP", wan, solicitation(vip6, clientMAC, client6).frame(),
			[]string{"wan: 02:00:00:00:03:01 2001:db8::10>2001:db8::77 na 2001:db8::10 solicited override target 02:00:00:00:00:02"},
		},
		{
			"solicitation for a VIP on the other port", lan, solicitation(vip6, serverMAC, server6).frame(),
			[]string{"lan: 02:00:00:00:02:01 2001:db8::10>fd00::11 na 2001:db8::10 solicited override target 02:00:00:00:00:03"},
		},
		{
			"solicitation for the port's own address", lan, solicitation(ip("fd00::1"), serverMAC, server6).frame(),
			[]string{"lan: 02:00:00:00:02:01 fd00::1>fd00::11 na fd00::1 solicited override target 02:00:00:00:00:03"},
		},
		{
			"solicitation for the link-local address", wan, solicitation(wanLinkLocal, gatewayA, gateway6).frame(),
			[]string{"wan: 02:00:00:00:01:0a fe80::ff:fe00:2>fe80::1 na fe80::ff:fe00:2 solicited override target 02:00:00:00:00:02"},
		},
		{"solicitation for the other port's address", wan, solicitation(ip("fd00::1"), clientMAC, client6).frame(), nil},
		{"solicitation for somebody else", wan, solicitation(gateway6, clientMAC, client6).frame(), nil},
		{
			"unicast solicitation without a source MAC", wan,
			nd{kind: ndSolicitation, from: clientMAC, to: wanMAC, src: client6, dst: vip6, target: vip6}.frame(),
			[]string{"wan: 02:00:00:00:03:01 2001:db8::10>2001:db8::77 na 2001:db8::10 solicited override target 02:00:00:00:00:02"},
		},
		{
			"duplicate address detection", wan, solicitation(vip6, clientMAC, netip.IPv6Unspecified()).frame(),
			[]string{"wan: 33:33:00:00:00:01 2001:db8::10>ff02::1 na 2001:db8::10 override target 02:00:00:00:00:02"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := withVIPs(t)
			r.handle(c.port, c.frame)
			r.expectSent(c.want...)
			if len(r.drops) > 0 || len(r.conflicts) > 0 {
				t.Errorf("dropped %v, conflicts %v", r.drops, r.conflicts)
			}
		})
	}
}

// A known neighbour that asks without saying its MAC gets the answer where it is known to be.
func TestAnswersAKnownNeighborAtItsMAC(t *testing.T) {
	r := withVIPs(t)
	r.handle(wan, solicitation(vip6, clientMAC, client6).frame())
	r.take()
	r.handle(wan, nd{kind: ndSolicitation, from: spareMAC, to: wanMAC, src: client6, dst: vip6, target: vip6}.frame())
	r.expectSent("wan: 02:00:00:00:03:01 2001:db8::10>2001:db8::77 na 2001:db8::10 solicited override target 02:00:00:00:00:02")
}

func TestNoAnswerForAVIPThatIsGone(t *testing.T) {
	r := withVIPs(t)
	r.table.SetLocal(r.now, nil)
	r.handle(wan, whoHas(vip4, clientMAC, client4))
	r.handle(wan, solicitation(vip6, clientMAC, client6).frame())
	r.expectSent()
}

// edit changes a copy of a frame.
func edit(frame []byte, change func(b []byte)) []byte {
	b := slices.Clone(frame)
	change(b)
	return b
}

// resum changes a neighbour discovery frame and makes its checksum right again.
func resum(frame []byte, change func(b []byte)) []byte {
	return edit(frame, func(b []byte) {
		change(b)
		ip := b[ethLen:]
		b[ethLen+ip6Len+2], b[ethLen+ip6Len+3] = 0, 0
		message := ip[ip6Len : ip6Len+int(binary.BigEndian.Uint16(ip[4:]))]
		binary.BigEndian.PutUint16(message[2:], checksum(ip[8:40], message))
	})
}

func TestMalformedIsDroppedAndCounted(t *testing.T) {
	request := whoHas(vip4, clientMAC, client4)
	ns := solicitation(vip6, clientMAC, client6)
	na := answer(wan, client6, clientMAC)
	group := [6]byte{1, 0, 0x5e, 0, 0, 1}
	const icmp = ethLen + ip6Len
	cases := map[string][]byte{
		"empty":                          {},
		"no whole Ethernet header":       request[:ethLen-1],
		"neither ARP nor IPv6":           edit(request, func(b []byte) { b[13] = 0 }),
		"ARP cut off":                    request[:ethLen+arpLen-1],
		"ARP for other hardware":         edit(request, func(b []byte) { b[15] = 6 }),
		"ARP for another protocol":       edit(request, func(b []byte) { b[17] = 1 }),
		"ARP with another MAC length":    edit(request, func(b []byte) { b[18] = 8 }),
		"ARP with another IP length":     edit(request, func(b []byte) { b[19] = 16 }),
		"reverse ARP":                    arp(broadcastMAC, 3, clientMAC, client4, noMAC, vip4),
		"ARP operation 0":                arp(broadcastMAC, 0, clientMAC, client4, noMAC, vip4),
		"ARP from a group MAC":           whoHas(vip4, group, client4),
		"ARP from no MAC":                whoHas(vip4, noMAC, client4),
		"ARP from the broadcast MAC":     whoHas(vip4, broadcastMAC, client4),
		"ARP from a multicast address":   whoHas(vip4, clientMAC, ip("224.0.0.1")),
		"ARP from a loopback address":    whoHas(vip4, clientMAC, ip("127.0.0.1")),
		"ARP from the broadcast address": whoHas(vip4, clientMAC, broadcast4),
		"ARP for a multicast address":    whoHas(ip("224.0.0.1"), clientMAC, client4),
		"ARP reply from no address":      arp(wanMAC, arpReply, clientMAC, netip.IPv4Unspecified(), wanMAC, vip4),

		"IPv6 cut off":                   ns.frame()[:ethLen+ip6Len-1],
		"IPv6 shorter than it says":      ns.frame()[:len(ns.frame())-1],
		"IP version 4 in IPv6":           edit(ns.frame(), func(b []byte) { b[ethLen] = 0x45 }),
		"not ICMPv6":                     edit(ns.frame(), func(b []byte) { b[ethLen+6] = 17 }),
		"hop limit 254":                  edit(ns.frame(), func(b []byte) { b[ethLen+7] = 254 }),
		"no payload":                     edit(ns.frame(), func(b []byte) { b[ethLen+5] = 0 }),
		"wrong checksum":                 edit(ns.frame(), func(b []byte) { b[icmp+2] ^= 1 }),
		"code 1":                         resum(ns.frame(), func(b []byte) { b[icmp+1] = 1 }),
		"an echo request":                resum(ns.frame(), func(b []byte) { b[icmp] = 128 }),
		"type 138":                       resum(ns.frame(), func(b []byte) { b[icmp] = 138 }),
		"no whole target":                resum(ns.frame(), func(b []byte) { b[ethLen+5] = 23 }),
		"multicast target":               resum(ns.frame(), func(b []byte) { b[icmp+8] = 0xff }),
		"from a multicast address":       resum(ns.frame(), func(b []byte) { b[ethLen+8] = 0xff }),
		"from the loopback address":      solicitation(vip6, clientMAC, netip.IPv6Loopback()).frame(),
		"option of length 0":             resum(ns.frame(), func(b []byte) { b[icmp+ndLen+1] = 0 }),
		"option beyond the end":          resum(ns.frame(), func(b []byte) { b[icmp+ndLen+1] = 2 }),
		"half an option":                 resum(ns.frame(), func(b []byte) { b[ethLen+5] = ndLen + 1 }),
		"source MAC of a group":          resum(ns.frame(), func(b []byte) { b[icmp+ndLen+2] = 1 }),
		"MAC of another length":          resum(append(ns.frame(), make([]byte, 8)...), func(b []byte) { b[ethLen+5] += 8; b[icmp+ndLen+1] = 2 }),
		"DAD with a source MAC":          resum(ns.frame(), func(b []byte) { clear(b[ethLen+8 : ethLen+24]) }),
		"DAD to a unicast address":       nd{kind: ndSolicitation, from: clientMAC, to: wanMAC, src: netip.IPv6Unspecified(), dst: vip6, target: vip6}.frame(),
		"advertisement from no address":  nd{kind: ndAdvertisement, from: clientMAC, to: wanMAC, src: netip.IPv6Unspecified(), dst: vip6, target: client6, option: clientMAC}.frame(),
		"solicited answer to all":        nd{kind: ndAdvertisement, from: clientMAC, to: allNodesMAC, src: client6, dst: allNodes, target: client6, flags: flagSolicited, option: clientMAC}.frame(),
		"advertised MAC is a group's":    resum(na.frame(), func(b []byte) { b[icmp+ndLen+2] = 1 }),
		"advertised target is multicast": resum(na.frame(), func(b []byte) { b[icmp+8] = 0xff }),
	}
	for name, frame := range cases {
		t.Run(name, func(t *testing.T) {
			r := withVIPs(t)
			r.resolve(wan, client4)
			r.resolve(wan, client6)
			r.handle(wan, frame)
			r.expectSent()
			r.expectDrops(reason.BadNeighbor, 1)
			r.expectMAC(wan, client4, noMAC)
			r.expectMAC(wan, client6, noMAC)
		})
	}
}

func TestFrameOfAPortThatIsNotThereIsDropped(t *testing.T) {
	r := withVIPs(t)
	for _, port := range []int{-1, 2} {
		r.handle(port, whoHas(vip4, clientMAC, client4))
		r.table.Await(r.now, port, client4, datagram(wanMAC, "lost"))
		if _, err := r.table.Resolve(r.now, port, client4); err == nil {
			t.Errorf("port %d: no error", port)
		}
	}
	r.expectSent()
	r.expectDrops(reason.BadNeighbor, 2)
	r.expectDrops(reason.NeighborUnresolved, 2)
}

// Padding and options that Weir does not know are nothing wrong.
func TestWhatIsLegalIsTaken(t *testing.T) {
	nonce := resum(append(solicitation(vip6, clientMAC, client6).frame(), 14, 1, 1, 2, 3, 4, 5, 6), func(b []byte) { b[ethLen+5] += 8 })
	cases := map[string][]byte{
		"padded ARP":            append(whoHas(vip4, clientMAC, client4), make([]byte, 18)...),
		"padded solicitation":   append(solicitation(vip6, clientMAC, client6).frame(), 1, 2, 3),
		"solicitation and more": nonce,
	}
	for name, frame := range cases {
		t.Run(name, func(t *testing.T) {
			r := withVIPs(t)
			r.handle(wan, frame)
			if len(r.take()) != 1 || len(r.drops) > 0 {
				t.Errorf("not answered, dropped %v", r.drops)
			}
		})
	}
}

func TestRouterMessagesAreIgnored(t *testing.T) {
	for _, kind := range []byte{133, 134, 137} {
		r := withVIPs(t)
		r.handle(wan, resum(solicitation(vip6, gatewayA, gateway6).frame(), func(b []byte) { b[ethLen+ip6Len] = kind }))
		r.expectSent()
		if len(r.drops) > 0 {
			t.Errorf("type %d: dropped %v", kind, r.drops)
		}
	}
}

// The kernel, which is behind the same MAC, is told what stations say of themselves. It must not hear of questions,
// which Weir answers, nor of lies about Weir's addresses.
func TestStatementsForTheKernelsNeighborTable(t *testing.T) {
	self := ip("203.0.113.2")
	cases := []struct {
		name  string
		frame []byte
		want  bool
	}{
		{"ARP reply", isAt(wan, gateway4, gatewayA), true},
		{"ARP reply of a stranger", isAt(wan, client4, clientMAC), true},
		{"gratuitous ARP", gratuitous(gateway4, gatewayB), true},
		{"gratuitous ARP reply", arp(broadcastMAC, arpReply, gatewayB, gateway4, noMAC, gateway4), true},
		{"advertisement", answer(wan, gateway6, gatewayA).frame(), true},
		{"unsolicited advertisement", unsolicited(gateway6, gatewayA).frame(), true},

		{"ARP request for Weir", whoHas(self, clientMAC, client4), false},
		{"ARP request for somebody else", whoHas(gateway4, clientMAC, client4), false},
		{"ARP probe", whoHas(gateway4, clientMAC, ip("0.0.0.0")), false},
		{"ARP request for 0.0.0.0 from 0.0.0.0", whoHas(ip("0.0.0.0"), clientMAC, ip("0.0.0.0")), false},
		{"solicitation", solicitation(vip6, clientMAC, client6).frame(), false},
		{"gratuitous ARP for Weir's address", gratuitous(self, spareMAC), false},
		{"ARP reply for a VIP", isAt(wan, vip4, spareMAC), false},
		{"advertisement of Weir's address", unsolicited(ip("2001:db8::2"), spareMAC).frame(), false},
		{"advertisement of the link-local address", unsolicited(ip("fe80::ff:fe00:2"), spareMAC).frame(), false},
		{"our own ARP reply", isAt(wan, gateway4, lanMAC), false},
		{"our own advertisement", unsolicited(vip6, wanMAC).frame(), false},
		{"malformed ARP reply", isAt(wan, gateway4, gatewayA)[:40], false},
		{"router advertisement", resum(solicitation(vip6, gatewayA, gateway6).frame(), func(b []byte) { b[ethLen+ip6Len] = 134 }), false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := withVIPs(t)
			if got := r.table.Handle(r.now, wan, c.frame); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}
