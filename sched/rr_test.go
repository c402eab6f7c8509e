package sched

import "testing"

func TestRoundRobinGoesOnAcrossADrain(t *testing.T) {
	ss := servers(1, 1, 1, 1)
	var st State
	pick := func() int { return build(t, "rr", ss, Options{}).Pick(nil, &st) }
	expect := func(want ...int) {
		t.Helper()
		for _, w := range want {
			if got := pick(); got != w {
				t.Fatalf("picked %d, want %d", got, w)
			}
		}
	}
	expect(0, 1, 2, 3, 0, 1)
	ss[2].Weight = 0
	expect(3, 0, 1, 3)
	ss[2].Weight, ss[0].Weight = 5, 0
	expect(1, 2, 3, 1)
	ss = ss[:1]
	expect(-1)
	ss[0].Weight = 1
	expect(0, 0)
}

func TestRoundRobinSharesAreExact(t *testing.T) {
	const rounds = 1000
	ss := servers(1, 9, 0, 65535, 2, 0)
	s := build(t, "rr", ss, Options{})
	counts := make([]int, len(ss))
	var st State
	for range 4 * rounds {
		counts[s.Pick(nil, &st)]++
	}
	for i, n := range counts {
		if want := rounds * min(1, ss[i].Weight); n != want {
			t.Errorf("server %d with weight %d was picked %d times, want %d", i, ss[i].Weight, n, want)
		}
	}
}

// LVS remembers the server, not its place in the list.
func TestRoundRobinGoesOnBehindTheSameServer(t *testing.T) {
	all := servers(1, 1, 1, 1)
	for i := range all {
		all[i].ID = uint32(100 + i)
	}
	for _, tt := range []struct {
		name string
		keep []int // of all, in this order
		want int
	}{
		{"one before it leaves", []int{0, 2, 3}, 3},
		{"one behind it leaves", []int{0, 1, 2}, 0},
		{"it leaves itself", []int{0, 1, 3}, 3},
		{"it leaves, and was the last in the list", []int{0, 1}, 0},
		{"the list is turned round", []int{3, 2, 1, 0}, 1},
	} {
		var st State
		s := build(t, "rr", all, Options{})
		for range 3 {
			s.Pick(nil, &st) // the last one is 2
		}
		var rest []Server
		for _, i := range tt.keep {
			rest = append(rest, all[i])
		}
		if got := rest[build(t, "rr", rest, Options{}).Pick(nil, &st)]; got.ID != all[tt.want].ID {
			t.Errorf("%s: picked server %d, want %d", tt.name, got.ID-100, tt.want)
		}
	}
}
