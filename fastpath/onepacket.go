package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// One-packet scheduling (ipvsadm -o): each UDP packet of a client is scheduled for itself, and no connection is kept. In
// nat, a backend's packets get the VIP as their source all the same: which service they are of is told by the backend's
// address and port.

// sendOnce forwards an admitted packet that begins no connection.
func (w *Worker) sendOnce(f *port.Frame, it *item, k *conn.Key, o *opening) verdict {
	b := o.real
	w.giveBack(o) // it is over as soon as it has begun
	w.setOnce(k, o.backend, b.Gen)
	if it.firstOfSeveral(f) {
		dk := it.arriving(f)
		p := w.remember(&dk, false)
		p.backend, p.gen = o.backend, b.Gen
	}
	c := &w.backends[o.backend]
	c.NewConns++
	w.counters.NewConns++
	c.PacketsIn++
	c.BytesIn += uint64(it.End - packet.EthLen)
	return w.convey(f, it, &w.once, b)
}

// setOnce makes the entry that stands for a connection while its one packet, with a client's tuple, is handled.
func (w *Worker) setOnce(k *conn.Key, backend, gen uint32) {
	w.once = conn.Entry{Proto: packet.ProtoUDP, State: conn.UDPFlow, Backend: backend, Gen: gen, Ports: k.Ports}
	if k.V6 {
		w.once.Flags = conn.V6
		w.once.Addrs = *(*[4]uint64)(k.Addrs)
	} else {
		w.once.Addrs[0] = packet.Load64(k.Addrs, 0)
	}
}

// onceOf makes it for the tuple of what may be a backend's answer in one-packet scheduling; nil: it is none.
func (w *Worker) onceOf(k *conn.Key) *conn.Entry {
	t := w.snap.onceBackends
	if t == nil || k.Proto != packet.ProtoUDP {
		return nil
	}
	index := t.get(endpointAt(k.Addrs, k.V6, uint16(k.Ports), k.Proto))
	if index == 0 {
		return nil
	}
	b := w.real(index - 1)
	vip := w.snap.Services[b.Service].once
	var addrs [32]byte
	back := turned(k, &addrs) // from the client to the backend, which becomes the VIP
	to := destination(back.Addrs, k.V6)
	if k.V6 {
		*(*[16]byte)(to) = vip.addr
	} else {
		packet.Store32(to, 0, packet.Load32(unsafe.Pointer(&vip.addr), 0))
	}
	back.Ports = back.Ports&0xffff | uint32(vip.port)<<16
	w.setOnce(&back, index-1, b.Gen)
	return &w.once
}

// answerOnce sends on what may be a backend's answer in one-packet scheduling; false: it is not.
func (w *Worker) answerOnce(f *port.Frame, it *item, k *conn.Key) (verdict, bool) {
	e := w.onceOf(k)
	if e == nil {
		return verdict{}, false
	}
	return w.reply(f, it, e, w.real(e.Backend)), true
}

// onceOfPart makes it for a later fragment, of a packet that was scheduled for itself or of an answer; nil: it is of neither.
func (w *Worker) onceOfPart(f *port.Frame, it *item, k *conn.Key) (e *conn.Entry, reply bool) {
	if k.Proto != packet.ProtoUDP {
		return nil, false
	}
	dk := it.arriving(f)
	if p := w.passage(&dk, false); p != nil && p.gen != 0 {
		w.setOnce(k, p.backend, p.gen)
		return &w.once, false
	}
	return w.onceToClient(f, k), true
}

// onceToClient is onceOf where it is not known yet that the tuple leads to no address of Weir's.
func (w *Worker) onceToClient(f *port.Frame, k *conn.Key) *conn.Entry {
	if w.snap.onceBackends == nil || w.local(f, destination(k.Addrs, k.V6), k.V6) != 0 {
		return nil
	}
	return w.onceOf(k)
}

// onePacket is where the clients of a service with one-packet scheduling send to, the only place in NAT.
type onePacket struct {
	addr [16]byte
	port uint16 // as loaded
}

func newOnePacket(v *ServiceSpec) *onePacket {
	if !v.OnePacket || len(v.Addresses) == 0 {
		return nil
	}
	e := v.Addresses[0]
	return &onePacket{addr: AddrOf(e.Prefix.Addr()), port: packet.Swap16(e.First)}
}

// addOnce makes the table of the backends whose answers belong to no connection, unless it is the base's.
func (snap *Snapshot) addOnce(s *Spec) {
	table, news := 0, !s.Rest
	for i := range snap.Services {
		if v := &snap.Services[i]; v.once != nil && v.Mode == NAT {
			table += len(v.Backends)
			news = news || i < len(s.Services) && !s.Services[i].unused()
		}
	}
	if !news {
		return
	}
	if snap.onceBackends = nil; table == 0 {
		return
	}
	snap.onceBackends = newEndpointTable(table)
	snap.Backends.each(func(i uint32, b *Backend) {
		if v := &snap.Services[b.Service]; b.Gen != 0 && v.once != nil && v.Mode == NAT {
			*snap.onceBackends.ref(endpointAt(unsafe.Pointer(&b.peer.Addr), b.V6, b.peer.Port, packet.ProtoUDP)) = i + 1
		}
	})
}
