// Package replay runs the real packet path over a capture: same workers, same neighbours, same snapshot as the
// daemon, but queues in memory, a clock that is the capture's, and nobody else on the network. The same capture
// and configuration give the same bytes, on any machine.
package replay

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/netip"
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/memport"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/slowpath/compile"
	"github.com/weirlb/weir/slowpath/node"
)

// Summary is what became of the packets: In = Out + Punted + Dropped - Own.
type Summary struct {
	In      uint64            `json:"in"`
	Out     uint64            `json:"out"`
	Own     uint64            `json:"own"`     // of Out: made by Weir
	Punted  uint64            `json:"punted"`  // handed to the slow path, as in a daemon to ARP or the kernel
	Dropped uint64            `json:"dropped"` //
	Drops   map[string]uint64 `json:"drops"`   // Dropped by reason
	Punts   map[string]uint64 `json:"punts"`   // Punted by reason
	Answers map[string]uint64 `json:"answers"` // of Out: requests that went back as their own answer, by reason
	// Connections is how many there are at the end, NewConnections how many were made.
	Connections    uint64 `json:"connections"`
	NewConnections uint64 `json:"new_connections"`
}

// epoch is where the workers' clock starts, so that times before the first packet exist.
const epoch = uint64(time.Hour)

// Run replays the capture at in and writes what leaves to out. Health checks are off: every backend is up
// unless its configuration says state: down.
func Run(cfg *conf.Config, in, out string) (*Summary, error) {
	src, err := Open(in)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	if src.isAt(out) {
		return nil, fmt.Errorf("%s is the capture to replay, under this or another name: write the output to another file", out)
	}
	names := make([]string, len(cfg.Ports))
	for i := range cfg.Ports {
		names[i] = cfg.Ports[i].Name
	}
	dst, err := Create(out, names, src.nanos)
	if err != nil {
		return nil, err
	}
	p, err := newPlayer(cfg, dst.Write)
	if err != nil {
		return nil, errors.Join(err, dst.Close())
	}
	err = p.playAll(src)
	sum := p.summary()
	return sum, errors.Join(err, p.close(), dst.Close())
}

// sink takes a frame that left a port, while a packet of this time was played.
type sink func(frame []byte, at time.Time, port int) error

// player is a node with its clock and output.
type player struct {
	cfg    *conf.Config
	node   *node.Node
	pool   *memport.Pool
	queues []*memport.Queue
	sink   sink
	start  time.Time // of the capture
	at     time.Time // of the packet being played
	clock  uint64
	failed error // the first of the output's errors
	frame  []byte
}

func newPlayer(cfg *conf.Config, out sink) (*player, error) {
	p := &player{cfg: cfg, pool: &memport.Pool{}, sink: out, clock: epoch}
	for i := range cfg.Ports {
		if parent, ok := cfg.Sub(i); ok {
			p.queues = append(p.queues, p.queues[parent])
			continue
		}
		q := memport.New(p.pool, func() uint64 { return p.clock })
		q.OnSend(func(frame []byte) { p.write(frame, i) })
		p.queues = append(p.queues, q)
	}
	var err error
	p.node, err = newNode(cfg, p.queues)
	return p, err
}

// newNode makes a node of a configuration and nothing else, with a worker on these queues.
func newNode(cfg *conf.Config, mem []*memport.Queue) (*node.Node, error) {
	ports := make([]node.Port, len(cfg.Ports))
	queues := make([]port.Queue, len(cfg.Ports))
	for i := range cfg.Ports {
		ports[i] = node.Port{MAC: PortMAC(cfg, i), Queues: 1, HasTAP: cfg.Ports[i].TAP != ""}
		queues[i] = mem[i]
	}
	return node.New(node.Options{
		Config: cfg, Ports: ports, Queues: [][]port.Queue{queues}, Kernel: nowhere{}, Seed: conn.Seed{1, 1},
		Unhurried: true, MakeUp: func(port int, addr netip.Addr) [6]byte {
			return StationMAC(cfg, port, addr)
		},
	}, time.Unix(0, 0), FromConfig)
}

// Start is a configuration's node before the first packet, for f to look at.
func Start(cfg *conf.Config, f func(*node.Still) error) error {
	small := *cfg
	small.Dataplane.MaxConnections = 1
	pool := &memport.Pool{}
	queues := make([]*memport.Queue, len(cfg.Ports))
	for i := range queues {
		queues[i] = memport.New(pool, func() uint64 { return epoch })
		if parent, ok := cfg.Sub(i); ok {
			queues[i] = queues[parent]
		}
	}
	n, err := newNode(&small, queues)
	if err != nil {
		return err
	}
	err = f(n.Still())
	return errors.Join(err, n.Close())
}

// FromConfig takes a backend's state from the configuration alone: a sorry server's from that of the others.
func FromConfig(s *conf.Service, b *conf.Backend) compile.Status {
	if b == s.Sorry {
		return compile.Status{Up: !compile.CountQuorum(s, true, FromConfig).Up, Weight: b.Weight}
	}
	return compile.Status{Up: !b.Down && !b.Maintenance, Weight: b.Weight}
}

// PortMAC is the configured MAC or a made-up one; a sub-port's is its parent's.
func PortMAC(cfg *conf.Config, i int) [6]byte {
	if parent, ok := cfg.Sub(i); ok {
		i = parent
	}
	if p := &cfg.Ports[i]; p.HasMAC {
		return p.MAC
	}
	return madeUpMAC(cfg.Ports[i].Name, "port")
}

// StationMAC is the MAC that answers for an address on a port's network, if no neighbour is configured.
func StationMAC(cfg *conf.Config, port int, addr netip.Addr) [6]byte {
	return madeUpMAC(cfg.Ports[port].Name, addr.String())
}

// madeUpMAC is a locally administered address that depends on nothing but its names.
func madeUpMAC(parts ...string) (mac [6]byte) {
	h := fnv.New64a()
	for _, s := range parts {
		_, _ = io.WriteString(h, s+"\x00") // a hash does not fail
	}
	sum := h.Sum64()
	mac[0] = 0x02
	for i := 1; i < len(mac); i++ {
		mac[i] = byte(sum >> (8 * i))
	}
	return mac
}

// nowhere is the kernel of a replay: it takes everything.
type nowhere struct{}

func (nowhere) ToKernel(int, []byte) bool { return true }

func (p *player) playAll(src *Capture) error {
	for {
		c, err := src.Next()
		if err == io.EOF {
			p.endWaiting()
			return p.failed
		}
		if err != nil {
			return err
		}
		if err := p.play(&c); err != nil {
			return fmt.Errorf("packet %d: %w", src.count, err)
		}
		if p.failed != nil {
			return fmt.Errorf("packet %d: writing the output: %w", src.count, p.failed)
		}
	}
}

// endWaiting lets the time run out for fragments whose first one the capture does not have.
func (p *player) endWaiting() {
	if w := p.node.Workers()[0]; w.Counters().FragmentsWaiting > 0 {
		p.clock += fastpath.FragmentsWait
		w.Poll()
	}
}

// play takes one packet through, with all it causes, before the next comes: so every packet that leaves stands
// where its cause stood.
func (p *player) play(c *Packet) error {
	p.pass(c.Time)
	in := 0
	if i, ok := p.cfg.PortIndex(c.Interface); ok {
		in = i
	}
	frame := p.addressed(c, in)
	flags := deviceFlags(frame)
	if v := compile.VLANOf(p.cfg, in); v != nil {
		frame = v.Tagged(frame) // the capture is of the VLAN's interface, the queue the trunk's
	}
	if len(frame) > memport.MaxFrame {
		frame, flags = frame[:memport.MaxFrame], port.Segmented // a device would need several buffers, too
	}
	if err := p.queues[in].Put(frame, flags); err != nil {
		return err
	}
	w := p.node.Workers()[0]
	for busy := true; busy; {
		busy = w.Poll() > 0
		if p.node.HandlePunts(time.Unix(0, int64(p.clock))) > 0 {
			busy = true
		}
	}
	w.Poll() // sends what the last round left
	return nil
}

// pass makes it a time of the capture's.
func (p *player) pass(at time.Time) {
	if p.start.IsZero() {
		p.start = at
	}
	p.at = at
	if d := at.Sub(p.start); d > 0 {
		p.advance(epoch + uint64(d))
	}
}

// stride is the longest timeout there can be, and so the most that the clock goes on at once: workers tell times apart
// that are less than 24 days from each other (conn.Tick), and must have met a connection's end by then.
const stride = uint64(7 * 24 * time.Hour)

// advance moves the clock on to a time, if that is not past, as far as a gap in the capture may be.
func (p *player) advance(to uint64) {
	for p.clock+stride < to {
		p.clock += stride
		p.node.Workers()[0].Poll() // ends what has expired
	}
	leap := p.clock+conn.SweepPeriod*1e6 <= to
	p.clock = max(p.clock, to)
	if leap { // what has expired in a sweep's time no longer counts when the next packet comes
		p.node.Workers()[0].Poll()
	}
}

// addressed is the frame as the port would have received it. Nobody who makes a capture can know a made-up MAC,
// so a unicast frame to any station is taken as meant for the port then, as is one that no station is known of.
func (p *player) addressed(c *Packet, in int) []byte {
	frame := c.Frame
	if p.cfg.Ports[in].HasMAC && !c.Unaddressed || len(frame) < 6 || frame[0]&1 != 0 {
		return frame
	}
	p.frame = append(p.frame[:0], frame...)
	mac := PortMAC(p.cfg, in)
	copy(p.frame, mac[:])
	return p.frame
}

func (p *player) write(frame []byte, out int) {
	if err := p.sink(frame, p.at, out); err != nil && p.failed == nil {
		p.failed = err
	}
}

func (p *player) summary() *Summary {
	s := &Summary{Drops: map[string]uint64{}, Punts: map[string]uint64{}, Answers: map[string]uint64{}}
	for _, w := range p.node.Workers() {
		c := w.Counters()
		s.In, s.Out, s.Own = s.In+c.In, s.Out+c.Out, s.Own+c.Own
		s.Connections, s.NewConnections = s.Connections+c.Live, s.NewConnections+c.NewConns
		for i, n := range c.Reasons {
			switch r := reason.Reason(i); {
			case n == 0:
			case r.Punt():
				s.Punts[r.String()] += n
				s.Punted += n
			case r.Answer():
				s.Answers[r.String()] += n
			default:
				s.Drops[r.String()] += n
				s.Dropped += n
			}
		}
	}
	return s
}

func (p *player) close() error {
	err := p.node.Close()
	for _, q := range p.queues {
		q.Exchange(0)
		q.Drain()
	}
	if n := p.pool.InUse(); n != 0 {
		err = errors.Join(err, fmt.Errorf("%d buffers were lost: a bug in Weir, please report it", n))
	}
	return err
}
