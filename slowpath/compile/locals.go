package compile

import (
	"fmt"
	"net/netip"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
)

// The places of local addresses are like those of backends, but for when one is free again: a connection keeps nothing
// but the index, so it must not lead elsewhere as long as there is one that has it.

// Local is the index in snapshots of a local address of the last compiled configuration.
func (c *Compiler) Local(a netip.Addr) (index uint32, ok bool) {
	index, ok = c.locals[a]
	return index, ok
}

// planLocals lets the next configuration keep the places of local addresses that stay, give up the others, and take new
// ones.
func (c *Compiler) planLocals(next *Compiler, cfg *conf.Config, acked uint64) {
	next.localPlaces = c.localPlaces.clone()
	next.localPlaces.settle(acked, func(index uint32) bool { return c.LocalPorts == nil || c.LocalPorts(index) == 0 })
	wanted := Locals(cfg)
	for _, a := range wanted {
		if index, ok := c.locals[a]; ok {
			next.locals[a] = index
		}
	}
	for a, index := range c.locals {
		if _, kept := next.locals[a]; !kept {
			next.localPlaces.giveUp(index, c.generation+1)
		}
	}
	for _, a := range wanted {
		if _, ok := next.locals[a]; !ok {
			next.locals[a], _ = next.localPlaces.take()
		}
	}
}

// Locals are the local addresses of all services, each once, in the order of the file.
func Locals(cfg *conf.Config) (out []netip.Addr) {
	seen := map[netip.Addr]bool{}
	for i := range cfg.Services {
		s := &cfg.Services[i]
		if s.Mode != conf.FullNAT {
			continue
		}
		for a := range s.Locals() {
			if !seen[a] {
				seen[a] = true
				out = append(out, a)
			}
		}
	}
	return out
}

// addLocals puts local addresses into their places.
func (c *Compiler) addLocals(spec *fastpath.Spec) error {
	if c.localPlaces.size > fastpath.MaxLocals {
		return fmt.Errorf("%d local addresses are used or still in use by connections, %d at most can be: try again when these have ended",
			c.localPlaces.size, fastpath.MaxLocals)
	}
	spec.Locals = make([]netip.Addr, c.localPlaces.size)
	for a, index := range c.locals {
		spec.Locals[index] = a
	}
	c.addresses = spec.Locals
	return nil
}

var tells = map[conf.ClientAddress]fastpath.ClientAddress{
	conf.TellTOA: fastpath.TellTOA, conf.TellProxyV1: fastpath.TellProxyV1, conf.TellProxyV2: fastpath.TellProxyV2,
}

// full is what a fullnat service has besides, nil for any other.
func (c *Compiler) full(s *conf.Service) *fastpath.FullSpec {
	if s.Mode != conf.FullNAT {
		return nil
	}
	out := &fastpath.FullSpec{FirstPort: s.LocalPorts.First, LastPort: s.LocalPorts.Last, Tell: tells[s.ClientAddress]}
	for a := range s.Locals() {
		out.Locals = append(out.Locals, c.locals[a])
	}
	return out
}
