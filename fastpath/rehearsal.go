package fastpath

import (
	"errors"
	"net/netip"
	"sync/atomic"
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/sched"
)

// What would become of a packet is found out by a worker that was made for this one packet, with copies of all that it
// may write. This file has what it takes to make it like a running one, which does not notice.

// Rehearsal copies a snapshot so that a worker which uses it changes nothing of what others use: neither the backends'
// loads nor what schedulers remember of the service with this index. The schedulers go on reading the true loads.
func (snap *Snapshot) Rehearsal(service uint32, watch func(sched.Scheduler) sched.Scheduler) *Snapshot {
	c := *snap
	c.taps = nil
	load := new(sched.Load)
	c.Backends = snap.Backends.grown(0)
	c.Backends.load = load
	for i, in := range c.Backends.chunks {
		if in == &unused {
			continue
		}
		mine := *in
		for j := range mine {
			mine[j].Load = load
		}
		c.Backends.chunks[i] = &mine
	}
	c.Services = append([]Service(nil), snap.Services...)
	if int(service) < len(c.Services) && c.Services[service].Sched != nil {
		c.Services[service].Sched = watch(sched.Aside(c.Services[service].Sched))
		c.Services[service].limits = c.Services[service].limits.aside()
	}
	return &c
}

// ServiceOf is the index of the service that takes the packets from one address to another that come in by a port and
// belong to no connection.
func (snap *Snapshot) ServiceOf(src, dst netip.AddrPort, proto, in uint8) (index uint32, ok bool) {
	var addrs [32]byte
	k := tuple(src, dst, proto, &addrs)
	i := snap.services.find(&k, in)
	return i - 1, i != 0
}

// tuple makes a packet's key; addrs is its memory.
func tuple(src, dst netip.AddrPort, proto uint8, addrs *[32]byte) conn.Key {
	n := copy(addrs[:], src.Addr().AsSlice())
	copy(addrs[n:], dst.Addr().AsSlice())
	return conn.Key{
		Addrs: unsafe.Pointer(addrs), V6: src.Addr().Is6(), Proto: proto,
		Ports: uint32(packet.Swap16(src.Port())) | uint32(packet.Swap16(dst.Port()))<<16,
	}
}

// Local tells whether an address is a service's, and the port whose own it is, -1 if it is none's.
func (snap *Snapshot) Local(a netip.Addr) (vip bool, port int) {
	addr := AddrOf(a)
	flags := snap.local(unsafe.Pointer(&addr), a.Is6())
	if flags&localOwn == 0 {
		return flags&localVIP != 0, -1
	}
	return flags&localVIP != 0, int(ownPort(flags))
}

// LocalAddress tells whether an address is a local address of a fullnat service.
func (snap *Snapshot) LocalAddress(a netip.Addr) bool {
	addr := AddrOf(a)
	return snap.local(unsafe.Pointer(&addr), a.Is6())&localFull != 0
}

// Connection finds a packet's connection in the worker's table, with conn.Table.Peek's caveat; for any goroutine.
func (w *Worker) Connection(src, dst netip.AddrPort, proto uint8, snap *Snapshot) (e conn.Entry, reply, ok bool) {
	var addrs [32]byte
	k := tuple(src, dst, proto, &addrs)
	return w.table.Peek(&k, snap.Backends.peers(), snap.Locals)
}

// SchedulerState copies what the scheduler of a snapshot's service keeps on this worker; for any goroutine.
func (w *Worker) SchedulerState(service uint32, snap *Snapshot) (s sched.State) {
	if int(service) >= len(snap.Services) || atomic.LoadUint32(&w.states[service].gen) != snap.Services[service].gen {
		return s
	}
	*(*uint64)(unsafe.Pointer(&s)) = atomic.LoadUint64((*uint64)(unsafe.Pointer(&w.states[service].State)))
	return s
}

var _ [8 - unsafe.Sizeof(sched.State{})]struct{}
var _ [unsafe.Sizeof(sched.State{}) - 8]struct{}

// Assume gives a service's scheduler the state it has on another worker.
func (w *Worker) Assume(service uint32, s sched.State) {
	*w.schedulerState(service, w.snap.Services[service].gen) = s
}

// LocalWalk is where the walk over local addresses and ports stands for a backend; for any goroutine.
func (w *Worker) LocalWalk(backend uint32) uint32 { return atomic.LoadUint32(&w.walks[backend].at) }

// AssumeLocalWalk lets a backend's walk go on from where another worker's stands.
func (w *Worker) AssumeLocalWalk(backend, at uint32) { w.walks[backend] = walk{at: at} }

// Adopt adds a copy of another worker's connection to an empty table.
func (w *Worker) Adopt(from *conn.Entry) error {
	k := from.Key()
	var back conn.Home
	if from.Flags&conn.Reverse != 0 {
		if b := w.backendOf(from); b != nil && w.hasLocal(from) {
			var addrs [32]byte
			rk := b.replyKey(&k, &addrs)
			if b.Mode == FullNAT {
				rk = w.fullReplyKey(from.Local, from.Ports, from.Proto, b, &addrs)
			}
			back = w.hasher.KeyHome(&rk)
		}
	}
	e := w.table.Insert(&k, w.hasher.KeyHome(&k), back)
	if e == nil {
		return errors.New("the connection table has no room for a copy")
	}
	e.State, e.Backend, e.Gen, e.Expires = from.State, from.Backend, from.Gen, from.Expires
	e.Local, e.Shift = from.Local, from.Shift
	e.Flags = from.Flags&^conn.Reverse | e.Flags&conn.Reverse
	if e.Flags&conn.Full != 0 {
		w.locals[e.LocalIndex()]++
	}
	return nil
}
