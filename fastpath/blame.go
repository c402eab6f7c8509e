package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
)

// Reasons counts packets by reason.
type Reasons = [reason.Count]uint64

// Whose a packet was that is lost or handed over is found out only then, from what is in the frame: nothing on the way
// of a packet that gets through has to remember it.

// services are the reasons that can meet a packet of a service. A flood of what is for nobody must not cost a search.
var services = [reason.Count]bool{
	reason.TinyFragment: true, reason.FragmentOverlap: true, reason.FragmentDuplicate: true, reason.FragmentQueueFull: true,
	reason.FragmentTimeout: true, reason.FragmentOrphan: true, reason.MartianSource: true, reason.SpoofedSource: true,
	reason.NoConnection: true, reason.NoBackend: true, reason.BackendsFull: true, reason.ConnectionLimit: true, reason.RateLimit: true, reason.BackendGone: true, reason.TableFull: true, reason.NoLocalPort: true, reason.NoChecksum: true, reason.SCTPFragment: true,
	reason.TTLExceeded: true,
	reason.TooBig:      true, reason.NoRoute: true, reason.ICMPRateLimited: true, reason.TxFull: true, reason.PuntFull: true,
	reason.HandoverFull: true, reason.NoBuffer: true, reason.NeighborUnresolved: true, reason.PuntNeighbor: true,
}

// count counts a packet that is lost or handed over: for its reason, for the port at, and for its service if it has one.
func (w *Worker) count(f *port.Frame, r reason.Reason, at uint8) {
	w.countAt(r, at)
	if services[r] {
		if s := w.serviceOf(f); s != 0 {
			w.serviceReasons[s-1][r]++
		}
	}
}

func (w *Worker) countAt(r reason.Reason, at uint8) {
	w.counters.Reasons[r]++
	w.portReasons[at][r]++
}

// serviceOf is the index + 1 of the service that a frame belongs to, received or rewritten already; 0: none that could be
// found. Of a tunnel's packet the inner one counts, of an ICMP error the one it quotes.
func (w *Worker) serviceOf(f *port.Frame) uint32 {
	if f.Len < packet.EthLen {
		return 0
	}
	ether := packet.Load16(f.Data, packet.EthTypeOff)
	if ether != packet.EtherIPv4 && ether != packet.EtherIPv6 {
		return 0
	}
	var q quote
	end := int(f.Len)
	if !q.read(f, packet.EthLen, end, ether == packet.EtherIPv6) {
		return 0
	}
	at, v6 := end-q.size, q.v6
	inside, in6, tunnelled := w.snap.inside(f, &q, end)
	switch kind := packet.Load8(q.l4, packet.ICMPType); {
	case tunnelled:
		at, v6 = inside, in6
	case q.flow():
		return w.serviceOfFlow(f, &q)
	case q.proto == packet.ProtoICMP && !q.v6 && isError(kind, false), q.proto == packet.ProtoICMP6 && q.v6 && isError(kind, true):
		at += packet.ICMPLen
	default:
		return 0
	}
	outer := q
	if q.read(f, at, end, v6) && q.flow() {
		return w.serviceOfFlow(f, &q)
	}
	if outer.flow() { // no tunnel after all
		return w.serviceOfFlow(f, &outer)
	}
	return 0
}

// serviceOfFlow finds a service by the tuple of a packet that goes to it, comes from it, comes from a backend or goes to
// one.
func (w *Worker) serviceOfFlow(f *port.Frame, q *quote) uint32 {
	var addrs [32]byte
	k, back := q.key(), q.turned(&addrs)
	if s := w.snap.services.find(&k, f.Port); s != 0 {
		return s
	}
	if s := w.snap.services.find(&back, f.Port); s != 0 {
		return s
	}
	r := w.table.Find(&k)
	if r.Entry == nil {
		r = w.table.Find(&back)
	}
	if r.Entry != nil {
		if b := w.backendOf(r.Entry); b != nil {
			return b.Service + 1
		}
	}
	return 0
}

// PortReasons copies what the worker has counted at a port: that by which packets came in or, for tx_full, could not
// leave. For any goroutine.
func (w *Worker) PortReasons(port int) (r Reasons) {
	readWords(unsafe.Pointer(&r), unsafe.Pointer(&w.portReasons[port]), unsafe.Sizeof(r))
	return r
}

// ServiceReasons copies what the worker has counted at a service's index, for whichever services had it. For any
// goroutine.
func (w *Worker) ServiceReasons(index uint32) (r Reasons) {
	readWords(unsafe.Pointer(&r), unsafe.Pointer(&w.serviceReasons[index]), unsafe.Sizeof(r))
	return r
}
