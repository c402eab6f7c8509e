package neighbor

import (
	"net/netip"
	"time"

	"github.com/weirlb/weir/fastpath/reason"
)

const ethLen = 14

// Await sends a frame that lacks only the destination MAC, its first 6 bytes: at once if the neighbour is
// known, and otherwise a copy of it as soon as the neighbour has answered. A frame that cannot wait, or waits in
// vain, is dropped and counted.
func (t *Table) Await(now time.Time, port int, addr netip.Addr, frame []byte) {
	t.advance(now)
	k, err := t.keyOf(port, addr)
	if err != nil || len(frame) < ethLen {
		t.out.Drop(port, reason.NeighborUnresolved, 1)
		return
	}
	e, err := t.learn(k)
	if err != nil {
		t.out.Drop(port, reason.NeighborUnresolved, 1)
		return
	}
	t.use(e)
	switch {
	case e.usable():
		copy(frame, e.mac[:])
		t.out.Send(port, frame)
	case e.state == failed:
		t.out.Drop(port, reason.NeighborUnresolved, 1)
	default:
		t.enqueue(e, frame)
		if e.tries == 0 {
			t.ask(e, broadcastMAC)
		}
	}
}

// enqueue keeps a copy of a frame. RFC 4861 section 7.2.2: what is new replaces what is oldest.
func (t *Table) enqueue(e *entry, frame []byte) {
	if len(e.queue) == MaxQueued {
		t.queued -= len(e.queue[0])
		e.queue[0] = nil
		e.queue = append(e.queue[:0], e.queue[1:]...)
		t.out.Drop(int(e.key.Port), reason.NeighborQueueFull, 1)
	}
	if t.queued+len(frame) > MaxQueuedBytes {
		t.out.Drop(int(e.key.Port), reason.NeighborQueueFull, 1)
		return
	}
	t.queued += len(frame)
	e.queue = append(e.queue, append([]byte(nil), frame...))
}

// sendQueue sends what has waited for a MAC.
func (t *Table) sendQueue(e *entry) {
	queue := e.queue
	e.queue = nil
	for _, frame := range queue {
		t.queued -= len(frame)
		copy(frame, e.mac[:])
		t.out.Send(int(e.key.Port), frame)
	}
}

func (t *Table) dropQueue(e *entry, r reason.Reason) {
	if len(e.queue) == 0 {
		return
	}
	for _, frame := range e.queue {
		t.queued -= len(frame)
	}
	t.out.Drop(int(e.key.Port), r, len(e.queue))
	e.queue = nil
}
