package ipvs

import "net/netip"

// edits changes services under connections' feet.
func edits() (all []Scenario) {
	for _, proto := range Protocols {
		for _, mode := range Modes {
			all = append(all, drain(proto, mode), removal(proto, mode), exchangeScheduler(proto, mode))
		}
	}
	return append(all, twoServices())
}

// open is a connection of client i with an answer, where answers pass.
func (t *story) open(s Service, i int) (n int) {
	n = t.send(s.opening(i))
	if s.Mode == NAT {
		t.reply(n, s.answer())
	}
	t.send(s.further(i))
	return n
}

// answer is what a backend says to an opening, further what the client says then.
func (s Service) answer() Packet {
	return map[Protocol]Packet{TCP: {Flags: "SA"}, UDP: {Payload: 30}, SCTP: {Flags: "INIT-ACK"}}[s.Protocol]
}

func (s Service) further(i int) Packet {
	return s.from(i, map[Protocol]string{TCP: "A", UDP: "", SCTP: "COOKIE-ECHO"}[s.Protocol])
}

func drain(proto Protocol, mode Mode) Scenario {
	s := service(proto, mode, "rr", false, 1, 1, 1)
	t := newStory("edit/drain/"+string(proto)+"/"+string(mode), s)
	for i := range 3 {
		t.open(s, i)
	}
	t.edit(s.weights(1, 0, 1))
	for i := range 6 { // what there is stays, and nothing new comes
		if i < 3 {
			t.send(s.further(i))
		} else {
			t.open(s, i)
		}
	}
	t.table()
	t.edit(s.weights(0, 0, 0))
	t.send(s.opening(20))
	t.send(s.further(4))
	t.table()
	t.edit(s)
	t.open(s, 21)
	t.open(s, 22)
	t.table()
	return t.s
}

// removal takes a backend away while it has connections, and brings it back.
func removal(proto Protocol, mode Mode) Scenario {
	s := service(proto, mode, "wlc", false, 1, 1, 1)
	t := newStory("edit/remove/"+string(proto)+"/"+string(mode), s)
	for i := range 3 {
		t.open(s, i)
	}
	t.edit(s.without(0))
	t.send(s.further(1)) // see the differences for those of the backend that has gone
	t.send(s.further(2))
	t.open(s, 5)
	t.open(s, 6)
	t.table()
	t.edit(s)
	t.open(s, 7)
	t.open(s, 8)
	return t.s
}

func exchangeScheduler(proto Protocol, mode Mode) Scenario {
	s := service(proto, mode, "wlc", false, 3, 1, 2)
	t := newStory("edit/scheduler/"+string(proto)+"/"+string(mode), s)
	for _, scheduler := range []string{"wlc", "sh", "lc", "mh", "sed", "dh", "nq"} {
		s.Scheduler = scheduler
		t.edit(s)
		for range 4 {
			t.send(s.opening(t.packets))
		}
	}
	t.table()
	return t.s
}

// twoServices has services on two ports of a VIP and one on another VIP, which share backends.
func twoServices() Scenario {
	a := service(TCP, NAT, "rr", false, 1, 1)
	b, c := a, service(UDP, NAT, "rr", false, 1, 1)
	b.Address = netip.AddrPortFrom(vip4, 443)
	b.Backends = []Backend{
		{Address: netip.AddrPortFrom(BackendAddr(0, false), 8443), Weight: 1},
		{Address: netip.AddrPortFrom(BackendAddr(1, false), 9443), Weight: 1},
	}
	d := service(TCP, Tun, "rr", false, 1, 1)
	d.Address = netip.AddrPortFrom(furtherVIP(0, false), 80)
	t := newStory("edit/services", a, b, c, d)
	all := []Service{a, b, c, d}
	for i := range 8 {
		t.open(all[i%4], i)
	}
	t.table()
	t.edit(a, c)
	for i := range 8 {
		if i%2 == 0 { // the others are nobody's any more
			t.send(all[i%4].further(i))
		}
	}
	return t.s
}
