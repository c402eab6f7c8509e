package ipvs

import (
	"net/netip"
	"time"
)

// persistence binds clients to backends.
func persistence() (all []Scenario) {
	for _, proto := range Protocols {
		for _, mode := range Modes {
			for _, v6 := range []bool{false, true} {
				all = append(all, persisting(proto, mode, v6))
			}
		}
	}
	for _, v6 := range []bool{false, true} {
		all = append(all, groups(v6), allPorts(v6))
	}
	return all
}

// again is a packet of client i, on its n-th port.
func (s Service) again(i, n int) Packet {
	p := s.opening(i)
	p.From = netip.AddrPortFrom(p.From.Addr(), uint16(30000+n))
	return p
}

// persisting has clients come again while they are bound, when they are not any more, when their backend is drained, and when it is
// gone.
func persisting(proto Protocol, mode Mode, v6 bool) Scenario {
	const timeout = 400 * time.Second
	s := service(proto, mode, "rr", v6, 1, 1, 1)
	s.Persistence = timeout
	t := newStory("persistence/"+string(proto)+"/"+string(mode)+"/"+version(v6), s)
	for n := range 3 {
		for i := range 4 {
			t.send(s.again(i, n))
		}
	}
	t.table()
	t.edit(s.weights(0, 1, 1)) // clients 0 and 3 stay with it
	for i := range 6 {
		t.send(s.again(i, 4))
	}
	t.edit(s.without(0)) // and leave it
	for i := range 6 {
		t.send(s.again(i, 5))
	}
	t.table()
	t.wait(3 * timeout)
	for i := range 6 {
		t.send(s.again(5-i, 6))
	}
	t.table()
	return t.s
}

// groups binds clients of a network together.
func groups(v6 bool) Scenario {
	s := service(TCP, NAT, "rr", v6, 1, 1, 1)
	s.Persistence, s.ClientBits = 300*time.Second, map[bool]int{false: 24, true: 64}[v6]
	t := newStory("persistence/group/"+version(v6), s)
	for _, last := range []byte{1, 2, 77, 200} {
		for i := range 4 {
			p := s.again(i, int(last))
			addr := p.From.Addr().AsSlice()
			addr[len(addr)-1] = last
			from, _ := netip.AddrFromSlice(addr)
			p.From = netip.AddrPortFrom(from, p.From.Port())
			t.send(p)
		}
	}
	t.table()
	return t.s
}

// allPorts binds clients over all ports of an address.
func allPorts(v6 bool) Scenario {
	s := service(TCP, NAT, "wlc", v6, 1, 1, 1)
	s.Address = netip.AddrPortFrom(s.Address.Addr(), 0)
	for i := range s.Backends {
		s.Backends[i].Address = netip.AddrPortFrom(s.Backends[i].Address.Addr(), 0)
	}
	s.Persistence = 300 * time.Second
	t := newStory("persistence/all-ports/"+version(v6), s)
	for _, port := range []uint16{80, 443, 21, 40000} {
		for i := range 5 {
			p := s.again(i, int(port%1000))
			p.To = netip.AddrPortFrom(p.To.Addr(), port)
			t.reply(t.send(p), s.answer())
		}
	}
	t.table()
	return t.s
}
