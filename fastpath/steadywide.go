package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// natWide rewrites one end of a packet in NAT, its source or its destination, where the change is not prepared: that
// depends on the connection in a service with several addresses or ports, and what it does to an SCTP packet's CRC on
// the packet's length. Checksums are updated by what is in the packet.
func natWide(f *port.Frame, it *item, addr unsafe.Pointer, to uint16, source bool) {
	v6 := it.v6()
	n, at, portOff := 4, unsafe.Add(f.Data, addrsOff(v6)), uintptr(packet.PortsOff)
	if v6 {
		n = 16
	}
	if !source {
		at, portOff = destination(at, v6), portOff+2
	}
	l4 := unsafe.Add(f.Data, uintptr(it.L4))
	d := packet.Replace(at, addr, n)
	if v6 {
		*(*[16]byte)(at) = *(*[16]byte)(addr)
	} else {
		packet.Store32(at, 0, packet.Load32(addr, 0))
	}
	lowerTTL(unsafe.Add(f.Data, packet.EthLen), v6, d)
	if it.isFragment() {
		return // not the first: it has no ports
	}
	if it.Proto == packet.ProtoSCTP {
		shift := 8 * (portOff - packet.PortsOff)
		setSCTPPorts(l4, packet.Load32(l4, packet.PortsOff)&^(0xffff<<shift)|uint32(to)<<shift, uint16(it.datagram))
		return
	}
	d = d.Plus(packet.Replace16(packet.Load16(l4, portOff), to))
	packet.Store16(l4, portOff, to)
	updateL4(l4, it.Proto, d)
}

// steadySCTP is what item.steady is of an SCTP packet: an association's DATA, SACK, HEARTBEAT or HEARTBEAT ACK behind
// nothing but the IP header changes nothing but the association's end. In NAT the backends of SCTP are wide, which
// leaves the packet to steadyWide.
func (it *item) steadySCTP() uint32 {
	const chunks = 1<<packet.ChunkData | 1<<packet.ChunkSack | 1<<packet.ChunkHeartbeat | 1<<packet.ChunkHeartbeatAck
	steady, l4 := packet.ProtoSCTP|uint32(conn.Active)<<8|uint32(conn.SCTPEstablished)<<16, uint16(plain4L4)
	if it.v6() {
		steady, l4 = steady|steadyV6, plain6L4
	}
	if it.Group || it.L4 != l4 || chunks>>it.Chunk&1 == 0 {
		return 0
	}
	return steady
}

// steadyWide is what the steady way does with a packet of a wide backend: the same checks, and the rewriting that
// cannot be prepared. It sends the packet, or leaves it untouched and reports false.
func (w *Worker) steadyWide(f *port.Frame, it *item, e *conn.Entry, b *Backend) bool {
	if b.Mode == FullNAT {
		return w.steadyFull(f, it, e, b)
	}
	v6, reply, k, head := it.Kind == packet.Flow6, it.Guess.Reply(), it.key(f), e.Head()
	if !reply && head&steadyHead != uint64(it.steady)<<32|uint64(k.Ports) ||
		reply && uint32(head>>32)&steadyReplyMask != it.steady&^(uint32(conn.Several)<<8)|steadyReply ||
		!w.table.Check(conn.Ref{Entry: e, Reply: reply}, &k) || ttlOut(f, v6) {
		return false
	}
	id, end := b.Hop, uint32(b.maxEnd)
	if reply {
		if v6 {
			id = w.snap.Routes.gateway6(e.Addrs[0], e.Addrs[1], it.hash)
		} else {
			id = w.snap.Routes.gateway4(uint32(e.Addrs[0]), it.hash)
		}
	}
	h := w.hops.Use(id)
	x := &w.exits[h.Port()]
	if reply {
		end = x.maxEnd
	}
	if !h.Usable() || !x.room() || uint32(it.End) > end {
		return false
	}
	c := w.total(e.Backend)
	if reply {
		w.natFrom(f, it, e, b)
		c.PacketsOut++
		c.BytesOut += uint64(it.End) - packet.EthLen
	} else {
		w.natTo(f, it, e, b)
		c.PacketsIn++
		c.BytesIn += uint64(it.End) - packet.EthLen
	}
	e.Touch(w.now, w.idle(b))
	x.put(f, h)
	return true
}
