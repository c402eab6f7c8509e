package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/offheap"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// The worker that owns a connection remembers of its datagrams in fragments what is in no table of connections: which
// backend a datagram has gone to that began none, which identification it has got (renumber.go), and which ports a fragment would
// have that an ICMP error quotes without any. Another worker may keep what has come of the same datagram, and no longer than until all has.

// passageSets × passageWays datagrams are remembered at a time, each for restWithin. A new one takes the place of the oldest in
// its set.
const (
	passageSets = 512
	passageWays = 8
)

// passage is a datagram in fragments that has gone through, or is going.
type passage struct {
	addrs   [4]uint64 // as in conn.Entry
	id      uint32    // as loaded
	ports   uint32    // left: as loaded
	backend uint32    // not left: its index
	gen     uint32    // and generation; 0: the datagram is of a connection
	begun   conn.Tick
	proto   uint8 // as in datagram; 0: a free place
	v6      bool
	left    bool  // addresses and identification are those that it leaves with, not that it comes with
	carries uint8 // left: the protocol
	// other is the identification, as loaded, on the other side: not left: of IPv4, what it leaves with, if it gets another
	other uint32
	_     [4]byte
}

var _ [64 - unsafe.Sizeof(passage{})]struct{}
var _ [unsafe.Sizeof(passage{}) - 64]struct{}

// passages is a worker's memory of them.
type passages struct {
	region *offheap.Region
	places []passage
	idents [identSlots]uint16 // see newIdent
}

func newPassages() (*passages, error) {
	const places = passageSets * passageWays
	r, err := offheap.Alloc(places*int(unsafe.Sizeof(passage{})), false)
	if err != nil {
		return nil, err
	}
	return &passages{region: r, places: offheap.Slice[passage](r, places)}, nil
}

func (p *passage) is(k *datagramKey, left bool) bool {
	if p.proto != k.proto || p.id != k.id || p.v6 != k.v6 || p.left != left {
		return false
	}
	if k.v6 {
		return p.addrs == *(*[4]uint64)(k.addrs)
	}
	return p.addrs[0] == packet.Load64(k.addrs, 0)
}

// passage finds what is remembered of a datagram, as it comes or as it has left; nil: nothing.
func (w *Worker) passage(k *datagramKey, left bool) *passage {
	set := w.passages.set(k.hash(w.hasher))
	for i := range set {
		if p := &set[i]; p.is(k, left) && w.now.Before(p.begun+restWithin) {
			return p
		}
	}
	return nil
}

func (t *passages) set(hash uint64) []passage {
	return t.places[hash%passageSets*passageWays:][:passageWays]
}

// remember begins to remember a datagram, in place of what was known of it.
func (w *Worker) remember(k *datagramKey, left bool) *passage {
	set := w.passages.set(k.hash(w.hasher))
	p := &set[0]
	for i := range set {
		e := &set[i]
		if e.is(k, left) {
			p = e
			break
		}
		if p.proto != 0 && (e.proto == 0 || e.begun.Before(p.begun)) {
			p = e
		}
	}
	*p = passage{id: k.id, begun: w.now, proto: k.proto, v6: k.v6, left: left}
	if k.v6 {
		p.addrs = *(*[4]uint64)(k.addrs)
	} else {
		p.addrs[0] = packet.Load64(k.addrs, 0)
	}
	return p
}

// firstOfSeveral reports whether a TCP, UDP or SCTP packet is the first fragment of one.
func (it *item) firstOfSeveral(f *port.Frame) bool {
	if it.v6() {
		return it.L4 != plain6L4 && it.Frag != 0
	}
	return packet.Load16(f.Data, packet.EthLen+packet.IP4Frag)&packet.IP4FragMask != 0
}

// arriving is the key of the datagram that a fragment of a flow is of, the first or another, as it comes.
func (it *item) arriving(f *port.Frame) datagramKey {
	k := datagramKey{addrs: unsafe.Add(f.Data, addrsOff(it.v6())), proto: it.Proto, v6: it.v6()}
	if k.v6 {
		const id = 4
		k.id, k.proto = packet.Load32(f.Data, uintptr(it.Frag)+id), packet.ProtoFragment
	} else {
		k.id = uint32(packet.Load16(f.Data, packet.EthLen+packet.IP4ID))
	}
	return k
}

// rememberLeaving notes the ports of a fragment with the addresses and the identification that it leaves with, where they
// are not those that it has come with: ICMP errors about it quote no ports. It came with an identification that may have been
// another.
func (w *Worker) rememberLeaving(f *port.Frame, it *item, e *conn.Entry, b *Backend, reply bool, came uint32) {
	var n ends
	switch {
	case b.Mode != NAT && b.Mode != FullNAT:
		return
	case reply:
		n = toClient(e)
	case b.Mode == FullNAT:
		n = w.toBackend(e, b)
	default:
		n = natToBackend(e, b)
	}
	was := it.arriving(f)
	k := datagramKey{addrs: unsafe.Pointer(&n.addrs), id: was.id, proto: it.Proto, v6: n.v6}
	if n.v6 {
		k.proto = packet.ProtoFragment
	}
	if n.v6 != was.v6 {
		k.id = crossedID(was.id, n.v6)
	}
	p := w.passage(&k, true)
	if p == nil {
		p = w.remember(&k, true)
	}
	p.ports, p.carries, p.other = n.ports, it.Proto, came
}

// natToBackend is how the backend sees a connection's packets in NAT: from the client.
func natToBackend(e *conn.Entry, b *Backend) (n ends) {
	n.ports, n.v6 = e.Ports&0xffff|uint32(b.peer.PortOf(e))<<16, b.V6
	if n.v6 {
		n.addrs = [4]uint64{e.Addrs[0], e.Addrs[1], b.peer.Addr[0], b.peer.Addr[1]}
	} else {
		n.addrs[0] = e.Addrs[0]&(1<<32-1) | b.peer.Addr[0]<<32
	}
	return n
}

// crossedID is the identification, as loaded, of a fragment that becomes one of the other version (RFC 7915 sections 4.1
// and 5.1.1).
func crossedID(id uint32, to6 bool) uint32 {
	if to6 {
		return packet.Swap32(uint32(packet.Swap16(uint16(id))))
	}
	return uint32(packet.Swap16(uint16(packet.Swap32(id))))
}
