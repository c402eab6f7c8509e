package fastpath

import (
	"math/bits"
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
)

// How connections begin and fail is counted once for each, from packets that do not take the steady way anyhow.

const (
	// SetupBuckets is how many buckets there are of the time from a client's first SYN to the backend's SYN+ACK.
	SetupBuckets = 31
	stampShift   = 10 // nanoseconds to stamps
)

// Setups counts a service's connections by the time that their backend took to answer, in nat. Units are stamps of
// 1024 ns: Buckets[i] has the times below 2^i of them and not below half as many, the last one all that are longer.
type Setups struct {
	Sum     uint64
	Buckets [SetupBuckets]uint64
}

// SetupBound is the upper end of a bucket, in nanoseconds.
func SetupBound(bucket int) uint64 { return 1 << (bucket + stampShift) }

// SetupSum is the sum of the times, in nanoseconds.
func (s *Setups) SetupSum() uint64 { return s.Sum << stampShift }

// Add adds what another worker has counted.
func (s *Setups) Add(o *Setups) {
	s.Sum += o.Sum
	for i, n := range o.Buckets {
		s.Buckets[i] += n
	}
}

// Sub takes away what was counted before.
func (s *Setups) Sub(o *Setups) {
	s.Sum -= o.Sum
	for i, n := range o.Buckets {
		s.Buckets[i] -= n
	}
}

// stamp is the time of the burst that is being worked on, in units of 1024 ns. It wraps after 73 minutes, much longer
// than a half-open connection lives.
func (w *Worker) stamp() uint32 { return uint32(w.nowNs >> stampShift) }

// answered counts what a backend's first answer says, or a reset. It is called before the state changes.
func (w *Worker) answered(it *item, e *conn.Entry, b *Backend) {
	if it.Proto != packet.ProtoTCP {
		return
	}
	c := &w.backends[e.Backend]
	first := e.State == conn.SynRecv && e.Flags&conn.Replied == 0
	switch reset := it.TCPFlags&packet.RST != 0; {
	case reset && first && e.Flags&conn.Unanswered == 0:
		c.Refused++
	case reset && (e.State == conn.Established || e.State == conn.SynRecv && !first):
		c.Resets++
	case !reset && first && b.Mode == NAT:
		took := w.stamp() - e.Local
		s := &w.setups[b.Service]
		s.Sum += uint64(took)
		s.Buckets[min(bits.Len32(took), SetupBuckets-1)]++
	}
}

// unanswered counts a connection whose client has to send its SYN again, or gives up.
func (w *Worker) unanswered(e *conn.Entry) {
	if e.Flags&(conn.Replied|conn.Unanswered) == 0 {
		e.Flags |= conn.Unanswered
		w.backends[e.Backend].Unanswered++
	}
}

// expire ends a connection whose time is up.
func (w *Worker) expire(e *conn.Entry) {
	if e.State == conn.SynRecv && w.backendOf(e) != nil {
		w.unanswered(e)
	}
	w.forget(e)
}

// ServiceSetups copies what the worker has counted at a service's index, for whichever services had it. For any
// goroutine.
func (w *Worker) ServiceSetups(index uint32) (s Setups) {
	readWords(unsafe.Pointer(&s), unsafe.Pointer(&w.setups[index]), unsafe.Sizeof(s))
	return s
}
