package fastpath

import (
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
)

// An ICMP error that quotes a later fragment names no ports. The worker that sent the fragment remembers them for a while
// (passages.go), but which one that was follows from nothing that is quoted, so the error goes from worker to worker until one
// knows. Hosts and IPv4's routers send no such errors (RFC 1122 section 3.2.2, RFC 1812 section 4.3.2.7), so that they
// are few, and as many as that is for are let go round.

// asked marks, in Frame.Flags, an ICMP error that goes from worker to worker: Frame.Hash is how many have looked.
const asked uint16 = 1 << 13

// quotedPassage is what is remembered of a fragment that is quoted.
func (w *Worker) quotedPassage(q *quote) *passage {
	k := datagramKey{addrs: q.addrs, id: q.id, proto: q.proto, v6: q.v6}
	if q.v6 {
		k.proto = packet.ProtoFragment
	}
	return w.passage(&k, true)
}

// findPart finds out whose a later fragment was that is quoted, and gives it the identification back that it came with.
func (w *Worker) findPart(q *quote) bool {
	p := w.quotedPassage(q)
	if p == nil {
		return false
	}
	q.ports, q.proto = p.ports, p.carries
	q.renumber(p.other)
	return true
}

// renumberFirst gives a first fragment that is quoted its identification back, if that is remembered.
func (w *Worker) renumberFirst(q *quote) {
	if p := w.quotedPassage(q); p != nil && p.ports == q.ports && p.carries == q.proto {
		q.renumber(p.other)
	}
}

// askAboutPart gives an ICMP error about a fragment that this worker does not know to the next one.
func (w *Worker) askAboutPart(f *port.Frame, it *item) verdict {
	looked := uint32(1)
	if f.Flags&asked != 0 {
		looked += f.Hash
	}
	switch {
	case int(looked) >= w.workers:
		f.Flags &^= asked
		if v := w.other(f, it, reason.ICMPFragment); v.reason != reason.Foreign {
			return v
		}
		return drop(reason.ICMPFragment)
	case looked == 1 && !w.asking.allow(w.now):
		return drop(reason.ICMPRateLimited)
	}
	f.Flags |= asked
	f.Hash = looked
	w.handTo(f, (w.id+1)%w.workers)
	return sent
}
