package explain

import (
	"fmt"

	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/slowpath/node"
)

// What a twin cannot meet are the limits of the running worker: its table, its queues, its links. They are looked at, and
// told of if the packet comes close to one.

// Limits are what a running Weir has. Without them nothing is told.
type Limits struct {
	Queues func(worker int) []node.Queue
	LinkUp func(port int) bool
}

// closeTo is the fill from which on a limit is told of, in percent.
const closeTo = 90

// full reports how full something is, if that is worth telling.
func full(used, size int) (percent int, tell bool) {
	if size == 0 {
		return 0, false
	}
	percent = used * 100 / size
	return percent, percent >= closeTo
}

// tellLimits tells what the packet would not get past, full as it is now.
func (t *trial) tellLimits() {
	if !t.Running {
		return
	}
	var near []string
	worker := min(t.owner, len(t.Still.Workers)-1)
	w := t.Still.Workers[worker]
	if t.made != nil && !t.known {
		live, most := int(w.Counters().Live), w.MaxConnections()
		if percent, tell := full(live, most); live >= most {
			near = append(near, fmt.Sprintf("the connection table of worker %d is full: one of its %d connections that is half-open or closing gives its place to this one; if there is none, the packet is dropped as %v",
				worker, most, reason.TableFull))
		} else if tell {
			near = append(near, fmt.Sprintf("the connection table of worker %d is %d%% full, %d of %d", worker, percent, live, most))
		}
	}
	if t.Limits.Queues != nil {
		near = append(near, t.queuesNear(worker)...)
	}
	if t.Limits.LinkUp != nil {
		for _, s := range t.sent {
			if !t.Limits.LinkUp(s.Port) {
				near = append(near, fmt.Sprintf("port %s has no link: what waits there longer than its queue is dropped as %v", t.cfg.Ports[s.Port].Name, reason.TxFull))
				break
			}
		}
	}
	if len(near) > 0 {
		t.step("limits", "what may stop it yet", near...)
	}
}

// queuesNear are the queues that the packet takes and that are nearly full.
func (t *trial) queuesNear(worker int) (near []string) {
	for _, q := range t.Limits.Queues(worker) {
		percent, tell := full(q.Used, q.Size)
		switch {
		case !tell:
		case q.Name == "punt" && len(t.punted) > 0:
			near = append(near, fmt.Sprintf("the queue from worker %d to the slow path is %d%% full: what does not fit is dropped as %v", worker, percent, reason.PuntFull))
		case q.Name == "handover":
			near = append(near, fmt.Sprintf("the queue from another worker to worker %d is %d%% full: what comes in there and does not fit is dropped as %v", worker, percent, reason.HandoverFull))
		}
	}
	return near
}
