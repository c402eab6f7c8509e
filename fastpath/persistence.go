package fastpath

import (
	"fmt"
	"math/bits"
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/persist"
)

// PersistenceSpec makes a client's connections of a service go to one backend: LVS's persistence.
type PersistenceSpec struct {
	// Timeout is how many milliseconds a client is remembered from its last new connection on.
	Timeout uint32
	// Clients with as many first bits of their address in common are one client.
	Mask4, Mask6 int
	// ExpireQuiescent makes clients of a backend whose weight was set to 0 go to another one.
	ExpireQuiescent bool
}

// persistence is a PersistenceSpec as the packet path uses it.
type persistence struct {
	timeout         uint32
	expireQuiescent bool
	mask4           uint64 // as loaded, as are addresses in a key
	mask6           [2]uint64
}

func newPersistence(s *PersistenceSpec) *persistence {
	if s == nil {
		return nil
	}
	// ones is a word of n one bits, from the first in a packet on.
	ones := func(n int) uint64 { return bits.ReverseBytes64(^(^uint64(0) >> min(max(n, 0), 64))) }
	return &persistence{
		timeout: s.Timeout, expireQuiescent: s.ExpireQuiescent, mask4: ones(s.Mask4) & (1<<32 - 1),
		mask6: [2]uint64{ones(s.Mask6), ones(s.Mask6 - 64)},
	}
}

func (p *persistence) key(addrs unsafe.Pointer, v6 bool, service uint32) persist.Key {
	k := persist.Key{Service: service, V6: v6}
	if v6 {
		k.Addr = [2]uint64{packet.Load64(addrs, 0) & p.mask6[0], packet.Load64(addrs, 8) & p.mask6[1]}
	} else {
		k.Addr[0] = uint64(packet.Load32(addrs, 0)) & p.mask4
	}
	return k
}

// choosePersistent binds a new connection to the backend that its client has had, or to the scheduler's choice for it and
// the connections after it. As in LVS, a backend's thresholds do not part it from its clients.
func (w *Worker) choosePersistent(k *conn.Key, svc *Service, service uint32, o *opening) verdict {
	p := svc.persist
	key := p.key(k.Addrs, k.V6, service)
	ref, target, known := w.templates.Hold(&key, w.now, p.timeout)
	if known && w.stands(target, service, p) {
		w.bind(o, ref, target)
		w.real(target.Index).Load.Add()
		return newcomer
	}
	if v := w.pick(k, svc, service, o); v != newcomer {
		if known {
			w.templates.Release(ref, w.now)
		}
		return v
	}
	choice := persist.Target{Index: o.backend, Gen: o.real.Gen}
	var got persist.Target
	if known {
		got = w.templates.Redirect(ref, target, choice)
	} else {
		var evicted bool
		if ref, got, evicted = w.templates.Add(&key, choice, w.now, p.timeout); evicted {
			w.counters.TemplatesEvicted++
		}
		if ref == 0 {
			w.counters.TemplatesFull++
		}
	}
	if got != choice && w.stands(got, service, p) { // another worker has been quicker with the same client
		o.real.Load.Remove(false)
		w.real(got.Index).Load.Add()
	} else {
		got = choice
	}
	w.bind(o, ref, got)
	return newcomer
}

func (w *Worker) bind(o *opening, ref persist.Ref, target persist.Target) {
	o.backend, o.real = target.Index, w.real(target.Index)
	o.hold |= hold(ref)
}

// stands reports whether a template's backend still is one of the service's and may have connections of its clients.
func (w *Worker) stands(t persist.Target, service uint32, p *persistence) bool {
	if t.Index >= w.realCount {
		return false
	}
	b := w.made(t.Index)
	return b.Gen == t.Gen && b.Service == service && (b.Accepts || b.quiescent && !p.expireQuiescent)
}

// hold is what of the things that workers share a connection has, to be given back when it ends: a template's Ref.
type hold uint32

const (
	heldTemplate hold = 1<<29 - 1
	heldLimit    hold = 1 << 31 // it counts among its service's connections
)

var _ [heldTemplate - persist.MaxCapacity]struct{}

// release gives back what a connection of a service, which may be gone, held that has ended at a time.
func (w *Worker) release(h hold, svc *Service, at conn.Tick) {
	if h&heldLimit != 0 && svc != nil && svc.limits != nil {
		svc.limits.conns.Add(-1)
	}
	if ref := persist.Ref(h & heldTemplate); ref != 0 {
		w.templates.Release(ref, at)
	}
}

// setHold notes what a connection holds.
func (w *Worker) setHold(e *conn.Entry, h hold) {
	if h != 0 {
		w.holds[w.table.Index(e)] = h
		w.holding++
	}
}

// letGo gives back what a connection holds, at its end.
func (w *Worker) letGo(e *conn.Entry) {
	h := &w.holds[w.table.Index(e)]
	if *h == 0 {
		return
	}
	at := w.now
	if e.Expires.Before(at) { // it has ended before the sweep came by
		at = e.Expires
	}
	w.release(*h, w.serviceOfEntry(e), at)
	*h = 0
	w.holding--
}

// RememberClient adds a copy of a client's template in another table to the worker's own: for a rehearsal.
func (w *Worker) RememberClient(from *persist.Table, service uint32, client []byte) error {
	p := w.snap.Services[service].persist
	if p == nil || from == nil {
		return nil
	}
	var addr [16]byte
	copy(addr[:], client)
	key := p.key(unsafe.Pointer(&addr), len(client) == 16, service)
	t, ok := from.Peek(&key, w.now)
	if !ok {
		return nil
	}
	left := uint32(0)
	if w.now.Before(t.Expires) {
		left = uint32(t.Expires - w.now)
	}
	ref, _, _ := w.templates.Add(&key, t.Target, w.now, left)
	if ref == 0 {
		return fmt.Errorf("no room for a copy of the client's persistence template")
	}
	if t.Held == 0 {
		w.templates.Release(ref, w.now)
	}
	return nil
}
