package fastpath

import (
	"net/netip"
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/ring"
)

// ownership is what a packet belongs to, found for a capture after the packet was handled.
type ownership struct {
	known    bool // it is of a service
	service  *Service
	peer     netip.AddrPort // the connection's backend; not valid: there is no connection
	reply    bool           // from the backend
	client   netip.Addr     // the connection's
	src, dst netip.Addr     // the packet's own, if there is no connection
}

// find tells whose a frame is that came in by a port, as it was then; it is what the stages made of it.
func (o *ownership) find(w *Worker, frame []byte, in uint8, it *item) {
	*o = ownership{}
	f := port.Frame{Data: unsafe.Pointer(unsafe.SliceData(frame)), Len: uint32(len(frame))}
	switch it.Kind {
	case packet.Flow4, packet.Flow6, packet.ICMP4, packet.ICMP6, packet.Other4, packet.Other6, packet.Fragment4, packet.Fragment6:
	default:
		return
	}
	if int(it.End) > len(frame) {
		return
	}
	switch {
	case it.flow():
		k := it.key(&f)
		if !o.connection(w, &k) {
			o.endpoint(w, &k, in)
		}
	case it.isFragment():
		if it.datagram != 0 {
			k := conn.Key{Addrs: unsafe.Add(f.Data, addrsOff(it.v6())), Ports: it.datagram, Proto: it.Proto, V6: it.v6()}
			o.connection(w, &k)
		}
	case it.Kind == packet.ICMP4 || it.Kind == packet.ICMP6:
		o.quoted(w, &f, it)
	}
	if !o.client.IsValid() {
		o.addresses(unsafe.Add(f.Data, addrsOff(it.v6())), it.v6())
	}
}

// findOwn tells whose a frame is that Weir sends: a packet that waited for its next hop's MAC, mostly. It may be
// rewritten already, so that only the packet that answers it would be found.
func (o *ownership) findOwn(w *Worker, frame []byte) {
	*o = ownership{}
	f := port.Frame{Data: unsafe.Pointer(unsafe.SliceData(frame)), Len: uint32(len(frame))}
	if len(frame) < packet.EthLen {
		return
	}
	var it item
	packet.Parse(f.Data, f.Len, packet.Load64(f.Data, packet.EthDst)&(1<<48-1), &it.Info)
	o.find(w, frame, 0, &it)
	if o.known || !it.flow() {
		return
	}
	var addrs [32]byte
	k := it.key(&f)
	back := turned(&k, &addrs)
	if o.connection(w, &back) {
		o.reply = !o.reply
	}
}

func destinationOff(v6 bool) int {
	if v6 {
		return 16
	}
	return 4
}

func (o *ownership) addresses(addrs unsafe.Pointer, v6 bool) {
	o.src = addrOf(addrAt(addrs, v6), v6)
	o.dst = addrOf(addrAt(destination(addrs, v6), v6), v6)
}

// quoted looks at the packet that an ICMP error quotes.
func (o *ownership) quoted(w *Worker, f *port.Frame, it *item) {
	if int(it.End)-int(it.L4) < packet.ICMPLen {
		return
	}
	var q, outer quote
	var addrs [32]byte
	if q.find(f, it) {
		k := q.turned(&addrs)
		if o.connection(w, &k) {
			return
		}
	}
	if q.findTunnelled(f, it, &outer, w.snap) {
		k := q.key()
		o.connection(w, &k)
	}
}

// connection looks a tuple up.
func (o *ownership) connection(w *Worker, k *conn.Key) bool {
	r := w.table.Find(k)
	if r.Entry == nil {
		return false
	}
	b := w.backendOf(r.Entry)
	if b == nil || int(b.Service) >= len(w.snap.Services) {
		return false
	}
	o.known, o.service, o.reply = true, &w.snap.Services[b.Service], r.Reply
	v6 := r.Entry.Flags&conn.V6 != 0
	o.client = addrOf(addrAt(unsafe.Pointer(&r.Entry.Addrs), v6), v6)
	o.peer = netip.AddrPortFrom(addrOf(*(*[16]byte)(unsafe.Pointer(&b.peer.Addr)), b.V6), packet.Swap16(b.peer.PortOf(r.Entry)))
	return true
}

// endpoint looks for the service that a tuple leads to.
func (o *ownership) endpoint(w *Worker, k *conn.Key, in uint8) {
	i := w.snap.services.find(k, in)
	if i == 0 {
		return
	}
	o.known, o.service = true, &w.snap.Services[i-1]
}

// tell writes it into a copy's description.
func (o *ownership) tell(i *CopyInfo) {
	if !o.known {
		return
	}
	i.Mode, i.Reply = o.service.Mode, o.reply
	i.nameSize = uint8(copy(i.name[:], o.service.Name))
	if o.peer.IsValid() {
		i.V6, i.peerPort = o.peer.Addr().Is6(), o.peer.Port()
		i.peer = AddrOf(o.peer.Addr())
	}
}

// fits reports whether a tap wants a packet: what costs least is asked first.
func (t *Tap) fits(s *capturing) bool {
	f, o := &t.o, &s.owner
	if len(f.Reasons) > 0 && (s.info.Fate == Sent || s.info.Fate == FromSlowPath || !t.reasons[s.info.Reason]) {
		return false
	}
	if f.Service != "" && (!o.known || o.service.Name != f.Service) {
		return false
	}
	if f.Backend.IsValid() && (f.Backend.Addr() != o.peer.Addr() || f.Backend.Port() != 0 && f.Backend.Port() != o.peer.Port()) {
		return false
	}
	if f.Client.IsValid() {
		if o.client.IsValid() && !f.Client.Contains(o.client) {
			return false
		}
		if !o.client.IsValid() && !f.Client.Contains(o.src) && !f.Client.Contains(o.dst) {
			return false
		}
	}
	if f.Expr == nil || f.Expr.Match(s.before[:s.cut], s.size) {
		return true
	}
	for i := range s.outs[:s.left] {
		g := &s.outs[i].frame
		if f.Expr.Match(packet.Bytes(g.Data, g.Len), int(g.Len)) {
			return true
		}
	}
	return false
}

func (l *lane) push(record []byte) bool { return l.ring.Push(&ring.Meta{}, record) }
