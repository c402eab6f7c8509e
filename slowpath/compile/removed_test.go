package compile

import (
	"net/netip"
	"testing"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
)

func TestARemovedBackendKeepsItsPlaceUntilItsLastConnectionEnds(t *testing.T) {
	for policy := range map[conf.OnRemove]fastpath.Departure{conf.OnRemoveDrain: fastpath.Stays, conf.OnRemoveReset: fastpath.Resets} {
		r := newRig(t)
		both, one := web(first, second), web(second)
		both.OnRemove, one.OnRemove = policy, policy
		r.compile(both)
		was := r.place(both, first)
		was.Load.Add()
		r.compile(one)
		if _, ok := r.c.Place(&one, was.Address()); ok {
			t.Error("the removed backend is among those that are configured")
		}
		gone := r.c.Removed(&one)
		if len(gone) != 1 || gone[0].Index != was.Index || gone[0].Load != was.Load || r.snap.Backends.At(was.Index).Peer().Gen != was.Gen {
			t.Fatalf("%s: %+v is removed, the snapshot has generation %d", policy, gone, r.snap.Backends.At(was.Index).Peer().Gen)
		}
		if live := r.snap.Backends.At(was.Index).Gen == was.Gen; live != (policy == conf.OnRemoveDrain) {
			t.Errorf("%s: packets find the backend: %v", policy, live)
		}
		if r.picks(4)[was.Index] != 0 {
			t.Error("it is picked")
		}
		if !r.c.Due().IsZero() {
			t.Error("there is something to do while it has a connection")
		}
		was.Load.Remove(false)
		if r.c.Due().IsZero() {
			t.Error("there is nothing to do when it has none")
		}
		r.compile(one)
		if len(r.c.Removed(&one)) != 0 || r.snap.Backends.At(was.Index).Peer().Gen != 0 || !r.c.Due().IsZero() {
			t.Errorf("%s: without connections it is still there", policy)
		}
	}
}

func TestABackendThatComesBackHasItsPlaceAndConnections(t *testing.T) {
	r := newRig(t)
	both, one := web(first, second), web(second)
	r.compile(both)
	was := r.place(both, first)
	was.Load.Add()
	r.compile(one)
	r.compile(both)
	if now := r.place(both, first); now.Index != was.Index || now.Gen != was.Gen || now.Load != was.Load || len(r.c.Removed(&both)) != 0 {
		t.Errorf("it was %+v and is %+v", was, now)
	}
	if r.picks(4)[was.Index] == 0 {
		t.Error("it is not picked")
	}
}

// TestNoPlaceIsGivenUpThatAWorkerKnows: one that has not heard of the removal may still open connections there.
func TestNoPlaceIsGivenUpThatAWorkerKnows(t *testing.T) {
	r := newRig(t)
	both, one := web(first, second), web(second)
	r.compile(both)
	load, old := r.place(both, first).Load, r.acked
	load.Add()
	r.compile(one)
	load.Remove(false)
	r.acked = old
	r.compile(one)
	if len(r.c.Removed(&one)) != 1 {
		t.Error("the place is given up while a worker knows the backend")
	}
	r.compile(one)
	if len(r.c.Removed(&one)) != 0 {
		t.Error("the place is not given up when none does")
	}
}

func TestExpireNodestIsForBackendsThatAreDown(t *testing.T) {
	for _, expire := range []bool{false, true} {
		r := newRig(t)
		s := web(first, second, third)
		s.ExpireNodest, s.Backends[2].Maintenance = expire, true
		r.down[first], r.down[third] = true, true
		s.Backends[1].Weight = 0
		r.compile(s)
		for backend, want := range map[string]bool{first: !expire, second: true, third: true} {
			p, _ := r.c.Place(&s, netip.MustParseAddrPort(backend))
			i := p.Index
			if got := r.snap.Backends.At(i).Gen != 0; got != want {
				t.Errorf("expire_nodest %v: packets find %s: %v", expire, backend, got)
			}
		}
	}
}

// TestAConnectionOpenedAsItsBackendGoesCountsOut: a worker that has not heard of the removal opens it. If the backend left no
// trace, nobody would know at its end that it was one of the service's, and its limit would be one less for ever.
func TestAConnectionOpenedAsItsBackendGoesCountsOut(t *testing.T) {
	r := newRig(t)
	both, one := web(first, second), web(second)
	both.Limits, one.Limits = &conf.Limits{Connections: 5}, &conf.Limits{Connections: 5}
	r.compile(both)
	was, old := r.place(both, first), r.acked
	r.compile(one)
	r.acked = old
	was.Load.Add()
	r.compile(one)
	if b := r.snap.Backends.At(was.Index); b.Gen != was.Gen || b.Service != r.snap.Backends.At(r.place(one, second).Index).Service {
		t.Errorf("the snapshot has %+v there", b)
	}
	was.Load.Remove(false)
	r.compile(one)
	if len(r.c.Removed(&one)) != 0 || r.snap.Backends.At(was.Index).Peer().Gen != 0 || !r.c.Due().IsZero() {
		t.Error("it is still there when the connection has ended")
	}
}
