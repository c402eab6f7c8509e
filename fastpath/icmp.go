package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
)

// odd handles what is not a TCP, UDP or SCTP packet to a unicast MAC: one by one, as there is little of it.
func (w *Worker) odd(f *port.Frame, it *item) verdict {
	switch it.Kind {
	case packet.Bad:
		return drop(it.Fault)
	case packet.ARP:
		return punt(reason.PuntARP)
	case packet.ICMP4, packet.ICMP6:
		return w.icmpPacket(f, it)
	}
	if it.Group {
		return w.group(f)
	}
	if it.isFragment() {
		return w.fragment(f, it)
	}
	return w.other(f, it, it.Fault)
}

// group handles multicast and broadcast other than neighbour discovery: the kernel may listen to it.
func (w *Worker) group(f *port.Frame) verdict {
	if w.ports[f.Port].tap {
		return punt(reason.PuntMulticast)
	}
	return drop(reason.MulticastIgnored)
}

// other handles a packet that no service can take: for the kernel, or dropped for the reason given.
func (w *Worker) other(f *port.Frame, it *item, r reason.Reason) verdict {
	addrs := unsafe.Add(f.Data, addrsOff(it.v6()))
	local := w.local(f, destination(addrs, it.v6()), it.v6())
	switch {
	case local == 0:
		return drop(reason.Foreign)
	case local&localOwn != 0:
		if bad := w.badSource(f, addrs, it.v6()); bad != reason.Unset {
			return drop(bad)
		}
		return w.toKernel(f, local)
	}
	return drop(r)
}

func (w *Worker) icmpPacket(f *port.Frame, it *item) verdict {
	v6 := it.v6()
	if int(it.End)-int(it.L4) < packet.ICMPLen {
		return drop(reason.BadICMP)
	}
	l4 := unsafe.Add(f.Data, uintptr(it.L4))
	kind := packet.Load8(l4, packet.ICMPType)
	if v6 && kind >= packet.ICMP6NDFirst && kind <= packet.ICMP6NDLast {
		return punt(reason.PuntND)
	}
	if it.Group {
		return w.group(f)
	}
	if isError(kind, v6) {
		return w.icmpError(f, it)
	}
	addrs := unsafe.Add(f.Data, addrsOff(v6))
	local := w.local(f, destination(addrs, v6), v6)
	if local != 0 && isEcho(kind, v6) {
		own := local&localOwn != 0
		if local&(localVIP|localFull) != 0 || own && w.toKernel(f, local).fate != punted {
			return w.echo(f, it)
		}
	}
	return w.other(f, it, reason.ICMPUnsupported)
}

func isEcho(kind uint8, v6 bool) bool {
	return v6 && kind == packet.ICMP6Echo || !v6 && kind == packet.ICMP4Echo
}

// isError tells the ICMP messages that quote a packet.
func isError(kind uint8, v6 bool) bool {
	if v6 {
		return kind >= packet.ICMP6Unreachable && kind <= packet.ICMP6ParamProblem
	}
	switch kind {
	case packet.ICMP4Unreachable, packet.ICMP4SourceQuench, packet.ICMP4TimeExceeded, packet.ICMP4ParamProblem:
		return true
	}
	return false
}

// echo turns an echo request into its reply in place and sends it back to where it came from.
func (w *Worker) echo(f *port.Frame, it *item) verdict {
	v6 := it.v6()
	l4 := unsafe.Add(f.Data, uintptr(it.L4))
	if r := w.badSource(f, unsafe.Add(f.Data, addrsOff(v6)), v6); r != reason.Unset {
		return drop(r)
	}
	if int(it.End)-packet.EthLen > w.ports[f.Port].mtu {
		return drop(reason.TooBig)
	}
	answerEcho(l4, v6)
	w.turnBack(f, it)
	return sent
}

// answerEcho makes an echo request's ICMP header its reply's.
func answerEcho(l4 unsafe.Pointer, v6 bool) {
	old := packet.Load16(l4, packet.ICMPType)
	reply := old &^ 0xff
	if v6 {
		reply |= packet.ICMP6EchoReply
	}
	sum := packet.Replace16(old, reply).Update(packet.Load16(l4, packet.ICMPChecksum))
	if sum == 0 {
		sum = 0xffff // the same, and the only right one for a reply that is all zeros
	}
	packet.Store16(l4, packet.ICMPType, reply)
	packet.Store16(l4, packet.ICMPChecksum, sum)
}

// turnBack sends an answered echo request, or a fragment of one, back to where it came from.
func (w *Worker) turnBack(f *port.Frame, it *item) {
	w.countAt(reason.EchoReply, f.Port)
	v6 := it.v6()
	ip := unsafe.Add(f.Data, packet.EthLen)
	if v6 {
		src, dst := *(*[16]byte)(unsafe.Add(ip, packet.IP6Src)), *(*[16]byte)(unsafe.Add(ip, packet.IP6Dst))
		*(*[16]byte)(unsafe.Add(ip, packet.IP6Src)), *(*[16]byte)(unsafe.Add(ip, packet.IP6Dst)) = dst, src
		packet.Store8(ip, packet.IP6HopLimit, outerTTL)
	} else {
		src, dst := packet.Load32(ip, packet.IP4Src), packet.Load32(ip, packet.IP4Dst)
		packet.Store32(ip, packet.IP4Src, dst)
		packet.Store32(ip, packet.IP4Dst, src)
		before := packet.Load16(ip, packet.IP4TTL)
		after := before&^0xff | outerTTL
		packet.Store16(ip, packet.IP4TTL, after)
		d := packet.Replace16(before, after).Plus(voidOptions(ip, uintptr(it.L4)-packet.EthLen))
		packet.Store16(ip, packet.IP4Checksum, d.Update(packet.Load16(ip, packet.IP4Checksum)))
	}
	w.sendBack(f)
}

// firstOfICMP decides about ICMP in fragments: an echo request for a VIP is answered fragment by fragment, as every one
// of its reply's is the same but for addresses and, in the first, the type.
func (w *Worker) firstOfICMP(f *port.Frame, it *item, d *datagram, local uint32) verdict {
	v := drop(reason.ICMPUnsupported)
	switch kind := packet.Load8(f.Data, uintptr(it.L4)+packet.ICMPType); {
	case local == 0:
		v = drop(reason.Foreign)
	case isEcho(kind, it.v6()):
		v = w.echo(f, it)
	}
	if v != sent {
		w.refuse(d, v.reason)
		return v
	}
	d.fate = echoed
	var g port.Frame
	var part item
	for c := d.release(); w.datagrams.take(&c, &g); {
		w.parse(&g, &part, w.ports[g.Port].mac)
		w.settle(&g, w.echoPart(&g, &part))
	}
	return sent
}

// echoPart answers a later fragment of an echo request.
func (w *Worker) echoPart(f *port.Frame, it *item) verdict {
	if int(it.End)-packet.EthLen > w.ports[f.Port].mtu {
		return drop(reason.TooBig)
	}
	w.turnBack(f, it)
	return sent
}

// voidOptions makes the options of an IPv4 header of hl bytes mean nothing, and returns what that changes in its
// checksum. What they asked of routers on the request's way is no matter of the reply's.
func voidOptions(ip unsafe.Pointer, hl uintptr) (d packet.Delta) {
	const nops = 0x0101
	for off := uintptr(packet.IP4Len); off < hl; off += 2 {
		d = d.Plus(packet.Replace16(packet.Load16(ip, off), nops))
		packet.Store16(ip, off, nops)
	}
	return d
}

// sendBack returns a frame to the station it came from.
func (w *Worker) sendBack(f *port.Frame) {
	src := packet.Load64(f.Data, packet.EthSrc) & (1<<48 - 1)
	mac := w.ports[f.Port].mac
	packet.Store64(f.Data, 0, src|mac<<48)
	packet.Store32(f.Data, 8, uint32(mac>>16))
	w.transmit(f, f.Port)
}

// icmpError takes an ICMP error to the end of the connection that sent the packet it quotes
// (RFC 5508 section 4 for nat).
func (w *Worker) icmpError(f *port.Frame, it *item) verdict {
	var q quote
	v6 := it.v6()
	if !q.find(f, it) {
		if v, ok := w.tunnelTooBig(f, it); ok {
			return v
		}
		if !q.later || !q.sentByReceiver(f) {
			return w.other(f, it, reason.BadICMP)
		}
		if !w.findPart(&q) {
			return w.askAboutPart(f, it)
		}
	} else if q.part {
		w.renumberFirst(&q)
	}
	f.Flags &^= asked
	var addrs [32]byte
	k := q.turned(&addrs)
	r := w.table.Find(&k)
	e, reply := r.Entry, r.Reply
	if e == nil || !w.now.Before(e.Expires) {
		if v, ok := w.tunnelTooBig(f, it); ok { // the outer header has ports, too
			return v
		}
		if e, reply = w.onceToClient(f, &k), true; e == nil {
			return w.other(f, it, reason.ICMPNoConnection)
		}
	}
	if bad := w.badSource(f, unsafe.Add(f.Data, addrsOff(v6)), v6); bad != reason.Unset {
		return drop(bad)
	}
	b := w.backendOf(e)
	if b == nil || !w.hasLocal(e) {
		return drop(reason.BackendGone)
	}
	it.hash = uint32(w.hashOf(&k))
	if ttlOut(f, v6) && b.Mode != DR {
		return drop(reason.TTLExceeded) // no error about an error (RFC 1122 section 3.2.2)
	}
	switch {
	case reply && b.Mode == FullNAT:
		return w.fullErrorToClient(f, it, &q, e)
	case reply:
		return w.errorToClient(f, it, &q, e, b)
	case b.Mode == FullNAT:
		return w.fullErrorToBackend(f, it, &q, e, b)
	}
	return w.errorToBackend(f, it, &q, e, b)
}

func (w *Worker) hashOf(k *conn.Key) uint64 {
	if k.V6 {
		return w.table.Hash6(k.Addrs, k.Ports, k.Proto)
	}
	return w.table.Hash4(packet.Load64(k.Addrs, 0), k.Ports, k.Proto)
}

// errorToBackend forwards an error about a reply. In nat the quoted reply came from the backend, which must
// see its own address there.
func (w *Worker) errorToBackend(f *port.Frame, it *item, q *quote, e *conn.Entry, b *Backend) verdict {
	if int(it.End)-packet.EthLen > int(b.MTU) {
		return drop(reason.TooBig)
	}
	switch b.Mode {
	case NAT:
		p := &b.peer
		q.translate(f, it, unsafe.Pointer(&p.Addr), p.PortOf(e), true)
	case TUN:
		if !w.encapsulate(f, it, b) {
			return drop(reason.NoBuffer)
		}
	}
	return w.sendTo(f, b.Hop)
}

// errorToClient forwards an error about a client's packet in nat. The client knows only the VIP, so that is
// the quoted packet's destination and, as in LVS, the error's source, whichever router sent it.
func (w *Worker) errorToClient(f *port.Frame, it *item, q *quote, e *conn.Entry, b *Backend) verdict {
	out, ok := w.wayTo(destination(unsafe.Add(f.Data, addrsOff(it.v6())), it.v6()), it.v6(), it.hash)
	if !ok {
		return drop(reason.NoRoute)
	}
	if int(it.End)-packet.EthLen > w.ports[out.port].mtu {
		return drop(reason.TooBig)
	}
	vip := destination(unsafe.Pointer(&e.Addrs), it.v6())
	q.translate(f, it, vip, uint16(e.Ports>>16), false)
	return w.sendWay(f, it.v6(), out)
}
