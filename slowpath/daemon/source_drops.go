package daemon

import (
	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/slowpath/compile"
	"github.com/weirlb/weir/slowpath/view"
)

// Drops implements view.Source: every reason on every worker, and the slow path's as worker -1.
func (s *source) Drops() []view.Drop {
	if !s.d.gate.enter() {
		return nil
	}
	defer s.d.gate.leave()
	var out []view.Drop
	add := func(worker int, counts [reason.Count]uint64) {
		for i, n := range counts {
			r := reason.Reason(i)
			out = append(out, view.Drop{Reason: r.String(), Worker: worker, Packets: n, Help: r.Help()})
		}
	}
	for i, w := range s.d.node.Workers() {
		add(i, w.Counters().Reasons)
	}
	add(-1, s.d.node.Drops())
	return out
}

// PortDrops implements view.Source.
func (s *source) PortDrops() (out []view.PortDrop) {
	if !s.d.gate.enter() {
		return nil
	}
	defer s.d.gate.leave()
	var cfg *conf.Config
	s.d.do(func() { cfg = s.d.node.Config() })
	if cfg == nil {
		return nil
	}
	for i := range cfg.Ports {
		for j, n := range s.d.node.PortReasons(i) {
			r := reason.Reason(j)
			out = append(out, view.PortDrop{Reason: r.String(), Port: cfg.Ports[i].Name, Packets: n, Help: r.Help()})
		}
	}
	return out
}

// ServiceDrops implements view.Source.
func (s *source) ServiceDrops() (out []view.ServiceDrop) {
	if !s.d.gate.enter() {
		return nil
	}
	defer s.d.gate.leave()
	var cfg *conf.Config
	var places []*compile.ServicePlace
	s.d.do(func() {
		cfg = s.d.node.Config()
		for i := range cfg.Services {
			p, _ := s.d.node.Compiler().Service(&cfg.Services[i])
			places = append(places, p)
		}
	})
	for i, p := range places {
		if p == nil {
			continue
		}
		for j, n := range s.d.node.ServiceReasons(p) {
			if r := reason.Reason(j); n > 0 {
				out = append(out, view.ServiceDrop{Reason: r.String(), Service: cfg.Services[i].Name, Packets: n, Help: r.Help()})
			}
		}
	}
	return out
}
