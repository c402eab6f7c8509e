package node

import (
	"net/netip"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/fastpath/ring"
)

// probed is a backend that is checked through its service.
type probed struct {
	service string
	backend netip.AddrPort
}

// probeTargets are the backends that may be checked through their service, with where each stands in snapshots.
type probeTargets map[probed]ring.Meta

// setProbed remembers the places of a configuration's backends, which stay as long as it is in force.
func (n *Node) setProbed(cfg *conf.Config) {
	all := probeTargets{}
	for i := range cfg.Services {
		s := &cfg.Services[i]
		if s.Health == nil || s.Health.Via != conf.ViaService {
			continue
		}
		for j, p := range n.compiler.Look(s) {
			if j < len(s.Backends) {
				all[probed{s.Name, s.Backends[j].Address}] = ring.Meta{Backend: p.Index, Gen: p.Gen}
			}
		}
	}
	n.probed.Store(&all)
}

// Probe sends what the kernel sent to a VIP for a health check to the backend that is checked, in its service's mode;
// for any goroutine.
func (n *Node) Probe(port int, frame []byte, service string, backend netip.AddrPort) {
	m, ok := (*n.probed.Load())[probed{service, backend}]
	if !ok {
		n.DropProbe(port)
		return
	}
	m.Port = uint8(port)
	if !n.push(&m, frame) {
		n.drops[port][reason.InjectFull].Add(1)
	}
}

// DropProbe counts a frame that the kernel sent to a VIP for a health check that there is not; for any goroutine.
func (n *Node) DropProbe(port int) { n.drops[port][reason.ProbeEnded].Add(1) }
