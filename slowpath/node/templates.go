package node

import (
	"time"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/persist"
)

// Templates are the clients of services with persistence, and the workers' time.
func (n *Node) Templates() (*persist.Table, conn.Tick) { return n.templates, tick(n) }

// tick is the workers' time: the latest that one of them has seen.
func tick(n *Node) (now conn.Tick) {
	for i, w := range n.workers {
		if t := conn.Tick(w.Counters().NowNs / 1e6); i == 0 || now.Before(t) {
			now = t
		}
	}
	return now
}

// sweep is how far expired templates have been looked for. They are never used, whether swept or not; what has not
// been swept takes up room, and is counted as there.
type sweep struct {
	at   int
	last time.Time
}

// sweepPeriod is the time in which the sweep passes the whole table.
const sweepPeriod = time.Minute

func (n *Node) sweepTemplates(now time.Time) {
	since := now.Sub(n.swept.last)
	if n.templates == nil || since < time.Second {
		return
	}
	n.swept.last = now
	sets := n.templates.Sets()
	n.swept.at = n.templates.Sweep(tick(n), n.swept.at, min(sets, 1+int(float64(sets)*since.Seconds()/sweepPeriod.Seconds())))
}
