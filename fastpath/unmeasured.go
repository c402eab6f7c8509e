package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
)

// What becomes of a first fragment may depend on how long its datagram is, and that only the last one tells. The CRC of an
// SCTP packet changes with its ports by the change times a power of x, the number of bits from the ports to the end. A RST
// acknowledges all of the SYN that it answers. Such a first fragment waits for the last, and all that come meanwhile wait
// behind it.

// needsLength reports whether a first fragment cannot go on without its datagram's length.
func (w *Worker) needsLength(f *port.Frame, it *item, d *datagram) bool {
	k := conn.Key{Addrs: unsafe.Add(f.Data, addrsOff(it.v6())), Ports: d.ports, Proto: it.Proto, V6: it.v6()}
	switch {
	case it.Proto == packet.ProtoSCTP:
		return !w.asItIs(&k, f.Port)
	case it.Proto == packet.ProtoTCP && it.begins():
		i := w.snap.services.find(&k, f.Port)
		return i != 0 && w.snap.Services[i-1].OnEmpty == AnswerReset
	}
	return false
}

// asItIs reports whether packets of a tuple go on without a change behind their IP header.
func (w *Worker) asItIs(k *conn.Key, in uint8) bool {
	i := w.snap.services.find(k, in)
	return i != 0 && (w.snap.Services[i-1].Mode == TUN || w.snap.Services[i-1].Mode == DR)
}

// holdFirst lets a first fragment wait for the last.
func (w *Worker) holdFirst(f *port.Frame, d *datagram) verdict {
	if !w.datagrams.hold(d, f, true) {
		w.refuse(d, reason.FragmentQueueFull)
		return drop(reason.FragmentQueueFull)
	}
	d.fate = unmeasured
	return sent
}

// measured sends on what has waited for a datagram's last fragment.
func (w *Worker) measured(d *datagram) {
	var f port.Frame
	var it item
	w.datagrams.unhold(d, &f)
	w.parse(&f, &it, w.ports[f.Port].mac)
	if v := w.lead(&f, &it, d); v == newcomer {
		w.openAlone(&f, &it)
	} else {
		w.settle(&f, v)
	}
}

// openAlone is openAll for one packet.
func (w *Worker) openAlone(f *port.Frame, it *item) {
	all := [1]opening{{Probe: conn.Probe{Home: it.Home}}}
	w.openAll(unsafe.Slice(f, 1), unsafe.Slice(it, 1), all[:])
}

// length is how long a datagram is from the L4 header of its first fragment on, 0 while that is not known. What stands
// between IPv6's fragment header and that one is counted in its size.
func (d *datagram) length(it *item) uint32 {
	if d.size == 0 {
		return 0
	}
	const fragmentHeader = 8
	before := uint32(0)
	if it.v6() {
		before = uint32(it.L4-it.Frag) - fragmentHeader
	}
	return uint32(d.size) - before
}
