package daemon

import (
	"fmt"
	"reflect"
	"time"

	"github.com/weirlb/weir/conf"
)

// diff tells in a line each what changes from one configuration to another: + added, - removed, ~ changed.
func diff(old, cfg *conf.Config) []string {
	var out []string
	timeout := func(key string, a, b time.Duration) {
		if a != b {
			out = append(out, fmt.Sprintf("~ dataplane.timeouts.%s: %s, was %s", key, b, a))
		}
	}
	timeout("tcp", old.Dataplane.Timeouts.TCP, cfg.Dataplane.Timeouts.TCP)
	timeout("tcp_fin", old.Dataplane.Timeouts.TCPFin, cfg.Dataplane.Timeouts.TCPFin)
	timeout("udp", old.Dataplane.Timeouts.UDP, cfg.Dataplane.Timeouts.UDP)
	timeout("sctp", old.Dataplane.Timeouts.SCTP, cfg.Dataplane.Timeouts.SCTP)
	gone := make([]bool, len(old.Services))
	for i := range gone {
		gone[i] = true
	}
	for i, j := range conf.Former(old.Services, cfg.Services) {
		s := &cfg.Services[i]
		if j >= 0 {
			gone[j] = false
			if was := &old.Services[j]; was.Name != s.Name {
				out = append(out, fmt.Sprintf("~ service %s: was service %s", s.Name, was.Name))
			}
			out = append(out, diffService(&old.Services[j], s)...)
			continue
		}
		out = append(out, fmt.Sprintf("+ service %s: %s %s, %s, %d backends", s.Name, s.Protocol, s.Where(), s.Mode, len(s.Backends)))
	}
	for j, is := range gone {
		if is {
			out = append(out, "- service "+old.Services[j].Name)
		}
	}
	return append(out, diffNeighbors(old.Neighbors, cfg.Neighbors)...)
}

func diffService(old, s *conf.Service) (out []string) {
	field := func(what string, a, b any) {
		if !reflect.DeepEqual(a, b) {
			out = append(out, fmt.Sprintf("~ service %s: %s %v, was %v", s.Name, what, b, a))
		}
	}
	out = append(out, diffAddresses(old, s)...)
	field("match", matchOf(old), matchOf(s))
	field("mode", old.Mode, s.Mode)
	field("scheduler", old.Scheduler, s.Scheduler)
	field("scheduler_flags", old.SchedulerFlags, s.SchedulerFlags)
	field("slow_start", old.SlowStart, s.SlowStart)
	field("mh_table_size", old.MhTableSize, s.MhTableSize)
	field("persistence", persistenceOf(old), persistenceOf(s))
	field("expire_quiescent", old.ExpireQuiescent, s.ExpireQuiescent)
	timeouts := func(key string, a, b time.Duration) {
		if a != b {
			out = append(out, fmt.Sprintf("~ service %s: timeouts.%s %s, was %s", s.Name, key, ownTime(b), ownTime(a)))
		}
	}
	timeouts("tcp", old.Timeouts.TCP, s.Timeouts.TCP)
	timeouts("tcp_fin", old.Timeouts.TCPFin, s.Timeouts.TCPFin)
	timeouts("udp", old.Timeouts.UDP, s.Timeouts.UDP)
	timeouts("sctp", old.Timeouts.SCTP, s.Timeouts.SCTP)
	field("tunnel.df", old.Tunnel.DF, s.Tunnel.DF)
	field("tunnel.mss_clamp", old.Tunnel.MSSClamp, s.Tunnel.MSSClamp)
	if !reflect.DeepEqual(old.Health, s.Health) {
		out = append(out, fmt.Sprintf("~ service %s: health", s.Name))
	}
	field("quorum", quorumOf(old), quorumOf(s))
	field("sorry", sorryOf(old), sorryOf(s))
	if !reflect.DeepEqual(old.OnChange, s.OnChange) {
		out = append(out, fmt.Sprintf("~ service %s: on_change", s.Name))
	}
	before := map[string]*conf.Backend{}
	for i := range old.Backends {
		before[old.Backends[i].Address.String()] = &old.Backends[i]
	}
	for i := range s.Backends {
		b := &s.Backends[i]
		was, ok := before[b.Address.String()]
		delete(before, b.Address.String())
		switch {
		case !ok:
			out = append(out, fmt.Sprintf("+ backend %s %s: weight %d", s.Name, b.Address, b.Weight))
		case was.Weight != b.Weight || was.Down != b.Down || was.Maintenance != b.Maintenance:
			out = append(out, fmt.Sprintf("~ backend %s %s: weight %d %s, was %d %s",
				s.Name, b.Address, b.Weight, stateOf(b), was.Weight, stateOf(was)))
		}
		if ok && (was.UpperThreshold != b.UpperThreshold || was.LowerThreshold != b.LowerThreshold) {
			out = append(out, fmt.Sprintf("~ backend %s %s: thresholds %d and %d, were %d and %d",
				s.Name, b.Address, b.UpperThreshold, b.LowerThreshold, was.UpperThreshold, was.LowerThreshold))
		}
	}
	for a := range before {
		out = append(out, fmt.Sprintf("- backend %s %s", s.Name, a))
	}
	if len(out) == 0 && !sameOrder(old.Backends, s.Backends) {
		out = append(out, fmt.Sprintf("~ service %s: order of the backends", s.Name))
	}
	return out
}

// ownTime is a timeout of a service's own.
func ownTime(d time.Duration) string {
	if d == 0 {
		return "the data plane's"
	}
	return d.String()
}

// diffAddresses tells which addresses a service gains and loses.
func diffAddresses(old, s *conf.Service) (out []string) {
	before := map[conf.Endpoint]bool{}
	for _, e := range old.Addresses {
		before[e] = true
	}
	for _, e := range s.Addresses {
		if !before[e] {
			out = append(out, fmt.Sprintf("+ address %s %s", s.Name, e))
		}
		delete(before, e)
	}
	for _, e := range old.Addresses {
		if before[e] {
			out = append(out, fmt.Sprintf("- address %s %s", s.Name, e))
		}
	}
	return out
}

func matchOf(s *conf.Service) string {
	if text := s.Match.String(); text != "" {
		return text[1:]
	}
	return "anything"
}

func stateOf(b *conf.Backend) string {
	if b.Maintenance {
		return "maintenance"
	}
	return upDown(!b.Down)
}

func quorumOf(s *conf.Service) string {
	if s.Quorum.Weight > 0 {
		return fmt.Sprintf("weight %d ± %d", s.Quorum.Weight, s.Quorum.Hysteresis)
	}
	return fmt.Sprintf("%d backends ± %d", s.Quorum.Backends, s.Quorum.Hysteresis)
}

func persistenceOf(s *conf.Service) string {
	if p := s.Persistence; p != nil {
		return fmt.Sprintf("%s, mask %d, prefix %d", p.Timeout, p.Mask, p.Prefix)
	}
	return "none"
}

func sorryOf(s *conf.Service) string {
	if s.Sorry == nil {
		return "none"
	}
	return s.Sorry.Address.String()
}

func sameOrder(a, b []conf.Backend) bool {
	for i := range a {
		if a[i].Address != b[i].Address {
			return false
		}
	}
	return true
}

func diffNeighbors(old, now []conf.Neighbor) (out []string) {
	has := map[conf.Neighbor]bool{}
	for _, n := range old {
		has[n] = true
	}
	for _, n := range now {
		if !has[n] {
			out = append(out, fmt.Sprintf("+ neighbor %s on %s", n.Address, n.Port))
		}
		delete(has, n)
	}
	for n := range has {
		out = append(out, fmt.Sprintf("- neighbor %s on %s", n.Address, n.Port))
	}
	return out
}
