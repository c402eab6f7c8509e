package daemon

import (
	"fmt"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/slowpath/explain"
	"github.com/weirlb/weir/slowpath/node"
	"github.com/weirlb/weir/slowpath/view"
)

// Explain implements view.Source. The packet goes through a twin of the worker that it would come to: the loop is kept
// for as long as it takes to copy the neighbours, the workers not at all.
func (s *source) Explain(text string) (*view.Explanation, error) {
	p, err := explain.Parse(text)
	if err != nil {
		return nil, err
	}
	if !s.d.gate.enter() {
		return nil, ErrStopping
	}
	defer s.d.gate.leave()
	var still *node.Still
	if !s.d.do(func() { still = s.d.node.Still() }) {
		return nil, ErrStopping
	}
	w := explain.World{
		Still: still, Running: true,
		Limits:   explain.Limits{Queues: s.d.node.Queues, LinkUp: func(port int) bool { return s.d.devices[port].LinkUp() }},
		Backends: func(v *conf.Service) []view.Backend { return s.backends(v.Name) },
		Basis: fmt.Sprintf("the running daemon as it is now (state %d): nothing was sent, no connection made, no scheduler moved on",
			still.Snapshot.Generation),
	}
	return w.Explain(p)
}
