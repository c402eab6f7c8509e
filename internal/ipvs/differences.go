package ipvs

import (
	"net/netip"
	"time"
)

// Differences are scenarios in which Weir is meant to do something else than IPVS. Each has a heading of its name in
// docs/differences-from-ipvs.md, and a test that asserts what either does.
func Differences() (all []Scenario) {
	for _, name := range sorted(differences) {
		t := differences[name]()
		t.s.Name = "difference/" + name
		all = append(all, t.s)
	}
	return all
}

var differences = map[string]func() *story{
	"the-ttl-in-dr": func() *story {
		s := service(TCP, DR, "rr", false, 1)
		t := newStory("", s)
		p := s.opening(0)
		p.TTL = 5
		t.send(p)
		p.TTL = 1
		t.send(p)
		return t
	},
	"the-outer-ttl": func() *story {
		s := service(TCP, Tun, "rr", false, 1)
		t := newStory("", s)
		p := s.opening(0)
		p.TTL = 9
		t.send(p)
		return t
	},
	"the-outer-flow-label": func() *story {
		s := service(TCP, Tun, "rr", true, 1)
		t := newStory("", s)
		t.send(s.opening(0))
		t.send(s.further(0))
		t.send(s.opening(1))
		return t
	},
	"congestion-marks-in-tunnels": func() *story {
		s := service(TCP, Tun, "rr", false, 1)
		t := newStory("", s)
		p := s.opening(0)
		p.TOS = 0xb8 | 3
		t.send(p)
		return t
	},
	"ipv6-in-ipv4-is-not-cut-up": func() *story {
		s := service(TCP, Tun, "rr", true, 1)
		s.Backends = service(TCP, Tun, "rr", false, 1).Backends
		t := newStory("", s)
		t.send(s.opening(0))
		return t
	},
	"the-mss-in-tunnels": func() *story {
		s := service(TCP, Tun, "rr", false, 1)
		t := newStory("", s)
		p := s.opening(0)
		p.MSS = 1460
		t.send(p)
		return t
	},
	"the-mtu-within-a-tunnel": func() *story {
		s := service(TCP, Tun, "rr", false, 1)
		t := newStory("", s)
		t.send(s.opening(0))
		p := s.further(0)
		p.Payload = 1400
		for range 2 {
			t.send(p)
			t.tooBigInTunnel(s, p, 0, 1400)
		}
		return t
	},
	"the-port-that-gue-comes-from": func() *story {
		s := service(TCP, Tun, "rr", false, 1)
		s.Tunnel = Tunnel{Type: "gue", Port: GUEPort}
		t := newStory("", s)
		for i := range 8 {
			t.send(s.opening(i))
			t.send(s.further(i))
		}
		return t
	},
	"flags-that-no-tcp-sends": func() *story {
		s := service(TCP, NAT, "rr", false, 1)
		t := newStory("", s)
		t.open(s, 0)
		t.send(s.from(0, "SF"))
		t.send(s.from(0, "FSRPAU"))
		return t
	},
	"a-syn-ack-begins-nothing": func() *story {
		s := service(TCP, NAT, "rr", false, 1, 1)
		t := newStory("", s)
		t.send(s.from(0, "SA"))
		t.send(s.from(0, "A"))
		return t
	},
	"headers-that-cannot-be": func() *story {
		s := service(UDP, NAT, "rr", false, 1)
		t := newStory("", s)
		p := s.opening(0)
		frame := p.Frame(RouterMAC, Ports[0].MAC)
		frame[14+20+4]++ // the datagram is 256 bytes longer than the packet
		t.frame(Wan, frame)
		return t
	},
	"cut-up-before-the-tunnel": func() *story {
		s := service(UDP, Tun, "rr", false, 1)
		t := newStory("", s)
		p := s.opening(0)
		p.Payload, p.DF = 1472, false
		t.send(p)
		return t
	},
	"the-round-after-a-change-of-scheduler": func() *story {
		s := service(UDP, NAT, "rr", false, 3, 1, 2)
		t := newStory("", s)
		for i := range 4 {
			t.send(s.opening(i))
		}
		s.Scheduler = "wrr"
		t.edit(s)
		for i := range 6 {
			t.send(s.opening(10 + i))
		}
		return t
	},
	"recorded-routes": func() *story {
		s := service(TCP, NAT, "rr", false, 1)
		t := newStory("", s)
		p := s.opening(0)
		p.Options = []byte{7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0}
		t.send(p)
		return t
	},
	"checksums-in-quoted-packets": func() *story {
		s := service(TCP, NAT, "rr", false, 1)
		t := newStory("", s)
		n := t.send(s.opening(0))
		t.complain(n, Lan, troubles[0], 128, false)
		return t
	},
	"icmpv6-errors-from-backends": func() *story {
		s := service(TCP, NAT, "rr", true, 1)
		t := newStory("", s)
		n := t.send(s.opening(0))
		t.complain(n, Lan, troubles[0], 60, false)
		return t
	},
	"parameter-problems": func() *story {
		s := service(TCP, NAT, "rr", false, 1)
		t := newStory("", s)
		n := t.send(s.opening(0))
		t.complain(n, Lan, trouble{type4: 12, mtu: 20}, 28, false)
		return t
	},
	"time-exceeded-comes-from-the-router": func() *story {
		s := service(TCP, NAT, "rr", false, 1, 1)
		t := newStory("", s)
		p := s.opening(0)
		p.TTL = 1
		t.send(p)
		t.table()
		return t
	},
	"packets-of-no-connection": func() *story {
		s := service(TCP, NAT, "rr", false, 1)
		t := newStory("", s)
		t.send(s.further(0))
		return t
	},
	"what-is-for-no-service": func() *story {
		s := service(UDP, NAT, "rr", false, 1)
		t := newStory("", s)
		for _, proto := range []Protocol{UDP, TCP} {
			p := s.opening(0)
			p.Protocol, p.To, p.Flags = proto, netip.AddrPortFrom(vip4, 99), "S"
			t.send(p)
		}
		back := s.answer()
		back.Protocol, back.From, back.To = UDP, s.Backends[0].Address, s.opening(0).From
		t.frame(Lan, back.Frame(BackendMAC(0), Ports[1].MAC))
		return t
	},
	"persistence-that-a-connection-outlasted": func() *story {
		s := service(UDP, NAT, "rr", false, 1, 1)
		s.Persistence = 30 * time.Second
		t := newStory("", s)
		t.s.Timeouts = Timeouts{UDP: 35 * time.Second}
		t.send(s.again(0, 0))
		t.wait(40 * time.Second) // its time was up before the connection's
		t.send(s.again(0, 1))
		t.wait(70 * time.Second)
		t.send(s.again(0, 2))
		return t
	},
	"mh-leaves-nobody-out": func() *story {
		var weights []int
		for i := range NumBackends {
			weights = append(weights, 62+i%2)
		}
		s := service(UDP, DR, "mh", false, weights...)
		t := newStory("", s)
		for i := range 400 {
			t.send(s.opening(i))
		}
		return t
	},
	"mh-tells-backends-of-another-ip-version-apart": func() *story {
		s := service(UDP, Tun, "mh", false, 1, 1)
		s.Backends = service(UDP, Tun, "mh", true, 1, 1).Backends
		t := newStory("", s)
		for i := range 40 {
			t.send(s.opening(i))
		}
		return t
	},
	"udp-without-a-checksum": func() *story {
		s := service(UDP, NAT, "rr", false, 1)
		t := newStory("", s)
		p := s.opening(0)
		p.NoChecksum = true
		t.send(p)
		return t
	},
	"damaged-sctp-stays-damaged": func() *story {
		s := service(SCTP, NAT, "rr", false, 1)
		t := newStory("", s)
		p := s.opening(0)
		p.Damaged = true
		t.send(p)
		return t
	},
	"errors-in-one-packet-scheduling": func() *story {
		s := service(UDP, NAT, "rr", false, 1)
		s.OnePacket = true
		t := newStory("", s)
		t.complain(t.send(s.opening(0)), Lan, troubles[0], 128, false)
		return t
	},
	"errors-about-later-fragments": func() *story {
		s := service(UDP, NAT, "rr", false, 1)
		t := newStory("", s)
		p := s.opening(0)
		p.Payload, p.DF = 600, false
		parts := Fragments(p.Frame(RouterMAC, Ports[0].MAC), 400)
		t.frame(Wan, parts[1])
		n := t.frame(Wan, parts[0])
		t.complainAbout(n, 1, Lan, troubles[1], 128, false)
		return t
	},
	"a-threshold-that-is-lowered": func() *story {
		s := service(UDP, NAT, "rr", false, 1)
		t := newStory("", s)
		t.send(s.opening(0))
		t.send(s.opening(1))
		s = s.weights(1)
		s.Backends[0].Upper = 1
		t.edit(s)
		t.send(s.opening(2))
		t.send(s.opening(3))
		return t
	},
	"connections-of-a-removed-backend": func() *story {
		s := service(TCP, NAT, "rr", false, 1, 1)
		t := newStory("", s)
		t.send(s.opening(0))
		t.edit(s.without(0))
		t.send(s.further(0))
		t.edit(s)
		t.send(s.further(0))
		return t
	},
	"connections-of-a-removed-backend-that-end": func() *story {
		s := service(TCP, NAT, "rr", false, 1, 1)
		s.Options = []Option{{"on_remove", "reschedule"}}
		t := newStory("", s)
		t.s.Sysctls = map[string]int{"expire_nodest_conn": 1}
		t.live(s, 0, exchange{">S", "<SA", ">A"}, false)
		t.edit(s.without(0))
		t.wait(time.Second)
		t.send(s.further(0))
		return t
	},
	"a-syn-to-a-drained-backend": func() *story {
		s := service(TCP, NAT, "rr", false, 1, 1)
		t := newStory("", s)
		t.send(s.opening(0))
		t.edit(s.weights(0, 1))
		t.send(s.opening(0))
		return t
	},
	"a-syn-within-a-connection": func() *story {
		s := service(TCP, NAT, "rr", false, 1, 1)
		s.Options = []Option{{"expire_nodest", "true"}}
		t := newStory("", s)
		t.s.Sysctls = map[string]int{"expire_nodest_conn": 1}
		t.live(s, 0, exchange{">S", "<SA", ">A"}, false)
		t.edit(s.weights(0, 1))
		t.send(s.opening(0))
		return t
	},
	"ports-that-are-used-again": func() *story {
		s := service(TCP, NAT, "rr", false, 1, 1)
		t := newStory("", s)
		t.s.Sysctls = map[string]int{"conn_reuse_mode": 0}
		t.live(s, 0, exchange{">S", "<SA", ">A", ">FA", "<FA", ">A", ">S"}, false)
		return t
	},
	"defence-against-floods": func() *story {
		s := service(UDP, NAT, "rr", false, 1, 1)
		t := newStory("", s)
		t.s.Sysctls = map[string]int{"drop_packet": 3}
		t.wait(5 * time.Second) // Linux looks once a second
		for i := range 40 {
			t.send(s.opening(i))
		}
		return t
	},
	"answers-in-one-packet-scheduling": func() *story {
		s := service(UDP, NAT, "rr", false, 1)
		s.OnePacket = true
		t := newStory("", s)
		t.reply(t.send(s.opening(0)), s.answer())
		return t
	},
	"wrr-after-an-edit-that-changes-nothing": func() *story {
		s := service(UDP, NAT, "wrr", false, 1, 1, 1)
		t := newStory("", s)
		t.send(s.opening(0))
		again := s.weights(1, 1, 1)
		again.Backends[2].Upper = 100
		t.edit(again)
		t.send(s.opening(1))
		return t
	},
	"lblc-obeys-thresholds": func() *story {
		s := service(UDP, NAT, "lblc", false, 1, 1)
		s.Backends[0].Upper = 2
		t := newStory("", s)
		for i := range 4 {
			t.send(s.opening(i))
		}
		return t
	},
	"fragments-wait-two-seconds-for-their-first": func() *story {
		s := service(UDP, NAT, "rr", false, 1)
		t := newStory("", s)
		p := s.opening(0)
		p.Payload, p.DF = 600, false
		f := cut(p.Frame(RouterMAC, Ports[0].MAC), 1, piece{0, 400}, piece{400, end})
		t.frame(Wan, f[1])
		t.wait(5 * time.Second)
		t.frame(Wan, f[0])
		return t
	},
	"datagrams-that-never-become-whole": func() *story {
		s := service(UDP, NAT, "rr", false, 1, 1)
		t := newStory("", s)
		p := s.opening(0)
		p.Payload, p.DF = 600, false
		t.frame(Wan, cut(p.Frame(RouterMAC, Ports[0].MAC), 1, piece{0, 400})[0])
		t.wait(40 * time.Second)
		t.send(s.opening(1))
		return t
	},
	"tiny-first-fragments": func() *story {
		s := service(TCP, NAT, "rr", false, 1)
		t := newStory("", s)
		t.open(s, 0)
		p := s.further(0)
		p.Payload, p.DF = 600, false
		for _, f := range cut(p.Frame(RouterMAC, Ports[0].MAC), 1, piece{0, 8}, piece{8, end}) {
			t.frame(Wan, f)
		}
		return t
	},
	"fragments-do-not-wait": func() *story {
		s := service(UDP, NAT, "rr", false, 1, 1)
		t := newStory("", s)
		p := s.opening(0)
		p.Payload, p.DF = 600, false
		for _, f := range Fragments(p.Frame(RouterMAC, Ports[0].MAC), 400) {
			t.frame(Wan, f)
		}
		return t
	},
}
