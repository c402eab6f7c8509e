package fastpath

import (
	"math/bits"
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
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

// What is not steady, and so has 0 for what its connection's head must hold, differs there from all connections, which have
// a protocol: it needs no test of its own.

// steady sends frames of a group on, of which to and back have a bit each: the clients' up to the first that is not steady,
// then the backends' that came before that one, again up to the first that is not. It returns the others; the lowest is not
// steady. There are two loops because nobody can predict, where both sides come in one stream, which is next, and a test
// for it costs a tenth of the time.
func (w *Worker) steady(frames []port.Frame, items []item, to, back uint64) uint64 {
	left := w.steadySide(frames, items, to, false)
	if now := back & (left&-left - 1); now != 0 {
		left |= back&^now | w.steadySide(frames, items, now, true)
	} else {
		left |= back
	}
	w.counters.Out += uint64(bits.OnesCount64(to|back) - bits.OnesCount64(left))
	return left
}

// steadySide is steady for one side. Each loop is for one family, and returns what is left where it meets another, or what is
// not steady.
func (w *Worker) steadySide(frames []port.Frame, items []item, todo uint64, replies bool) uint64 {
	for last := packet.Kind(0); todo != 0; {
		_, it := frameAt(frames, items, bits.TrailingZeros64(todo))
		if it.Kind == last {
			return todo // it is what stopped the last loop
		}
		last = it.Kind
		switch {
		case replies && it.Kind == packet.Flow4:
			todo = w.steadyBack4(frames, items, todo)
		case replies:
			todo = w.steadyBack6(frames, items, todo)
		case it.Kind == packet.Flow4:
			todo = w.steadyTo4(frames, items, todo)
		default:
			todo = w.steadyTo6(frames, items, todo)
		}
	}
	return 0
}

// frameAt is a frame of a group and its item, without the checks of two slices.
func frameAt(frames []port.Frame, items []item, i int) (*port.Frame, *item) {
	off := uintptr(i) * itemSize
	return (*port.Frame)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(frames)), off)), (*item)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(items)), off))
}
