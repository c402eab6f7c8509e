package node

import (
	"errors"
	"net/netip"
	"sync/atomic"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/memport"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/persist"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/ring"
	"github.com/weirlb/weir/slowpath/view"
)

// Still is a node as it is at one moment: what its workers decide by. It stays when the node goes on, but for the
// workers' own tables, which a Still only reads and which are gone when the node is closed.
type Still struct {
	Config    *conf.Config
	Ports     []Port
	Snapshot  *fastpath.Snapshot
	Workers   []*fastpath.Worker
	Neighbors []view.Neighbor

	hops  *nexthop.Table
	infos []fastpath.PortInfo
	seed  conn.Seed

	templates *persist.Table
}

// Still takes the picture.
func (n *Node) Still() *Still {
	s := &Still{
		Config: n.cfg, Ports: n.ports, Snapshot: n.Snapshot(), Workers: n.workers, Neighbors: n.NeighborViews(),
		hops: n.hops, infos: n.infos, seed: n.seed, templates: n.templates,
	}
	if !n.madeUp {
		s.hops = n.hops.Clone()
	}
	return s
}

// Direct reports whether a worker chooses local ports for connections to a backend by the RSS of the device whose port the
// backend is behind, and which port that is.
func (s *Still) Direct(worker int, b *fastpath.Backend, proto uint8) (port int, ok bool) {
	port = int(s.hops.Load(b.Hop).Port())
	return port, s.infos[port].Direct(worker, len(s.Workers), b.V6, proto)
}

// twinConnections is the size of a twin's table: for the one connection that is copied, and one that is made.
const twinConnections = 16

// Twin is a worker that does with a packet what a worker of a Still would, for it runs the same code on copies of what
// that has. Nobody else notices. It belongs to one goroutine.
type Twin struct {
	Worker *fastpath.Worker
	queues []*memport.Queue
	punts  *ring.Packets
	pool   memport.Pool
	// templates are the twin's own.
	templates *persist.Table
	from      *persist.Table
	infos     []fastpath.PortInfo
}

// Sent is a frame that a twin sent on a port.
type Sent struct {
	Port  int
	Frame []byte
}

// Punted is a frame that a twin handed to the slow path.
type Punted struct {
	ring.Meta
	Frame []byte
}

// Twin makes a twin of a worker that uses a snapshot: a Rehearsal of the Still's own.
func (s *Still) Twin(worker int, snap *fastpath.Snapshot) (*Twin, error) {
	t := &Twin{punts: ring.NewPackets(1<<16, nil), from: s.templates, infos: s.infos}
	var err error
	if t.templates, err = persist.New(twinConnections, s.seed); err != nil {
		return nil, err
	}
	now := s.Workers[worker].Counters().NowNs
	var queues []port.Queue
	for i := range s.Ports {
		q := memport.New(&t.pool, func() uint64 { return now })
		if v := s.infos[i].VLAN; v != nil {
			q = t.queues[v.Parent]
		}
		t.queues, queues = append(t.queues, q), append(queues, q)
	}
	var current atomic.Pointer[fastpath.Snapshot]
	current.Store(snap)
	t.Worker, err = fastpath.NewWorker(fastpath.Options{
		Ports: s.infos, Queues: queues, Neighbors: s.hops, Snapshot: &current, Handover: fastpath.NewHandover(1),
		Punts: t.punts, Inject: ring.NewPackets(4096, nil), MaxConnections: twinConnections, Seed: s.seed,
		Templates: t.templates,
	})
	return t, err
}

// Remember gives the twin what the workers remember of a client of the service with an index.
func (t *Twin) Remember(service uint32, client netip.Addr) error {
	return t.Worker.RememberClient(t.from, service, client.AsSlice())
}

// Send lets a frame come in by a port and returns what became of it.
func (t *Twin) Send(port int, frame []byte) (sent []Sent, punted []Punted, err error) {
	if v := t.infos[port].VLAN; v != nil {
		frame = v.Tagged(frame)
	}
	if err := t.queues[port].Put(frame, 0); err != nil {
		return nil, nil, err
	}
	for range 2 { // the second round sends what the first one left
		t.Worker.Poll()
		for i, q := range t.queues {
			for _, f := range q.Take() {
				sent = append(sent, t.sentBy(i, f))
			}
		}
	}
	buf := make([]byte, 1<<14)
	for {
		var m ring.Meta
		n, ok := t.punts.Pop(&m, buf)
		if !ok {
			return sent, punted, nil
		}
		punted = append(punted, Punted{m, append([]byte(nil), buf[:n]...)})
	}
}

// sentBy finds the sub-port that a frame left by, if it was one.
func (t *Twin) sentBy(port int, frame []byte) Sent {
	for i := range t.infos {
		if v := t.infos[i].VLAN; v != nil && v.Parent == port {
			if f, ok := v.Untagged(frame); ok {
				return Sent{i, f}
			}
		}
	}
	return Sent{port, frame}
}

// Close frees the twin's memory.
func (t *Twin) Close() error {
	err := errors.Join(t.Worker.Close(), t.templates.Close())
	for _, q := range t.queues {
		q.Exchange(0)
		q.Drain()
		err = errors.Join(err, q.Err())
	}
	return err
}
