package fastpath

import (
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// The steady way is what nearly every packet takes: a plain one of a connection that it changes nothing of but the
// end, on to a next hop whose MAC is known, in one piece. It does in one go, in registers, what flow, forward, reply
// and what they call do step by step for every packet there can be: a quarter of the instructions. Where it meets
// anything it does not know, it has written nothing yet and leaves the packet to them. A test sends the same packets
// both ways and compares.

// Of an entry's head, from the protocol on: what a backend's packet must find there, besides the protocol and state
// that item.steady has.
const (
	steadyReplyMask = 0xff | uint32(conn.V6|conn.Active|conn.Reverse|conn.OneWay|conn.Replied)<<8 | 0xff<<16
	steadyReply     = uint32(conn.Reverse|conn.Replied) << 8
)

// steady sends frames on, from the first one to the first that it cannot, and returns how many.
func (w *Worker) steady(frames []port.Frame, items []item) int {
	n := 0
	switch it := &items[0]; {
	case it.steady == 0:
	case it.Kind == packet.Flow4:
		n = w.steady4(frames, items)
	default:
		n = w.steady6(frames, items)
	}
	w.counters.Out += uint64(n)
	return n
}

// What is not steady, and so has 0 for what its connection's head must hold, differs there from all connections, which have
// a protocol; and no backend has the generation of the entry that stands for none.

// steady4 is steady for IPv4. Replies are those to clients behind a gateway; a client on a link of ours is looked up
// by its address.
func (w *Worker) steady4(frames []port.Frame, items []item) int {
	items = items[:len(frames)]
	for i := range frames {
		f, it := &frames[i], &items[i]
		d, e := f.Data, w.entry(it.Guess)
		if it.Kind != packet.Flow4 {
			return i
		}
		b := w.real(e.Backend)
		if b.Gen != e.Gen || !w.now.Before(e.Expires) {
			return i
		}
		head, ports := e.Head(), packet.Load32(d, plain4L4)
		mid := packet.Load32(d, packet.EthLen+packet.IP4TTL) // TTL, protocol and checksum
		var h nexthop.Hop
		var x *exit
		if !it.Guess.Reply() {
			if head&steadyHead != uint64(it.steady)<<32|uint64(ports) ||
				e.Addrs[0] != packet.Load64(d, packet.EthLen+packet.IP4Src) || it.End > b.maxEnd {
				return i
			}
			h = w.hops.Use(b.Hop)
			x = &w.exits[h.Port()]
			if !h.Usable() || !x.room() || uint8(mid) <= b.minTTL {
				if !b.wide || !w.steadyWide(f, it, e, b) {
					return i
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
					return i
				}
			}
			c := w.total(e.Backend)
			c.PacketsIn++
			c.BytesIn += uint64(it.End) - packet.EthLen
		} else {
			if uint32(head>>32)&steadyReplyMask != it.steady&^(uint32(conn.Several)<<8)|steadyReply ||
				uint32(head)<<16|uint32(b.peer.Port) != ports ||
				packet.Load64(d, packet.EthLen+packet.IP4Src) != b.peer.Addr[0]|e.Addrs[0]<<32 {
				if !b.wide || !w.steadyWide(f, it, e, b) {
					return i
				}
				continue
			}
			h = w.hops.Use(w.snap.Routes.gateway4(uint32(e.Addrs[0]), it.hash))
			x = &w.exits[h.Port()]
			if !h.Usable() || !x.room() || uint32(it.End) > x.maxEnd || uint8(mid) <= b.minTTLBack {
				if !b.wide || !w.steadyWide(f, it, e, b) {
					return i
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
		}
		e.Touch(w.now, w.idle(b))
		x.put(f, h)
	}
	return len(frames)
}
