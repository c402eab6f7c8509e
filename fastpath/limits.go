package fastpath

import (
	"sync/atomic"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/reason"
)

// LimitSpec bounds a service's connections.
type LimitSpec struct {
	Connections int // that exist; 0: no limit
	Rate, Burst int // new ones a second, and how many may come at once; 0: no limit
	Load        *ServiceLoad
}

// ServiceLoad is what all workers count together of a service with limits. It outlives snapshots.
type ServiceLoad struct {
	conns atomic.Int64
	// next is the time in nanoseconds at which new connections at the allowed rate would have come as far as they have:
	// the theoretical arrival time of the generic cell rate algorithm (ITU-T I.371 annex A).
	next atomic.Int64
	_    [48]byte // a cache line of its own
}

// Connections is how many there are.
func (l *ServiceLoad) Connections() int { return int(l.conns.Load()) }

// limits are a LimitSpec as the packet path uses it.
type limits struct {
	*ServiceLoad
	connections int64
	interval    int64 // between connections at the allowed rate, in nanoseconds; 0: no limit
	ahead       int64 // how far next may be ahead of now
}

func newLimits(s *LimitSpec) *limits {
	if s == nil {
		return nil
	}
	l := &limits{ServiceLoad: s.Load, connections: int64(s.Connections)}
	if s.Rate > 0 {
		l.interval = max(1, 1e9/int64(s.Rate))
		l.ahead = l.interval * int64(max(1, s.Burst))
	}
	return l
}

// aside is a copy that counts for itself.
func (l *limits) aside() *limits {
	if l == nil {
		return nil
	}
	c := *l
	c.ServiceLoad = new(ServiceLoad)
	c.conns.Store(l.conns.Load())
	c.next.Store(l.next.Load())
	return &c
}

// admit counts a new connection, or says why there may be none.
func (l *limits) admit(now int64) reason.Reason {
	for {
		n := l.conns.Load()
		if l.connections > 0 && n >= l.connections {
			return reason.ConnectionLimit
		}
		if l.conns.CompareAndSwap(n, n+1) {
			break
		}
	}
	for l.interval > 0 {
		was := l.next.Load()
		next := max(was, now) + l.interval
		if next-now > l.ahead {
			l.conns.Add(-1)
			return reason.RateLimit
		}
		if l.next.CompareAndSwap(was, next) {
			break
		}
	}
	return reason.Unset
}

// serviceOfEntry is the service that counts a connection; nil if it is gone, and what it counted with it.
func (w *Worker) serviceOfEntry(e *conn.Entry) *Service {
	if b := w.backendOf(e); b != nil {
		return &w.snap.Services[b.Service]
	}
	if d := w.snap.departure(e); d != nil {
		return &w.snap.Services[w.real(d.index).Service]
	}
	return nil
}
