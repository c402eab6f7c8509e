package conf

// onEmpty checks that what shall take new connections when no backend does is there.
func (c *checker) onEmpty(i int, s *Service) {
	at := c.service(i).field("on_empty")
	if !at.exists() {
		return
	}
	switch {
	case s.OnEmpty == OnEmptySorry && s.Sorry == nil:
		at.errorf("needs a sorry server: write for example sorry: 10.0.0.99:8080")
	case s.OnEmpty != "" && s.OnEmpty != OnEmptySorry && s.Sorry != nil:
		at.errorf("is %s, but there is a sorry server, which takes new connections then: remove one of the two", s.OnEmpty)
	case s.OnEmpty == OnEmptyReset && s.Protocol != TCP && s.Protocol != "":
		at.errorf("is reset, which only TCP has, and the service is %s: write icmp or drop", s.Protocol)
	}
}
