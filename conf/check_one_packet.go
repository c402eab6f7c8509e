package conf

import "net/netip"

// onePacket checks that the backends' answers can be told apart, as no connection does it.
func (c *checker) onePacket(i int, s *Service) {
	if !s.OnePacket {
		return
	}
	at := c.service(i).field("one_packet")
	switch {
	case s.Protocol != UDP && s.Protocol != "":
		at.errorf("has a meaning only for udp, this one is %s: remove the key", s.Protocol)
		return
	case s.Mode == FullNAT:
		at.errorf("is not possible in mode fullnat, where a connection has a local port: choose another mode, or remove the key")
		return
	}
	c.noConnections(i)
	if s.Mode != NAT {
		return
	}
	if len(s.Addresses) > 1 || len(s.Addresses) == 1 && s.Addresses[0].Valid() && !s.Addresses[0].isSingle() {
		at.errorf("needs a single address and port in mode nat: a backend's answer does not tell which of several its client sent to")
	}
	apart := func(at value, b *Backend) {
		if k, ok := c.once.again(b.Address, i); ok && k != i && b.Address != (netip.AddrPort{}) {
			at.errorf("%s is a backend of %s, too, and both have one_packet: nobody could tell whose answers it gives", b.Address, c.serviceNamed(k))
		}
	}
	for j := range s.Backends {
		apart(c.backendAt(i, j).field("address"), &s.Backends[j])
	}
	if s.Sorry != nil {
		apart(c.service(i).field("sorry"), s.Sorry)
	}
}

// noConnections refuses what is said of connections, of which a service with one_packet has none.
func (c *checker) noConnections(i int) {
	v := c.service(i)
	for _, at := range []value{v.field("on_remove"), v.field("expire_nodest"), v.field("timeouts").field("udp"), v.field("limits").field("connections")} {
		if at.exists() {
			at.errorf("is about connections, of which one_packet makes none: remove the key")
		}
	}
}

func (e Endpoint) isSingle() bool {
	_, ok := e.Single()
	return ok
}
