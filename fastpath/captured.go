package fastpath

import (
	"time"
	"unsafe"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/fastpath/ring"
)

// While a capture is on, frames go through the stages one by one. What becomes of each is seen from outside: what has
// come to the transmit vectors and handover queues, and which counters have grown.

// capturing is a worker's memory while captures are on.
type capturing struct {
	at      uint64 // nanoseconds since 1970, of the burst
	packets uint64
	before  [copyMost]byte
	size    int       // of the frame that came in
	cut     int       // as much of it as before holds
	came    bool      // there is one
	marks   [256]mark // by port
	pushed  []uint32  // positions in the handover queues, by worker
	counts  [reason.Count]uint64
	waited  int // fragments before
	outs    [maxOuts]outgoing
	left    int // of outs
	missed  uint64
	owner   ownership
	info    CopyInfo
	record  CopyBuffer
}

// maxOuts is the most frames that one leaves as: pieces of it, and fragments that have waited for it.
const maxOuts = 2*maxPieces + waitingEach

// mark is a transmit vector before a frame is handled.
type mark struct {
	waiting uint32
	sent    uint64
}

// outgoing is a frame about to leave.
type outgoing struct {
	frame port.Frame
	port  uint8
}

func newCapturing(workers int) *capturing { return &capturing{pushed: make([]uint32, workers)} }

// receiveCaptured is receive while captures are on.
func (w *Worker) receiveCaptured(frames []port.Frame, in uint8, steer bool) {
	if !w.taps.ready(w.nowNs) {
		given := w.counters.HandedOver
		w.receive(frames, in, steer)
		w.taps.passedBy(w.id, uint64(len(frames))-(w.counters.HandedOver-given))
		return
	}
	s := w.taps.scratch[w.id]
	s.at = uint64(time.Now().UnixNano())
	for i := range frames {
		w.captureFrame(s, frames[i:i+1], in, steer)
	}
}

// ready reports whether any tap takes packets now.
func (t *Taps) ready(now uint64) bool {
	for _, tap := range t.list {
		if tap.ready(now) {
			return true
		}
	}
	return false
}

// passedBy counts packets that no tap looked at.
func (t *Taps) passedBy(worker int, n uint64) {
	for _, tap := range t.list {
		tap.lanes[worker].above.Add(n)
	}
}

// captureFrame handles one frame, the only one of frames, and offers it to the taps. One that belongs to another worker
// is offered there.
func (w *Worker) captureFrame(s *capturing, frames []port.Frame, in uint8, steer bool) {
	s.size = int(frames[0].Len)
	s.cut = copy(s.before[:], packet.Bytes(frames[0].Data, frames[0].Len))
	s.came = true
	w.makeRoom()
	s.mark(w)
	items := w.scratch.items[:]
	given := w.counters.HandedOver
	kept := w.begin(frames, items, in, steer)
	at, tags := frames[0].Port, min(s.size-int(frames[0].Len), s.cut)
	if kept > 0 {
		found, replies := w.table.Probe(&items[0].Probe, 1, itemSize)
		w.finish(frames, items, found, replies)
	}
	if w.counters.HandedOver != given {
		return
	}
	s.look(w)
	s.owner.find(w, s.before[tags:s.cut], at, &items[0]) // nothing but the MACs is before the tags
	s.info = CopyInfo{Port: in}
	s.judge(w)
	w.offer(s)
}

// captureSent is sendCopy while captures are on.
func (w *Worker) captureSent(frame []byte, m *ring.Meta) {
	s := w.taps.scratch[w.id]
	s.at = uint64(time.Now().UnixNano())
	s.cut, s.came = copy(s.before[:], frame), false
	s.size = s.cut
	w.makeRoom()
	s.mark(w)
	w.sendCopy(frame, m)
	s.look(w)
	s.owner.findOwn(w, s.before[:s.cut])
	s.info = CopyInfo{Port: m.Port, Out: true}
	s.judge(w)
	w.offer(s)
}

// captureFinished is transmitAll while captures are on. Another worker has shown the frames as sent, so only a loss is
// news.
func (w *Worker) captureFinished(frames []port.Frame) {
	s := w.taps.scratch[w.id]
	s.at = uint64(time.Now().UnixNano())
	for i := range frames {
		f := &frames[i]
		f.Flags &^= finished
		s.cut, s.came, s.size = copy(s.before[:], packet.Bytes(f.Data, f.Len)), false, int(f.Len)
		s.mark(w)
		w.transmit(f, f.Port)
		if s.counts[reason.TxFull] == w.counters.Reasons[reason.TxFull] {
			continue
		}
		s.left, s.missed = 0, 0
		s.owner.findOwn(w, s.before[:s.cut])
		s.info = CopyInfo{Port: f.Port, Out: true}
		s.judge(w)
		w.offer(s)
	}
}

// makeRoom lets no queue come to its end while a frame is handled: an exchange in the middle of it would send the frame
// before it is seen.
func (w *Worker) makeRoom() {
	const most = maxOuts
	for i := range w.ports {
		b := w.ports[i].b
		if b.NTX > port.TxSize-most || b.NFree > port.FreeSize-most || b.NSpare < maxPieces {
			w.ports[i].q.Exchange(0)
		}
		if p := &w.ports[i]; p.sub != nil && p.sub.burst.NTX > port.TxSize-most {
			w.flushSubPort(uint8(i))
		}
	}
}

// mark remembers how everything stands.
func (s *capturing) mark(w *Worker) {
	for i := range w.ports {
		b := w.ports[i].outgoing()
		s.marks[i] = mark{b.NTX, b.TxFrames}
	}
	for to := range s.pushed {
		if to != w.id {
			s.pushed[to] = w.handover.to(w.id, to).Next()
		}
	}
	s.counts, s.waited = w.counters.Reasons, w.datagrams.waiting
}

// look finds what has come to the queues since mark.
func (s *capturing) look(w *Worker) {
	s.left, s.missed = 0, 0
	for i := range w.ports {
		b, m := w.ports[i].outgoing(), &s.marks[i]
		if b.TxFrames != m.sent || b.NTX < m.waiting {
			s.missed++ // it had to be sent at once
			continue
		}
		for j := m.waiting; j < b.NTX; j++ {
			s.add(&b.TX[j], uint8(i))
		}
	}
	for to := range s.pushed {
		if to == w.id {
			continue
		}
		r := w.handover.to(w.id, to)
		for at := s.pushed[to]; at != r.Next(); at++ {
			if f := r.At(at); f.Flags&finished != 0 {
				s.add(f, f.Port)
			}
		}
	}
}

func (s *capturing) add(f *port.Frame, out uint8) {
	if s.left == maxOuts {
		s.missed++
		return
	}
	f.MoveTo(&s.outs[s.left].frame)
	s.outs[s.left].port = out
	s.left++
}

// judge fills in what became of the frame.
func (s *capturing) judge(w *Worker) {
	i := &s.info
	s.packets++
	i.Time, i.Packet = s.at, s.packets
	why, grown := s.grown(w)
	i.Reason = why
	switch {
	case grown && why.Punt():
		i.Fate = Punted
	case grown && (why.Answer() || s.left > 0 && why.Answered()):
		i.Fate = Answered
	case grown:
		i.Fate = Dropped
	case !s.came:
		i.Fate = FromSlowPath
	case w.datagrams.waiting > s.waited:
		i.Fate = Held
	default:
		i.Fate = Sent
	}
}

// grown finds the reason that was counted meanwhile.
func (s *capturing) grown(w *Worker) (reason.Reason, bool) {
	for r := range s.counts {
		if s.counts[r] != w.counters.Reasons[r] {
			return reason.Reason(r), true
		}
	}
	return reason.Unset, false
}

// offer gives the frame to every tap that wants it.
func (w *Worker) offer(s *capturing) {
	for _, t := range w.taps.list {
		l := &t.lanes[w.id]
		switch {
		case !t.fits(s):
			l.filtered.Add(1)
		case !t.admit(w.nowNs):
			l.above.Add(1)
		default:
			s.owner.tell(&s.info)
			l.taken.Add(1)
			l.lost.Add(s.missed)
			t.take(s, l)
		}
	}
}

// take copies a frame and what it leaves as. A frame of Weir's own is shown as it leaves, or as it would have.
func (t *Tap) take(s *capturing, l *lane) {
	if s.came || s.left == 0 {
		t.put(s, l, s.before[:s.cut], s.size)
	}
	for i := range s.outs[:s.left] {
		o := &s.outs[i]
		in := s.info.Port
		s.info.Port, s.info.Out = o.port, true
		t.put(s, l, packet.Bytes(o.frame.Data, o.frame.Len), int(o.frame.Len))
		s.info.Port, s.info.Out = in, !s.came
	}
}

// put adds a copy to the ring.
func (t *Tap) put(s *capturing, l *lane, frame []byte, size int) {
	s.info.Len = uint32(size)
	*(*CopyInfo)(unsafe.Pointer(&s.record)) = s.info
	n := copy(s.record[copyInfoSize:], frame[:min(len(frame), t.snap)])
	if !l.push(s.record[:copyInfoSize+n]) {
		l.lost.Add(1)
	}
}
