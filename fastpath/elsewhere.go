package fastpath

import (
	"slices"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/sched"
)

// A FullNAT connection that finds no local port for its backend may go to another one, as if the first were full: not that of a
// client whom persistence or the scheduler binds to a backend. The scheduler is asked again. One that goes by loads or
// priorities gives the same backend as before, so then the others take turns.

// elsewhereTries is how many other backends a connection tries, and elsewhereLook how many places are looked at for each of
// them where they take turns.
const (
	elsewhereTries = 4
	elsewhereLook  = 16
)

// settleElsewhere finds an opening another backend, with a local address and port; nil: there is none, and the opening holds
// nothing any more.
func (w *Worker) settleElsewhere(f *port.Frame, it *item, k *conn.Key, o *opening) *Backend {
	tried := [elsewhereTries + 1]uint32{o.backend}
	service := o.real.Service
	svc := &w.snap.Services[service]
	o.real.Load.Remove(false)
	for n := 1; n < len(tried) && svc.persist == nil && !svc.binds; n++ {
		index, ok := w.another(k, service, tried[:n])
		if !ok {
			break
		}
		tried[n] = index
		b := w.made(index)
		if !b.Load.Reserve() {
			continue
		}
		o.backend, o.real = index, b
		if fits(f, it, b) && w.proposeLocal(k, b, o) && w.settleLocal(k, b, o) {
			w.counters.LocalPortsElsewhere++
			return b
		}
		b.Load.Remove(false)
	}
	w.release(o.hold, svc, w.now)
	return nil
}

// another is a backend of a service that is not among those that were tried.
func (w *Worker) another(k *conn.Key, service uint32, tried []uint32) (index uint32, ok bool) {
	svc := &w.snap.Services[service]
	if !svc.keyless {
		w.schedulerKey(k)
	}
	state := w.schedulerState(service, svc.gen)
	if n := pickAnother(svc, &w.key, state, tried); n >= 0 {
		return svc.Backends[n], true
	}
	size := uint32(len(svc.Backends))
	for range min(elsewhereLook, size) {
		w.lookAt++
		index = svc.Backends[w.lookAt%size]
		if b := w.made(index); b.Accepts && !b.Load.Full() && !slices.Contains(tried, index) {
			return index, true
		}
	}
	return 0, false
}

// pickAnother asks a service's scheduler for a backend that was not tried, as often as there are some; -1: it gives none.
func pickAnother(svc *Service, key *sched.Key, state *sched.State, tried []uint32) int {
	for range tried {
		n := svc.Sched.Pick(key, state)
		if n < 0 || n >= len(svc.Backends) {
			return -1
		}
		if !slices.Contains(tried, svc.Backends[n]) {
			return n
		}
	}
	return -1
}
