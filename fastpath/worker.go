package fastpath

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/offheap"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/persist"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/ring"
	"github.com/weirlb/weir/fastpath/rss"
	"github.com/weirlb/weir/sched"
)

// PortInfo is what a worker must know of a port, by index.
type PortInfo struct {
	MAC    [6]byte
	MTU    int
	Own4   nexthop.Addr // source of ICMP errors; zero: the packet's destination is used
	Own6   nexthop.Addr
	HasTAP bool
	// Queues is how many of the workers, from the first on, have a queue of this port. The others send
	// through them.
	Queues int
	// RSS is how the device spreads received packets over the queues, a sub-port's parent for it; nil: not known.
	RSS *rss.Spread
	// VLAN is that of a sub-port, whose queues are its parent's; nil: it is none. Its parent comes before it.
	VLAN *VLAN
}

// Options make a worker.
type Options struct {
	ID             int // 0 to Workers-1
	Ports          []PortInfo
	Queues         []port.Queue // this worker's, by port
	Neighbors      *nexthop.Table
	Snapshot       *atomic.Pointer[Snapshot] // the configuration in force; never nil inside
	Handover       *Handover                 // shared by all workers
	Punts          *ring.Packets             // to the slow path
	Inject         *ring.Packets             // from the slow path
	Templates      *persist.Table            // shared by all workers
	MaxConnections int
	Hugepages      bool
	Seed           conn.Seed
	// Unhurried lifts the bound on what one round sweeps: for replay, whose clock leaps.
	Unhurried bool
}

// egress is a port as the worker writes to it.
type egress struct {
	q    port.Queue
	b    *port.Burst
	mac  uint64 // in the low 48 bits, as loaded
	mtu  int
	own4 nexthop.Addr
	own6 nexthop.Addr
	// linkLocal is the address that neighbours know the port by whatever it is configured with.
	linkLocal nexthop.Addr
	tap       bool
	tx        bool // the queue has a transmit side
	queues    int
	spread    *rss.Spread // see spreadTo
	sub       *subPort    // nil: it is none
	vlans     *vlans      // nil: it has no sub-ports
}

// Worker handles one queue of every port. All its methods but the Read side of its counters and Dump
// belong to the goroutine that runs it.
type Worker struct {
	hot
	id       int
	workers  int
	snap     *Snapshot
	shared   *atomic.Pointer[Snapshot]
	acked    atomic.Uint64 // generation of the snapshot in use; read by the slow path
	table    *conn.Table
	hops     *nexthop.Table
	ports    []egress
	counters *Counters
	backends []BackendCounters
	states   []serviceState // by service index: see schedulerState
	locals   []uint64       // by local address: see LocalPorts
	walks    []walk         // by backend
	startMem *offheap.Region
	starts   []start // by entry of the table, in memory that is only mapped when it is used
	// portReasons and serviceReasons are by index what counters.Reasons is for all: see count.
	portReasons    []Reasons
	serviceReasons []Reasons
	setups         []Setups // by service index

	now       conn.Tick
	nowNs     uint64
	polledNs  uint64 // nowNs of the round before; 0 if the worker has napped since
	busy      bool   // the round before had packets
	subPorts  bool   // there are some
	icmp      limiter
	ids       uint16 // of outer IPv4 headers
	tries     uint32 // of local ports since triesAt
	triesAt   conn.Tick
	lookAt    uint32 // place among a service's backends: see another
	unhurried bool

	handover  *Handover
	punts     *ring.Packets
	inject    *ring.Packets
	scratch   *scratch
	datagrams *datagrams
	passages  *passages
	asking    limiter // of asking other workers what they know of a fragment
	key       sched.Key
	dead      conn.Dead
	mem       *counterMemory
	// templates are all workers' clients of persistent services. holds is, by index in the table, what connections hold,
	// and holding how many hold anything.
	templates *persist.Table
	holds     []hold
	holding   int
	once      conn.Entry // stands for the connection of a packet that begins none
	holdMem   *offheap.Region

	// chunkMem holds the worker's own chunks of backends, by their numbers, and chunkState tells what is in them. latePeer is
	// made, for the table.
	chunkMem   *offheap.Region
	chunkState []uint8
	latePeer   func(i uint32) *conn.Peer

	taps   *Taps                // of the snapshot
	tapped atomic.Pointer[Taps] // the same; read by the slow path

	// chunks are where backends' indices lead: to the snapshot's chunks, or to the worker's own. They are part of the worker,
	// so that no packet loads where they are.
	chunks [MaxBackends / conn.ChunkLen]*chunk
}

// scratch is what the stages of a burst hand to each other.
type scratch struct {
	items     [port.BurstSize]item
	openings  [groupSize]opening
	inbox     [port.BurstSize]port.Frame
	pieces    [maxPieces]piece
	bytes     [1 << 14]byte // an injected packet
	fragments bool          // there are some among the items
}

// NewWorker makes a worker with an empty connection table.
func NewWorker(o Options) (*Worker, error) {
	if len(o.Ports) != len(o.Queues) || len(o.Ports) == 0 || len(o.Ports) > 255 {
		return nil, fmt.Errorf("a worker needs 1 to 255 ports with a queue each, not %d ports and %d queues",
			len(o.Ports), len(o.Queues))
	}
	if o.Snapshot.Load() == nil {
		return nil, errors.New("a worker needs a snapshot to start with")
	}
	table, err := conn.New(o.MaxConnections, o.Hugepages, o.Seed)
	if err != nil {
		return nil, fmt.Errorf("worker %d: %w", o.ID, err)
	}
	mem, err := newCounterMemory()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("worker %d: %w", o.ID, err), table.Close())
	}
	starts, err := offheap.Reserve((o.MaxConnections + 1) * int(unsafe.Sizeof(start{})))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("worker %d: memory for PROXY headers: %w", o.ID, err), table.Close(), mem.region.Free())
	}
	grams, err := newDatagrams()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("worker %d: memory for fragments: %w", o.ID, err), table.Close(), mem.region.Free(), starts.Free())
	}
	passages, err := newPassages()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("worker %d: memory for fragments: %w", o.ID, err), table.Close(), mem.region.Free(), starts.Free(), grams.region.Free())
	}
	holds, err := offheap.Reserve((o.MaxConnections + 1) * int(unsafe.Sizeof(hold(0))))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("worker %d: memory for persistence: %w", o.ID, err), table.Close(), mem.region.Free(), starts.Free(), grams.region.Free(), passages.region.Free())
	}
	chunks, err := offheap.Reserve(MaxBackends * backendSize)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("worker %d: memory for backends: %w", o.ID, err), table.Close(), mem.region.Free(), starts.Free(), grams.region.Free(), passages.region.Free(), holds.Free())
	}
	w := &Worker{
		chunkMem: chunks, chunkState: make([]uint8, MaxBackends/conn.ChunkLen),
		templates: o.Templates, holds: offheap.Slice[hold](holds, o.MaxConnections+1), holdMem: holds,
		id: o.ID, workers: o.Handover.workers, shared: o.Snapshot, table: table, hops: o.Neighbors,
		counters: mem.worker, backends: mem.backends, states: mem.states, mem: mem, locals: mem.locals, walks: mem.walks,
		portReasons: mem.ports, serviceReasons: mem.services, setups: mem.setups,
		starts: offheap.Slice[start](starts, o.MaxConnections+1), startMem: starts,
		handover: o.Handover, punts: o.Punts, inject: o.Inject, scratch: new(scratch), datagrams: grams, passages: passages, unhurried: o.Unhurried,
	}
	for i, p := range o.Ports {
		q := o.Queues[i]
		e := egress{q: q, b: q.Burst(), mtu: p.MTU, own4: p.Own4, own6: p.Own6, tap: p.HasTAP, tx: q.HasTX(), queues: max(p.Queues, 1)}
		e.spread = p.spreadTo(w.id, w.workers)
		e.linkLocal = packet.LinkLocal(p.MAC)
		for j, c := range p.MAC {
			e.mac |= uint64(c) << (8 * j)
		}
		w.ports = append(w.ports, e)
		if p.VLAN != nil {
			w.addSubPort(i, p.VLAN)
		}
	}
	w.hot.build(w)
	w.latePeer = func(i uint32) *conn.Peer { return &w.made(i).peer }
	w.adopt(o.Snapshot.Load())
	return w, nil
}

// Close frees the worker's tables and every buffer it still holds. It must not be running any more;
// nor may anyone read its counters or dump its connections after this.
func (w *Worker) Close() error {
	for _, f := range w.handover.drain(w.id) {
		w.free(&f)
	}
	w.freeHeld()
	for i := range w.ports {
		b := w.ports[i].outgoing()
		n := b.NTX
		b.NTX = 0 // free may call Exchange, which must not send what is freed here
		for j := range n {
			w.free(&b.TX[j])
		}
	}
	for i := range w.ports {
		w.ports[i].q.Exchange(0)
	}
	return errors.Join(w.table.Close(), w.mem.region.Free(), w.datagrams.region.Free(), w.passages.region.Free(), w.holdMem.Free(), w.startMem.Free(), w.chunkMem.Free())
}

// Generation is that of the snapshot the worker uses; for any goroutine.
func (w *Worker) Generation() uint64 { return w.acked.Load() }

// Uses reports whether the worker uses these taps and no others; for any goroutine.
func (w *Worker) Uses(t *Taps) bool {
	in := w.tapped.Load()
	return in == t || in == nil && t.Len() == 0
}

// MaxConnections is the capacity of the worker's table; for any goroutine.
func (w *Worker) MaxConnections() int { return w.table.Cap() }

// Dump gives copies of the worker's connections; for any goroutine, with conn.Table.Dump's caveat.
func (w *Worker) Dump(f func(*conn.Entry) bool) { w.table.Dump(f) }

func (w *Worker) adopt(s *Snapshot) {
	w.adoptBackends(s, w.snap)
	w.snap, w.taps = s, s.taps
	w.idles = unsafe.Pointer(unsafe.SliceData(s.Timeouts))
	w.table.SetPeers(conn.NewPeers(w.chunks[:], s.Backends.n, w.latePeer), s.Locals)
	w.tapped.Store(s.taps)
	w.acked.Store(s.Generation)
}
