package fastpath

import (
	"net/netip"
	"sync/atomic"
	"unsafe"

	"github.com/weirlb/weir/fastpath/filter"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/fastpath/ring"
)

// TapOptions make a tap. A packet must fit all that is set.
type TapOptions struct {
	Service string         // of this name
	Backend netip.AddrPort // of connections to it; port 0: to any port of it
	Client  netip.Prefix   // of connections from there; of what belongs to none, to or from there
	Reasons []reason.Reason
	Expr    *filter.Program // on the packet as it came, or one of those that it left as
	Rate    int             // packets a second, of all workers together; 0: any
	Snap    int             // bytes of a frame that are copied; 0: all
	Workers int
}

const (
	// tapBytes is what waits at most in one worker's ring of a tap: some thousand packets of full size, in and out.
	tapBytes = 4 << 20
	// tapSlack is how many nanoseconds' worth of packets may come at once when there is a limit: a page that is loaded
	// quickly is no flood. At the usual limit, of 10,000 packets a second, the ring holds as many.
	tapSlack = 100_000_000
	// copyMost bounds a copied frame, as an injected one.
	copyMost = 1 << 14
)

// Tap is where the workers put copies of packets for one capture.
type Tap struct {
	o        TapOptions
	reasons  [reason.Count]bool // if o.Reasons is not empty
	snap     int
	interval uint64 // nanoseconds from one packet to the next at the limit; 0: no limit
	lanes    []lane // by worker
	_        [64]byte
	due      atomic.Uint64 // clock at which the next packet would come if all had kept to the interval
	_        [64]byte
}

// lane is a worker's way to a tap. Only the worker writes.
type lane struct {
	ring                         *ring.Packets
	taken, filtered, above, lost atomic.Uint64
	_                            [64]byte
}

// TapCounters are a tap's totals.
type TapCounters struct {
	Taken    uint64 // packets that were copied, each with all that it left as
	Filtered uint64 // packets that did not fit
	Above    uint64 // packets that were not looked at or not taken, for the limit was reached
	Lost     uint64 // copies for which there was no room, or that were gone too soon
}

// NewTap makes a tap that no worker uses yet.
func NewTap(o TapOptions) *Tap {
	t := &Tap{o: o, snap: copyMost, lanes: make([]lane, o.Workers)}
	if o.Snap > 0 {
		t.snap = min(o.Snap, copyMost)
	}
	if o.Rate > 0 {
		t.interval = max(1, 1e9/uint64(o.Rate))
	}
	for _, r := range o.Reasons {
		t.reasons[r] = true
	}
	for i := range t.lanes {
		t.lanes[i].ring = ring.NewPackets(tapBytes, nil)
	}
	return t
}

// Counters are the tap's totals; for any goroutine.
func (t *Tap) Counters() (c TapCounters) {
	for i := range t.lanes {
		l := &t.lanes[i]
		c.Taken += l.taken.Load()
		c.Filtered += l.filtered.Load()
		c.Above += l.above.Load()
		c.Lost += l.lost.Load()
	}
	return c
}

// Pop takes a worker's oldest copy out, into buf, which is used until the next one. One goroutine may do that.
func (t *Tap) Pop(worker int, buf *CopyBuffer) (c Copy, ok bool) {
	var m ring.Meta
	n, ok := t.lanes[worker].ring.Pop(&m, buf[:])
	if !ok || n < copyInfoSize {
		return Copy{}, false
	}
	return Copy{CopyInfo: *(*CopyInfo)(unsafe.Pointer(buf)), Worker: worker, Frame: buf[copyInfoSize:n]}, true
}

// CopyBuffer holds any copy with what is known of it.
type CopyBuffer [copyInfoSize + copyMost]byte

// Copy is a packet at one moment.
type Copy struct {
	CopyInfo
	Worker int
	Frame  []byte // its beginning
}

// CopyInfo is what the worker knew of a packet that it copied.
type CopyInfo struct {
	Time   uint64 // nanoseconds since 1970
	Packet uint64 // the packet's number on its worker: what it left as has the same
	Len    uint32 // of the frame
	Port   uint8  // where it came in or leaves
	Out    bool   // as it leaves
	Fate   Fate   // what became of it
	Reason reason.Reason
	// Mode is that of its service, zero if it belongs to none. Backend is the connection's, port 0 if there is none.
	Mode     Mode
	V6       bool // of Backend
	Reply    bool // from the backend
	nameSize uint8
	peer     [16]byte
	peerPort uint16
	name     [64]byte
}

const copyInfoSize = int(unsafe.Sizeof(CopyInfo{}))

// Service is the name of the packet's service; empty if it belongs to none.
func (c *CopyInfo) Service() string { return string(c.name[:c.nameSize]) }

// Backend is where the packet's connection leads; not valid if it belongs to none.
func (c *CopyInfo) Backend() netip.AddrPort {
	if c.peerPort == 0 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addrOf(c.peer, c.V6), c.peerPort)
}

func addrOf(a [16]byte, v6 bool) netip.Addr {
	if v6 {
		return netip.AddrFrom16(a)
	}
	return netip.AddrFrom4([4]byte(a[:4]))
}

// Fate is what became of a packet.
type Fate uint8

// The fates.
const (
	Sent     Fate = iota // on its way, as the copies that follow
	Answered             // by Weir itself, with ICMP
	Punted               // handed to the slow path
	Dropped
	FromSlowPath // sent for the slow path or the kernel: it did not come in
	Held         // a fragment that waits for another of its datagram, with which it is shown as it leaves
)

// ready reports whether the limit lets another packet through.
func (t *Tap) ready(now uint64) bool { return t.interval == 0 || t.due.Load() <= now+tapSlack }

// admit counts a packet against the limit; false if that is reached.
func (t *Tap) admit(now uint64) bool {
	if t.interval == 0 {
		return true
	}
	for {
		due := t.due.Load()
		if due > now+tapSlack {
			return false
		}
		if t.due.CompareAndSwap(due, max(due, now)+t.interval) {
			return true
		}
	}
}

// Taps are the taps of a snapshot, with the workers' scratch memory for them. It is immutable.
type Taps struct {
	list    []*Tap
	scratch []*capturing // by worker
}

// NewTaps makes memory for so many workers, and no tap.
func NewTaps(workers int) *Taps {
	t := &Taps{scratch: make([]*capturing, workers)}
	for i := range t.scratch {
		t.scratch[i] = newCapturing(workers)
	}
	return t
}

// With is the taps with another one, Without with one less.
func (t *Taps) With(more *Tap) *Taps {
	return &Taps{append(append([]*Tap(nil), t.list...), more), t.scratch}
}

// Without is the taps but one.
func (t *Taps) Without(less *Tap) *Taps {
	out := &Taps{scratch: t.scratch}
	for _, o := range t.list {
		if o != less {
			out.list = append(out.list, o)
		}
	}
	return out
}

// Len is how many taps there are; nil has none.
func (t *Taps) Len() int {
	if t == nil {
		return 0
	}
	return len(t.list)
}

// Tapped is a copy of a snapshot with other taps. Its generation is the same: nothing else has changed.
func (snap *Snapshot) Tapped(t *Taps) *Snapshot {
	out := *snap
	if out.taps = t; t.Len() == 0 {
		out.taps = nil
	}
	return &out
}
