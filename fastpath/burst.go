package fastpath

import (
	"math/bits"
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
)

// item is what the stages know of one frame of a burst.
type item struct {
	packet.Info
	hash uint32 // of the tuple, for choices that must stay with the flow
	// steady is what the head of the frame's connection must hold, from its protocol on, for a client's packet of its
	// kind to change nothing there but when it ends; 0 if there is no such packet, see steady.go.
	steady uint32
	conn.Probe
	// datagram is what is known of all of the datagram: of an SCTP packet, or any first fragment, how many bytes there are
	// from L4 on, of a later fragment the ports. It is 0 while that is not known; of plain frames it is not set.
	datagram uint32
}

// itemSize is an item's size, the same as a Frame's.
const itemSize = unsafe.Sizeof(item{})

var _ [itemSize - unsafe.Sizeof(port.Frame{})]struct{}
var _ [unsafe.Sizeof(port.Frame{}) - itemSize]struct{}

// flow reports whether the frame is a TCP, UDP or SCTP packet.
func (it *item) flow() bool { return it.Kind.Flow() }

func (it *item) v6() bool { return it.Kind.V6() }

// addrsOff is where source and destination address lie in a row in a frame.
func addrsOff(v6 bool) uintptr {
	if v6 {
		return packet.EthLen + packet.IP6Src
	}
	return packet.EthLen + packet.IP4Src
}

// groupSize is how many frames go through a stage at a time. While the cache lines that one group asked for are on
// their way, the groups before and after it are worked on; more lines than this at once wait for each other.
const groupSize = 16

// receive takes frames of one port through all stages. The frames become the stages' to give away. With steer, those
// whose connection another worker owns are handed over to it.
func (w *Worker) receive(frames []port.Frame, in uint8, steer bool) {
	const most = (port.BurstSize + groupSize - 1) / groupSize
	var kept [most]int
	var found, replies [most]uint64
	groups := (len(frames) + groupSize - 1) / groupSize
	items := &w.scratch.items
	w.scratch.fragments = false
	for g := range groups + 2 {
		if at := g * groupSize; g < groups {
			kept[g] = w.begin(frames[at:min(at+groupSize, len(frames))], items[at:], in, steer)
		}
		if l := g - 1; l >= 0 && l < groups {
			found[l], replies[l] = w.table.Probe(&items[l*groupSize].Probe, kept[l], itemSize)
		}
		if l := g - 2; l >= 0 {
			w.finish(frames[l*groupSize:][:kept[l]], items[l*groupSize:], found[l], replies[l])
		}
	}
}

// begin is the first stage of a group: headers, hash, and a prefetch of the index lines. It returns how many of the
// frames, moved to the front with their items, are this worker's.
func (w *Worker) begin(frames []port.Frame, items []item, in uint8, steer bool) int {
	mac, whole := w.ports[in].mac, !steer
	if steer && w.taps == nil { // a tap wants to know of each what it is, and where it was lost
		var n int
		n, whole = w.steerOnSight(frames, in)
		frames = frames[:n]
	}
	for i := 0; i < len(frames); i++ {
		if i += w.plain(frames[i:], items[i:], in, mac); i == len(frames) {
			break
		}
		f := &frames[i]
		if f.Port = in; tagged(f) && w.untag(f) {
			if w.plain(frames[i:i+1], items[i:], f.Port, w.ports[f.Port].mac) == 1 {
				continue
			}
		}
		w.parse(f, &items[i], w.ports[f.Port].mac)
	}
	n := len(frames)
	if !whole {
		n = w.steer(frames, items)
	}
	w.table.PrefetchIndex(&items[0].Probe, n, itemSize)
	return n
}

// parse finds out what a frame is.
func (w *Worker) parse(f *port.Frame, it *item, mac uint64) {
	packet.Parse(f.Data, f.Len, mac, &it.Info)
	if f.Flags&deviceFaults != 0 {
		it.deviceFault(f.Flags)
	}
	var hash uint64
	switch it.Kind {
	case packet.Flow4:
		hash = w.hasher.Hash4(packet.Load64(f.Data, packet.EthLen+packet.IP4Src), packet.Load32(f.Data, uintptr(it.L4)), it.Proto)
	case packet.Flow6:
		hash = w.hasher.Hash6(unsafe.Add(f.Data, packet.EthLen+packet.IP6Src), packet.Load32(f.Data, uintptr(it.L4)), it.Proto)
	}
	it.hash, it.steady, it.Home, it.datagram = uint32(hash), 0, w.hasher.HomeOf(hash), 0
	if it.Proto == packet.ProtoSCTP && it.flow() {
		it.steady, it.datagram = it.steadySCTP(), uint32(it.End-it.L4)
	}
	if it.isFragment() {
		w.scratch.fragments = true
	}
}

// deviceFaults are the flags of a frame that its device found fault with.
const deviceFaults = port.BadIPChecksum | port.BadL4Checksum | port.Segmented | port.VLANStripped

// deviceFault takes a frame for bad for what the device says of it. What the parser found wrong says more than
// a checksum, but of a frame in several buffers it saw only the first.
func (it *item) deviceFault(flags uint16) {
	switch {
	case flags&port.Segmented != 0:
		it.Fault = reason.Segmented
	case flags&port.VLANStripped != 0:
		it.Fault = reason.UnknownVLAN // or untag had seen to it
	case it.Kind == packet.Bad:
	case flags&port.BadIPChecksum != 0:
		it.Fault = reason.BadIPChecksum
	default:
		it.Fault = reason.BadL4Checksum
	}
	it.Kind = packet.Bad
}

func destination(addrs unsafe.Pointer, v6 bool) unsafe.Pointer {
	if v6 {
		return unsafe.Add(addrs, 16)
	}
	return unsafe.Add(addrs, 4)
}

// finish is the last stage: what becomes of every frame of a group. Those found in the index, of which some are replies, may
// be steady, and go before those that are not found: no frame of one side of a connection is found if another one is not.
// But none may overtake a fragment, which may be of its side and is never found; nor one of its side that was found and is not steady.
// So a fragment goes for a client's that was found, which holds up both sides.
func (w *Worker) finish(frames []port.Frame, items []item, found, replies uint64) {
	s, opened := w.scratch, 0
	todo := uint64(1)<<len(frames) - 1
	if s.fragments {
		some := fragmentsOf(items[:len(frames)])
		found, replies = found|some, replies&^some // there may be a reply where the index looks for all that it cannot know
	}
	for stuck := uint64(0); todo != 0; {
		if found != 0 && found&stuck == 0 {
			left := w.steady(frames, items, found&^replies, found&replies)
			if todo &^= found &^ left; todo == 0 {
				break
			}
			found, stuck = left, left&-left
		}
		i := bits.TrailingZeros64(todo)
		todo &= todo - 1
		found &= todo
		f, it := frameAt(frames, items, i)
		if it.steady != 0 && it.Proto != packet.ProtoSCTP { // plain saw it
			if it.Proto == packet.ProtoTCP {
				it.TCPFlags = packet.Load8(f.Data, uintptr(it.L4)+packet.TCPFlags) // plain saw only that nothing is wrong
			}
			if it.Guess == 0 {
				s.openings[opened].begin(it, i)
				opened++
				continue
			}
		}
		v := newcomer
		if !it.flow() || it.Group {
			if it.isFragment() {
				if opened > 0 {
					w.openAll(frames, items, s.openings[:opened])
					opened = 0
				}
				w.fragmentInOrder(f, it)
				continue
			}
			v = w.odd(f, it)
		} else if it.Guess != 0 {
			v = w.flow(f, it)
		}
		switch v.fate {
		case fresh:
			s.openings[opened].begin(it, i)
			opened++
		case gone:
		default:
			w.settle(f, v)
		}
	}
	if opened > 0 {
		w.openAll(frames, items, s.openings[:opened])
	}
}

// fragmentInOrder sees a fragment, with what has waited for it, to its end before anything else comes. Who sends two datagrams in a
// row with one identification keeps them apart by their order only: nothing may get among the fragments of the one, neither
// the other's nor a packet that is cut up here.
func (w *Worker) fragmentInOrder(f *port.Frame, it *item) {
	v := w.odd(f, it)
	if v.fate == fresh {
		w.openAlone(f, it)
	}
	if w.datagrams.ripe.head != 0 {
		w.followRipe()
	}
	switch v.fate {
	case fresh, gone:
	case late:
		w.settle(f, w.follow(f, it))
	default:
		w.settle(f, v)
	}
}
