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
	b := w.real(o.backend)
	w.giveBack(o) // it is over as soon as it has begun
	w.setOnce(k.V6, o.backend)
	if k.V6 {
		w.once.Addrs = *(*[4]uint64)(k.Addrs)
	} else {
		w.once.Addrs[0] = *(*uint64)(k.Addrs)
	}
	w.once.Ports = k.Ports
	c := &w.backends[o.backend]
	c.NewConns++
	w.counters.NewConns++
	c.PacketsIn++
	c.BytesIn += uint64(it.End - packet.EthLen)
	return w.convey(f, it, &w.once, b)
}

// answerOnce sends on what may be a backend's answer in one-packet scheduling; false: it is not.
func (w *Worker) answerOnce(f *port.Frame, it *item, k *conn.Key) (verdict, bool) {
	t := w.snap.onceBackends
	if t == nil || k.Proto != packet.ProtoUDP {
		return verdict{}, false
	}
	index := t.get(endpointAt(k.Addrs, k.V6, uint16(k.Ports), k.Proto))
	if index == 0 {
		return verdict{}, false
	}
	b := w.real(index - 1)
	vip := w.snap.Services[b.Service].once
	w.setOnce(k.V6, index-1)
	client, to := destination(k.Addrs, k.V6), unsafe.Pointer(&w.once.Addrs)
	if k.V6 {
		*(*[16]byte)(to) = *(*[16]byte)(client)
		*(*[16]byte)(unsafe.Add(to, 16)) = vip.addr
	} else {
		packet.Store32(to, 0, packet.Load32(client, 0))
		packet.Store32(to, 4, packet.Load32(unsafe.Pointer(&vip.addr), 0))
	}
	w.once.Ports = k.Ports>>16 | uint32(vip.port)<<16
	return w.reply(f, it, &w.once, b), true
}

// setOnce begins the entry that stands for a connection while its one packet is handled.
func (w *Worker) setOnce(v6 bool, backend uint32) {
	w.once = conn.Entry{Proto: packet.ProtoUDP, State: conn.UDPFlow, Backend: backend, Gen: w.real(backend).Gen}
	if v6 {
		w.once.Flags = conn.V6
	}
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

// addOnce makes the table of the backends whose answers belong to no connection.
func (snap *Snapshot) addOnce() {
	snap.onceBackends = nil
	for i := range snap.Services {
		if v := &snap.Services[i]; v.once != nil && v.Mode == NAT {
			snap.onceBackends = newEndpointTable(len(v.Backends))
		}
	}
	if snap.onceBackends == nil {
		return
	}
	for i := range snap.Backends {
		b := &snap.Backends[i]
		if v := &snap.Services[b.Service]; b.Gen != 0 && v.once != nil && v.Mode == NAT {
			*snap.onceBackends.ref(endpointAt(unsafe.Pointer(&b.peer.Addr), b.V6, b.peer.Port, packet.ProtoUDP)) = uint32(i) + 1
		}
	}
}
