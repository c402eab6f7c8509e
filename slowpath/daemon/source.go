package daemon

import (
	"math"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/slowpath/compile"
	"github.com/weirlb/weir/slowpath/view"
)

// source tells the API and the metrics what the daemon is doing. What only the loop may touch is read in
// the loop; a method returns nothing once the daemon goes down.
type source struct{ d *Daemon }

// gate keeps what the workers count and the devices' figures in memory while somebody reads them: the API and the
// metrics cut off clients that take too long when the daemon ends, but not what runs on their behalf.
type gate struct {
	mu     sync.RWMutex
	closed bool
}

// enter reports whether there is still something to read; then leave must follow. Whoever is inside must not enter
// again.
func (g *gate) enter() bool {
	g.mu.RLock()
	if g.closed {
		g.mu.RUnlock()
		return false
	}
	return true
}

func (g *gate) leave() { g.mu.RUnlock() }

// close lets nobody in any more and waits for those inside.
func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
}

// Services implements view.Source.
func (s *source) Services() []view.Service {
	if !s.d.gate.enter() {
		return nil
	}
	defer s.d.gate.leave()
	cfg, all, quorums := s.placed()
	if cfg == nil {
		return nil
	}
	out := s.serviceViews(cfg, all, quorums)
	templates := s.templatesOf(all)
	for i := range out {
		out[i].Templates = templates[&cfg.Services[i]]
		if l := cfg.Services[i].Limits; l != nil {
			out[i].ConnectionLimit, out[i].RateLimit = l.Connections, l.Rate
		}
		normalize(out[i].Shares)
	}
	return out
}

// serviceViews is the view of all services; their shares are numbers of connections.
func (s *source) serviceViews(cfg *conf.Config, all []placed, quorums map[string]standing) []view.Service {
	out := make([]view.Service, 0, len(cfg.Services))
	at := map[*conf.Service]int{}
	for i := range cfg.Services {
		v := &cfg.Services[i]
		at[v] = i
		out = append(out, view.Service{
			Name: v.Name, Address: v.Where(), Addresses: endpointsOf(v), Match: strings.TrimSpace(v.Match.String()), Protocol: string(v.Protocol), Mode: string(v.Mode),
			Scheduler: v.Scheduler, Backends: len(v.Backends), Setup: view.Durations{Buckets: []view.Duration{}},
			State: serviceState(v, quorums[v.Name]), Reason: quorums[v.Name].text, Since: since(quorums[v.Name].since),
		})
	}
	for _, p := range all {
		v := &out[at[p.service]]
		c := s.d.node.BackendCounters(p.place)
		v.Shares = append(v.Shares, view.Share{Backend: p.backend.Address.String(), Share: float64(c.NewConns - p.since)})
		if p.status.Up && p.status.Weight > 0 && !p.sorry {
			v.BackendsUp++
		}
		v.Active += int(p.place.Load.Active.Load())
		v.Inactive += int(p.place.Load.Inactive.Load())
		v.Connections += c.NewConns
		v.Failures.Add(failures(&c))
		v.Traffic.Add(traffic(&c))
		if p.setup != nil {
			v.Setup = s.setup(p.setup)
		}
	}
	ports := s.d.localPorts()
	for i := range out {
		if v := &cfg.Services[i]; v.Mode == conf.FullNAT {
			for a := range v.Locals() {
				out[i].Locals = append(out[i].Locals, view.Local{Address: a.String(), Ports: ports[a]})
			}
		}
	}
	return out
}

// localPorts is how many connections have a port of each local address.
func (d *Daemon) localPorts() map[netip.Addr]int {
	snap, out := d.node.Snapshot(), map[netip.Addr]int{}
	for i := range uint32(len(snap.Locals)) {
		if a := snap.LocalAddr(i); a.IsValid() {
			out[a] = int(d.node.LocalPorts(i))
		}
	}
	return out
}

// setup is how long a service's connections took.
func (s *source) setup(p *compile.ServicePlace) view.Durations {
	c := s.d.node.ServiceSetups(p)
	out := view.Durations{SumNs: c.SetupSum(), Buckets: []view.Duration{}}
	for i, n := range c.Buckets {
		if n > 0 {
			out.Count += n
			out.Buckets = append(out.Buckets, view.Duration{LeNs: fastpath.SetupBound(i), Count: n})
		}
	}
	return out
}

func traffic(c *fastpath.BackendCounters) view.Traffic {
	return view.Traffic{PacketsIn: c.PacketsIn, PacketsOut: c.PacketsOut, BytesIn: c.BytesIn, BytesOut: c.BytesOut}
}

func failures(c *fastpath.BackendCounters) view.Failures {
	return view.Failures{Unanswered: c.Unanswered, Refused: c.Refused, Resets: c.Resets}
}

func endpointsOf(s *conf.Service) (out []string) {
	for _, e := range s.Addresses {
		out = append(out, e.String())
	}
	return out
}

// normalize turns numbers of connections into shares.
func normalize(shares []view.Share) {
	sum := 0.0
	for i := range shares {
		sum += shares[i].Share
	}
	for i := range shares {
		shares[i].Share /= max(sum, 1)
	}
}

// Backends implements view.Source.
func (s *source) Backends() []view.Backend {
	if !s.d.gate.enter() {
		return nil
	}
	defer s.d.gate.leave()
	return s.backends("")
}

// BackendsOf implements view.Source.
func (s *source) BackendsOf(service string) []view.Backend {
	if !s.d.gate.enter() {
		return nil
	}
	defer s.d.gate.leave()
	return s.backends(service)
}

// backends lists those of one service, of all if it has no name.
func (s *source) backends(service string) []view.Backend {
	_, all, _ := s.placedOf(service, math.MaxInt)
	return s.backendViews(all)
}

// backendViews is the view of backends, of which all that a service has are there.
func (s *source) backendViews(all []placed) []view.Backend {
	out := make([]view.Backend, 0, len(all))
	sums := map[*conf.Service]float64{} // connections of the window
	for _, p := range all {
		c, h := s.d.node.BackendCounters(p.place), &p.health
		sums[p.service] += float64(c.NewConns - p.since)
		out = append(out, view.Backend{
			Service: p.service.Name, Address: p.backend.Address.String(), Weight: p.status.Weight, Effective: p.effective(),
			Share: float64(c.NewConns - p.since), State: p.state(), Changed: p.changed, Health: h.Text, HealthSince: since(h.Since),
			Latency: h.Took.Seconds(), LastError: h.Failure, LastErrorAt: since(h.FailureAt),
			Suspected: h.Suspected, Failures: failures(&c),
			ChecksPassed: h.Passed, ChecksFailed: h.Failed, ChecksNotAsked: h.NotAsked, Changes: h.Changes,
			Active: int(p.place.Load.Active.Load()), Inactive: int(p.place.Load.Inactive.Load()),
			Connections: c.NewConns, UpperThreshold: p.backend.UpperThreshold, LowerThreshold: p.backend.LowerThreshold,
			Traffic: traffic(&c),
		})
	}
	for i := range out {
		out[i].Share /= max(sums[all[i].service], 1)
	}
	return out
}

// serviceState is a service's in a word.
func serviceState(s *conf.Service, q standing) string {
	switch {
	case q.Up:
		return "up"
	case s.Sorry != nil:
		return "sorry"
	}
	return "down"
}

// since is a time as the API tells it, 0 for none.
func since(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// Workers implements view.Source.
func (s *source) Workers() []view.Worker {
	if !s.d.gate.enter() {
		return nil
	}
	defer s.d.gate.leave()
	d := s.d
	var last []busy
	var cores []int
	d.do(func() {
		last = append(last, d.busy.last...)
		cores = d.node.Config().Dataplane.Cores
	})
	var out []view.Worker
	for i, w := range d.node.Workers() {
		c := w.Counters()
		v := view.Worker{
			ID: i, Core: -1, PacketsIn: c.In, PacketsOut: c.Out, Own: c.Own, HandedOver: c.HandedOver, FragmentsWait: int(c.FragmentsWaiting),
			Connections: int(c.Live), MaxConnections: w.MaxConnections(), Evicted: c.Evicted,
			TemplatesEvicted: c.TemplatesEvicted, TemplatesFull: c.TemplatesFull, LocalPortsElsewhere: c.LocalPortsElsewhere,
			Steering: "software", PollGaps: pollGaps(&c),
			BusySeconds: float64(c.BusyNs) / 1e9, Polls: c.Polls, BusyPolls: c.BusyPolls,
		}
		if len(d.node.Workers()) == 1 {
			v.Steering = "none needed"
		}
		if i < len(cores) {
			v.Core = cores[i]
		}
		if i < len(last) {
			v.BusyShare, v.CyclesPerPacket = last[i].share, last[i].nsPerPacket*d.hw.ClockHertz()/1e9
		}
		for _, q := range d.node.Queues(i) {
			v.Queues = append(v.Queues, view.Queue{Name: q.Name, Used: q.Used, Size: q.Size})
		}
		for r, n := range c.Reasons {
			switch r := reason.Reason(r); {
			case r.Punt():
				v.Punted += n
			case r.Drop():
				v.Dropped += n
			}
		}
		out = append(out, v)
	}
	return out
}

func pollGaps(c *fastpath.Counters) view.Durations {
	g := view.Durations{SumNs: c.GapNs, Buckets: []view.Duration{}}
	for i, n := range c.Gaps {
		if n > 0 {
			g.Count += n
			g.Buckets = append(g.Buckets, view.Duration{LeNs: fastpath.GapBound(i), Count: n})
		}
	}
	return g
}

// Ports implements view.Source.
func (s *source) Ports() []view.Port {
	if !s.d.gate.enter() {
		return nil
	}
	defer s.d.gate.leave()
	var cfg *conf.Config
	s.d.do(func() { cfg = s.d.node.Config() })
	if cfg == nil {
		return nil
	}
	var out []view.Port
	for i, dev := range s.d.devices {
		p := &cfg.Ports[i]
		mac, st, strays := dev.MAC(), dev.Stats(), s.d.node.Strays(i)
		if p.Parent != "" {
			t := s.d.node.PortTraffic(i)
			st.PacketsIn, st.BytesIn, st.PacketsOut, st.BytesOut = t.PacketsIn, t.BytesIn, t.PacketsOut, t.BytesOut
		}
		v := view.Port{
			Name: p.Name, Device: p.Where(), Driver: dev.Driver(), MAC: net.HardwareAddr(mac[:]).String(),
			MTU: p.MTU, Link: upDown(dev.LinkUp()), Queues: dev.Queues(), LocalPorts: localPortsBy(dev, workerCount(cfg), strays), RSSStrays: strays, TAP: p.TAP,
			Changed:   dev.Changed(),
			PacketsIn: st.PacketsIn, PacketsOut: st.PacketsOut, BytesIn: st.BytesIn, BytesOut: st.BytesOut,
			Missed: st.Missed, ErrorsIn: st.ErrorsIn, ErrorsOut: st.ErrorsOut, NoBuffers: st.NoBuffers,
			BuffersFree: st.BuffersFree, Buffers: st.Buffers,
		}
		for _, a := range p.Addresses {
			v.Addresses = append(v.Addresses, a.String())
		}
		out = append(out, v)
	}
	return out
}

// Neighbors implements view.Source.
func (s *source) Neighbors() (out []view.Neighbor) {
	s.d.do(func() { out = s.d.node.NeighborViews() })
	return out
}

// Daemon implements view.Source.
func (s *source) Daemon() view.Daemon {
	v := view.Daemon{Version: s.d.version, Hugepages: s.d.hw.Hugepages(), ClockHertz: s.d.hw.ClockHertz(), StartUnix: s.d.started.Unix(), Captures: s.d.captures.Totals()}
	s.d.do(func() {
		v.Config = s.d.node.Config().File
		v.Generation = s.d.node.Snapshot().Generation
		v.Changed = len(s.d.runtime)
	})
	v.Revision, v.Watchers = s.d.revisionText(), s.d.events.Watchers()
	v.Reloads = view.ReloadTotals{Applied: s.d.reloadsApplied.Load(), Refused: s.d.reloadsRefused.Load()}
	return v
}

// Configuration implements view.Source.
func (s *source) Configuration(effective bool) (*view.Configuration, error) {
	d := s.d
	d.changing.Lock()
	defer d.changing.Unlock()
	now := d.inForce()
	c := &view.Configuration{File: d.file.File, Revision: d.revisionText(), Document: string(now.Text), Changes: d.runtimeLines(now)}
	if !effective {
		return c, nil
	}
	text, err := now.Effective()
	c.Effective = string(text)
	return c, err
}

var _ view.Source = (*source)(nil)

// addrPort makes an address of what the data plane keeps.
func addrPort(addr netip.Addr, port uint16) string { return netip.AddrPortFrom(addr, port).String() }
