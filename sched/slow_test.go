package sched

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
)

// shareOf is the part of many new connections that a server gets; each ends after some others have come.
func shareOf(t *testing.T, name string, ss []Server, server int) float64 {
	t.Helper()
	s := build(t, name, ss, Options{TableSize: smallTable})
	const picks, open = 30_000, 2000
	r := rand.New(rand.NewPCG(60, 61))
	var st State
	var held [open]int
	got := 0.0
	for i := range picks {
		if i >= open {
			ss[held[i%open]].Load.Active.Add(-1)
		}
		var k Key
		binary.BigEndian.PutUint64(k.Src[:], r.Uint64())
		binary.BigEndian.PutUint64(k.Dst[:], r.Uint64())
		n := s.Pick(&k, &st)
		if n < 0 {
			t.Fatalf("%s refused", name)
		}
		ss[n].Load.Active.Add(1)
		held[i%open] = n
		if n == server {
			got += 1.0 / picks
		}
	}
	return got
}

// A client that a starting server has got stays there while its share grows, and no other client moves but to it.
func TestClientsMoveOnceWhenAServerStarts(t *testing.T) {
	for _, tt := range []struct {
		name string
		opt  Options
	}{{"mh", Options{}}, {"mh", Options{Fallback: true}}, {"sh", Options{Fallback: true}}} {
		r := rand.New(rand.NewPCG(62, 63))
		ss := equalServers(10)
		var stages []Scheduler
		for _, share := range []uint8{1, 10, 35, 70, 99, 100} {
			ss[4].Share = share
			stages = append(stages, build(t, tt.name, ss, tt.opt))
		}
		for range 5000 {
			k := randomKey(r)
			before := -1
			for _, s := range stages {
				now := s.Pick(&k, nil)
				if before >= 0 && now != before && now != 4 {
					t.Fatalf("%s: a client went from %d to %d", tt.name, before, now)
				}
				before = now
			}
		}
	}
}

func TestServersThatAllStartTakeEverything(t *testing.T) {
	for _, name := range schedulers {
		ss := servers(5, 5, 0)
		ss[0].Share, ss[1].Share = 1, 2
		s := build(t, name, ss, Options{TableSize: smallTable, Fallback: true})
		r := rand.New(rand.NewPCG(64, 65))
		var st State
		got := 0
		for range 100 {
			k := randomKey(r)
			if s.Pick(&k, &st) >= 0 {
				got++
			}
		}
		if got < 50 || got < 100 && name != "dh" {
			t.Errorf("%s took %d of 100 connections", name, got)
		}
	}
}

// The heaviest weights leave no room for a hundredfold.
func TestHeavyServersStartSlowlyToo(t *testing.T) {
	ss := servers(MaxWeight, MaxWeight)
	ss[1].Share = 50
	if got := shareOf(t, "wlc", ss, 1); math.Abs(got-1.0/3) > 0.005 {
		t.Errorf("got %.3f, want a third", got)
	}
}
