package ipvs

// fields are packets with something in their headers that has to stay, or to be changed with care.
func fields() (all []Scenario) {
	for _, proto := range Protocols {
		for _, mode := range Modes {
			for _, v6 := range []bool{false, true} {
				all = append(all, fieldsOf(proto, mode, v6))
			}
		}
	}
	// A tunnel through the other IP version; the other way round is a difference.
	s := service(TCP, Tun, "rr", false, 1, 1)
	s.Backends = service(TCP, Tun, "rr", true, 1, 1).Backends
	t := newStory("fields/tcp/tun/v4-in-v6", s)
	t.odd(s)
	return append(all, t.s)
}

func version(v6 bool) string {
	if v6 {
		return "v6"
	}
	return "v4"
}

func fieldsOf(proto Protocol, mode Mode, v6 bool) Scenario {
	s := service(proto, mode, "rr", v6, 1, 1)
	t := newStory("fields/"+string(proto)+"/"+string(mode)+"/"+version(v6), s)
	t.odd(s)
	return t.s
}

// large is how much payload is sure to pass.
func (s Service) large() int {
	if s.Tunnel.Type != "" {
		return 1360
	}
	return 1400
}

// odd sends such packets both ways.
func (t *story) odd(s Service) {
	v6 := s.Address.Addr().Is6()
	like := []func(p *Packet){
		func(p *Packet) { p.TOS = 0xb8 },
		func(p *Packet) { p.TOS = 0x02 }, // ECN-capable transport
		func(p *Packet) { p.TTL = 2 },
		func(p *Packet) { p.TTL = 255 },
		func(p *Packet) { p.Payload = s.large() },
		func(p *Packet) { p.Payload = 1 },
	}
	if s.Protocol != SCTP || s.Mode != NAT { // see the differences
		like = append(like, func(p *Packet) { p.Damaged = true })
	}
	if s.Protocol == TCP {
		like = append(like, func(p *Packet) { p.MSS = 536 }) // too little for a tunnel to lower
	}
	if s.Protocol == UDP && !v6 && s.Mode != NAT { // see the differences
		like = append(like, func(p *Packet) { p.NoChecksum = true })
	}
	if !v6 {
		like = append(like,
			func(p *Packet) { p.Options = []byte{148, 4, 0, 0} }, // router alert
			func(p *Packet) { p.ID = 0xffff },
		)
		if s.Mode != Tun {
			like = append(like, func(p *Packet) { p.DF = false })
		}
	}
	for i, change := range like {
		p := s.opening(i)
		change(&p)
		n := t.send(p)
		p = s.further(i)
		change(&p)
		t.send(p)
		if s.Mode == NAT {
			back := s.answer()
			back.ID, back.DF = uint16(7000+i), true
			change(&back)
			t.reply(n, back)
		}
	}
}
