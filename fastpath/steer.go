package fastpath

import (
	"math/bits"
	"net/netip"
	"unsafe"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// Owner is the worker, of n, that handles every packet of the connections from this client address and
// port: both directions, and the ICMP errors about them. It is computed, never looked up, and the
// same in every process.
func Owner(client netip.AddrPort, n int) int {
	a := AddrOf(client.Addr())
	p := unsafe.Pointer(&a)
	return owner(packet.Load64(p, 0), packet.Load64(p, 8), packet.Swap16(client.Port()), n)
}

// owner is Owner of an address and port as loaded, IPv4 in the low half of lo.
func owner(lo, hi uint64, port uint16, n int) int {
	x, y := bits.Mul64(lo^0xa0761d6478bd642f, hi^uint64(port)<<40^0xe7037ed1a0b428db)
	return int((x ^ y) * 0x9e3779b97f4a7c15 >> 32 * uint64(n) >> 32)
}

// steerOnSight is steer for frames that have not been looked at otherwise: who hands over a packet of TCP or UDP need not know more of it
// than its tuple; what is wrong with it, the other worker will see. It ends at the first frame of another kind, as none is to overtake what
// came before it. It returns how many frames are left, moved to the front, and whether all of these are this worker's for certain: if not,
// steer must look at them.
func (w *Worker) steerOnSight(frames []port.Frame, in uint8) (kept int, whole bool) {
	if w.snap.fulls != nil {
		return len(frames), false // strays are counted there
	}
	seen := 0
	for ; seen < len(frames); seen++ {
		f := &frames[seen]
		o, ok := w.ownerOnSight(f)
		if !ok {
			break
		}
		if o != w.id {
			f.Port = in
			w.handTo(f, o)
			continue
		}
		if kept != seen {
			f.MoveTo(&frames[kept])
		}
		kept++
	}
	rest := frames[seen:]
	if kept != seen {
		for i := range rest {
			rest[i].MoveTo(&frames[kept+i])
		}
	}
	return kept + len(rest), len(rest) == 0
}

// ownerOnSight is the owner of a frame's connection, if it is a packet of TCP or UDP without IPv4 options, IPv6 extension headers or tags, and no
// fragment.
func (w *Worker) ownerOnSight(f *port.Frame) (o int, ok bool) {
	d := f.Data
	if f.Len < packet.EthLen+packet.IP4Len+packet.UDPLen {
		return 0, false
	}
	head := packet.Load64(d, packet.EthTypeOff)
	if head&0xffffff != plainHead4 {
		proto := packet.Load8(d, packet.EthLen+packet.IP6Next)
		if head&0xf0ffff != plainHead6 || f.Len < plain6L4+packet.UDPLen || proto != packet.ProtoUDP && proto != packet.ProtoTCP {
			return 0, false
		}
		return w.tupleOwner(unsafe.Add(d, packet.EthLen+packet.IP6Src), packet.Load32(d, plain6L4), true), true
	}
	rest := packet.Load32(d, packet.EthLen+packet.IP4Frag) // fragment field, TTL, protocol
	if proto := rest >> 24; uint16(rest)&packet.IP4FragMask != 0 || proto != packet.ProtoUDP && proto != packet.ProtoTCP {
		return 0, false
	}
	addrs, ports := packet.Load64(d, packet.EthLen+packet.IP4Src), packet.Load32(d, plain4L4)
	vips, dst := w.snap.vips, slot4(uint32(addrs>>32))
	if at := vips.at4(dst); at.lo != dst.lo && (at.lo|at.hi == 0 || !vips.has(dst)) && !w.snap.vipNets.has4(uint32(addrs>>32)) {
		addrs, ports = addrs>>32, ports>>16
	}
	return owner(addrs&(1<<32-1), 0, uint16(ports), w.workers), true
}

// steer gives away the frames whose connection another worker owns, and moves the others with their items to the
// front; it returns how many these are.
func (w *Worker) steer(frames []port.Frame, items []item) int {
	vips, fulls, kept := w.snap.vips, w.snap.fulls, 0
	for i := range frames {
		f, it := &frames[i], &items[i]
		var o int
		if it.steady != 0 && it.Kind == packet.Flow4 {
			addrs, ports := packet.Load64(f.Data, packet.EthLen+packet.IP4Src), packet.Load32(f.Data, plain4L4)
			dst := slot4(uint32(addrs >> 32))
			if !vips.has(dst) && !w.snap.vipNets.has4(uint32(addrs>>32)) {
				addrs, ports = addrs>>32, ports>>16
				if fulls != nil && fulls.has(dst) {
					o = PortOwner(packet.Swap16(uint16(ports)), w.workers)
				} else {
					o = owner(addrs, 0, uint16(ports), w.workers)
				}
			} else {
				o = owner(addrs&(1<<32-1), 0, uint16(ports), w.workers)
			}
		} else {
			o = w.ownerOf(f, it)
		}
		if o != w.id {
			if fulls != nil {
				w.stray(f, it)
			}
			w.handTo(f, o)
			continue
		}
		if kept != i {
			f.MoveTo(&frames[kept])
			items[kept] = *it
		}
		kept++
	}
	return kept
}

// ownerOf computes who handles a packet. What goes to a local address is the port's owner's. The client is the source of
// what goes to a VIP and the destination of all else; what is about no connection stays where it is.
func (w *Worker) ownerOf(f *port.Frame, it *item) int {
	switch it.Kind {
	case packet.Flow4, packet.Flow6:
		v6 := it.v6()
		return w.tupleOwner(unsafe.Add(f.Data, addrsOff(v6)), packet.Load32(f.Data, uintptr(it.L4)), v6)
	case packet.ICMP4, packet.ICMP6:
		return w.errorsOwner(f, it)
	case packet.Fragment4, packet.Fragment6:
		return w.datagramsOwner(f, it)
	}
	return w.id
}

// tupleOwner is the owner of a packet's connection.
func (w *Worker) tupleOwner(addrs unsafe.Pointer, ports uint32, v6 bool) int {
	dst := destination(addrs, v6)
	if w.snap.toLocal(dst, v6) {
		return PortOwner(packet.Swap16(uint16(ports>>16)), w.workers)
	}
	return w.clientsOwner(addrs, ports, v6, w.snap.vip(dst, v6))
}

// vip reports whether the address at p is a service's.
func (snap *Snapshot) vip(p unsafe.Pointer, v6 bool) bool {
	if v6 {
		return snap.vips.has(addrSlot{packet.Load64(p, 0), packet.Load64(p, 8)}) || snap.vipNets.has(p, true)
	}
	return snap.vips.has(slot4(packet.Load32(p, 0))) || snap.vipNets.has(p, false)
}

// errorsOwner is ownerOf for ICMP errors: who handles the packet that is quoted.
func (w *Worker) errorsOwner(f *port.Frame, it *item) int {
	var q, outer quote
	if q.findTunnelled(f, it, &outer, w.snap) {
		return w.clientsOwner(q.addrs, q.ports, q.v6, true)
	}
	if q.find(f, it) {
		if w.snap.toLocal(q.addrs, q.v6) {
			return PortOwner(packet.Swap16(uint16(q.ports)), w.workers)
		}
		// It was sent by the error's destination, so to a VIP unless that is one.
		toVIP := !w.snap.vip(q.addrs, q.v6)
		return w.clientsOwner(q.addrs, q.ports, q.v6, toVIP)
	}
	return w.id
}

// clientsOwner is the owner by the client's end of a tuple: its source if it goes to a VIP.
func (w *Worker) clientsOwner(addrs unsafe.Pointer, ports uint32, v6, toVIP bool) int {
	port := uint16(ports)
	if !toVIP {
		addrs, port = destination(addrs, v6), uint16(ports>>16)
	}
	if v6 {
		return owner(packet.Load64(addrs, 0), packet.Load64(addrs, 8), port, w.workers)
	}
	return owner(uint64(packet.Load32(addrs, 0)), 0, port, w.workers)
}
