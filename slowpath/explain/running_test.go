package explain

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/memport"
	"github.com/weirlb/weir/fastpath/persist"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/slowpath/compile"
	"github.com/weirlb/weir/slowpath/neighbor"
	"github.com/weirlb/weir/slowpath/node"
	"github.com/weirlb/weir/slowpath/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a node with two workers and nobody on its links, which packets are really sent to.
type running struct {
	t      *testing.T
	now    time.Time
	node   *node.Node
	pool   memport.Pool
	queues [2][2]*memport.Queue // by worker and port
	limits Limits
}

func run(t *testing.T) *running {
	t.Helper()
	r := &running{t: t, now: time.Unix(1_800_000_000, 0)}
	cfg := loaded(t)
	cfg.Dataplane.MaxConnections = 1000
	queues := make([][]port.Queue, 2)
	for w := range queues {
		for p := range r.queues[w] {
			r.queues[w][p] = memport.New(&r.pool, func() uint64 { return uint64(r.now.UnixNano()) })
			queues[w] = append(queues[w], r.queues[w][p])
		}
	}
	var err error
	r.node, err = node.New(node.Options{
		Config: cfg, Queues: queues, Kernel: deaf{}, Seed: conn.Seed{3, 4},
		Ports: []node.Port{{MAC: cfg.Ports[0].MAC, Queues: 2, HasTAP: true}, {MAC: cfg.Ports[1].MAC, Queues: 2}},
	}, r.now, func(_ *conf.Service, b *conf.Backend) compile.Status {
		return compile.Status{Up: !b.Down, Weight: b.Weight}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.node.Close(); err != nil {
			t.Error(err)
		}
	})
	r.poll()
	return r
}

type deaf struct{}

func (deaf) ToKernel(int, []byte) bool { return false }

func (r *running) poll() (sent [][]byte) {
	for range 3 {
		for i, w := range r.node.Workers() {
			w.Poll()
			for _, q := range r.queues[i] {
				sent = append(sent, q.Take()...)
			}
		}
		r.node.HandlePunts(r.now)
	}
	return sent
}

// send really sends a packet and returns where it went.
func (r *running) send(text string) (destinations []string) {
	r.t.Helper()
	w := World{Still: r.node.Still()}
	p, err := Parse(text)
	if err != nil {
		r.t.Fatal(err)
	}
	tr := &trial{World: &w, p: p, cfg: w.Still.Config}
	if err := tr.enter(); err != nil {
		r.t.Fatal(err)
	}
	if err := r.queues[0][tr.in].Put(tr.frame, 0); err != nil {
		r.t.Fatal(err)
	}
	for _, f := range r.poll() {
		if s := look(f); s.proto != "arp" && s.src != "" && !strings.HasPrefix(s.proto, "icmp") {
			destinations = append(destinations, s.dst)
		}
	}
	return destinations
}

// explain explains a packet and fails if that changed anything.
func (r *running) explain(text string) *view.Explanation {
	r.t.Helper()
	before := r.state()
	p, err := Parse(text)
	if err != nil {
		r.t.Fatal(err)
	}
	w := World{Still: r.node.Still(), Backends: configured, Running: true, Basis: "a test", Limits: r.limits}
	e, err := w.Explain(p)
	if err != nil {
		r.t.Fatal(err)
	}
	if after := r.state(); after != before {
		r.t.Errorf("explaining %s changed\n%s to\n%s", text, before, after)
	}
	return e
}

// state is all that an explanation might change.
func (r *running) state() string {
	s := ""
	for i, w := range r.node.Workers() {
		s += fmt.Sprintf("worker %d: %+v", i, w.Counters())
		w.Dump(func(e *conn.Entry) bool { s += fmt.Sprintf(" %+v", *e); return true })
		for v := range uint32(4) {
			s += fmt.Sprintf(" %+v %+v", w.SchedulerState(v, r.node.Snapshot()), w.ServiceReasons(v))
		}
	}
	backends := r.node.Snapshot().Backends
	for i := range backends.Len() {
		b := backends.At(uint32(i))
		s += fmt.Sprintf(" %d/%d", b.Load.Active.Load(), b.Load.Inactive.Load())
	}
	templates, now := r.node.Templates()
	templates.Dump(now, func(t persist.Template) bool { s += fmt.Sprintf(" %+v", t); return true })
	return s + fmt.Sprintf(" %+v", r.node.NeighborViews())
}

const wayTo12 = "10.0.0.12 on lan"

func (r *running) answerFor12() {
	cfg := *r.node.Config()
	cfg.Neighbors = append([]conf.Neighbor{{Port: "lan", Address: netip.MustParseAddr("10.0.0.12"), MAC: [6]byte{2, 0, 0, 0, 1, 12}}}, cfg.Neighbors...)
	if err := r.node.Apply(r.now, &cfg, func(_ *conf.Service, b *conf.Backend) compile.Status {
		return compile.Status{Up: !b.Down, Weight: b.Weight}
	}); err != nil {
		r.t.Fatal(err)
	}
	r.poll()
}

func TestWhatIsForetoldComesTrue(t *testing.T) {
	r := run(t)
	r.answerFor12()
	for i := range 20 {
		text := fmt.Sprintf("tcp 198.51.100.7:%d > 203.0.113.10:80", 40000+i)
		e := r.explain(text)
		if got := r.send(text); len(got) != 1 || got[0] != e.Backend || e.Verdict != "forwarded" {
			t.Fatalf("%s went to %v, not to %s as foretold (%s)", text, got, e.Backend, e.Verdict)
		}
	}
}

func TestAClientThatIsBoundIsToldToBe(t *testing.T) {
	r := run(t)
	r.answerFor12()
	backend := r.send("tcp 198.51.100.7:40000 > 203.0.113.10:84")[0]
	for i := range 20 { // on either worker
		text := fmt.Sprintf("tcp 198.51.100.%d:%d > 203.0.113.10:84", 10+i, 40001+i)
		e := r.explain(text)
		if said := told(t, e); e.Backend != backend || !strings.Contains(said, "198.51.100.0/24 is bound to "+backend) || strings.Contains(said, "rr chooses") {
			t.Fatalf("its client has %s:\n%s", backend, said)
		}
		if got := r.send(text); len(got) != 1 || got[0] != backend {
			t.Fatalf("%s went to %v, not to %s", text, got, backend)
		}
	}
	r.now = r.now.Add(24 * time.Hour)
	r.poll()
	if said := told(t, r.explain("tcp 198.51.100.7:40000 > 203.0.113.10:84")); !strings.Contains(said, "is not bound") {
		t.Errorf("a day later:\n%s", said)
	}
}

func TestPacketsOfAKnownConnectionAreToldToBe(t *testing.T) {
	r := run(t)
	r.answerFor12()
	r.send("tcp 198.51.100.7:40000 > 203.0.113.10:80")
	e := r.explain("tcp 198.51.100.7:40000 > 203.0.113.10:80 ack")
	if text := told(t, e); e.Verdict != "forwarded" || e.Backend == "" || e.Service != "web" ||
		!strings.Contains(text, "known, SYN_RECV") || !strings.Contains(text, "this is the client's packet") || strings.Contains(text, "rr chooses") {
		t.Errorf("the client's packet:\n%s", text)
	}
	reply := "tcp " + e.Backend + " > 198.51.100.7:40000 syn,ack"
	e = r.explain(reply)
	if text := told(t, e); e.Service != "web" || !strings.Contains(text, "this is the backend's packet") ||
		!strings.Contains(text, "source 203.0.113.10:80, was "+e.Backend) {
		t.Errorf("the backend's packet:\n%s", text)
	}
	other := r.explain("tcp " + e.Backend + " > 198.51.100.7:40001 syn,ack")
	if other.Reason != "foreign" {
		t.Errorf("a packet of no connection:\n%s", told(t, other))
	}
}

func TestPacketThatWaitsForANeighborAndOneThatWaitsInVain(t *testing.T) {
	r := run(t)
	r.send("tcp 198.51.100.7:40000 > 203.0.113.10:80") // the turn is 10.0.0.12's now, on this worker at least
	var e *view.Explanation
	for i := 1; e == nil || e.Backend != "10.0.0.12:8080"; i++ {
		e = r.explain(fmt.Sprintf("tcp 198.51.100.7:%d > 203.0.113.10:80", 40000+i))
	}
	if text := told(t, e); e.Verdict != "waiting" || e.Reason != "punt_neighbor" || !strings.Contains(text, wayTo12+" is incomplete") {
		t.Errorf("nobody has answered yet:\n%s", text)
	}
	for range neighbor.MaxTries + 1 {
		r.now = r.now.Add(neighbor.RetryInterval)
		r.node.Tick(r.now)
		r.poll()
	}
	e = r.explain(strings.Split(e.Packet, " syn")[0])
	if text := told(t, e); e.Verdict != "dropped" || e.Reason != "neighbor_unresolved" || !strings.Contains(text, wayTo12+" has not answered") {
		t.Errorf("nobody answers:\n%s", text)
	}
}
