package fastpath

import (
	"sync/atomic"
	"unsafe"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// stray counts a packet that is about to be handed over if it goes to a local address, and its port's device, by the RSS that
// it tells, should have put it on another queue. What arrives where it should costs nothing: it is not handed over.
func (w *Worker) stray(f *port.Frame, it *item) {
	s := w.ports[f.Port].spread
	if s == nil || !it.flow() || !s.HashesPorts(it.v6(), it.Proto) {
		return
	}
	v6 := it.v6()
	addrs := unsafe.Add(f.Data, addrsOff(v6))
	if !w.snap.toLocal(destination(addrs, v6), v6) {
		return
	}
	hash := s.Addrs(unsafe.Slice((*byte)(addrs), addrsLen(v6))) ^ s.Ports(packet.Load32(f.Data, uintptr(it.L4)), v6)
	if s.Queue(hash) != w.id {
		w.mem.strays[f.Port]++
	}
}

// Strays is how many packets to local addresses the worker got by a port whose device, by the RSS that it tells, should have
// put them on another queue, as far as the worker had to hand them over; for any goroutine.
func (w *Worker) Strays(port int) uint64 { return atomic.LoadUint64(&w.mem.strays[port]) }
