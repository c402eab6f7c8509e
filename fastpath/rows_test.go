package fastpath

import (
	"net/netip"
	"testing"
	"unsafe"

	"github.com/weirlb/weir/sched"
)

// buildRows is NewSnapshot with rows for all services that can have one.
func buildRows(s *Spec) (*Snapshot, error) {
	b, err := NewBuilder(s, len(s.Backends))
	if err != nil {
		return nil, err
	}
	servers := Servers{}
	for i := range s.Backends {
		if r := &s.Backends[i]; r.Gen != 0 && s.Services[r.Service].Mode == NAT {
			servers.Add(r.Address, 1)
		}
	}
	inRow := map[uint32]bool{}
	for i := range s.Services {
		if row := rowOf(s, &s.Services[i], servers); row != nil {
			for j := range row.Reals {
				inRow[row.First+uint32(j)] = true
			}
			b.SetRow(row)
		}
	}
	for i := range s.Backends {
		if r := s.Backends[i]; r.Gen != 0 && !inRow[uint32(i)] {
			r.Shared = servers.Shared(r.Address)
			b.SetBackend(uint32(i), &r)
		}
	}
	return b.Snapshot()
}

// rowOf is the row that a service's backends make, nil if they are none.
func rowOf(s *Spec, svc *ServiceSpec, servers Servers) *Row {
	if svc.OnePacket || len(svc.Backends) == 0 {
		return nil
	}
	first := s.Backends[svc.Backends[0]]
	row := &Row{First: svc.Backends[0], Gen: first.Gen, Like: first}
	for j, i := range svc.Backends {
		b := s.Backends[i]
		if i != row.First+uint32(j) || b.Gen != row.Gen+uint32(j) || b.Gen == 0 || uintptr(unsafe.Pointer(b.Load)) != uintptr(unsafe.Pointer(first.Load))+uintptr(j)*unsafe.Sizeof(sched.Load{}) || b.Departure != Stays ||
			b.Quiescent == b.Accepts || b.Wide != (first.Wide || b.Address.Port() == 0) || svc.Mode == TUN && !b.Tunnel.Plain() {
			return nil
		}
		row.Reals = append(row.Reals, Real{
			Address: b.Address, Source: b.Source, Hop: b.Hop, MTU: uint16(s.Ports[b.Port].MTU), Accepts: b.Accepts, Shared: servers.Shared(b.Address),
		})
	}
	row.Loads = unsafe.Slice(first.Load, len(row.Reals))
	return row
}

// next publishes a snapshot that is based on the last one, with what f changes.
func (r *rig) next(f func(b *Builder, s *Spec)) *Snapshot {
	r.t.Helper()
	base := r.snap.Load()
	s := &Spec{Generation: r.spec.Generation, Base: base, Rest: true, Ports: r.spec.Ports, Services: make([]ServiceSpec, len(r.spec.Services))}
	r.spec.Generation++
	b, err := NewBuilder(s, len(r.spec.Backends))
	if err != nil {
		r.t.Fatal(err)
	}
	f(b, s)
	snap, err := b.Snapshot()
	if err != nil {
		r.t.Fatal(err)
	}
	r.snap.Store(snap)
	return snap
}

// set makes all backends of the first service one by one, as a change of one of them does.
func (r *rig) set(b *Builder, s *Spec) {
	s.Services[0] = r.spec.Services[0]
	for _, i := range r.spec.Services[0].Backends {
		b.SetBackend(i, &r.spec.Backends[i])
	}
}

func TestABackendInARowIsMadeByTheWorkerThatUsesIt(t *testing.T) {
	r := newRig(t, tcp4(), withWorkers(2, 2))
	r.rows = true
	r.publish()
	w := r.workers[Owner(netip.MustParseAddrPort(client4), 2)]
	r.sendTo(w.id, wan, pk{from: client4, to: vip4, flags: "S"}.frame(t), 0)
	for i, other := range r.workers {
		for b := range uint32(2) {
			if made := other.real(b).Gen != 0; made != (i == w.id && b == 0) {
				t.Errorf("worker %d, backend %d: made %t", i, b, made)
			}
		}
	}
	var want Backend
	want.build(&r.spec.Backends[0], r.spec.Services[0].recipe(), 1500)
	if got := *w.real(0); got != want {
		t.Errorf("%+v, one by one it would be %+v", got, want)
	}
}

// Whatever the way in which a connection's backend is made before and after a change, its packets of both directions find it,
// whichever comes first.
func TestConnectionsDoNotNoticeHowTheirBackendsAreMade(t *testing.T) {
	for f := range families {
		for _, before := range []bool{false, true} {
			for _, replyFirst := range []bool{false, true} {
				r, client, reply := established(t, f, NAT)
				r.rows = before
				r.publish()
				exchange := func(what string) {
					t.Helper()
					for i := range 2 {
						if (i == 0) == replyFirst {
							one(t, r.send(lan, reply("A")), wan)
						} else if s := one(t, r.send(wan, client("A")), lan); s.dstMAC != mac(rs1MAC) {
							t.Errorf("%s: went to %s", what, s.dstMAC)
						}
					}
				}
				exchange("the other way")
				was := r.snap.Load()
				made := r.workers[0].real(0)
				is := r.next(func(*Builder, *Spec) {})
				exchange("nothing changed")
				if !is.Backends.Shares(&was.Backends, 0) || r.workers[0].real(0) != made {
					t.Error("without a change, the backends are made anew")
				}
				r.next(r.set)
				exchange("one by one")
				r.rows = true
				r.publish()
				exchange("in a row")
				r.next(func(b *Builder, _ *Spec) { b.Vacate(0) })
				if out := r.send(wan, client("A")); len(out) != 0 || r.reasons()["backend_gone"] != 1 {
					t.Errorf("a place without a backend: %d frames left, %v", len(out), r.reasons())
				}
				r.loads[0].Remove(true) // its count was lost with its place
			}
		}
	}
}

// A worker that was away for some changes does not keep what one of them took.
func TestAWorkerThatMissedSnapshotsHasTheLastOne(t *testing.T) {
	r, client, _ := established(t, 0, NAT)
	r.rows = true
	r.publish()
	one(t, r.send(wan, client("A")), lan)
	r.next(func(b *Builder, _ *Spec) { b.Vacate(0) })
	r.next(func(*Builder, *Spec) {})
	if out := r.send(wan, client("A")); len(out) != 0 {
		t.Errorf("%d frames went to a backend that is gone", len(out))
	}
	r.loads[0].Remove(true) // its count was lost with its place
	r.publish()             // and what the worker made before is not there still
	one(t, r.send(wan, client("S")), lan)
	if got := r.workers[0].real(0); got.Gen != 0 && got.Gen != r.spec.Backends[0].Gen {
		t.Errorf("generation %d", got.Gen)
	}
}

func TestAChangeOfOneServiceSharesTheBackendsOfOthers(t *testing.T) {
	services := tcp4()
	many := rigService{vip: "203.0.113.11:80", proto: services[0].proto, mode: NAT}
	for range 600 {
		many.peers = append(many.peers, "10.0.0.11:8080")
	}
	for _, rows := range []bool{false, true} {
		r := newRig(t, append(services, many))
		r.rows = rows
		r.publish()
		was := r.snap.Load()
		is := r.next(r.set)
		if is.Backends.Shares(&was.Backends, 0) || is.Services[1].Sched != was.Services[1].Sched {
			t.Error("the service that changes, or the other one, is in the wrong memory")
		}
		for i := uint32(256); i < 602; i++ {
			if !is.Backends.Shares(&was.Backends, i) {
				t.Fatalf("backend %d was copied for a change of another service", i)
			}
		}
		if *was.Backends.At(0) != *is.Backends.At(0) {
			t.Error("nothing of it has changed, but it is another")
		}
	}
}
