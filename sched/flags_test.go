package sched

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestFlagsAreThoseOfLVS(t *testing.T) {
	if got := Flags(""); !slices.Equal(got, []string{"sh-port", "sh-fallback", "mh-port", "mh-fallback"}) {
		t.Errorf("flags %v", got)
	}
	if got := Flags("mh"); !slices.Equal(got, []string{"mh-port", "mh-fallback"}) || Flags("rr") != nil {
		t.Errorf("flags of mh %v, of rr %v", got, Flags("rr"))
	}
	for _, name := range []string{"sh", "mh"} {
		var opt Options
		if opt.Set(name + "-port"); !opt.Ports || opt.Fallback {
			t.Errorf("%s-port made %+v", name, opt)
		}
		if opt.Set(name + "-fallback"); !opt.Fallback {
			t.Errorf("%s-fallback made %+v", name, opt)
		}
	}
}

// move tells what became of 20000 clients as one set of servers followed another.
type move struct{ refused, moved, ofOthers int }

// moves compares by address; others are the clients of all servers but the one at gone.
func moves(t *testing.T, name string, opt Options, before, after []Server, gone int) (m move) {
	t.Helper()
	a, b := build(t, name, before, opt), build(t, name, after, opt)
	r := rand.New(rand.NewPCG(50, 51))
	for range 20_000 {
		k := randomKey(r)
		was, is := a.Pick(&k, nil), b.Pick(&k, nil)
		switch {
		case is < 0:
			m.refused++
		case after[is].Address != before[was].Address && was == gone:
			m.moved++
		case after[is].Address != before[was].Address:
			m.ofOthers++
		}
	}
	return m
}

// One of ten servers is drained, goes down, or is removed. What LVS's users know: without the fallback the clients of
// a drained server are refused, and nobody else is concerned.
func TestFallbackDecidesOverTheClientsOfADrainedServer(t *testing.T) {
	const gone, share, few = 3, 2000, 300
	for _, name := range []string{"sh", "mh"} {
		full := equalServers(10)
		drained, down := slices.Clone(full), slices.Clone(full)
		drained[gone].Weight, drained[gone].Last = 0, 1
		down[gone].Weight, down[gone].Last, down[gone].Down = 0, 1, true
		removed := slices.Delete(slices.Clone(full), gone, gone+1)
		near := func(n int) bool { return n > share-few && n < share+few }

		if m := moves(t, name, Options{}, full, drained, gone); !near(m.refused) || m.moved+m.ofOthers != 0 {
			t.Errorf("%s, drained: %+v", name, m)
		}
		if m := moves(t, name, Options{Fallback: true}, full, drained, gone); m.refused != 0 || !near(m.moved) || m.ofOthers != 0 {
			t.Errorf("%s, drained, with fallback: %+v", name, m)
		}
		if m := moves(t, name, Options{Fallback: true}, full, down, gone); m.refused != 0 || !near(m.moved) || m.ofOthers != 0 {
			t.Errorf("%s, down, with fallback: %+v", name, m)
		}
		if m := moves(t, name, Options{}, down, removed, -1); m != (move{}) {
			t.Errorf("%s: down is not as good as removed: %+v", name, m)
		}
	}
}

func TestMaglevRefusesAtOnceIfNobodyTakesConnections(t *testing.T) {
	drained := servers(0, 0)
	drained[0].Last, drained[1].Last = 1, 1
	for _, fallback := range []bool{false, true} {
		s := build(t, "mh", drained, Options{Fallback: fallback})
		if k := keyOf("192.0.2.1:1"); s.Pick(&k, nil) != -1 {
			t.Errorf("fallback %v: picked a server that takes no connections", fallback)
		}
	}
}

func TestDestinationHashLeavesOutServersThatAreDown(t *testing.T) {
	down := equalServers(4)
	down[1].Weight, down[1].Down = 0, true
	if m := moves(t, "dh", Options{}, down, slices.Delete(slices.Clone(down), 1, 2), -1); m != (move{}) {
		t.Errorf("%+v", m)
	}
}
