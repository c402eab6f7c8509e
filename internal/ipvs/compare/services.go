package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/conf/lvs"
	"github.com/weirlb/weir/internal/ipvs"
)

// services are what a file of ipvsadm's holds.
type services struct {
	setup *lvs.Setup
	lines []ipvs.Line
	marks map[int]lvs.Marked
}

// readServices reads a file that ipvsadm-restore takes, or a script of calls of ipvsadm.
func readServices(file string, marks []string) (*services, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s := &services{marks: map[int]lvs.Marked{}}
	for _, text := range marks {
		n, m, err := lvs.ParseMark(text)
		if err != nil {
			return nil, fmt.Errorf("--mark: %w", err)
		}
		s.marks[n] = m
	}
	calls, err := lvs.Calls(file, string(data))
	if err != nil {
		return nil, err
	}
	for _, c := range calls {
		if strings.HasPrefix(c.Words[0], "--start-daemon") || strings.HasPrefix(c.Words[0], "--stop-daemon") {
			continue // there is no second director
		}
		s.lines = append(s.lines, ipvs.Line{Number: c.Place.Line, Text: strings.Join(c.Words, " ")})
	}
	if s.setup, err = lvs.IPVSAdm(file); err != nil {
		return nil, err
	}
	s.setup.Resolve(s.marks)
	return s, nil
}

// config writes what weir import makes of the services to a file, and reads it. What the import has to say goes to w.
func (s *services) config(source, file string, p lvs.Port, w io.Writer) (*conf.Config, error) {
	s.setup.Verify(p)
	if err := s.setup.Report(w); err != nil {
		return nil, err
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.setup.YAML(f, source, p), f.Close()); err != nil {
		return nil, err
	}
	return conf.Load(file)
}

// mark is the firewall mark of a packet.
func (s *services) mark(v *view) uint32 {
	for n, m := range s.marks {
		proto := map[string]uint8{"tcp": protoTCP, "udp": protoUDP, "sctp": protoSCTP}[m.Protocol]
		is := func(e lvs.Endpoint) bool {
			return e.Prefix.Contains(v.dst) && (e.Port == 0 || e.Port == int(v.dport) || v.offset > 0)
		}
		if v.proto == proto && slices.ContainsFunc(m.Endpoints, is) {
			return uint32(n)
		}
	}
	return 0
}

// serviceOf finds the service that has an address, or nil. Of several it is the one with the longest prefix and the fewest ports.
func serviceOf(cfg *conf.Config, proto uint8, to netip.AddrPort) (best *conf.Service) {
	name := map[uint8]conf.Protocol{protoTCP: conf.TCP, protoUDP: conf.UDP, protoSCTP: conf.SCTP}[proto]
	rank := -1
	for i := range cfg.Services {
		s := &cfg.Services[i]
		for _, e := range s.Addresses {
			has := s.Protocol == name && e.Prefix.Contains(to.Addr()) && e.Ports.First <= to.Port() && to.Port() <= e.Ports.Last
			if r := e.Prefix.Bits()<<17 - int(e.Ports.Last-e.Ports.First); has && r > rank {
				best, rank = s, r
			}
		}
	}
	return best
}
