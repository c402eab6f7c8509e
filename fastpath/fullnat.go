package fastpath

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
)

// FullNAT rewrites both ends of a packet:
//
//	client:port → VIP:port    becomes    local address:port → backend:port
//	VIP:port → client:port    becomes    backend:port → local address:port, turned round
//
// The connection keeps the index of the local address and the port (conn.Entry.Local); the port also says which
// worker's the connection is (PortOwner), so that replies find it.

// MaxLocals bounds the indices of local addresses: a connection has 16 bits for one.
const MaxLocals = 1 << 16

// FullSpec is what a service in FullNAT has besides.
type FullSpec struct {
	// Locals are indices of Spec.Locals, of either family.
	Locals []uint32
	// FirstPort and LastPort are the local ports that connections may have.
	FirstPort, LastPort uint16
	// Tell is how backends are told the client's address, in TCP.
	Tell ClientAddress
}

// fullNAT is a FullSpec as workers use it.
type fullNAT struct {
	id          uint32      // of this one alone, not 0
	locals      [2][]uint16 // indices, of IPv4 and of IPv6
	first, last uint16
	tell        ClientAddress
}

// fullNATs is how many there have been. After 2^32 of them a number comes again, and a walk that no connection has gone on
// meanwhile may be taken for one that is laid out.
var fullNATs atomic.Uint32

func family(v6 bool) int {
	if v6 {
		return 1
	}
	return 0
}

// addLocals puts local addresses into their places.
func (snap *Snapshot) addLocals(addrs []netip.Addr) error {
	if len(addrs) > MaxLocals {
		return fmt.Errorf("%d local addresses: the most is %d", len(addrs), MaxLocals)
	}
	snap.Locals = make([]conn.Local, len(addrs))
	var used []netip.Addr
	for i, a := range addrs {
		if !a.IsValid() {
			continue
		}
		addr := AddrOf(a)
		snap.Locals[i] = conn.Local{Addr: *(*[2]uint64)(unsafe.Pointer(&addr)), V6: a.Is6(), Used: true}
		*snap.locals.ref(endpointOf(a, 0, 0)) |= localFull
		used = append(used, a)
	}
	if len(used) > 0 {
		snap.fulls = newAddrSet(used)
	}
	return nil
}

// LocalAddr is the local address with an index, not valid if there is none.
func (snap *Snapshot) LocalAddr(index uint32) (a netip.Addr) {
	if int(index) < len(snap.Locals) && snap.Locals[index].Used {
		l := &snap.Locals[index]
		a = addrOf(*(*nexthop.Addr)(unsafe.Pointer(&l.Addr)), l.V6)
	}
	return a
}

func (s *Spec) fullNAT(f *FullSpec) (*fullNAT, error) {
	out := &fullNAT{id: fullNATs.Add(1), first: f.FirstPort, last: f.LastPort, tell: f.Tell}
	for _, i := range f.Locals {
		if int(i) >= len(s.Locals) || !s.Locals[i].IsValid() {
			return nil, fmt.Errorf("local address %d, of %d, is none", i, len(s.Locals))
		}
		v := family(s.Locals[i].Is6())
		out.locals[v] = append(out.locals[v], uint16(i))
	}
	return out, nil
}

// toLocal reports whether the address at p is a local address.
func (snap *Snapshot) toLocal(p unsafe.Pointer, v6 bool) bool {
	if snap.fulls == nil {
		return false
	}
	if v6 {
		return snap.fulls.has(addrSlot{packet.Load64(p, 0), packet.Load64(p, 8)})
	}
	return snap.fulls.has(slot4(packet.Load32(p, 0)))
}

// PortOwner is the worker, of n, whose local port it is: only connections of its own have it.
func PortOwner(local uint16, n int) int { return int(local) % n }

// ends are source and destination of a packet.
type ends struct {
	addrs [4]uint64 // in a row as loaded, IPv4 in the first word
	ports uint32    // in a row as loaded
	v6    bool
}

// toBackend is how the backend sees a connection's packets: from the local address.
func (w *Worker) toBackend(e *conn.Entry, b *Backend) (n ends) {
	l := &w.snap.Locals[e.LocalIndex()]
	n.ports, n.v6 = uint32(e.LocalPort())|uint32(b.peer.PortOf(e))<<16, b.V6
	if n.v6 {
		n.addrs = [4]uint64{l.Addr[0], l.Addr[1], b.peer.Addr[0], b.peer.Addr[1]}
	} else {
		n.addrs[0] = l.Addr[0] | b.peer.Addr[0]<<32
	}
	return n
}

// toClient is how the client sees the replies: from the VIP.
func toClient(e *conn.Entry) (n ends) {
	n.ports, n.v6 = e.Ports>>16|e.Ports<<16, e.Flags&conn.V6 != 0
	if n.v6 {
		n.addrs = [4]uint64{e.Addrs[2], e.Addrs[3], e.Addrs[0], e.Addrs[1]}
	} else {
		n.addrs[0] = e.Addrs[0]>>32 | e.Addrs[0]<<32
	}
	return n
}

// turned are the ends of what answers.
func (n *ends) turned() (t ends) {
	t.ports, t.v6 = n.ports>>16|n.ports<<16, n.v6
	if n.v6 {
		t.addrs = [4]uint64{n.addrs[2], n.addrs[3], n.addrs[0], n.addrs[1]}
	} else {
		t.addrs[0] = n.addrs[0]>>32 | n.addrs[0]<<32
	}
	return t
}

// writeAddrs writes the addresses to where they lie in a row in a header of their family, and returns the change.
func (n *ends) writeAddrs(at unsafe.Pointer) packet.Delta {
	size := 8
	if n.v6 {
		size = 32
	}
	d := packet.Replace(at, unsafe.Pointer(&n.addrs), size)
	copy(packet.Bytes(at, uint32(size)), packet.Bytes(unsafe.Pointer(&n.addrs), uint32(size)))
	return d
}

// writePorts does so with the ports of an L4 header.
func (n *ends) writePorts(l4 unsafe.Pointer) packet.Delta {
	d := packet.Replace(l4, unsafe.Pointer(&n.ports), 4)
	packet.Store32(l4, packet.PortsOff, n.ports)
	return d
}

// write rewrites a packet of the same family and takes one off its TTL.
func (n *ends) write(f *port.Frame, it *item) {
	d := n.writeAddrs(unsafe.Add(f.Data, addrsOff(n.v6)))
	lowerTTL(unsafe.Add(f.Data, packet.EthLen), n.v6, d)
	if it.isFragment() {
		return // not the first: it has no ports
	}
	l4 := unsafe.Add(f.Data, uintptr(it.L4))
	if it.Proto == packet.ProtoSCTP {
		setSCTPPorts(l4, n.ports, uint16(it.datagram))
		return
	}
	updateL4(l4, it.Proto, d.Plus(n.writePorts(l4)))
}

// hasLocal reports whether a connection's local address, if it must have one, is still configured.
func (w *Worker) hasLocal(e *conn.Entry) bool {
	return e.Flags&conn.Full == 0 || int(e.LocalIndex()) < len(w.snap.Locals) && w.snap.Locals[e.LocalIndex()].Used
}

// fullTo sends a client's packet to the backend.
func (w *Worker) fullTo(f *port.Frame, it *item, e *conn.Entry, b *Backend) verdict {
	if e.Proto == packet.ProtoTCP && (e.Shift != 0 || e.Flags&conn.Pending != 0) && !it.isFragment() {
		if v := w.tellTo(f, it, e, b); v != sent {
			return v
		}
	}
	return w.fullSend(f, it, e, b)
}

// fullSend rewrites a packet and sends it to the backend.
func (w *Worker) fullSend(f *port.Frame, it *item, e *conn.Entry, b *Backend) verdict {
	n, mtu := w.toBackend(e, b), int(b.MTU)
	large := int(it.End)-packet.EthLen > roomFor(f, it, b.V6, mtu)
	w.renumber(f, it, e, b, large)
	if large {
		return w.turnPieces(f, it, &n, mtu, func(w *Worker, p *piece) verdict { return w.sendTo(&p.frame, b.Hop) })
	}
	if r := w.turn(f, it, &n); r != reason.Unset {
		return drop(r)
	}
	return w.sendTo(f, b.Hop)
}

// fullBack makes a backend's packet one from the VIP and sends it to the client, by a way with this MTU.
func (w *Worker) fullBack(f *port.Frame, it *item, e *conn.Entry, b *Backend, out way, mtu int) verdict {
	if e.Proto == packet.ProtoTCP && (e.Shift != 0 || e.Flags&conn.Pending != 0) && !it.isFragment() {
		w.tellFrom(f, it, e, b)
	}
	n := toClient(e)
	if int(it.End)-packet.EthLen > roomFor(f, it, n.v6, mtu) {
		return w.turnPieces(f, it, &n, mtu, func(w *Worker, p *piece) verdict { return w.sendWay(&p.frame, n.v6, out) })
	}
	if r := w.turn(f, it, &n); r != reason.Unset {
		return drop(r)
	}
	return w.sendWay(f, n.v6, out)
}
