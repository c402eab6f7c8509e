package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// The usual way in is what nearly every connection's first packet takes: one for a service on a single address and port,
// without persistence, limits, one-packet scheduling or anything to tell backends, on to a next hop whose MAC is known, in one
// piece and, in FullNAT, of the same family. It does in two goes, in registers, what admit and open and what they call do
// step by step for every packet there can be. Where it meets anything else, it leaves the packet to them, untouched. A test
// sends the same packets both ways and compares.

// admitUsual is admit, to which it leaves what is not usual. What openUsual is to open has o.state usual then.
func (w *Worker) admitUsual(f *port.Frame, it *item, o *opening) verdict {
	d, snap := f.Data, w.snap
	ports, to := packet.Load32(d, uintptr(it.L4)), uint32(0)
	rest := uint64(ports>>16) | uint64(it.Proto)<<16
	if it.v6() {
		src := addrSlot{packet.Load64(d, packet.EthLen+packet.IP6Src), packet.Load64(d, packet.EthLen+packet.IP6Src+8)}
		if global6(src.lo) && len(snap.vipNets.lens[1]) == 0 && snap.never.lacks(src) {
			to = snap.services.hosts.get(endpoint{packet.Load64(d, packet.EthLen+packet.IP6Dst), packet.Load64(d, packet.EthLen+packet.IP6Dst+8), rest | endpointV6})
		}
	} else if src := packet.Load32(d, packet.EthLen+packet.IP4Src); unicast4(src) && len(snap.vipNets.lens[0]) == 0 && snap.never.lacks(slot4(src)) {
		to = snap.services.hosts.get(endpoint{uint64(packet.Load32(d, packet.EthLen+packet.IP4Dst)), 0, rest})
	}
	o.state = admitted
	service := to - 1
	if to == 0 || to&isFork != 0 {
		return w.admit(f, it, o)
	}
	svc := &snap.Services[service]
	if !svc.usual || !it.begins() || svc.Mode != DR && ttlOut(f, it.v6()) {
		return w.scheduleUnusual(f, it, service, o)
	}
	if !svc.keyless {
		k := it.key(f)
		w.schedulerKey(&k)
	}
	n := svc.Sched.Pick(&w.key, w.schedulerState(service, svc.gen))
	if uint(n) >= uint(len(svc.Backends)) {
		return w.turnAway(f, it, svc, drop(w.nobody(svc)))
	}
	o.backend = svc.Backends[n]
	b := w.real(o.backend)
	if b.peer.Gen == 0 {
		b = w.make(o.backend)
	}
	if !b.Load.Reserve() {
		return w.scheduleUnusual(f, it, service, o) // another worker has got its last place
	}
	o.real, o.hold, o.Home = b, 0, 0
	if b.wide || it.End > b.maxEnd {
		k := it.key(f)
		if v := w.prepare(f, it, &k, o); v.fate != fresh {
			w.giveBack(o)
			return w.turnAway(f, it, svc, v)
		}
		if b.Mode == FullNAT && it.End <= b.maxEnd && b.V6 == it.v6() {
			o.state = usual
		}
		return newcomer
	}
	o.state = usual
	if b.Mode == NAT {
		if it.v6() {
			to0, to1 := packet.Load64(d, packet.EthLen+packet.IP6Src), packet.Load64(d, packet.EthLen+packet.IP6Src+8)
			o.Home = w.hasher.HomeOf(w.hasher.Hash6Of(b.peer.Addr[0], b.peer.Addr[1], to0, to1, uint32(b.peer.Port)|ports<<16, it.Proto))
		} else {
			addrs := b.peer.Addr[0] | uint64(packet.Load32(d, packet.EthLen+packet.IP4Src))<<32
			o.Home = w.hasher.HomeOf(w.hasher.Hash4(addrs, uint32(b.peer.Port)|ports<<16, it.Proto))
		}
	}
	return newcomer
}

// scheduleUnusual goes on step by step once the service is known.
func (w *Worker) scheduleUnusual(f *port.Frame, it *item, service uint32, o *opening) verdict {
	k := it.key(f)
	return w.schedule(f, it, &k, service, o)
}

// openUsual is open, to which it leaves what is not usual.
func (w *Worker) openUsual(f *port.Frame, it *item, o *opening) verdict {
	b, d := o.real, f.Data
	h := w.hops.Use(b.Hop)
	x := &w.exits[h.Port()]
	if b.shared || !h.Usable() || !x.room() || b.wide && !w.table.Vacant(o.Home) {
		return w.open(f, it, o) // wide is FullNAT here
	}
	e := w.table.Claim(it.Home, o.Home)
	if e == nil {
		return w.open(f, it, o) // in place of another one
	}
	flags := conn.OneWay
	if b.Mode == NAT {
		flags, e.Local = conn.Reverse, w.stamp()
	} else if b.wide {
		flags, e.Local = conn.Reverse|conn.Full, o.local
		w.locals[o.local>>16]++
	}
	head := uint64(packet.Load32(d, uintptr(it.L4))) | uint64(it.Proto)<<32
	if it.v6() {
		flags |= conn.V6
		e.Addrs = *(*[4]uint64)(unsafe.Add(d, packet.EthLen+packet.IP6Src))
	} else {
		e.Addrs[0] = packet.Load64(d, packet.EthLen+packet.IP4Src)
	}
	e.SetHead(head | uint64(flags)<<40)
	e.Backend, e.Gen = o.backend, b.Gen
	c := w.total(o.backend)
	c.NewConns++
	w.counters.NewConns++
	if it.Proto == packet.ProtoUDP {
		e.State = conn.UDPFlow
	}
	if it.steady == 0 || b.Mode == TUN || it.Proto != packet.ProtoUDP && (it.steady&^steadyV6 != steadySYN || b.Clamp) {
		return w.carry(f, it, e, b) // it is no plain frame, or more than addresses and ports may change
	}
	if it.Proto == packet.ProtoTCP {
		e.State = conn.SynRecv
		w.recount(e, b)
	}
	e.Touch(w.now, w.idle(b))
	c.PacketsIn++
	c.BytesIn += uint64(it.End) - packet.EthLen
	if b.Mode == NAT {
		natPlain(d, it.v6(), it.Proto, b)
	} else if b.wide {
		w.fullPlain(f, it, e, b)
	}
	x.put(f, h)
	w.counters.Out++
	return sent
}

// expireUsual is expire, to which it leaves what is not usual.
func (w *Worker) expireUsual(e *conn.Entry) {
	b := w.real(e.Backend)
	if b.Gen != e.Gen || w.holding > 0 {
		w.expire(e)
		return
	}
	if e.State == conn.SynRecv {
		w.unanswered(e)
	}
	b.Load.Remove(e.Flags&conn.Active != 0)
	if e.Flags&conn.Full != 0 {
		w.locals[e.LocalIndex()]--
	}
	w.table.Delete(e)
}

// natPlain rewrites a client's plain packet: destination from the VIP to the backend.
func natPlain(d unsafe.Pointer, v6 bool, proto uint8, b *Backend) {
	p, l4 := &b.peer, uintptr(plain4L4)
	if v6 {
		packet.Store64(d, packet.EthLen+packet.IP6Dst, p.Addr[0])
		packet.Store64(d, packet.EthLen+packet.IP6Dst+8, p.Addr[1])
		packet.Store8(d, packet.EthLen+packet.IP6HopLimit, packet.Load8(d, packet.EthLen+packet.IP6HopLimit)-1)
		l4 = plain6L4
	} else {
		mid := packet.Load32(d, packet.EthLen+packet.IP4TTL) // TTL, protocol and checksum
		packet.Store32(d, packet.EthLen+packet.IP4TTL, mid&0xffff-1|uint32(b.toL3TTL.Update(uint16(mid>>16)))<<16)
		packet.Store32(d, packet.EthLen+packet.IP4Dst, uint32(p.Addr[0]))
	}
	packet.Store16(d, l4+packet.PortsOff+2, p.Port)
	if proto == packet.ProtoTCP {
		updateTCP(d, l4, b.ToL4)
	} else {
		updateUDP(d, l4, b.ToL4)
	}
}
