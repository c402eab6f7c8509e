package capture

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/slowpath/view"
)

// most bounds the captures that run at one time: each costs every worker something for every packet.
const most = 4

// Host is where the workers are.
type Host interface {
	// Check says what is wrong with a request's service and backend.
	Check(*view.CaptureRequest) error
	// AddTap and RemoveTap report false if it goes down.
	AddTap(*fastpath.Tap) bool
	RemoveTap(*fastpath.Tap) bool
}

// Manager knows the captures under way. Its methods may be called from any goroutine.
type Manager struct {
	host    Host
	ports   []string
	workers int
	version string
	log     *slog.Logger

	mu      sync.Mutex
	running map[int]*Capture
	last    int // number given
	closed  bool
	ended   view.CaptureTotals
}

// NewManager makes a manager without captures for these ports and so many workers.
func NewManager(host Host, ports []string, workers int, version string, log *slog.Logger) *Manager {
	return &Manager{host: host, ports: ports, workers: workers, version: version, log: log, running: map[int]*Capture{}}
}

// errTooMany is what one capture more gets.
var errTooMany = fmt.Errorf("%d captures are under way, and that is the most: end one of them first", most)

var errStopping = errors.New("weir is stopping")

// Start begins a capture; Run must follow, which ends it.
func (m *Manager) Start(r view.CaptureRequest) (*Capture, error) {
	o, err := tapOptions(&r, m.workers)
	if err != nil {
		return nil, err
	}
	if err := m.host.Check(&r); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, errStopping
	}
	if len(m.running) == most {
		return nil, errTooMany
	}
	m.last++
	c := &Capture{m: m, id: m.last, request: r, tap: fastpath.NewTap(o), stop: make(chan string, 1)}
	if !m.host.AddTap(c.tap) {
		return nil, errStopping
	}
	m.running[c.id] = c
	m.log.Info("capture began", "capture", c.id, "as", words(&r))
	return c, nil
}

// End makes a capture come to its end.
func (m *Manager) End(id int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.running[id]
	if c == nil {
		return fmt.Errorf("there is no capture %d", id)
	}
	c.end("on request")
	return nil
}

// Close makes all captures come to their end, and does not wait for it.
func (m *Manager) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	for _, c := range m.running {
		c.end(errStopping.Error())
	}
}

// Totals are those of all captures since the start.
func (m *Manager) Totals() view.CaptureTotals {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.ended
	t.Running = len(m.running)
	for _, c := range m.running {
		add(&t, c)
	}
	return t
}

func add(t *view.CaptureTotals, c *Capture) {
	n := c.tap.Counters()
	t.Packets += n.Taken
	t.Lost += n.Lost
}

func (m *Manager) forget(c *Capture, s *view.CaptureSummary) {
	m.mu.Lock()
	delete(m.running, c.id)
	add(&m.ended, c)
	m.mu.Unlock()
	m.log.Info("capture ended", "capture", c.id, "why", s.Ended, "packets", s.Packets, "frames", s.Frames, "bytes", s.Bytes,
		"filtered", s.Filtered, "above_rate", s.AboveRate, "lost", s.Lost)
}
