package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/offheap"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
)

// What a worker remembers of datagrams that come in fragments, and what waits, is bounded by these.
const (
	// datagramSets × datagramWays datagrams are known at a time. A new one takes the place of the oldest in its set.
	datagramSets = 512
	datagramWays = 8
	// WaitingFragments is how many fragments wait on one worker for the first of their datagram, waitingEach how many
	// of one datagram: 64 KB in fragments of an MTU of 1280 are 53.
	WaitingFragments = 256
	waitingEach      = 64
	// firstWithin is how long they wait, in milliseconds, and restWithin for how long a first fragment speaks for those
	// that follow: a host keeps them as long (ipfrag_time).
	firstWithin = 2_000
	restWithin  = 30_000
	// FragmentsWait is firstWithin in nanoseconds.
	FragmentsWait = firstWithin * nsPerTick
	// maxSpans is how many gaps, and one more, what has come of a datagram may have.
	maxSpans = 32
)

// span is a part of a datagram, in units of 8 bytes, the last one not included.
type span struct{ from, to uint16 }

// datagramFate is what the first fragment has decided about all.
type datagramFate uint8

const (
	awaited    datagramFate = iota // the first has not come
	unmeasured                     // it waits, before all others, until the last has come
	flowing                        // of the connection with these ports
	echoed                         // an echo request that is answered
	refused                        // for why
)

// datagram is one that comes in fragments. It is not put together: what has come is noted to tell what comes twice, what
// overlaps (RFC 5722) and when it is complete.
type datagram struct {
	addrs   [4]uint64 // as in conn.Entry
	id      uint32    // as loaded
	ports   uint32    // flowing and unmeasured
	begun   conn.Tick
	ends    conn.Tick
	proto   uint8 // of IPv4; of IPv6 that of the fragment header, as it need not be the same in all; 0: a free place
	v6      bool
	fate    datagramFate
	why     reason.Reason // refused
	carries uint8         // flowing and unmeasured: the protocol
	spans   uint8
	held    uint8  // fragments that wait
	head    uint16 // the first of these, place + 1
	tail    uint16
	size    uint16         // in bytes; 0 until the last has come
	ranges  [maxSpans]span // what has come, in no order
}

var _ [192 - unsafe.Sizeof(datagram{})]struct{}
var _ [unsafe.Sizeof(datagram{}) - 192]struct{}

// held is a fragment that waits.
type held struct {
	frame port.Frame
	next  uint16 // place + 1
}

// datagrams is a worker's memory of fragments.
type datagrams struct {
	region  *offheap.Region
	places  []datagram
	held    [WaitingFragments]held
	free    uint16 // place + 1 of a held that is none
	waiting int
	ripe    chain // those that know their connection now
	hand    int   // where the sweep goes on
}

// chain is a list of held frames, by place + 1.
type chain struct{ head, tail uint16 }

func newDatagrams() (*datagrams, error) {
	const places = datagramSets * datagramWays
	r, err := offheap.Alloc(places*int(unsafe.Sizeof(datagram{})), false)
	if err != nil {
		return nil, err
	}
	t := &datagrams{region: r, places: offheap.Slice[datagram](r, places)}
	for i := range t.held {
		t.held[i].next = t.free
		t.free = uint16(i + 1)
	}
	return t, nil
}

// datagramKey is what the fragments of a datagram have in common (RFC 791 section 3.2, RFC 8200 section 4.5).
type datagramKey struct {
	addrs unsafe.Pointer
	id    uint32
	proto uint8
	v6    bool
}

func keyOfDatagram(f *port.Frame, it *item, p *packet.Piece) datagramKey {
	k := datagramKey{addrs: unsafe.Add(f.Data, addrsOff(it.v6())), id: p.ID, proto: it.Proto, v6: it.v6()}
	if k.v6 {
		k.proto = packet.ProtoFragment
	}
	return k
}

func (k *datagramKey) hash(h conn.Hasher) uint64 {
	if k.v6 {
		return h.Hash6(k.addrs, k.id, k.proto)
	}
	return h.Hash4(packet.Load64(k.addrs, 0), k.id, k.proto)
}

func (d *datagram) is(k *datagramKey) bool {
	if d.proto != k.proto || d.id != k.id || d.v6 != k.v6 {
		return false
	}
	if k.v6 {
		return d.addrs == *(*[4]uint64)(k.addrs)
	}
	return d.addrs[0] == packet.Load64(k.addrs, 0)
}

// find looks for a datagram. If it is not known, it returns the place for it: free, or the one of the set that was begun
// first.
func (t *datagrams) find(k *datagramKey, hash uint64) (d *datagram, known bool) {
	set := t.places[hash%datagramSets*datagramWays:][:datagramWays]
	d = &set[0]
	for i := range set {
		e := &set[i]
		switch {
		case e.is(k):
			return e, true
		case d.proto == 0:
		case e.proto == 0 || e.begun.Before(d.begun):
			d = e
		}
	}
	return d, false
}

// begin makes a free place that of a datagram.
func (d *datagram) begin(k *datagramKey, now conn.Tick) {
	*d = datagram{id: k.id, proto: k.proto, v6: k.v6, begun: now, ends: now + firstWithin}
	if k.v6 {
		d.addrs = *(*[4]uint64)(k.addrs)
	} else {
		d.addrs[0] = packet.Load64(k.addrs, 0)
	}
}

// add notes a fragment, or tells why it must not be let through. An overlap is a reason to give up the whole datagram.
func (d *datagram) add(p *packet.Piece) reason.Reason {
	s := span{uint16(p.From / 8), uint16((p.To + 7) / 8)}
	covered := false
	for _, r := range d.ranges[:d.spans] {
		switch {
		case !p.More && r.to > s.to:
			return reason.FragmentOverlap // with what should be the end
		case r.from <= s.from && s.to <= r.to:
			covered = true
		case s.from < r.to && r.from < s.to:
			return reason.FragmentOverlap
		}
	}
	switch {
	case d.size != 0 && (s.to > d.units() || p.More == (s.to == d.units())):
		return reason.FragmentOverlap // with the end
	case covered:
		return reason.FragmentDuplicate
	case !d.join(s):
		return reason.FragmentQueueFull
	}
	if !p.More {
		d.size = uint16(p.To)
	}
	return reason.Unset
}

// join adds a span that overlaps none, and reports whether there was room for it.
func (d *datagram) join(s span) bool {
	n := 0
	for _, r := range d.ranges[:d.spans] {
		switch {
		case r.to == s.from:
			s.from = r.from
		case r.from == s.to:
			s.to = r.to
		default:
			d.ranges[n] = r
			n++
		}
	}
	if n == maxSpans {
		return false
	}
	d.ranges[n] = s
	d.spans = uint8(n + 1)
	return true
}

// units is the size in units of 8 bytes.
func (d *datagram) units() uint16 { return uint16((uint32(d.size) + 7) / 8) }

// complete reports whether nothing more is to come.
func (d *datagram) complete() bool {
	return d.size != 0 && d.ranges[0] == span{0, d.units()} && d.spans == 1
}

// hold lets a frame wait for a datagram's first fragment, or that one before all others for the last; false if too many
// wait.
func (t *datagrams) hold(d *datagram, f *port.Frame, first bool) bool {
	if t.free == 0 || d.held == waitingEach {
		return false
	}
	at := t.free
	h := &t.held[at-1]
	t.free = h.next
	h.next = 0
	f.MoveTo(&h.frame)
	c, one := chain{d.head, d.tail}, chain{at, at}
	if first {
		c, one = one, c
	}
	t.append(&c, one)
	d.head, d.tail = c.head, c.tail
	d.held++
	t.waiting++
	return true
}

// unhold takes the frame that is before all others back.
func (t *datagrams) unhold(d *datagram, f *port.Frame) {
	c := chain{d.head, d.tail}
	if t.take(&c, f) {
		d.head, d.tail = c.head, c.tail
		d.held--
	}
}

func (t *datagrams) append(to *chain, more chain) {
	switch {
	case more.head == 0:
	case to.head == 0:
		*to = more
	default:
		t.held[to.tail-1].next = more.head
		to.tail = more.tail
	}
}

// release takes what waits for a datagram off it.
func (d *datagram) release() (c chain) {
	c = chain{d.head, d.tail}
	d.head, d.tail, d.held = 0, 0, 0
	return c
}

// take moves the first frame of a chain out; false if there is none.
func (t *datagrams) take(c *chain, f *port.Frame) bool {
	if c.head == 0 {
		return false
	}
	at := c.head
	h := &t.held[at-1]
	h.frame.MoveTo(f)
	if c.head = h.next; c.head == 0 {
		c.tail = 0
	}
	h.next, t.free = t.free, at
	t.waiting--
	return true
}
