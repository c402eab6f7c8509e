package fastpath

import (
	"unsafe"

	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/prefetch"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/fastpath/ring"
)

// handoverSize is how many frames can wait from one worker to another.
const handoverSize = 1024

// finished marks, in Frame.Flags, a frame that another worker only has to transmit on Frame.Port.
const finished uint16 = 1 << 15

// Handover holds a queue from every worker to every other.
type Handover struct {
	workers int
	rings   []*ring.Frames // [from*workers+to]; nil on the diagonal
}

// NewHandover makes the queues among n workers.
func NewHandover(n int) *Handover {
	h := &Handover{workers: n, rings: make([]*ring.Frames, n*n)}
	for i := range h.rings {
		if i/n != i%n {
			h.rings[i] = ring.NewFrames(handoverSize)
		}
	}
	return h
}

func (h *Handover) to(from, to int) *ring.Frames { return h.rings[from*h.workers+to] }

// Fill is how many frames wait for a worker in the fullest of the queues to it, and how many that has room for; 0 of 0
// where there is one worker only. For any goroutine.
func (h *Handover) Fill(to int) (used, size int) {
	for from := range h.workers {
		if from == to {
			continue
		}
		n, most := h.to(from, to).Fill()
		used, size = max(used, n), most
	}
	return used, size
}

func (h *Handover) publish(from int) {
	for to := range h.workers {
		if to != from {
			h.to(from, to).Publish()
		}
	}
}

// Waiting is how many frames are on their way between workers, none of which may run.
func (h *Handover) Waiting() (n int) {
	for _, r := range h.rings {
		if r != nil {
			n += r.Len()
		}
	}
	return n
}

// drain empties the queues to a worker. All workers have stopped, each at the end of a round.
func (h *Handover) drain(to int) []port.Frame {
	var all []port.Frame
	buf := make([]port.Frame, handoverSize)
	for from := range h.workers {
		if from != to {
			all = append(all, buf[:h.to(from, to).Pop(buf)]...)
		}
	}
	return all
}

// handTo gives a frame to the worker that owns its connection.
func (w *Worker) handTo(f *port.Frame, owner int) {
	if !w.handover.to(w.id, owner).Push(f) {
		if f.Flags&port.VLANStripped != 0 {
			w.untag(f) // the owner would have: it is lost at the sub-port
		}
		w.drop(f, reason.HandoverFull)
		return
	}
	w.counters.HandedOver++
}

// transmitThrough sends on a port of which this worker has no transmit queue.
func (w *Worker) transmitThrough(f *port.Frame, out uint8) {
	f.Port = out
	f.Flags |= finished
	if !w.handover.to(w.id, w.id%w.ports[out].queues).Push(f) {
		w.drop(f, reason.HandoverFull)
	}
}

// takeHandedOver handles what other workers received for this one.
func (w *Worker) takeHandedOver() int {
	total := 0
	for from := range w.workers {
		if from == w.id {
			continue
		}
		frames := w.scratch.inbox[:w.handover.to(from, w.id).Pop(w.scratch.inbox[:])]
		total += len(frames)
		fetchHeaders(frames)
		for len(frames) > 0 {
			n := samePort(frames)
			switch {
			case frames[0].Flags&finished != 0:
				w.transmitAll(frames[:n])
			case w.taps != nil:
				w.receiveCaptured(frames[:n], frames[0].Port, false)
			default:
				w.receive(frames[:n], frames[0].Port, false)
			}
			frames = frames[n:]
		}
	}
	return total
}

// transmitAll sends finished frames.
func (w *Worker) transmitAll(frames []port.Frame) {
	if w.taps != nil {
		w.captureFinished(frames)
		return
	}
	for i := range frames {
		frames[i].Flags &^= finished
		w.transmit(&frames[i], frames[i].Port)
	}
}

// fetchHeaders starts loading the headers of frames, and their ports' handles, which other workers' caches have.
func fetchHeaders(frames []port.Frame) {
	if len(frames) == 0 {
		return
	}
	prefetch.Lines(unsafe.Pointer(&frames[0].Data), len(frames), unsafe.Sizeof(frames[0]))
	prefetch.Lines(unsafe.Pointer(&frames[0].Buf), len(frames), unsafe.Sizeof(frames[0]))
}

// samePort is how many frames, from the first on, came in on the same port and are alike in being finished.
func samePort(frames []port.Frame) int {
	n := 1
	for n < len(frames) && frames[n].Port == frames[0].Port && (frames[n].Flags^frames[0].Flags)&finished == 0 {
		n++
	}
	return n
}
