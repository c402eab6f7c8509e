package conf

// mssClamp checks that handshakes pass whose MSS can be lowered, both ways.
func (c *checker) mssClamp(i int, s *Service) {
	at := c.service(i).field("mss_clamp")
	if !at.exists() {
		return
	}
	switch {
	case s.Protocol == UDP || s.Protocol == SCTP:
		at.errorf("has a meaning only for tcp, this one is %s: remove the key", s.Protocol)
	case s.Mode == TUN:
		at.errorf("has no meaning for tun, where it is the tunnel that takes room: write tunnel.mss_clamp")
	case s.Mode == DR:
		at.errorf("has no meaning for dr, whose backends answer clients directly: lower the MSS at the backends, as with ip route change default advmss")
	}
}
