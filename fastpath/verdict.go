package fastpath

import (
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
)

// verdict is what became of a packet. Its zero value is a drop for reason.Unset, which the counters
// show as a bug: no packet gets lost without a reason.
type verdict struct {
	fate   fate
	reason reason.Reason
}

type fate uint8

const (
	dropped fate = iota
	punted
	gone // transmitted, handed over or otherwise out of this function's hands
	fresh
	late
)

var (
	sent     = verdict{fate: gone}
	newcomer = verdict{fate: fresh} // of no known connection: nothing has become of it yet
	follower = verdict{fate: late}  // a fragment that is to follow the first, once that one's connection is there
)

func drop(r reason.Reason) verdict { return verdict{dropped, r} }
func punt(r reason.Reason) verdict { return verdict{punted, r} }

func (w *Worker) settle(f *port.Frame, v verdict) {
	switch v.fate {
	case gone:
	case punted:
		w.punt(f, v.reason)
	default:
		w.drop(f, v.reason)
	}
}
