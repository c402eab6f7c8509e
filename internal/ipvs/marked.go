package ipvs

import "net/netip"

// marked are services with several addresses, under every scheduler: those that choose by the address have something to do.
func marked() (all []Scenario) {
	for _, name := range Schedulers {
		for _, mode := range Modes {
			for _, v6 := range []bool{false, true} {
				s := service(TCP, mode, name, v6, 3, 1, 2, 0)
				for i := range s.Backends {
					s.Backends[i].Address = netip.AddrPortFrom(s.Backends[i].Address.Addr(), 0)
				}
				for i := range 9 {
					s.More = append(s.More, netip.AddrPortFrom(furtherVIP(i, v6), uint16(80+i%2*363)))
				}
				t := newStory("addresses/"+name+"/"+string(mode)+"/"+version(v6), s)
				t.visit(s, 0, 24)
				t.table()
				t.edit(s.weights(1, 4, 1, 3))
				t.visit(s, 24, 24)
				t.edit(s.weights(1, 4, 1, 3).without(1))
				t.visit(s, 48, 12)
				t.table()
				all = append(all, t.s)
			}
		}
	}
	return all
}

// visit opens connections of n clients, from the first, to the service's addresses, some of them more often than others.
func (t *story) visit(s Service, first, n int) {
	for i := first; i < first+n; i++ {
		to := append([]netip.AddrPort{s.Address}, s.More...)[i*i%7%(1+len(s.More))]
		p := s.opening(i)
		p.To = to
		sent := t.send(p)
		if s.Mode == NAT {
			t.reply(sent, s.answer())
		}
		p = s.further(i)
		p.To = to
		t.send(p)
	}
}
