package conf

// maxRate is more new connections a second, and more at once, than workers can make.
const maxRate = 1_000_000_000

// limits checks that there is one.
func (c *checker) limits(i int, s *Service) {
	at := c.service(i).field("limits")
	if s.Limits == nil {
		return
	}
	switch {
	case at.field("burst").exists() && !at.field("rate").exists():
		at.field("burst").errorf("has a meaning only with a rate: write that as well, or remove the key")
	case !at.field("connections").exists() && !at.field("rate").exists():
		at.errorf("limits nothing: write for example limits: {connections: 10000, rate: 1000}")
	}
}
