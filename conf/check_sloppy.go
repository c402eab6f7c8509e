package conf

// sloppy checks that there is something to be sloppy about.
func (c *checker) sloppy(i int, s *Service) {
	if at := c.service(i).field("sloppy"); at.exists() && s.Protocol == UDP {
		at.errorf("has a meaning only for tcp and sctp, this one is udp, of which any packet begins a connection: remove the key")
	}
}
