package conf

import (
	"net/netip"
	"slices"
)

// useless warns of what a service is told that changes nothing, and might with other backends.
func (c *checker) useless(i int, s *Service) {
	v := c.service(i)
	if s.OnePacket {
		c.uselessOnce(i, s)
	}
	if j := s.otherWeight(); j >= 0 && s.Quorum.Weight == 0 && slices.Contains(weightless, s.Scheduler) {
		c.backendAt(i, j).field("weight").warnf("scheduler %s gives all backends with a weight the same, however much it is: choose another scheduler, or give all the same weight", s.Scheduler)
	}
	if at := v.field("tunnel").field("mss_clamp"); at.exists() && !s.Tunnel.MSSClamp && s.Mode == TUN && (s.Protocol == UDP || s.Protocol == SCTP) {
		at.warnf("is of TCP, and this service is %s", s.Protocol)
	}
	is := s.families()
	if is == [2]bool{} {
		return
	}
	if s.Mode == FullNAT {
		unused(v.field("local_addresses"), s.LocalAddresses, func(p netip.Prefix) netip.Addr { return p.Addr() }, is)
	}
	if s.Mode != TUN {
		return
	}
	at := v.field("tunnel")
	unused(at.field("sources"), s.Tunnel.Sources, func(a netip.Addr) netip.Addr { return a }, is)
	if df := at.field("df"); df.exists() && !is[kindOf(netip.IPv4Unspecified())] && s.Tunnel.DF != DFCopy && s.Tunnel.DF != "" {
		df.warnf("is of outer IPv4 headers, and all backends are IPv6: IPv6 has no such bit")
	}
}

// weightless are the schedulers to which a weight is 0 or not.
var weightless = []string{"rr", "lc", "dh"}

// otherWeight is the first backend whose weight is another than that of one before, 0 not counted; -1: there is none.
func (s *Service) otherWeight() int {
	weight := 0
	for j := range s.Backends {
		switch w := s.Backends[j].Weight; {
		case w == 0 || w == weight:
		case weight != 0:
			return j
		default:
			weight = w
		}
	}
	return -1
}

// byConnections are the schedulers that go by connections alone, or first.
var byConnections = []string{"lc", "wlc", "sed", "nq", "ovf", "lblc", "lblcr"}

// uselessOnce warns of what goes by connections, where there are none.
func (c *checker) uselessOnce(i int, s *Service) {
	if slices.Contains(byConnections, s.Scheduler) {
		c.service(i).field("scheduler").warnf("%s goes by connections, of which one_packet makes none: all packets go to one backend, as in LVS. Choose rr or wrr, or p2c or random", s.Scheduler)
	}
	for j := range s.Backends {
		if s.Backends[j].UpperThreshold != 0 {
			c.backendAt(i, j).field("upper_threshold").warnf("counts connections, of which one_packet makes none: the backend is never full")
			return
		}
	}
}

// families are the IP versions of a service's backends, the sorry server included.
func (s *Service) families() (is [2]bool) {
	note := func(a netip.Addr) {
		if a.IsValid() {
			is[kindOf(a)] = true
		}
	}
	for j := range s.Backends {
		if note(s.Backends[j].Address.Addr()); is == [2]bool{true, true} {
			break
		}
	}
	if s.Sorry != nil {
		note(s.Sorry.Address.Addr())
	}
	return is
}

// unused warns of the first address in a list that is of no backend's IP version.
func unused[T any](at value, list []T, addr func(T) netip.Addr, is [2]bool) {
	for j, e := range list {
		if a := addr(e); a.IsValid() && !is[kindOf(a)] {
			at.item(j).warnf("%s is %s, and none of the backends is: it is not used", a, family(a))
			return
		}
	}
}
