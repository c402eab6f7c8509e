package node

import (
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/slowpath/compile"
)

// serviceSetups sums what all workers have counted at a service's index, for whichever services had it.
func (n *Node) serviceSetups(index uint32) (sum fastpath.Setups) {
	for _, w := range n.workers {
		s := w.ServiceSetups(index)
		sum.Add(&s)
	}
	return sum
}

// ServiceSetups tells how long a service's connections have taken to set up since it was configured; for any goroutine.
func (n *Node) ServiceSetups(p *compile.ServicePlace) fastpath.Setups {
	sum := n.serviceSetups(p.Index)
	if p.SetupsBefore != nil {
		sum.Sub(p.SetupsBefore)
	}
	return sum
}

// Queue is how full a queue of one worker's is.
type Queue struct {
	Name       string // punt (to the slow path) | inject (from it) | handover (from other workers, the fullest)
	Used, Size int    // in bytes; handover: in frames
}

// Queues are a worker's; for any goroutine.
func (n *Node) Queues(worker int) []Queue {
	at := func(name string, used, size int) Queue { return Queue{name, used, size} }
	punt, puntSize := n.punts[worker].Fill()
	inject, injectSize := n.inject[worker].ring.Fill()
	handover, handoverSize := n.handover.Fill(worker)
	return []Queue{at("punt", punt, puntSize), at("inject", inject, injectSize), at("handover", handover, handoverSize)}
}
