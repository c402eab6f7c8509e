// Package node is a Weir without devices: workers, neighbours and the compiler, wired together. The
// daemon drives it with DPDK's queues, TAP interfaces and goroutines around it; replay with queues in
// memory and a capture's clock.
//
//	        ┌────────────── punts ──────────────┐
//	queues ─┤ workers                            ▼
//	        └──── inject ◄── neighbours ◄── Node.HandlePunts ──► Kernel (TAP)
//	                             ▲
//	configuration ──► compiler ──┴──► snapshot ──► workers
//
// All methods belong to one goroutine, the slow path's, but Send and what reads counters.
package node

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/persist"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/fastpath/ring"
	"github.com/weirlb/weir/fastpath/rss"
	"github.com/weirlb/weir/slowpath/compile"
	"github.com/weirlb/weir/slowpath/neighbor"
	"github.com/weirlb/weir/slowpath/view"
)

// Port is a port as its device turned out to be.
type Port struct {
	MAC    [6]byte
	Queues int // of the device, at most one for each worker
	HasTAP bool
	// RSS is how the device spreads received packets over its queues, a sub-port's parent for it; nil: not known.
	RSS *rss.Spread
}

// Kernel takes packets for the kernel's interface of a port. It does not keep the frame and reports
// false if the kernel did not take it.
type Kernel interface {
	ToKernel(port int, frame []byte) bool
}

// Options make a node.
type Options struct {
	Config *conf.Config
	Ports  []Port
	// Queues are the workers' queues, by worker and port. A sub-port's are its parent's.
	Queues    [][]port.Queue
	Kernel    Kernel
	Hugepages bool      // for connection tables
	Seed      conn.Seed // of the connection tables' hash
	Bell      func()    // wakes the slow path when there are punts; nil: HandlePunts is called anyway
	Unhurried bool      // for replay: expire at once whatever the clock's leaps made due
	// OnConflict is told when another station uses an address of Weir's; may be nil.
	OnConflict func(port int, addr netip.Addr, mac [6]byte)
	// OnNeighbor is told when a next hop has another MAC than before, or none any more, as it does not answer; may be nil.
	OnNeighbor func(port int, addr netip.Addr, mac [6]byte)
	// MakeUp answers for neighbours that nobody configured, instead of the network: for replay.
	MakeUp func(port int, addr netip.Addr) [6]byte
}

// Sizes of the queues between a worker and the slow path, in bytes.
const (
	puntBytes   = 1 << 20
	injectBytes = 1 << 20
)

// Node is the state of the slow path.
type Node struct {
	cfg       *conf.Config
	ports     []Port
	kernel    Kernel
	hops      *nexthop.Table
	neighbors *neighbor.Table
	compiler  *compile.Compiler
	snapshot  atomic.Pointer[fastpath.Snapshot]
	workers   []*fastpath.Worker
	handover  *fastpath.Handover
	templates *persist.Table
	swept     sweep
	probed    atomic.Pointer[probeTargets]
	punts     []*ring.Packets
	inject    []*injector
	drops     [][reason.Count]atomic.Uint64 // by port
	now       time.Time
	buf       []byte
	release   release
	infos     []fastpath.PortInfo
	seed      conn.Seed
	madeUp    bool           // neighbours are: everything is one goroutine's
	taps      *fastpath.Taps // of the captures under way; nil before the first
}

// injector lets several goroutines send through one worker.
type injector struct {
	mu   sync.Mutex
	ring *ring.Packets
}

// New makes a node that runs the configuration with every backend as status says.
func New(o Options, now time.Time, status func(*conf.Service, *conf.Backend) compile.Status) (*Node, error) {
	n := &Node{
		cfg: o.Config, ports: o.Ports, kernel: o.Kernel, hops: nexthop.NewTable(), now: now,
		buf: make([]byte, 1<<14), drops: make([][reason.Count]atomic.Uint64, len(o.Ports)),
	}
	var links []neighbor.Link
	for i := range o.Config.Ports {
		p := &o.Config.Ports[i]
		links = append(links, neighbor.Link{Name: p.Name, MAC: o.Ports[i].MAC, Addresses: p.Addresses})
	}
	n.neighbors = neighbor.New(n.hops, links, (*output)(n))
	if n.madeUp = o.MakeUp != nil; n.madeUp {
		n.neighbors.MakeUp(o.MakeUp)
	}
	n.neighbors.OnConflict, n.neighbors.OnState = o.OnConflict, o.OnNeighbor
	n.compiler = compile.New((*resolver)(n))
	n.compiler.Totals, n.compiler.ServiceTotals, n.compiler.ServiceSetups = n.totals, n.serviceTotals, n.serviceSetups
	n.compiler.LocalPorts = n.LocalPorts
	for range o.Queues {
		n.punts = append(n.punts, ring.NewPackets(puntBytes, o.Bell))
		n.inject = append(n.inject, &injector{ring: ring.NewPackets(injectBytes, nil)})
	}
	if err := n.Apply(now, o.Config, status); err != nil {
		return nil, err
	}
	return n, n.addWorkers(o)
}

func (n *Node) addWorkers(o Options) error {
	infos := make([]fastpath.PortInfo, len(o.Ports))
	for i, p := range o.Ports {
		c := &o.Config.Ports[i]
		infos[i] = fastpath.PortInfo{MAC: p.MAC, MTU: c.MTU, HasTAP: p.HasTAP, Queues: p.Queues, RSS: p.RSS}
		infos[i].VLAN = compile.VLANOf(o.Config, i)
		infos[i].Own4 = errorSource(c, netip.IPv4Unspecified())
		infos[i].Own6 = errorSource(c, netip.IPv6Unspecified())
	}
	n.infos, n.seed = infos, o.Seed
	n.handover = fastpath.NewHandover(len(o.Queues))
	var err error
	if n.templates, err = persist.New(max(1, o.Config.Dataplane.MaxTemplates), o.Seed); err != nil {
		return err
	}
	for id, queues := range o.Queues {
		w, err := fastpath.NewWorker(fastpath.Options{
			ID: id, Ports: infos, Queues: queues, Neighbors: n.hops, Snapshot: &n.snapshot, Handover: n.handover,
			Punts: n.punts[id], Inject: n.inject[id].ring, MaxConnections: o.Config.Dataplane.MaxConnections,
			Hugepages: o.Hugepages, Seed: o.Seed, Unhurried: o.Unhurried, Templates: n.templates,
		})
		if err != nil {
			return fmt.Errorf("making worker %d: %w", id, err)
		}
		n.workers = append(n.workers, w)
	}
	return nil
}

// errorSource is the address of a port that ICMP errors come from, of the family of like; zero if there is none.
func errorSource(p *conf.Port, like netip.Addr) (out nexthop.Addr) {
	if a, ok := compile.SourceFor(p, like, netip.Addr{}); ok {
		out = fastpath.AddrOf(a)
	}
	return out
}

// Close frees the workers, which have stopped.
func (n *Node) Close() error {
	var first error
	for _, w := range n.workers {
		if err := w.Close(); err != nil && first == nil {
			first = err
		}
	}
	n.workers = nil
	if n.templates != nil {
		first = errors.Join(first, n.templates.Close())
		n.templates = nil
	}
	return first
}

// Workers are the node's workers, by number.
func (n *Node) Workers() []*fastpath.Worker { return n.workers }

// Waiting is how many frames are on their way between workers, none of which may run.
func (n *Node) Waiting() int { return n.handover.Waiting() }

// Config is the configuration in force.
func (n *Node) Config() *conf.Config { return n.cfg }

// Neighbors is the neighbour table.
func (n *Node) Neighbors() *neighbor.Table { return n.neighbors }

// Compiler knows the places of services and backends.
func (n *Node) Compiler() *compile.Compiler { return n.compiler }

// Snapshot is what the workers use, or will at their next round.
func (n *Node) Snapshot() *fastpath.Snapshot { return n.snapshot.Load() }

// Acked is the oldest generation that a worker may still use.
func (n *Node) Acked() uint64 {
	oldest := ^uint64(0)
	for _, w := range n.workers {
		oldest = min(oldest, w.Generation())
	}
	if len(n.workers) == 0 {
		return 0
	}
	return oldest
}

// Apply compiles a configuration and publishes it. If it fails, the one in force stays. The ports must
// be those of the configuration the node was made with.
func (n *Node) Apply(now time.Time, cfg *conf.Config, status func(*conf.Service, *conf.Backend) compile.Status) error {
	n.now = now
	if !n.compiler.Resolves(cfg) {
		snap, commit, err := n.compiler.Compile(now, cfg, status, n.Acked())
		return n.change(snap, commit, err)
	}
	epoch := n.neighbors.Mark()
	snap, commit, err := n.compiler.Compile(now, cfg, status, n.Acked())
	if err != nil {
		return err
	}
	if err := n.neighbors.SetStatic(now, static(cfg)); err != nil {
		return errors.Join(err, n.neighbors.SetStatic(now, static(n.cfg)))
	}
	commit()
	if n.cfg != cfg || n.probed.Load() == nil {
		n.setProbed(cfg)
	}
	n.cfg = cfg
	n.publish(snap)
	hosts, nets := answered(cfg)
	n.neighbors.SetLocal(now, hosts, nets...)
	n.release = release{epoch: epoch, generation: snap.Generation}
	return nil
}

// Reapply is Apply for the configuration in force, where nobody's status is another but that of backends of the named
// services.
func (n *Node) Reapply(now time.Time, services []string, status func(*conf.Service, *conf.Backend) compile.Status) error {
	if n.compiler.Resolves(n.cfg) {
		return n.Apply(now, n.cfg, status)
	}
	n.now = now
	snap, commit, err := n.compiler.Recompile(now, services, status, n.Acked())
	return n.change(snap, commit, err)
}

// change publishes a snapshot for which nothing else is another than before.
func (n *Node) change(snap *fastpath.Snapshot, commit func(), err error) error {
	if err != nil {
		return err
	}
	commit()
	n.publish(snap)
	return nil
}

// publish gives the workers a snapshot, with the taps there are.
func (n *Node) publish(snap *fastpath.Snapshot) {
	if n.taps.Len() > 0 {
		snap = snap.Tapped(n.taps)
	}
	n.snapshot.Store(snap)
}

// AddTap lets the workers copy packets to a tap, from their next round on.
func (n *Node) AddTap(t *fastpath.Tap) {
	if n.taps == nil {
		n.taps = fastpath.NewTaps(len(n.workers))
	}
	n.setTaps(n.taps.With(t))
}

// RemoveTap ends that.
func (n *Node) RemoveTap(t *fastpath.Tap) { n.setTaps(n.taps.Without(t)) }

func (n *Node) setTaps(t *fastpath.Taps) {
	n.taps = t
	n.snapshot.Store(n.snapshot.Load().Tapped(t))
}

// Tapped reports whether every worker has taken over the last change of taps.
func (n *Node) Tapped() bool {
	for _, w := range n.workers {
		if !w.Uses(n.taps) {
			return false
		}
	}
	return true
}

// release is what may be forgotten once no worker uses a snapshot older than generation: neighbours that only
// those named.
type release struct {
	epoch, generation uint64
}

// Tick lets the neighbour table do what is due, and returns when it wants to be called again.
func (n *Node) Tick(now time.Time) time.Time {
	n.now = now
	if n.release.epoch != 0 && n.Acked() >= n.release.generation {
		n.neighbors.Release(n.release.epoch)
		n.release = release{}
	}
	n.sweepTemplates(now)
	return n.neighbors.Tick(now)
}

// resolver is the node as the compiler sees it.
type resolver Node

// Resolve implements compile.Neighbors.
func (r *resolver) Resolve(port int, addr netip.Addr) (nexthop.ID, error) {
	return r.neighbors.Resolve(r.now, port, addr)
}

// NeighborViews lists the neighbours for weir show neighbors.
func (n *Node) NeighborViews() []view.Neighbor { return n.neighbors.Snapshot(n.now) }
