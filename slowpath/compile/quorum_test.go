package compile

import (
	"net/netip"
	"testing"

	"github.com/weirlb/weir/conf"
)

func TestQuorumIsGainedAndLostAsKeepalivesIs(t *testing.T) {
	weighed := func(need, hysteresis int) conf.Quorum {
		return conf.Quorum{Weight: need, Backends: 1, Hysteresis: hysteresis}
	}
	for _, c := range []struct {
		name    string
		quorum  conf.Quorum
		was     bool
		weights []int // of what is up
		want    Quorum
	}{
		{"one is enough", conf.Quorum{Backends: 1}, true, []int{1}, Quorum{true, 1, 1}},
		{"none is left", conf.Quorum{Backends: 1}, true, nil, Quorum{false, 0, 1}},
		{"one is back", conf.Quorum{Backends: 1}, false, []int{3}, Quorum{true, 1, 1}},
		{"those without a weight do not count", conf.Quorum{Backends: 1}, true, []int{0, 0}, Quorum{false, 0, 1}},
		{"weight counts", weighed(5, 0), true, []int{3, 2}, Quorum{true, 5, 5}},
		{"weight lacks", weighed(5, 0), true, []int{4}, Quorum{false, 4, 5}},
		{"down to the hysteresis", weighed(5, 2), true, []int{3}, Quorum{true, 3, 5}},
		{"below the hysteresis", weighed(5, 2), true, []int{2}, Quorum{false, 2, 5}},
		{"back at the quorum", weighed(5, 2), false, []int{6}, Quorum{false, 6, 5}},
		{"back above the hysteresis", weighed(5, 2), false, []int{4, 3}, Quorum{true, 7, 5}},
		{"nothing left is no quorum", conf.Quorum{Backends: 3, Hysteresis: 3}, true, nil, Quorum{false, 0, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &conf.Service{Quorum: c.quorum}
			for i, w := range c.weights {
				s.Backends = append(s.Backends, conf.Backend{Weight: w, Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 80)})
			}
			s.Backends = append(s.Backends, conf.Backend{Weight: 100, Down: true})
			got := CountQuorum(s, c.was, func(_ *conf.Service, b *conf.Backend) Status { return Status{Up: !b.Down, Weight: b.Weight} })
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestSorryServerTakesOverAndGivesBack(t *testing.T) {
	r := newRig(t)
	s := web("10.0.0.11:80", "10.0.0.12:80")
	s.Sorry = &conf.Backend{Address: netip.MustParseAddrPort("10.0.0.99:80"), Weight: 1}
	r.down["10.0.0.99:80"] = true // not needed
	r.compile(s)
	first, sorry := r.place(s, "10.0.0.11:80"), r.place(s, "10.0.0.99:80")
	if got := r.picks(10); len(got) != 2 || got[sorry.Index] != 0 || r.snap.Backends.At(sorry.Index).Accepts {
		t.Errorf("standing by: %v", got)
	}
	r.down = map[string]bool{} // needed, though both backends are up: the quorum is more
	r.compile(s)
	if got := r.picks(10); got[sorry.Index] != 10 || !r.snap.Backends.At(sorry.Index).Accepts || r.snap.Backends.At(first.Index).Accepts {
		t.Errorf("taking over: %v", got)
	}
	if r.place(s, "10.0.0.11:80") != first || r.place(s, "10.0.0.99:80") != sorry {
		t.Error("connections lose their place")
	}
	r.down["10.0.0.99:80"] = true
	r.compile(s)
	if got := r.picks(10); len(got) != 2 || got[sorry.Index] != 0 {
		t.Errorf("giving back: %v", got)
	}
	s.Sorry = nil
	r.compile(s)
	if _, ok := r.c.Place(&s, netip.MustParseAddrPort("10.0.0.99:80")); ok {
		t.Error("a sorry server that was removed has a place")
	}
}
