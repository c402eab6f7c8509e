package daemon

import (
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/slowpath/compile"
	"github.com/weirlb/weir/slowpath/node"
)

// shareWindow is the least age of the connections that are counted as current, and half the largest.
const shareWindow = 10 * time.Second

// shareMeter remembers how many connections each backend had got a while ago, so that what it gets now can be told
// from what it ever got. The time that looking takes, some 100 ms with a million backends, is bounded. It belongs to the
// loop.
type shareMeter struct {
	next   time.Time
	counts map[*compile.Place]counts
}

// counts are a backend's connections at the start of the last window but one, and of the last.
type counts struct{ from, to uint64 }

// since is how many connections a backend had got when the current window began; 0 for one that is new.
func (m *shareMeter) since(p *compile.Place) uint64 { return m.counts[p].from }

// look moves the windows on, of those services that got connections since the last look.
func (m *shareMeter) look(now time.Time, n *node.Node) {
	if now.Before(m.next) {
		return
	}
	began := time.Now()
	cfg := n.Config()
	next := make(map[*compile.Place]counts, len(m.counts))
	for i := range cfg.Services {
		if idle(n, &cfg.Services[i]) {
			continue
		}
		m.moveOn(n.Compiler().Places(&cfg.Services[i]), next, func(p *compile.Place) uint64 { return n.BackendCounters(p).NewConns })
	}
	m.counts = next
	m.next = now.Add(max(shareWindow, 100*time.Since(began)))
}

// idle reports whether a service has never got a connection, as far as that can be told without telling its backends apart.
func idle(n *node.Node, s *conf.Service) bool {
	first, many, ok := n.Compiler().Row(s)
	if !ok {
		return false
	}
	for i := range many {
		if n.Begun(first+i) > 0 {
			return false
		}
	}
	return true
}

// moveOn goes on to the next window with the backends of one service, unless nothing has come in this one.
func (m *shareMeter) moveOn(places []*compile.Place, next map[*compile.Place]counts, read func(*compile.Place) uint64) {
	news := false
	for _, p := range places {
		was := m.counts[p]
		next[p] = counts{from: was.to, to: read(p)}
		news = news || next[p].to != was.to
	}
	if news {
		return
	}
	for _, p := range places {
		next[p] = m.counts[p]
	}
}
