package fastpath

import (
	"math/bits"
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// steadyTo6 is steady for clients' packets in IPv6.
func (w *Worker) steadyTo6(frames []port.Frame, items []item, todo uint64) uint64 {
	for ; todo != 0; todo &= todo - 1 {
		f, it := frameAt(frames, items, bits.TrailingZeros64(todo))
		d, e := f.Data, w.entry(it.Guess)
		if it.Kind != packet.Flow6 {
			return todo
		}
		b := w.real(e.Backend)
		if b.Gen != e.Gen || !w.now.Before(e.Expires) {
			return todo
		}
		a := (*[4]uint64)(unsafe.Add(d, packet.EthLen+packet.IP6Src))
		if e.Head()&steadyHead != uint64(it.steady)<<32|uint64(packet.Load32(d, plain6L4)) ||
			(e.Addrs[0]^a[0])|(e.Addrs[1]^a[1])|(e.Addrs[2]^a[2])|(e.Addrs[3]^a[3]) != 0 || it.End > b.maxEnd {
			return todo
		}
		h := w.hops.Use(b.Hop)
		x := &w.exits[h.Port()]
		limit := packet.Load8(d, packet.EthLen+packet.IP6HopLimit)
		if !h.Usable() || !x.room() || limit <= b.minTTL {
			if !b.wide || !w.steadyWide(f, it, e, b) {
				return todo
			}
			continue
		}
		switch b.Mode {
		case NAT:
			packet.Store8(d, packet.EthLen+packet.IP6HopLimit, limit-1)
			a[2], a[3] = b.peer.Addr[0], b.peer.Addr[1]
			packet.Store16(d, plain6L4+packet.PortsOff+2, b.peer.Port)
			if it.Proto == packet.ProtoTCP {
				updateTCP(d, plain6L4, b.ToL4)
			} else {
				updateUDP(d, plain6L4, b.ToL4)
			}
		case TUN:
			if b.wrap == wrapIP6 && !w.wrap6(f, it, b) || b.wrap != wrapIP6 && !w.encapsulate(f, it, b) {
				return todo
			}
		}
		c := w.total(e.Backend)
		c.PacketsIn++
		c.BytesIn += uint64(it.End) - packet.EthLen
		e.Touch(w.now, w.idle(b))
		x.put(f, h)
	}
	return 0
}

// steadyBack6 is steadyBack4 for IPv6.
func (w *Worker) steadyBack6(frames []port.Frame, items []item, todo uint64) uint64 {
	for ; todo != 0; todo &= todo - 1 {
		f, it := frameAt(frames, items, bits.TrailingZeros64(todo))
		d, e := f.Data, w.entry(it.Guess)
		if it.Kind != packet.Flow6 {
			return todo
		}
		b := w.real(e.Backend)
		if b.Gen != e.Gen || !w.now.Before(e.Expires) {
			return todo
		}
		head := e.Head()
		a := (*[4]uint64)(unsafe.Add(d, packet.EthLen+packet.IP6Src))
		if uint32(head>>32)&steadyReplyMask != it.steady&^(uint32(conn.Several)<<8)|steadyReply ||
			uint32(head)<<16|uint32(b.peer.Port) != packet.Load32(d, plain6L4) ||
			(b.peer.Addr[0]^a[0])|(b.peer.Addr[1]^a[1])|(e.Addrs[0]^a[2])|(e.Addrs[1]^a[3]) != 0 {
			if !b.wide || !w.steadyWide(f, it, e, b) {
				return todo
			}
			continue
		}
		h := w.hops.Use(w.snap.Routes.gateway6(e.Addrs[0], e.Addrs[1], it.hash))
		x := &w.exits[h.Port()]
		limit := packet.Load8(d, packet.EthLen+packet.IP6HopLimit)
		if !h.Usable() || !x.room() || uint32(it.End) > x.maxEnd || limit <= b.minTTLBack {
			if !b.wide || !w.steadyWide(f, it, e, b) {
				return todo
			}
			continue
		}
		packet.Store8(d, packet.EthLen+packet.IP6HopLimit, limit-1)
		a[0], a[1] = e.Addrs[2], e.Addrs[3]
		packet.Store16(d, plain6L4+packet.PortsOff, uint16(head>>16))
		if it.Proto == packet.ProtoTCP {
			updateTCP(d, plain6L4, b.fromL4)
		} else {
			updateUDP(d, plain6L4, b.fromL4)
		}
		c := w.total(e.Backend)
		c.PacketsOut++
		c.BytesOut += uint64(it.End) - packet.EthLen
		e.Touch(w.now, w.idle(b))
		x.put(f, h)
	}
	return 0
}
