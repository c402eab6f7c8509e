package daemon

import (
	"sync"
	"time"

	"github.com/weirlb/weir/slowpath/view"
)

// patientScrape is how many times as long as it took to add up the figures of all backends they count as new: with
// hundreds of thousands of backends that is a second's work, which two monitors and a dashboard must not double.
const patientScrape = 10

// meter keeps the last figures for metrics.
type meter struct {
	mu    sync.Mutex
	last  view.Metered
	asked [2]int
	until time.Time
}

// Metered implements view.Source.
func (s *source) Metered(services, backends int) view.Metered {
	m := &s.d.metered
	m.mu.Lock()
	defer m.mu.Unlock()
	if asked := [2]int{services, backends}; time.Now().After(m.until) || asked != m.asked {
		began := time.Now()
		m.last, m.asked = s.meter(services, backends), asked
		now := time.Now()
		m.until = now.Add(patientScrape * now.Sub(began))
	}
	return m.last
}

func (s *source) meter(services, backends int) view.Metered {
	m := view.Metered{Totals: view.NewTotals()}
	if !s.d.gate.enter() {
		return m
	}
	defer s.d.gate.leave()
	cfg, all, quorums := s.placedOf("", backends)
	if cfg == nil {
		return m
	}
	m.Services = s.serviceViews(cfg, all, quorums)
	t := &m.Totals
	for i := range m.Services {
		v := &m.Services[i]
		v.Shares = nil
		t.ServiceStates[v.State]++
		t.Active += v.Active
		t.Inactive += v.Inactive
		t.Connections += v.Connections
		t.Failures.Add(v.Failures)
		t.Traffic.Add(v.Traffic)
	}
	for i := range all {
		t.BackendStates[all[i].state()]++
	}
	s.d.do(func() {
		if s.d.health != nil {
			t.Suspected = s.d.health.Suspicions()
		}
	})
	if out := len(m.Services) - services; out > 0 {
		m.Services, m.ServicesOut = m.Services[:services], out
	}
	shown := 0
	named := make(map[string]bool, len(m.Services))
	for i := range m.Services {
		named[m.Services[i].Name] = true
	}
	for shown < min(len(all), backends) && named[all[shown].service.Name] {
		shown++
	}
	m.Backends, m.BackendsOut = s.backendViews(all[:shown]), len(all)-shown
	return m
}
