// Package health finds out which real servers answer. It connects to each on an ordinary socket, asks it for something
// in one of several protocols, pings it, or runs a program that knows, and reports when one stops answering or
// answers again.
//
// A backend starts up, so that a restart of Weir does not turn away clients while thousands of first
// checks are under way: one that does not answer falls after its first Fall checks. With Start down, it comes up with
// the first check that passes. The first checks of a Set begin at once, a fraction of a millisecond apart; from then
// on, checks begin every Interval, up to Jitter longer or shorter, however long each takes. So a backend that dies is
// reported within Fall × (Interval + Jitter) + Timeout, and one that is back within Rise × (Interval + Jitter) +
// Timeout. Where Timeout is longer than Interval, several checks of one backend are under way at a time; their
// results count in the order in which they began. One that falls too often is held down for a while (Flapping).
//
// What fails on this machine, before a packet leaves it (no file descriptor, no such interface, no such program), says
// nothing about the backend: it shows in Status, and the state stays.
//
// A check can take the way of the service's own packets (Target.Through): see through.go.
package health

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirlb/weir/conf"
)

// Target is one backend of one service, and how it is checked.
type Target struct {
	Service string
	Backend netip.AddrPort
	Check   conf.Health
	// Former is the service's name before it was renamed, whose backend's state this one inherits if it has none yet;
	// empty: none.
	Former string
	// Interface is the network interface checks leave through, whatever the routes say; empty leaves the
	// choice to the routes.
	Interface string
	// Through is the service's address and port if checks go there, on the backend, and From the local address that they
	// come from. Whoever carries what the kernel sends to that address asks Manager.Owner for the backend.
	Through netip.AddrPort
	From    netip.Addr
}

// Event is a backend's change from up to down or back, or a change of the weight that its check gives it.
type Event struct {
	Service string
	Backend netip.AddrPort
	Up      bool
	Weight  int    // as Status.Weight
	Reason  string // the last check's outcome, as Status.Text
	// Reweighed marks a change of the weight alone: it was up and is.
	Reweighed bool
}

// Status is what is known of a target.
type Status struct {
	Service string
	Backend netip.AddrPort
	Up      bool
	// Text is the last check's outcome in words: "200 OK in 1.2 ms", "connection refused", "not checked yet". Of what
	// others wrote, it holds only the first words of a program's output, and nothing that a terminal would obey.
	Text string
	// Since is when the backend last went up or down, or was first to be checked.
	Since time.Time
	// Took is how long the last check that got an answer took to it; 0 if none did yet.
	Took time.Duration
	// Failure is the outcome of the last check that failed, and when that was; empty if none did.
	Failure   string
	FailureAt time.Time
	// Held is until when the backend stays down whatever its checks say; zero if it is not flapping.
	Held time.Time
	// Weight is what the last check that said so gives the backend; -1 if none did.
	Weight int
	// Passed, Failed and NotAsked count checks by their outcome; the last are those that this machine failed at.
	// Changes counts how often the backend went up or down.
	Passed, Failed, NotAsked, Changes uint64
	// Suspected counts how often Suspect had it checked at once.
	Suspected uint64
}

// ErrClosed is returned by Set after Close.
var ErrClosed = errors.New("health checks have ended")

// startGap is the time between the first checks of the targets of one Set: 10,000 new targets
// begin over 2 seconds.
const startGap = 200 * time.Microsecond

// Manager checks targets. Its methods may be called from any goroutine.
type Manager struct {
	onChange func(Event)
	ask      asker
	checks   sync.WaitGroup // under way
	pings    pingers
	passages passages
	suspects atomic.Uint64

	// emit is held over a change of state and the report of it, so that events arrive one at a time and
	// in the order of the changes.
	emit sync.Mutex

	mu      sync.Mutex // guards what follows; taken before a target's
	targets map[key]*target
	closed  bool
}

type key struct {
	service string
	backend netip.AddrPort
}

// New returns a manager without targets. It calls onChange for one change at a time, in the order in
// which they happen. An event may still arrive for a target that Set has just taken away or replaced:
// it tells that something changed, Status tells what is. onChange must not call Close.
func New(onChange func(Event)) *Manager {
	return &Manager{onChange: onChange, ask: askServer, targets: map[key]*target{}}
}

// Set makes targets the ones that are checked. One that was there before and has not changed keeps its
// state and its rhythm; one whose check or service's name has changed keeps only whether it is up and what was counted. An
// error names the
// target that cannot be checked, or is ErrClosed; nothing has changed then.
func (m *Manager) Set(targets []Target) error {
	probes, err := compile(targets, m)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	next := make(map[key]*target, len(probes))
	var added []*target
	for _, p := range probes {
		k := key{p.Service, p.Backend}
		old := m.targets[k]
		if old != nil && old.probe.sameCheck(p) {
			next[k] = old
			continue
		}
		t := newTarget(m, p)
		if old == nil && p.Former != "" {
			old = m.targets[key{p.Former, p.Backend}]
		}
		if old != nil {
			t.inherit(old)
		}
		next[k] = t
		added = append(added, t)
	}
	ways := map[pingWay]bool{}
	for _, t := range next {
		if c, ok := t.probe.kind.(pingCheck); ok {
			ways[c.way] = true
		}
	}
	m.pings.use(ways)
	for k, old := range m.targets {
		if _, kept := next[k]; !kept {
			old.stop()
		}
	}
	m.targets = next
	for i, t := range added {
		t.start(time.Duration(i) * startGap % t.probe.Check.Interval)
	}
	return nil
}

// Status returns what is known of one target, and whether there is one.
func (m *Manager) Status(service string, backend netip.AddrPort) (Status, bool) {
	m.mu.Lock()
	t := m.targets[key{service, backend}]
	m.mu.Unlock()
	if t == nil {
		return Status{}, false
	}
	return t.status(), true
}

// State returns what the data plane must know of one target, without the words: whether it is up, and the weight that
// its check gives it, -1 if none does. ok is whether there is such a target.
func (m *Manager) State(service string, backend netip.AddrPort) (up bool, weight int, ok bool) {
	m.mu.Lock()
	t := m.targets[key{service, backend}]
	m.mu.Unlock()
	if t == nil {
		return false, -1, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.up, t.weight, true
}

// Snapshot returns what is known of all targets, by service and backend.
func (m *Manager) Snapshot() []Status {
	m.mu.Lock()
	all := make([]Status, 0, len(m.targets))
	for _, t := range m.targets {
		all = append(all, t.status())
	}
	m.mu.Unlock()
	slices.SortFunc(all, func(a, b Status) int {
		if c := strings.Compare(a.Service, b.Service); c != 0 {
			return c
		}
		return a.Backend.Compare(b.Backend)
	})
	return all
}

// Close ends all checks. When it returns, none is under way and onChange is not called any more.
func (m *Manager) Close() {
	m.mu.Lock()
	m.closed = true
	for _, t := range m.targets {
		t.stop()
	}
	m.targets = nil
	m.mu.Unlock()
	m.checks.Wait()
	m.pings.close()
}
