package conf

// maxThreshold is more connections than all workers together can have.
const maxThreshold = 1<<31 - 1

// thresholds checks that a backend that is full can get connections again.
func (c *checker) thresholds(i int, s *Service) {
	for j := range s.Backends {
		b := &s.Backends[j]
		if b.LowerThreshold <= b.UpperThreshold {
			continue
		}
		at := c.backendAt(i, j)
		if at.field("upper_threshold").exists() && b.UpperThreshold != 0 {
			at.field("lower_threshold").errorf("must be at most the upper_threshold, which is %d, is %d", b.UpperThreshold, b.LowerThreshold)
		} else {
			at.field("lower_threshold").errorf("has a meaning only with an upper_threshold: write that as well, or remove the key")
		}
	}
}
