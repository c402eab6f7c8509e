package fastpath

import (
	"encoding/binary"
	"unsafe"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
)

// A sub-port is a VLAN on another port, its parent, with a number, addresses, neighbours and counters of its own. Frames
// lose their tags before anything else looks at them, and get them when they are queued on the parent: between, a frame
// of a VLAN is as any other.

// VLAN tells what frames of a sub-port look like on its parent.
type VLAN struct {
	Parent int
	Outer  uint16 // VLAN identifier, 1 to 4094
	Inner  uint16 // of a second tag (802.1ad, QinQ); 0: there is none
}

// PortTraffic is what a sub-port's frames are counted in, without tags.
type PortTraffic struct {
	PacketsIn, BytesIn   uint64
	PacketsOut, BytesOut uint64
}

const (
	vlanTagLen = 4
	vidMask    = 0xfff
)

// subPort is a sub-port as a worker sends on it.
type subPort struct {
	// burst has, in its transmit vector, frames without tags: flushSubPorts gives them to the parent. So the steady way
	// need not know of sub-ports.
	burst   *port.Burst
	tags    uint64 // as they stand behind the MACs, loaded as a word, of which the first size bytes count
	size    uint8  // vlanTagLen, or twice that
	traffic *PortTraffic
}

// vlans are the sub-ports of a port, by their VLANs.
type vlans struct {
	single [vidMask + 1]uint8 // sub-port; 0: none, as no sub-port can be the first port
	double []doubleTag
}

type doubleTag struct {
	outer, inner uint16
	port         uint8
}

// addSubPort makes port i of a worker one of a VLAN.
func (w *Worker) addSubPort(i int, v *VLAN) {
	p := &w.ports[i]
	p.sub = &subPort{burst: new(port.Burst), traffic: &w.mem.traffic[i]}
	w.subPorts = true
	parent := &w.ports[v.Parent]
	if parent.vlans == nil {
		parent.vlans = new(vlans)
	}
	if v.Inner == 0 {
		parent.vlans.single[v.Outer&vidMask] = uint8(i)
	} else {
		parent.vlans.double = append(parent.vlans.double, doubleTag{v.Outer, v.Inner, uint8(i)})
	}
	var tags [2 * vlanTagLen]byte
	p.sub.size = uint8(copy(tags[:], v.tags()))
	p.sub.tags = packet.Load64(unsafe.Pointer(&tags), 0)
}

// tags are the tags of a frame, in the order of the wire: 802.1ad's outside if there are two.
func (v *VLAN) tags() []byte {
	const customer, provider = 0x8100, 0x88a8
	if v.Inner == 0 {
		return binary.BigEndian.AppendUint16([]byte{customer >> 8, customer & 0xff}, v.Outer)
	}
	b := binary.BigEndian.AppendUint16([]byte{provider >> 8, provider & 0xff}, v.Outer)
	return binary.BigEndian.AppendUint16(append(b, customer>>8, customer&0xff), v.Inner)
}

// Tagged is a copy of a frame with a VLAN's tags.
func (v *VLAN) Tagged(frame []byte) []byte {
	if len(frame) < packet.EthTypeOff {
		return frame
	}
	return append(append(append([]byte(nil), frame[:packet.EthTypeOff]...), v.tags()...), frame[packet.EthTypeOff:]...)
}

// Untagged is a copy of a frame without a VLAN's tags; false if it does not have them.
func (v *VLAN) Untagged(frame []byte) ([]byte, bool) {
	t := v.tags()
	end := packet.EthTypeOff + len(t)
	if len(frame) < end || string(frame[packet.EthTypeOff:end]) != string(t) {
		return nil, false
	}
	return append(append([]byte(nil), frame[:packet.EthTypeOff]...), frame[end:]...), true
}

// isTag reports whether an EtherType, as loaded, begins a VLAN tag.
func isTag(ether uint16) bool { return ether == packet.EtherVLAN || ether == packet.EtherQinQ }

// tagged reports whether a frame has a VLAN tag, in it or taken off by the device.
func tagged(f *port.Frame) bool {
	return f.Flags&port.VLANStripped != 0 || f.Len >= packet.EthLen+vlanTagLen && isTag(packet.Load16(f.Data, packet.EthTypeOff))
}

// untag takes the tags off a tagged frame and makes it one of its sub-port's. A tag of VLAN 0 has a priority only. It
// reports false if the frame is of no VLAN that is known; it is unchanged then.
func (w *Worker) untag(f *port.Frame) bool {
	at := uintptr(packet.EthTypeOff)
	next := func() (vid uint16, ok bool) {
		if uint32(at)+2+vlanTagLen > f.Len || !isTag(packet.Load16(f.Data, at)) {
			return 0, false
		}
		vid = packet.Swap16(packet.Load16(f.Data, at+2)) & vidMask
		at += vlanTagLen
		return vid, true
	}
	var vid uint16
	ok := true
	if f.Flags&port.VLANStripped != 0 {
		vid = uint16(f.Hash) & vidMask
	} else {
		vid, ok = next()
	}
	if vid == 0 && ok {
		if inner, more := next(); more {
			vid = inner
		}
	}
	if !ok || !w.enter(f, vid, next) {
		return false
	}
	f.Flags &^= port.VLANStripped
	cut := uint32(at - packet.EthTypeOff)
	low, high := packet.Load64(f.Data, 0), packet.Load32(f.Data, 8)
	f.Data = unsafe.Add(f.Data, cut)
	packet.Store64(f.Data, 0, low)
	packet.Store32(f.Data, 8, high)
	f.Room += uint16(cut)
	f.Len -= cut
	if s := w.ports[f.Port].sub; s != nil {
		s.traffic.PacketsIn++
		s.traffic.BytesIn += uint64(f.Len)
	}
	return true
}

// enter finds the port of a frame in a VLAN, whose further tags next reads.
func (w *Worker) enter(f *port.Frame, vid uint16, next func() (uint16, bool)) bool {
	if vid == 0 {
		return true
	}
	v := w.ports[f.Port].vlans
	if v == nil {
		return false
	}
	if len(v.double) > 0 {
		if inner, ok := next(); ok {
			for _, d := range v.double {
				if d.outer == vid && d.inner == inner {
					f.Port = d.port
					return true
				}
			}
			if inner != 0 {
				return false
			}
		}
	}
	if p := v.single[vid]; p != 0 {
		f.Port = p
		return true
	}
	return false
}

// outgoing is where frames of a port wait for transmission.
func (p *egress) outgoing() *port.Burst {
	if p.sub != nil {
		return p.sub.burst
	}
	return p.b
}

// flushSubPorts gives what waits on sub-ports to their parents, with tags: once a round.
func (w *Worker) flushSubPorts() {
	for i := range w.ports {
		if w.ports[i].sub != nil {
			w.flushSubPort(uint8(i))
		}
	}
}

func (w *Worker) flushSubPort(out uint8) {
	p := &w.ports[out]
	s, b := p.sub, p.b
	for i := range s.burst.NTX {
		f := &s.burst.TX[i]
		if b.NTX == port.TxSize {
			p.q.Exchange(0)
		}
		r := reason.TxFull
		if b.NTX < port.TxSize {
			if f.Room >= uint16(s.size) {
				s.tag(f)
				f.MoveTo(&b.TX[b.NTX])
				b.NTX++
				continue
			}
			r = reason.NoBuffer
		}
		w.counters.Out-- // it was counted when it was queued
		w.count(f, r, out)
		w.free(f)
	}
	s.burst.NTX = 0
}

// tag puts a sub-port's tags into a frame, for which there is room.
func (s *subPort) tag(f *port.Frame) {
	s.traffic.PacketsOut++
	s.traffic.BytesOut += uint64(f.Len)
	low, high := packet.Load64(f.Data, 0), packet.Load32(f.Data, 8)
	f.Wrap(f.Len, uint32(s.size))
	packet.Store64(f.Data, 0, low)
	packet.Store32(f.Data, 8, high)
	if s.size == vlanTagLen {
		packet.Store32(f.Data, packet.EthTypeOff, uint32(s.tags))
	} else {
		packet.Store64(f.Data, packet.EthTypeOff, s.tags)
	}
}
