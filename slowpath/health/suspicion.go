package health

import (
	"net/netip"
	"time"
)

// suspicion is what others have seen of a backend that is up.
type suspicion struct {
	why       string // empty: none
	from      uint64 // the first check that began after it
	suspected uint64 // how often
}

// decidedBy reports whether a check, by its number, decides about it: one that began earlier knows nothing yet.
func (s *suspicion) decidedBy(check uint64) bool { return s.why != "" && check >= s.from }

func (s *suspicion) end() { s.why = "" }

// Suspect has a backend checked at once. If that check fails, the backend goes down, however many failures that takes
// otherwise; if it passes, the suspicion is over. It reports false, and does nothing, if the backend is down or under
// suspicion already, or not checked.
func (m *Manager) Suspect(service string, backend netip.AddrPort, why string) bool {
	m.mu.Lock()
	t := m.targets[key{service, backend}]
	m.mu.Unlock()
	return t != nil && t.suspect(why)
}

// Suspicions counts what Suspect did, of backends that are gone, too.
func (m *Manager) Suspicions() uint64 { return m.suspects.Load() }

func (t *target) suspect(why string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped || !t.up || t.why != "" {
		return false
	}
	t.why, t.from = why, t.begun+1
	t.suspected++
	t.m.suspects.Add(1)
	if t.timer.Stop() { // or the next check is about to begin anyhow
		t.next = time.Now()
		t.timer.Reset(0)
	}
	return true
}
