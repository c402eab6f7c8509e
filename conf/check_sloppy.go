package conf

// sloppy checks that there is something to be sloppy about.
func (c *checker) sloppy(i int, s *Service) {
	if at := c.service(i).field("sloppy"); at.exists() && s.Protocol == UDP {
		at.errorf("has a meaning only for tcp and sctp, this one is udp, of which any packet begins a connection: remove the key")
	}
	if s.Sloppy && (s.ClientAddress == TellProxyV1 || s.ClientAddress == TellProxyV2) {
		c.service(i).field("sloppy").errorf("cannot be given together with client_address %s: the header is sent with the handshake, which a connection that begins in its middle does not have", s.ClientAddress)
	}
}
