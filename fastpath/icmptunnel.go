package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
)

// minMTU4 is the least MTU an IPv4 link can have (RFC 791 section 3.2).
const minMTU4 = 68

// tunnelTooBig passes on what a router in a tunnel says of the tunnel's packets: that they are too big. It tells
// Weir, whose address the outer header bears; the client hears it about its own packet, with the MTU that the
// router leaves for that (RFC 2003 section 4.1, RFC 2473 section 8.2). Weir does not keep the MTU. As in LVS, a
// client that lets its packets be fragmented is not told.
//
// It reports false for an error that is none of this: the kernel's, then.
func (w *Worker) tunnelTooBig(f *port.Frame, it *item) (verdict, bool) {
	var outer, q quote
	mtu, ok := tooBigMTU(f, it)
	if !ok || !q.findTunnelled(f, it, &outer, w.snap) {
		return verdict{}, false
	}
	k := q.key()
	e := w.table.Find(&k).Entry
	if e == nil || !w.now.Before(e.Expires) {
		return verdict{}, false
	}
	b := w.backendOf(e)
	if b == nil || b.Mode != TUN || !outer.leadsTo(b) {
		return verdict{}, false
	}
	mtu -= int(b.Hdr)
	if mtu < minMTU4 || mtu >= int(b.MTU) || !q.v6 && packet.Load16(q.ip, packet.IP4Frag)&packet.IP4DontFragment == 0 {
		return verdict{}, false
	}
	if r := w.badSource(f, unsafe.Add(f.Data, addrsOff(it.v6())), it.v6()); r != reason.Unset {
		return drop(r), true
	}
	it.hash = uint32(w.hashOf(&k))
	return w.tellClient(f, it, &q, mtu), true
}

// tooBigMTU is the MTU that an ICMP error "fragmentation needed" or "packet too big" tells.
func tooBigMTU(f *port.Frame, it *item) (mtu int, ok bool) {
	l4 := unsafe.Add(f.Data, uintptr(it.L4))
	kind, code := packet.Load8(l4, packet.ICMPType), packet.Load8(l4, packet.ICMPCode)
	rest := packet.Swap32(packet.Load32(l4, packet.ICMPRest))
	if it.v6() {
		return int(min(rest, 1<<16)), kind == packet.ICMP6TooBig
	}
	return int(uint16(rest)), kind == packet.ICMP4Unreachable && code == packet.ICMP4FragNeeded
}

// leadsTo reports whether a quoted outer header is of the tunnel to a backend.
func (q *quote) leadsTo(b *Backend) bool {
	if q.v6 != b.V6 {
		return false
	}
	to, peer := destination(q.addrs, q.v6), unsafe.Pointer(&b.Outer)
	if q.v6 {
		return *(*[16]byte)(to) == *(*[16]byte)(unsafe.Add(peer, packet.IP6Dst))
	}
	return packet.Load32(to, 0) == packet.Load32(peer, packet.IP4Dst)
}

// tellClient turns an error about a tunnel's packet into one about the packet inside, in place: the new headers
// are no longer than what was quoted around it.
func (w *Worker) tellClient(f *port.Frame, it *item, q *quote, mtu int) verdict {
	out, ok := w.wayTo(q.addrs, q.v6, it.hash)
	if !ok {
		return drop(reason.NoRoute)
	}
	hl, most, own, ether := uint32(packet.IP4Len), uint32(quote4), w.ports[out.port].own4, packet.EtherIPv4
	if q.v6 {
		hl, most, own, ether = packet.IP6Len, quote6, w.ports[out.port].own6, packet.EtherIPv6
	}
	if own == (nexthop.Addr{}) {
		own = addrAt(destination(q.addrs, q.v6), q.v6)
	}
	at := uint32(uintptr(q.ip) - uintptr(f.Data))
	quoted := min(uint32(it.End)-at, most)
	cut := at - packet.EthLen - hl - packet.ICMPLen
	f.Tail += uint16(f.Len - at - quoted)
	f.Data = unsafe.Add(f.Data, cut)
	f.Room += uint16(cut)
	f.Len = packet.EthLen + hl + packet.ICMPLen + quoted
	packet.Store16(f.Data, packet.EthTypeOff, ether)
	ip := unsafe.Add(f.Data, packet.EthLen)
	if q.v6 {
		icmpHeader6(ip, q.addrs, &own, quoted)
		sealICMP(ip, hl, quoted, packet.ICMP6TooBig, 0, uint32(max(mtu, minMTU6)), true)
	} else {
		w.icmpHeader4(ip, q.addrs, &own, quoted)
		sealICMP(ip, hl, quoted, packet.ICMP4Unreachable, packet.ICMP4FragNeeded, uint32(mtu), false)
	}
	return w.sendWay(f, q.v6, out)
}
