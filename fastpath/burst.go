package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/prefetch"
	"github.com/weirlb/weir/fastpath/reason"
)

// item is what the stages know of one frame of a burst.
type item struct {
	packet.Info
	hash  uint32 // of the tuple, for choices that must stay with the flow
	home  conn.Home
	guess conn.Ref
}

// flow reports whether the frame is a TCP or UDP packet.
func (it *item) flow() bool { return it.Kind == packet.Flow4 || it.Kind == packet.Flow6 }

func (it *item) v6() bool {
	return it.Kind == packet.Flow6 || it.Kind == packet.ICMP6 || it.Kind == packet.Other6
}

// addrsOff is where source and destination address lie in a row in a frame.
func addrsOff(v6 bool) uintptr {
	if v6 {
		return packet.EthLen + packet.IP6Src
	}
	return packet.EthLen + packet.IP4Src
}

// receive takes a burst of one port through all stages. The frames become the stages' to give away.
func (w *Worker) receive(frames []port.Frame, in uint8) {
	for i := range frames {
		frames[i].Port = in
	}
	w.parse(frames)
	if w.workers > 1 {
		frames = w.steer(frames)
	}
	w.handle(frames)
}

// parse is the first stage: headers, hash, and a prefetch of the index lines.
func (w *Worker) parse(frames []port.Frame) {
	s := w.scratch
	for i := range frames {
		f := &frames[i]
		it := &s.items[i]
		packet.Parse(f.Data, f.Len, w.ports[f.Port].mac, &it.Info)
		if f.Flags&(port.BadIPChecksum|port.BadL4Checksum|port.Segmented) != 0 {
			it.deviceFault(f.Flags)
		}
		var hash uint64
		switch it.Kind {
		case packet.Flow4:
			l4 := unsafe.Add(f.Data, uintptr(it.L4))
			hash = w.table.Hash4(packet.Load64(f.Data, packet.EthLen+packet.IP4Src), packet.Load32(l4, 0), it.Proto)
		case packet.Flow6:
			l4 := unsafe.Add(f.Data, uintptr(it.L4))
			hash = w.table.Hash6(unsafe.Add(f.Data, packet.EthLen+packet.IP6Src), packet.Load32(l4, 0), it.Proto)
		}
		it.hash = uint32(hash)
		it.home = w.table.HomeOf(hash)
		s.lines[i] = w.table.Line(it.home)
	}
	prefetch.Lines(&s.lines, len(frames))
}

// deviceFault takes a frame for bad for what the device says of it. What the parser found wrong says more than
// a checksum, but of a frame in several buffers it saw only the first.
func (it *item) deviceFault(flags uint16) {
	switch {
	case flags&port.Segmented != 0:
		it.Fault = reason.Segmented
	case it.Kind == packet.Bad:
	case flags&port.BadIPChecksum != 0:
		it.Fault = reason.BadIPChecksum
	default:
		it.Fault = reason.BadL4Checksum
	}
	it.Kind = packet.Bad
}

// steer gives away the frames whose connection another worker owns, and returns the others.
func (w *Worker) steer(frames []port.Frame) []port.Frame {
	s := w.scratch
	kept := 0
	for i := range frames {
		o := w.ownerOf(&frames[i], &s.items[i])
		if o != w.id {
			w.handTo(&frames[i], o)
			continue
		}
		if kept != i {
			frames[kept], s.items[kept] = frames[i], s.items[i]
		}
		kept++
	}
	return frames[:kept]
}

// ownerOf computes who handles a packet. The client is the source of what goes to a VIP and the
// destination of all else; what is about no connection stays where it is.
func (w *Worker) ownerOf(f *port.Frame, it *item) int {
	switch it.Kind {
	case packet.Flow4, packet.Flow6:
		v6 := it.v6()
		addrs := unsafe.Add(f.Data, addrsOff(v6))
		toVIP := w.snap.local(destination(addrs, v6), v6)&localVIP != 0
		return w.clientsOwner(addrs, packet.Load32(f.Data, uintptr(it.L4)), v6, toVIP)
	case packet.ICMP4, packet.ICMP6:
		return w.errorsOwner(f, it)
	}
	return w.id
}

// errorsOwner is ownerOf for ICMP errors: who handles the packet that is quoted.
func (w *Worker) errorsOwner(f *port.Frame, it *item) int {
	var q, outer quote
	if q.find(f, it) {
		// It was sent by the error's destination, so to a VIP unless that is one.
		toVIP := w.snap.local(q.addrs, q.v6)&localVIP == 0
		return w.clientsOwner(q.addrs, q.ports, q.v6, toVIP)
	}
	if q.findTunnelled(f, it, &outer) {
		return w.clientsOwner(q.addrs, q.ports, q.v6, true)
	}
	return w.id
}

// clientsOwner is the owner by the client's end of a tuple: its source if it goes to a VIP.
func (w *Worker) clientsOwner(addrs unsafe.Pointer, ports uint32, v6, toVIP bool) int {
	var a nexthop.Addr
	n := uint32(4)
	if v6 {
		n = 16
	}
	port := uint16(ports)
	if !toVIP {
		addrs, port = destination(addrs, v6), uint16(ports>>16)
	}
	copy(a[:n], packet.Bytes(addrs, n))
	return owner(&a, port, w.workers)
}

func destination(addrs unsafe.Pointer, v6 bool) unsafe.Pointer {
	if v6 {
		return unsafe.Add(addrs, 16)
	}
	return unsafe.Add(addrs, 4)
}

// handle is the second and third stage: the entries' prefetch, then everything else packet by packet.
func (w *Worker) handle(frames []port.Frame) {
	s := w.scratch
	for i := range frames {
		it := &s.items[i]
		it.guess = conn.Ref{}
		if it.flow() {
			it.guess = w.table.Guess(it.home)
		}
		s.lines[i] = unsafe.Pointer(it.guess.Entry)
	}
	prefetch.Lines(&s.lines, len(frames))
	for i := range frames {
		f, it := &frames[i], &s.items[i]
		var v verdict
		if it.flow() && !it.Group {
			v = w.flow(f, it)
		} else {
			v = w.odd(f, it)
		}
		if v != sent {
			w.settle(f, v)
		}
	}
}
