// Package explain tells what Weir would do with a packet, step by step, and why. It does not know: it sends the packet
// through the real packet path, in a worker of its own that is the twin of a running one or begins with nothing but a
// configuration, and looks at what came of it. So it cannot disagree with what Weir does.
package explain

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/sched"
	"github.com/weirlb/weir/slowpath/compile"
	"github.com/weirlb/weir/slowpath/node"
	"github.com/weirlb/weir/slowpath/replay"
	"github.com/weirlb/weir/slowpath/view"
)

// World is what a packet meets.
type World struct {
	Still *node.Still
	// Backends tells what is known of a service's backends now.
	Backends func(*conf.Service) []view.Backend
	// Basis says in a sentence what the world is made from.
	Basis string
	// Running: workers have connections, and neighbours are what the network says.
	Running bool
	// Limits are the running Weir's.
	Limits Limits
}

// File explains a packet by a configuration alone: a Weir that has just started, with every backend up that is not
// configured down, and neighbours that answer.
func File(cfg *conf.Config, p *Packet) (e *view.Explanation, err error) {
	err = replay.Start(cfg, func(s *node.Still) error {
		w := World{Still: s, Backends: configured, Basis: fmt.Sprintf(
			"%s alone: no connections yet, backends are up unless configured down, neighbours answer", cfg.File)}
		e, err = w.Explain(p)
		return err
	})
	return e, err
}

func configured(s *conf.Service) (out []view.Backend) {
	lost := !compile.CountQuorum(s, true, replay.FromConfig).Up
	for i := range s.Backends {
		b := &s.Backends[i]
		v := view.Backend{
			Service: s.Name, Address: b.Address.String(), Weight: b.Weight, Effective: float64(b.Weight), State: "up",
			UpperThreshold: b.UpperThreshold, LowerThreshold: b.LowerThreshold,
		}
		switch {
		case b.Down:
			v.State = "down"
		case b.Maintenance:
			v.State = "maintenance"
		case b.Weight == 0:
			v.State = "draining"
		}
		if v.State != "up" || lost && s.Sorry != nil {
			v.Effective = 0
		}
		out = append(out, v)
	}
	if s.Sorry == nil {
		return out
	}
	v := view.Backend{Service: s.Name, Address: s.Sorry.Address.String(), Weight: s.Sorry.Weight, State: "standby"}
	if lost {
		v.State, v.Effective = "sorry", float64(v.Weight)
	}
	return append(out, v)
}

// trial is one packet on its way.
type trial struct {
	*World
	p       *Packet
	cfg     *conf.Config
	in      int
	owner   int
	entry   conn.Entry // of the connection the packet belongs to
	reply   bool
	known   bool          // there is one
	service *conf.Service // that the packet or its connection is of; nil: none
	index   uint32        // of service, in snapshots
	picks   []int         // of the scheduler, places in the service's backends
	frame   []byte
	sent    []node.Sent
	punted  []node.Punted
	count   fastpath.Counters
	made    *conn.Entry // the connection afterwards
	out     view.Explanation
}

// Explain tells what would become of a packet. Nothing is sent, and nothing in the world changes.
func (w *World) Explain(p *Packet) (*view.Explanation, error) {
	t := &trial{World: w, p: p, cfg: w.Still.Config}
	if err := t.enter(); err != nil {
		return nil, err
	}
	t.find()
	if err := t.run(); err != nil {
		return nil, fmt.Errorf("explaining the packet: %w", err)
	}
	t.tell()
	return &t.out, nil
}

// enter chooses the port that the packet comes in by.
func (t *trial) enter() (err error) {
	if t.p.In != "" {
		i, ok := t.cfg.PortIndex(t.p.In)
		if !ok {
			return fmt.Errorf("there is no port %q: there are %s", t.p.In, portNames(t.cfg))
		}
		t.in = i
	} else if i, _, ok := compile.Way(t.cfg, t.p.Src.Addr()); ok {
		t.in = i
	}
	t.frame, err = t.p.Frame(t.Still.Ports[t.in].MAC, t.stationOf(t.p.Src.Addr()))
	return err
}

// stationOf is the MAC that packets from an address bear: its own, or its gateway's.
func (t *trial) stationOf(a netip.Addr) [6]byte {
	station := [6]byte{0x02, 0, 0, 0, 0, 0xfe} // of nobody
	if port, via, ok := compile.Way(t.cfg, a); ok {
		for _, n := range t.Still.Neighbors {
			if n.Port == t.cfg.Ports[port].Name && n.Address == via.String() && n.MAC != "" {
				_, _ = fmt.Sscanf(n.MAC, "%x:%x:%x:%x:%x:%x",
					&station[0], &station[1], &station[2], &station[3], &station[4], &station[5]) // our own format
			}
		}
	}
	return station
}

// find looks for the packet's owner among the workers, its connection and its service.
func (t *trial) find() {
	s := t.Still.Snapshot
	if !t.p.ports() {
		return
	}
	vip, _ := s.Local(t.p.Dst.Addr())
	switch {
	case s.LocalAddress(t.p.Dst.Addr()):
		t.owner = fastpath.PortOwner(t.p.Dst.Port(), t.workers())
	case vip:
		t.owner = fastpath.Owner(t.p.Src, t.workers())
	default:
		t.owner = fastpath.Owner(t.p.Dst, t.workers())
	}
	t.entry, t.reply, t.known = t.Still.Workers[min(t.owner, len(t.Still.Workers)-1)].Connection(t.p.Src, t.p.Dst, t.p.number, s)
	if t.known && int(t.entry.Backend) < s.Backends.Len() && s.Backends.At(t.entry.Backend).Gen == t.entry.Gen {
		t.serve(s.Backends.At(t.entry.Backend).Service)
	} else if i, ok := s.ServiceOf(t.p.Src, t.p.Dst, t.p.number, uint8(t.in)); ok {
		t.serve(i)
	}
}

// serve notes the service with an index.
func (t *trial) serve(index uint32) {
	name := t.Still.Snapshot.Services[index].Name
	if i := slices.IndexFunc(t.cfg.Services, func(s conf.Service) bool { return s.Name == name }); i >= 0 {
		t.service, t.index = &t.cfg.Services[i], index
	}
}

// workers is how many there are, or would be.
func (t *trial) workers() int { return max(1, len(t.cfg.Dataplane.Cores)) }

// witness notes what a scheduler picks.
type witness struct {
	sched.Scheduler
	picks *[]int
}

// Pick implements sched.Scheduler.
func (w witness) Pick(k *sched.Key, st *sched.State) int {
	n := w.Scheduler.Pick(k, st)
	*w.picks = append(*w.picks, n)
	return n
}

// run sends the packet through a twin of its owner.
func (t *trial) run() (err error) {
	s := t.Still.Snapshot
	index := ^uint32(0)
	if t.service != nil {
		index = t.index
	}
	snap := s.Rehearsal(index, func(inner sched.Scheduler) sched.Scheduler { return witness{inner, &t.picks} })
	worker := min(t.owner, len(t.Still.Workers)-1)
	twin, err := t.Still.Twin(worker, snap)
	if err != nil {
		return err
	}
	defer func() {
		if e := twin.Close(); err == nil {
			err = e
		}
	}()
	if index != ^uint32(0) {
		twin.Worker.Assume(index, t.Still.Workers[worker].SchedulerState(index, s))
		for _, b := range s.Services[index].Backends {
			twin.Worker.AssumeLocalWalk(b, t.Still.Workers[worker].LocalWalk(b))
		}
	}
	if index != ^uint32(0) && t.service.Persistence != nil {
		if err := twin.Remember(index, t.p.Src.Addr()); err != nil {
			return err
		}
	}
	if t.known {
		if err := twin.Worker.Adopt(&t.entry); err != nil {
			return err
		}
	}
	if t.sent, t.punted, err = twin.Send(t.in, t.frame); err != nil {
		return err
	}
	t.count = twin.Worker.Counters()
	twin.Worker.Dump(func(e *conn.Entry) bool { t.made = e; return false })
	return nil
}

// tell makes the explanation of what happened.
func (t *trial) tell() {
	t.out = view.Explanation{Packet: t.p.String(), Basis: t.Basis, Frames: []view.Frame{}}
	if t.service != nil {
		t.out.Service = t.service.Name
	}
	if t.made != nil {
		t.out.Backend = t.backendOf(t.made)
	}
	t.tellPort()
	if t.p.ports() {
		t.tellWorker()
		t.tellConnection()
	}
	t.tellService()
	t.tellPersistence()
	t.tellScheduler()
	t.tellLocal()
	t.tellVerdict()
	t.tellLimits()
}

func (t *trial) step(name, text string, detail ...string) {
	t.out.Steps = append(t.out.Steps, view.Step{Name: name, Text: text, Detail: detail})
}

// lost is the reason why the packet did not get through; Unset if it did.
func (t *trial) lost() (reason.Reason, bool) {
	i := slices.IndexFunc(t.count.Reasons[:], func(n uint64) bool { return n > 0 })
	return reason.Reason(max(i, 0)), i >= 0
}

// tellVerdict tells how the packet leaves, or why it does not.
func (t *trial) tellVerdict() {
	r, lost := t.lost()
	if lost {
		t.out.Reason, t.out.Help, t.out.Cause, t.out.Mend = r.String(), r.Help(), r.Cause(), r.Mend()
	}
	t.tellFrames(lost)
	switch {
	case lost && r.Answer():
		t.out.Verdict = "answered"
	case !lost:
		t.out.Verdict = "forwarded"
	case r == reason.PuntNeighbor:
		t.out.Verdict = "waiting"
	case r == reason.PuntLocal, r == reason.PuntMulticast:
		t.out.Verdict = "kernel"
	case r.Punt():
		t.out.Verdict = "slowpath"
	case len(t.sent) > 0:
		t.out.Verdict = "answered"
	default:
		t.out.Verdict = "dropped"
	}
}

// frames gives what leaves to the explanation.
func (t *trial) frames() {
	for _, f := range t.sent {
		s := look(f.Frame)
		t.out.Frames = append(t.out.Frames, view.Frame{
			Port: t.cfg.Ports[f.Port].Name, Text: s.String(), Bytes: hex.EncodeToString(f.Frame),
		})
	}
}
