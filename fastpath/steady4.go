package fastpath

import (
	"math/bits"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// steadyTo4 is steady for clients' packets in IPv4.
func (w *Worker) steadyTo4(frames []port.Frame, items []item, todo uint64) uint64 {
	for ; todo != 0; todo &= todo - 1 {
		f, it := frameAt(frames, items, bits.TrailingZeros64(todo))
		d, e := f.Data, w.entry(it.Guess)
		if it.Kind != packet.Flow4 {
			return todo
		}
		b := w.real(e.Backend)
		if b.Gen != e.Gen || !w.now.Before(e.Expires) {
			return todo
		}
		mid := packet.Load32(d, packet.EthLen+packet.IP4TTL) // TTL, protocol and checksum
		if e.Head()&steadyHead != uint64(it.steady)<<32|uint64(packet.Load32(d, plain4L4)) ||
			e.Addrs[0] != packet.Load64(d, packet.EthLen+packet.IP4Src) || it.End > b.maxEnd {
			return todo
		}
		h := w.hops.Use(b.Hop)
		x := &w.exits[h.Port()]
		if !h.Usable() || !x.room() || uint8(mid) <= b.minTTL {
			if !b.wide || !w.steadyWide(f, it, e, b) {
				return todo
			}
			continue
		}
		switch b.Mode {
		case NAT:
			packet.Store32(d, packet.EthLen+packet.IP4TTL, mid&0xffff-1|uint32(b.toL3TTL.Update(uint16(mid>>16)))<<16)
			packet.Store32(d, packet.EthLen+packet.IP4Dst, uint32(b.peer.Addr[0]))
			packet.Store16(d, plain4L4+packet.PortsOff+2, b.peer.Port)
			if it.Proto == packet.ProtoTCP {
				updateTCP(d, plain4L4, b.ToL4)
			} else {
				updateUDP(d, plain4L4, b.ToL4)
			}
		case TUN:
			if b.wrap != wrapIP4 && !w.encapsulate(f, it, b) || b.wrap == wrapIP4 && !w.wrap4(f, it, b) {
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

// steadyBack4 is steady for backends' packets in IPv4 to clients behind a gateway; a client on a link of ours is looked up
// by its address.
func (w *Worker) steadyBack4(frames []port.Frame, items []item, todo uint64) uint64 {
	for ; todo != 0; todo &= todo - 1 {
		f, it := frameAt(frames, items, bits.TrailingZeros64(todo))
		d, e := f.Data, w.entry(it.Guess)
		if it.Kind != packet.Flow4 {
			return todo
		}
		b := w.real(e.Backend)
		if b.Gen != e.Gen || !w.now.Before(e.Expires) {
			return todo
		}
		head := e.Head()
		if uint32(head>>32)&steadyReplyMask != it.steady&^(uint32(conn.Several)<<8)|steadyReply ||
			uint32(head)<<16|uint32(b.peer.Port) != packet.Load32(d, plain4L4) ||
			packet.Load64(d, packet.EthLen+packet.IP4Src) != b.peer.Addr[0]|e.Addrs[0]<<32 {
			if !b.wide || !w.steadyWide(f, it, e, b) {
				return todo
			}
			continue
		}
		h := w.hops.Use(w.snap.Routes.gateway4(uint32(e.Addrs[0]), it.hash))
		x := &w.exits[h.Port()]
		mid := packet.Load32(d, packet.EthLen+packet.IP4TTL)
		if !h.Usable() || !x.room() || uint32(it.End) > x.maxEnd || uint8(mid) <= b.minTTLBack {
			if !b.wide || !w.steadyWide(f, it, e, b) {
				return todo
			}
			continue
		}
		packet.Store32(d, packet.EthLen+packet.IP4TTL, mid&0xffff-1|uint32(b.fromL3TTL.Update(uint16(mid>>16)))<<16)
		packet.Store32(d, packet.EthLen+packet.IP4Src, uint32(e.Addrs[0]>>32))
		packet.Store16(d, plain4L4+packet.PortsOff, uint16(head>>16))
		if it.Proto == packet.ProtoTCP {
			updateTCP(d, plain4L4, b.fromL4)
		} else {
			updateUDP(d, plain4L4, b.fromL4)
		}
		c := w.total(e.Backend)
		c.PacketsOut++
		c.BytesOut += uint64(it.End) - packet.EthLen
		e.Touch(w.now, w.idle(b))
		x.put(f, h)
	}
	return 0
}
