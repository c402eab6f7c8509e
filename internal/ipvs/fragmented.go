package ipvs

import (
	"slices"
	"strings"
)

// fragmented are packets in two fragments. Linux makes whole packets of them before IPVS sees them, and cuts them up again as they
// were. Where Weir does not wait for the last one, the last comes first, so that both send the two on at the same time.
func fragmented() (all []Scenario) {
	for _, mode := range []Mode{NAT, DR} { // for tun see the differences
		for _, proto := range Protocols {
			s := service(proto, mode, "rr", false, 1, 1)
			t := newStory("fragments/"+string(proto)+"/"+string(mode), s)
			t.inParts(s)
			all = append(all, t.s)
		}
		s := service(UDP, mode, "rr", false, 1, 1)
		s.OnePacket = true
		t := newStory("fragments/one-packet/"+string(mode), s)
		t.inParts(s)
		all = append(all, t.s)
	}
	return all
}

// inParts sends the first packets of connections in fragments, and further ones.
func (t *story) inParts(s Service) {
	id := uint16(100)
	for i := range 4 {
		for _, p := range []Packet{s.opening(i), s.further(i)} {
			id++
			p.Payload, p.DF, p.ID = 600+i, false, id
			if s.Protocol == SCTP {
				p.Flags += strings.Repeat(" DATA", 25+i)
			}
			parts := Fragments(p.Frame(RouterMAC, Ports[0].MAC), 400)
			if s.Protocol != SCTP || s.Mode != NAT || id%2 == 0 {
				slices.Reverse(parts)
			}
			for _, f := range parts {
				t.frame(Wan, f)
			}
		}
	}
	t.table()
}
