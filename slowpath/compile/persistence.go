package compile

import (
	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
)

func persistenceOf(s *conf.Service) *fastpath.PersistenceSpec {
	p := s.Persistence
	if p == nil {
		return nil
	}
	return &fastpath.PersistenceSpec{
		Timeout: uint32(p.Timeout.Milliseconds()), Mask4: p.Mask, Mask6: p.Prefix, ExpireQuiescent: s.ExpireQuiescent,
	}
}
