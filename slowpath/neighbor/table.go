package neighbor

import (
	"container/list"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/reason"
)

// The timing, after RFC 4861 section 10 where it has a value.
const (
	// RetryInterval is the time between two solicitations of one neighbour.
	RetryInterval = time.Second
	// MaxTries is how many solicitations of a kind (unicast, broadcast) go without an answer.
	MaxTries = 3
	// ReachableTime is how long an answer counts. It is refreshed after 60 to 90 % of that, by address, so
	// that neighbours which were resolved together are not refreshed together.
	ReachableTime = 30 * time.Second
	// FailedTime is how long packets for a neighbour that did not answer are dropped at once, and how often
	// one that is wanted is asked again.
	FailedTime = 5 * time.Second
	// UseInterval is how often it is checked whether a stale neighbour is in use again.
	UseInterval = 5 * time.Second
	// IdleTime is how long a neighbour that nobody uses is remembered.
	IdleTime = 5 * time.Minute
)

// The bounds.
const (
	// MaxLearned bounds the neighbours that are neither wanted (Resolve) nor static.
	MaxLearned = 16384
	// MaxQueued bounds the packets that wait for one neighbour; a new one replaces the oldest.
	MaxQueued = 16
	// MaxQueuedBytes bounds the bytes that wait for all neighbours together; a new packet is dropped.
	MaxQueuedBytes = 4 << 20
	// TickBurst bounds the frames that one Tick sends; the rest is due after TickPause.
	TickBurst = 256
	// TickPause is the time between Ticks that have more to do than TickBurst.
	TickPause = 10 * time.Millisecond
	// AskRate bounds the solicitations a second for neighbours that are neither wanted nor static, AskBurst those
	// at one time: packets from invented addresses on a link must not become a storm of broadcasts.
	AskRate  = 1000
	AskBurst = 250
)

// Link is what the table has to know of a port.
type Link struct {
	Name      string
	MAC       [6]byte
	Addresses []netip.Prefix // Weir's own on this port, unmasked
}

// Output is where a Table's frames and counts go.
type Output interface {
	// Send transmits a whole frame on a port. It does not keep the slice.
	Send(port int, frame []byte)
	// Drop counts n frames that were lost on a port.
	Drop(port int, r reason.Reason, n int)
}

// Static is a configured neighbour. It is neither resolved nor aged, and frames do not change it.
type Static struct {
	Port    int
	Address netip.Addr
	MAC     [6]byte
}

// Table is the neighbours of all ports and the only writer of the workers' nexthop.Table. It belongs to
// one goroutine. The times it is called with may stand still; one that goes back counts as the last.
type Table struct {
	// OnConflict, if set, is told that another station uses an address of Weir's: at most once in
	// DefendInterval for each address and port.
	OnConflict func(port int, addr netip.Addr, mac [6]byte)
	// OnState, if set, is told when a wanted neighbour has another MAC than before, or does not answer any more: then
	// the MAC is zero.
	OnState func(port int, addr netip.Addr, mac [6]byte)

	hops   *nexthop.Table
	out    Output
	links  []link
	makeUp func(port int, addr netip.Addr) [6]byte

	now     time.Time
	entries map[nexthop.Key]*entry
	made    uint64 // entries so far; orders them
	epoch   uint64
	timers  timers
	learned *list.List // of *entry, neither wanted nor static: the most recently used first
	removed []nexthop.ID
	queued  int       // bytes
	resume  time.Time // a Tick before is too early: the last one had more to do
	asks    allowance // of solicitations for strangers

	vips      map[netip.Addr]bool
	vipNets   nets
	announced map[place]bool
	announces []announcement // by time
	defended  map[place]time.Time
}

// New makes a table of no neighbours. A port is an index into links; there are at most 256. Nobody else
// may write to hops.
func New(hops *nexthop.Table, links []Link, out Output) *Table {
	t := &Table{
		asks: allowance{left: AskBurst},
		hops: hops, out: out, entries: map[nexthop.Key]*entry{}, epoch: 1, learned: list.New(),
		announced: map[place]bool{}, defended: map[place]time.Time{},
	}
	for _, l := range links {
		t.links = append(t.links, newLink(l))
	}
	return t
}

// MakeUp makes f answer for every neighbour that is not configured, instead of the network: for replay,
// where there is none. It also answers the lookups of workers, which must run in the Table's goroutine. It
// is to be called before anything else.
func (t *Table) MakeUp(f func(port int, addr netip.Addr) [6]byte) {
	t.makeUp = f
	t.hops.OnMiss = func(k nexthop.Key) (nexthop.ID, bool) {
		e, err := t.learn(k)
		if err != nil {
			return 0, false
		}
		return e.id, true
	}
}

func (t *Table) advance(now time.Time) {
	if now.After(t.now) {
		t.now = now
	}
}

// keyOf checks that an address can be one station's, and a port is one of ours.
func (t *Table) keyOf(port int, addr netip.Addr) (nexthop.Key, error) {
	if port < 0 || port >= len(t.links) {
		return nexthop.Key{}, fmt.Errorf("neighbor %s: there is no port %d", addr, port)
	}
	addr = addr.Unmap().WithZone("")
	if !oneStation(addr) {
		return nexthop.Key{}, fmt.Errorf("neighbor %s on port %s: no single station can have this address", addr, t.links[port].name)
	}
	k := nexthop.Key{Port: uint8(port), V6: addr.Is6()}
	if k.V6 {
		k.Addr = addr.As16()
	} else {
		a := addr.As4()
		copy(k.Addr[:], a[:])
	}
	return k, nil
}

// learn returns the entry of a neighbour, made within the bound on strangers if there was none.
func (t *Table) learn(k nexthop.Key) (*entry, error) {
	if e := t.entries[k]; e != nil {
		return e, nil
	}
	if t.learned.Len() >= MaxLearned && !t.evict() {
		return nil, errCrowded
	}
	e, err := t.add(k)
	if err != nil {
		return nil, err
	}
	t.classify(e)
	return e, nil
}

var errCrowded = errors.New("too many neighbors are in use")

// add makes an entry that nobody has asked the network for yet.
func (t *Table) add(k nexthop.Key) (*entry, error) {
	t.flushRemoved()
	id, err := t.hops.Ensure(k)
	if errors.Is(err, nexthop.ErrFull) && t.evict() {
		id, err = t.hops.Ensure(k)
	}
	if err != nil {
		return nil, fmt.Errorf("neighbor %s: %w", addrOf(k), err)
	}
	t.hops.TakeUsed(id) // of the record's former life
	t.made++
	e := &entry{key: k, addr: addrOf(k), id: id, order: t.made, since: t.now, used: t.now, timer: noTimer}
	t.entries[k] = e
	if t.makeUp != nil {
		t.fix(e, t.makeUp(int(k.Port), e.addr))
	}
	return e, nil
}

// forget removes an entry; its record goes with the next flushRemoved.
func (t *Table) forget(e *entry) {
	t.dropQueue(e, reason.NeighborUnresolved)
	t.timers.stop(e)
	if e.recent != nil {
		t.learned.Remove(e.recent)
		e.recent = nil
	}
	delete(t.entries, e.key)
	t.removed = append(t.removed, e.id)
}

func (t *Table) flushRemoved() {
	if len(t.removed) > 0 {
		t.hops.Remove(t.removed...)
		t.removed = t.removed[:0]
	}
}
