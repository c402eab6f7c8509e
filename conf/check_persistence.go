package conf

import "slices"

// persistence checks that what is said of clients that are remembered is said where they are.
func (c *checker) persistence(i int, s *Service) {
	v := c.service(i)
	if at := v.field("expire_quiescent"); at.exists() && s.Persistence == nil {
		at.errorf("has a meaning only with persistence: remove the key, or write persistence: {timeout: 360s}")
	}
	if s.Persistence == nil {
		// As in LVS: a client's connections to several ports make one use of the service, such as FTP's.
		if j := slices.IndexFunc(s.Addresses, func(e Endpoint) bool { return e.Valid() && e.Ports == AllPorts }); j >= 0 && !v.field("persistence").exists() {
			c.endpointAt(i, j).errorf("port 0 (all ports) needs persistence, so that a client's connections go together: add persistence: {timeout: 360s}, or write a range of ports")
		}
		return
	}
	has4 := slices.ContainsFunc(s.Addresses, func(e Endpoint) bool { return !e.Valid() || e.Prefix.Addr().Is4() })
	has6 := slices.ContainsFunc(s.Addresses, func(e Endpoint) bool { return !e.Valid() || e.Prefix.Addr().Is6() })
	if at := v.field("persistence").field("mask"); at.exists() && !has4 && has6 {
		at.errorf("is for IPv4 clients, the service is IPv6: write prefix")
	}
	if at := v.field("persistence").field("prefix"); at.exists() && !has6 && has4 {
		at.errorf("is for IPv6 clients, the service is IPv4: write mask")
	}
}
