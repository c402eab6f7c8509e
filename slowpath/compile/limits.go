package compile

import (
	"cmp"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
)

// limits are a service's. Once it had some, its connections go on being counted, as every one that was is counted out.
func (p *ServicePlace) limits(s *conf.Service) *fastpath.LimitSpec {
	if s.Limits == nil && p.load == nil {
		return nil
	}
	if p.load == nil {
		p.load = new(fastpath.ServiceLoad)
	}
	out := &fastpath.LimitSpec{Load: p.load}
	if l := s.Limits; l != nil {
		out.Connections, out.Rate, out.Burst = l.Connections, l.Rate, cmp.Or(l.Burst, l.Rate)
	}
	return out
}
