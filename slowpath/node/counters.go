package node

import (
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/slowpath/compile"
)

// Drops counts what the slow path itself lost, by reason; for any goroutine.
func (n *Node) Drops() (d fastpath.Reasons) {
	for p := range n.drops {
		add(&d, n.ownDrops(p))
	}
	return d
}

// ownDrops is what the slow path itself lost of a port.
func (n *Node) ownDrops(port int) (d fastpath.Reasons) {
	for i := range d {
		d[i] = n.drops[port][i].Load()
	}
	return d
}

// PortReasons counts by reason what workers and slow path lost, and workers punted, of a port's packets; for any
// goroutine.
func (n *Node) PortReasons(port int) fastpath.Reasons {
	sum := n.ownDrops(port)
	for _, w := range n.workers {
		add(&sum, w.PortReasons(port))
	}
	return sum
}

// Strays is how many packets to local addresses came in by a port on other queues than its device's RSS, as that is told,
// leads to; for any goroutine.
func (n *Node) Strays(port int) (sum uint64) {
	for _, w := range n.workers {
		sum += w.Strays(port)
	}
	return sum
}

// PortTraffic is what a sub-port's frames are counted in; for any goroutine.
func (n *Node) PortTraffic(port int) (sum fastpath.PortTraffic) {
	for _, w := range n.workers {
		t := w.PortTraffic(port)
		sum.PacketsIn += t.PacketsIn
		sum.BytesIn += t.BytesIn
		sum.PacketsOut += t.PacketsOut
		sum.BytesOut += t.BytesOut
	}
	return sum
}

// ServiceReasons counts by reason what workers lost or punted of a service's packets since it was configured; for any
// goroutine.
func (n *Node) ServiceReasons(p *compile.ServicePlace) fastpath.Reasons {
	sum := n.serviceTotals(p.Index)
	if p.Before != nil {
		for i := range sum {
			sum[i] -= p.Before[i]
		}
	}
	return sum
}

// serviceTotals sums what all workers have counted at a service's index, for whichever services had it.
func (n *Node) serviceTotals(index uint32) (sum fastpath.Reasons) {
	for _, w := range n.workers {
		add(&sum, w.ServiceReasons(index))
	}
	return sum
}

func add(sum *fastpath.Reasons, more fastpath.Reasons) {
	for i, n := range more {
		sum[i] += n
	}
}

// totals sums what all workers have counted at a backend's index, for whichever backends had it.
func (n *Node) totals(index uint32) (sum fastpath.BackendCounters) {
	for _, w := range n.workers {
		c := w.BackendCounters(index)
		sum.PacketsIn += c.PacketsIn
		sum.PacketsOut += c.PacketsOut
		sum.BytesIn += c.BytesIn
		sum.BytesOut += c.BytesOut
		sum.NewConns += c.NewConns
		sum.Unanswered += c.Unanswered
		sum.Refused += c.Refused
		sum.Resets += c.Resets
	}
	return sum
}

// Begun is how many connections all workers have begun with whichever backends had an index; for any goroutine.
func (n *Node) Begun(index uint32) (sum uint64) {
	for _, w := range n.workers {
		sum += w.NewConnections(index)
	}
	return sum
}

// BackendCounters are a backend's totals since it was configured; for any goroutine.
func (n *Node) BackendCounters(p *compile.Place) fastpath.BackendCounters {
	c := n.totals(p.Index)
	if p.Before == nil {
		return c
	}
	c.PacketsIn -= p.Before.PacketsIn
	c.PacketsOut -= p.Before.PacketsOut
	c.BytesIn -= p.Before.BytesIn
	c.BytesOut -= p.Before.BytesOut
	c.NewConns -= p.Before.NewConns
	c.Unanswered -= p.Before.Unanswered
	c.Refused -= p.Before.Refused
	c.Resets -= p.Before.Resets
	return c
}

// LocalPorts is how many connections have a port of the local address at an index; for any goroutine.
func (n *Node) LocalPorts(index uint32) (sum uint64) {
	for _, w := range n.workers {
		sum += w.LocalPorts(index)
	}
	return sum
}
