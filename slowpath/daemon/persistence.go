package daemon

import (
	"net/netip"
	"unsafe"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/persist"
	"github.com/weirlb/weir/slowpath/view"
)

// Persistence implements view.Source. As Connections, it reads what workers are changing.
func (s *source) Persistence(service string, limit int) []view.Template {
	if !s.d.gate.enter() {
		return nil
	}
	defer s.d.gate.leave()
	out := []view.Template{}
	_, all, _ := s.placedOf(service, 0)
	s.templates(all, func(t persist.Template, p *placed, now conn.Tick) bool {
		out = append(out, view.Template{
			Service: p.service.Name, Client: clientOf(&t, p.service).String(), Backend: p.backend.Address.String(), Connections: t.Held,
			Expires: max(0, float64(int32(t.Expires-now))/1000),
		})
		return limit == 0 || len(out) < limit
	})
	return out
}

// templates gives the templates that lead to some backends.
func (s *source) templates(all []placed, f func(persist.Template, *placed, conn.Tick) bool) {
	byIndex := map[uint32]*placed{}
	for i := range all {
		if all[i].service.Persistence != nil {
			byIndex[all[i].place.Index] = &all[i]
		}
	}
	if len(byIndex) == 0 {
		return
	}
	table, now := s.d.node.Templates()
	table.Dump(now, func(t persist.Template) bool {
		if s.d.stop.Load() {
			return false
		}
		p := byIndex[t.Index]
		return p == nil || p.place.Gen != t.Gen || f(t, p, now)
	})
}

// templatesOf counts the templates of each service.
func (s *source) templatesOf(all []placed) map[*conf.Service]int {
	n := map[*conf.Service]int{}
	s.templates(all, func(_ persist.Template, p *placed, _ conn.Tick) bool { n[p.service]++; return true })
	return n
}

// clientOf is the network that a template stands for.
func clientOf(t *persist.Template, s *conf.Service) netip.Prefix {
	b := (*[16]byte)(unsafe.Pointer(&t.Addr))
	if t.V6 {
		return netip.PrefixFrom(netip.AddrFrom16(*b), s.Persistence.Prefix)
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte(b[:4])), s.Persistence.Mask)
}
