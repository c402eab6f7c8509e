package fastpath

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/weirlb/weir/fastpath/offheap"
	"github.com/weirlb/weir/sched"
)

// Counters are one worker's totals since its start. Only the worker writes them, with plain stores; they
// lie off the Go heap, and readers on other goroutines use the Read functions.
//
// In = Out + Punted + Dropped - Own over all workers, once nothing is in flight, where Dropped and
// Punted are sums over Reasons.
type Counters struct {
	In               uint64 // frames received from ports
	Out              uint64 // frames given to devices
	Own              uint64 // of Out: made by Weir or its slow path
	HandedOver       uint64 // frames given to the worker that owns their connection
	Polls            uint64
	BusyPolls        uint64 // those that found packets
	BusyNs           uint64 // time in rounds that had packets
	NowNs            uint64 // the worker's clock
	Live             uint64 // connections in the table
	FragmentsWaiting uint64 // for the first of their datagram, or the last, now
	NewConns         uint64
	Expired          uint64
	Evicted          uint64
	Reasons          Reasons
	Gaps             [GapBuckets]uint64 // rounds, by the time since the one before: see GapBound
	GapNs            uint64             // the sum of those times

	// TemplatesEvicted are the clients of persistent services that were forgotten too early for want of room,
	// TemplatesFull the connections whose client could not be remembered.
	TemplatesEvicted, TemplatesFull uint64
	// LocalPortsElsewhere are the FullNAT connections that went to another backend, as the one chosen had no local port left.
	LocalPortsElsewhere uint64
}

// BackendCounters are one backend's totals on one worker. Packets and bytes count IP packets as received;
// Out is towards the client, which only nat sees.
type BackendCounters struct {
	PacketsIn, BytesIn   uint64
	PacketsOut, BytesOut uint64
	NewConns             uint64
	// Unanswered, Refused and Resets are TCP connections that failed, each counted once: no answer to the first SYN
	// (seen by a second one, or by the end of its time), a reset instead of an answer, and a reset later on. Resets are
	// the backend's own, so that tun and dr, where they do not pass, have neither of the last two.
	Unanswered, Refused, Resets uint64
}

// counterMemory is where a worker's counters and the schedulers' states lie: places for every index there
// can be, of which only those in use take memory.
type counterMemory struct {
	region   *offheap.Region
	worker   *Counters
	backends []BackendCounters // by backend index
	states   []serviceState    // by service index
	// ports and services are what Counters.Reasons counts, by port and by service index.
	ports    []Reasons
	services []Reasons
	setups   []Setups      // by service index
	locals   []uint64      // by index of a local address: ports in use
	walks    []walk        // by backend index
	traffic  []PortTraffic // by port
	strays   []uint64      // by port
}

// serviceState is what a service's scheduler keeps.
type serviceState struct {
	sched.State
	gen uint32 // the service's
	_   uint32 // what is read word by word lies at multiples of 8 bytes
}

const countersSize = 1 << 12

// maxPorts is how many ports a Frame can tell apart.
const maxPorts = 256

var _ [countersSize - unsafe.Sizeof(Counters{})]struct{}

func newCounterMemory() (*counterMemory, error) {
	backends := MaxBackends * int(unsafe.Sizeof(BackendCounters{}))
	states := MaxServices * int(unsafe.Sizeof(serviceState{}))
	ports := maxPorts * int(unsafe.Sizeof(Reasons{}))
	services := MaxServices * int(unsafe.Sizeof(Reasons{}))
	setups := MaxServices * int(unsafe.Sizeof(Setups{}))
	const locals, walks = MaxLocals * 8, MaxBackends * int(unsafe.Sizeof(walk{}))
	traffic := maxPorts * int(unsafe.Sizeof(PortTraffic{}))
	r, err := offheap.Reserve(countersSize + backends + states + ports + services + setups + locals + walks + traffic + 8*maxPorts)
	if err != nil {
		return nil, fmt.Errorf("memory for counters: %w", err)
	}
	p := r.Pointer()
	after := unsafe.Add(p, countersSize+backends+states+ports+services+setups)
	return &counterMemory{
		region:   r,
		worker:   (*Counters)(p),
		backends: unsafe.Slice((*BackendCounters)(unsafe.Add(p, countersSize)), MaxBackends),
		states:   unsafe.Slice((*serviceState)(unsafe.Add(p, countersSize+backends)), MaxServices),
		ports:    unsafe.Slice((*Reasons)(unsafe.Add(p, countersSize+backends+states)), maxPorts),
		services: unsafe.Slice((*Reasons)(unsafe.Add(p, countersSize+backends+states+ports)), MaxServices),
		setups:   unsafe.Slice((*Setups)(unsafe.Add(p, countersSize+backends+states+ports+services)), MaxServices),
		locals:   unsafe.Slice((*uint64)(after), MaxLocals),
		walks:    unsafe.Slice((*walk)(unsafe.Add(after, locals)), MaxBackends),
		traffic:  unsafe.Slice((*PortTraffic)(unsafe.Add(after, locals+walks)), maxPorts),
		strays:   unsafe.Slice((*uint64)(unsafe.Add(after, locals+walks+traffic)), maxPorts),
	}, nil
}

// Counters copies the worker's totals; for any goroutine.
func (w *Worker) Counters() (c Counters) {
	readWords(unsafe.Pointer(&c), unsafe.Pointer(w.counters), unsafe.Sizeof(c))
	return c
}

// PortTraffic copies a sub-port's totals; for any goroutine.
func (w *Worker) PortTraffic(port int) (t PortTraffic) {
	readWords(unsafe.Pointer(&t), unsafe.Pointer(&w.mem.traffic[port]), unsafe.Sizeof(t))
	return t
}

// BackendCounters copies a backend's totals; for any goroutine.
func (w *Worker) BackendCounters(index uint32) (c BackendCounters) {
	readWords(unsafe.Pointer(&c), unsafe.Pointer(&w.backends[index]), unsafe.Sizeof(c))
	return c
}

// NewConnections is how many the worker has begun with the backends that had an index; for any goroutine.
func (w *Worker) NewConnections(index uint32) uint64 {
	return atomic.LoadUint64(&w.backends[index].NewConns)
}

// LocalPorts is how many connections of the worker use a port of the local address with an index; for any goroutine.
func (w *Worker) LocalPorts(index uint32) uint64 { return atomic.LoadUint64(&w.locals[index]) }

func readWords(dst, src unsafe.Pointer, n uintptr) {
	for i := uintptr(0); i < n; i += 8 {
		*(*uint64)(unsafe.Add(dst, i)) = atomic.LoadUint64((*uint64)(unsafe.Add(src, i)))
	}
}
