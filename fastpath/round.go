package fastpath

import (
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/fastpath/ring"
)

const (
	// sweepBudget is how many connections one round looks at for expiry: about a microsecond's worth.
	sweepBudget = 512
	// idleSweeps is how many times as many a round without packets may look at. A worker that naps between its
	// rounds would fall behind otherwise.
	idleSweeps = 32
	// fullSweeps is how many times a round sweeps that finds as many expired ones as it can take at a time. As many may
	// have begun in its burst: to end no more than these would never make up for a delay, and fill the table.
	fullSweeps = 4
)

const nsPerTick = 1_000_000

// Poll does one round: every queue once, then what other workers and the slow path have sent, then a
// little of the sweep. It returns how many packets there were.
func (w *Worker) Poll() int {
	if s := w.shared.Load(); s != w.snap {
		w.adopt(s)
	}
	total := 0
	for i := range w.ports {
		p := &w.ports[i]
		if p.sub != nil {
			continue // its parent's queue is its own
		}
		p.q.Exchange(port.BurstSize)
		w.tick(p.b.Now)
		if n := int(p.b.NRX); n > 0 {
			total += n
			w.counters.In += uint64(n)
			p.b.NRX = 0
			if w.taps != nil {
				w.receiveCaptured(p.b.RX[:n], uint8(i), w.workers > 1)
				continue
			}
			w.receive(p.b.RX[:n], uint8(i), w.workers > 1)
		}
	}
	if w.workers > 1 {
		total += w.takeHandedOver()
	}
	total += w.takeInjected()
	if w.subPorts {
		w.flushSubPorts()
	}
	if w.workers > 1 {
		w.handover.publish(w.id)
	}
	w.sweep(total == 0)
	w.punts.Ring()
	w.counters.Polls++
	w.countGap()
	if w.busy = total > 0; w.busy {
		w.counters.BusyPolls++
	}
	return total
}

// tick moves the worker's clock on; the time since the last look was busy if the round had packets.
func (w *Worker) tick(now uint64) {
	if now <= w.nowNs {
		return
	}
	if w.busy {
		w.counters.BusyNs += now - w.nowNs
	}
	w.nowNs = now
	w.counters.NowNs = now
	w.now = conn.Tick(now / nsPerTick)
}

// sweep ends connections whose time is up, a bounded number a round: the rest stays owed, a burst must not wait
// for it.
func (w *Worker) sweep(idle bool) {
	if w.datagrams.waiting > 0 {
		w.sweepDatagrams()
	}
	n := w.sweepOnce()
	for i := 1; w.table.Behind() > 0 && (w.unhurried || idle && i < idleSweeps || n == len(w.dead) && i < fullSweeps); i++ {
		n = w.sweepOnce()
	}
	w.counters.Live = uint64(w.table.Len())
	w.counters.FragmentsWaiting = uint64(w.datagrams.waiting)
}

// sweepOnce ends the connections that one sweep finds. The index lines of those that come next are on their way meanwhile.
func (w *Worker) sweepOnce() int {
	const ahead = 8 // as many as have about as many lines as a core can wait for at a time
	n := w.table.Sweep(w.now, sweepBudget, &w.dead)
	w.counters.Expired += uint64(n)
	dead := w.dead[:n]
	for _, e := range dead[:min(ahead, n)] {
		w.table.PrefetchHomes(e)
	}
	for i, e := range dead {
		if i+ahead < n {
			w.table.PrefetchHomes(dead[i+ahead])
		}
		w.expireUsual(e)
	}
	return n
}

// takeInjected sends what the slow path wants sent, a bounded number a round.
func (w *Worker) takeInjected() int {
	const most = 32
	var m ring.Meta
	n := 0
	for ; n < most; n++ {
		size, ok := w.inject.Pop(&m, w.scratch.bytes[:])
		if !ok {
			break
		}
		if int(m.Port) >= len(w.ports) || size < packet.EthLen {
			w.counters.Own++
			w.countAt(reason.Unset, m.Port)
			continue
		}
		if w.taps != nil {
			w.captureSent(w.scratch.bytes[:size], &m)
			continue
		}
		w.sendCopy(w.scratch.bytes[:size], &m)
	}
	return n
}

// sendCopy sends a frame of Weir's own: one that is finished, or one to a backend.
func (w *Worker) sendCopy(frame []byte, m *ring.Meta) {
	w.counters.Own++
	f, ok := w.spare(m.Port)
	if !ok || int(f.Tail) < len(frame) {
		if ok {
			w.free(&f)
		}
		w.countAt(reason.NoBuffer, m.Port)
		return
	}
	copy(packet.Bytes(f.Data, uint32(len(frame))), frame)
	f.Len = uint32(len(frame))
	f.Tail -= uint16(len(frame))
	if m.Gen != 0 {
		if v := w.probe(&f, m); v != sent {
			w.settle(&f, v)
		}
		return
	}
	w.transmit(&f, m.Port)
}

// spare takes an empty buffer from the queue of a port.
func (w *Worker) spare(out uint8) (port.Frame, bool) {
	b := w.ports[out].b
	if b.NSpare == 0 {
		w.ports[out].q.Exchange(0)
		if b.NSpare == 0 {
			return port.Frame{}, false
		}
	}
	b.NSpare--
	f := b.Spare[b.NSpare]
	f.Port = out
	return f, true
}

// transmit queues a finished frame on a port: to be sent with the next Exchange there.
func (w *Worker) transmit(f *port.Frame, out uint8) {
	p := &w.ports[out]
	if !p.tx {
		w.transmitThrough(f, out)
		return
	}
	b := p.outgoing()
	if b.NTX == port.TxSize {
		if p.sub != nil {
			w.flushSubPort(out)
		} else {
			p.q.Exchange(0)
		}
		if b.NTX == port.TxSize {
			w.count(f, reason.TxFull, out)
			w.free(f)
			return
		}
	}
	f.MoveTo(&b.TX[b.NTX])
	b.NTX++
	w.counters.Out++
}

// drop counts a frame and gives its buffer back.
func (w *Worker) drop(f *port.Frame, r reason.Reason) {
	w.count(f, r, f.Port)
	w.free(f)
}

func (w *Worker) free(f *port.Frame) {
	p := &w.ports[0]
	if p.b.NFree == port.FreeSize {
		p.q.Exchange(0)
	}
	p.b.Free[p.b.NFree] = f.Buf
	p.b.NFree++
}

// punt copies a frame for the slow path and gives its buffer back.
func (w *Worker) punt(f *port.Frame, r reason.Reason) {
	m := ring.Meta{Reason: r, Port: f.Port}
	w.puntWith(f, &m)
}

// puntNeighbor hands over a packet that only lacks the next hop's MAC.
func (w *Worker) puntNeighbor(f *port.Frame, k *nexthop.Key) {
	m := ring.Meta{Reason: reason.PuntNeighbor, Port: k.Port, V6: k.V6, Addr: k.Addr}
	w.puntWith(f, &m)
}

func (w *Worker) puntWith(f *port.Frame, m *ring.Meta) {
	r := m.Reason
	if !w.punts.Push(m, packet.Bytes(f.Data, f.Len)) {
		r = reason.PuntFull
	}
	w.drop(f, r)
}
