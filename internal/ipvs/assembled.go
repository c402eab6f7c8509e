package ipvs

import (
	"net/netip"
	"slices"
)

// orders are ways for a datagram of 600 to 1400 bytes to come in fragments.
var orders = map[string][]piece{
	"in-order":       {{0, 200}, {200, 480}, {480, end}},
	"last-first":     {{480, end}, {200, 480}, {0, 200}},
	"first-last":     {{200, 480}, {480, end}, {0, 200}},
	"two":            {{0, 560}, {560, end}},
	"two-backwards":  {{560, end}, {0, 560}},
	"twice":          {{0, 200}, {0, 200}, {200, 480}, {200, 480}, {480, end}},
	"twice-later":    {{200, 480}, {200, 480}, {480, end}, {0, 200}},
	"overlapping":    {{0, 200}, {160, 480}, {480, end}},
	"overlapping-up": {{480, end}, {160, 496}, {0, 200}},
	"one-missing":    {{0, 200}, {480, end}},
	"first-missing":  {{200, 480}, {480, end}},
	"many":           {{0, 80}, {80, 160}, {160, 240}, {240, 320}, {320, 400}, {400, 480}, {480, 560}, {560, end}},
}

// neverWhole are those of which no datagram comes: there are gaps, or somebody has meddled (RFC 5722).
var neverWhole = []string{"overlapping", "overlapping-up", "one-missing", "first-missing"}

// assembled are datagrams in fragments, both ways in nat, of which is compared what their receivers have in the end.
func assembled() (all []Scenario) {
	for _, v6 := range []bool{false, true} {
		for _, mode := range Modes {
			for _, proto := range Protocols {
				all = append(all, fragmentsOf(proto, mode, v6))
			}
			all = append(all, quotedInFragments(mode, v6))
		}
		all = append(all, echoInFragments(v6))
	}
	return all
}

func fragmentsOf(proto Protocol, mode Mode, v6 bool) Scenario {
	s := service(proto, mode, "rr", v6, 1, 1)
	t := newStory("fragments/"+string(proto)+"/"+string(mode)+"/"+version(v6), s)
	t.s.Whole = true
	for i, name := range sorted(orders) {
		// One connection begins with the datagram in fragments, another is there.
		p := s.opening(100 + i)
		p.Payload, p.DF, p.Extra = 600+8*i, false, 600
		if !slices.Contains(neverWhole, name) { // see the differences
			t.sendCut(p, uint32(2*i), orders[name])
		}
		known := t.open(s, i)
		p = s.further(i)
		p.Payload, p.DF, p.ID, p.Extra = 1400-8*i, false, uint16(3000+i), 800
		t.sendCut(p, uint32(2*i+1), orders[name])
		if mode == NAT {
			back := s.answer()
			back.Payload, back.ID, back.Extra = 1000, uint16(5000+i), 900
			t.replyCut(known, back, uint32(1000+i), orders[name])
		}
	}
	t.table()
	return t.s
}

// sendCut lets a client's packet come in in fragments.
func (t *story) sendCut(p Packet, id uint32, pieces []piece) {
	for _, f := range cut(p.Frame(RouterMAC, Ports[0].MAC), id, pieces...) {
		t.frame(Wan, f)
	}
}

// replyCut is reply in fragments.
func (t *story) replyCut(n int, like Packet, id uint32, pieces []piece) {
	for _, piece := range pieces {
		t.packet(func(h *History) (string, []byte) {
			for _, f := range h.Out[n] {
				p := like
				var ok bool
				if p.Protocol, p.To, p.From, ok = tuple(f.Data); ok && f.Port == Lan {
					return Lan, cut(p.Frame([6]byte(f.Data[:6]), Ports[1].MAC), id, piece)[0]
				}
			}
			return "", nil
		})
	}
}

// echoInFragments has the balancer itself asked by fragments.
func echoInFragments(v6 bool) Scenario {
	s := service(TCP, NAT, "rr", v6, 1)
	t := newStory("fragments/echo/"+version(v6), s)
	t.s.Whole = true
	for i, name := range sorted(orders) {
		e := trouble{type4: 8, type6: 128, mtu: 7<<16 | uint32(i)}
		frame := e.frame(client(i, v6), s.Address.Addr(), RouterMAC, Ports[0].MAC, make([]byte, 700+8*i), 2000)
		if !v6 {
			frame[14+5] = byte(i) // a datagram of its own
			sealIP4(frame[14:34])
		}
		for _, f := range cut(frame, uint32(i), orders[name]...) {
			t.frame(Wan, f)
		}
	}
	return t.s
}

// quotedInFragments has ICMP errors about datagrams that went on in fragments: they quote the first.
func quotedInFragments(mode Mode, v6 bool) Scenario {
	s := service(UDP, mode, "rr", v6, 1, 1)
	t := newStory("fragments/errors/"+string(mode)+"/"+version(v6), s)
	t.s.Whole = true
	for i, e := range troubles {
		t.open(s, i)
		p := s.opening(i)
		back := s.answer()
		back.Protocol, back.From, back.To, back.Payload = UDP, p.To, p.From, 1000
		first := cut(back.Frame(Ports[0].MAC, RouterMAC), uint32(i), piece{0, 560})[0]
		t.frame(Wan, e.frame(p.From.Addr(), p.To.Addr(), RouterMAC, Ports[0].MAC, first[14:], 548))
		if mode != NAT || v6 { // see the differences
			continue
		}
		there := s.further(i)
		there.To, there.DF, there.Payload = netip.AddrPortFrom(s.Backends[i%2].Address.Addr(), s.Backends[0].Address.Port()), false, 1000
		first = cut(there.Frame(Ports[1].MAC, BackendMAC(i%2)), uint32(i), piece{0, 560})[0]
		t.frame(Lan, e.frame(there.To.Addr(), there.From.Addr(), BackendMAC(i%2), Ports[1].MAC, first[14:], 548))
	}
	return t.s
}
