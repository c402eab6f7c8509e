package conf

import "cmp"

// timeouts checks that a service's are for its protocol.
func (c *checker) timeouts(i int, s *Service) {
	if s.Protocol == "" {
		return // its error is reported
	}
	for key, protocol := range map[string]Protocol{"tcp": TCP, "tcp_fin": TCP, "udp": UDP, "sctp": SCTP} {
		if at := c.service(i).field("timeouts").field(key); at.exists() && s.Protocol != protocol {
			at.errorf("has a meaning only for protocol %s, this one is %s: remove the key", protocol, s.Protocol)
		}
	}
}

// Over fills what is not set from others.
func (t Timeouts) Over(others Timeouts) Timeouts {
	return Timeouts{
		TCP: cmp.Or(t.TCP, others.TCP), TCPFin: cmp.Or(t.TCPFin, others.TCPFin), UDP: cmp.Or(t.UDP, others.UDP),
		SCTP: cmp.Or(t.SCTP, others.SCTP),
	}
}
