package main

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// moods is a machine whose paces are told beforehand, in parts of its best. The last one stays.
type moods struct {
	slow  []float64
	looks int
}

func (m *moods) look(int) (pace, error) {
	slow := m.slow[min(m.looks, len(m.slow)-1)]
	m.looks++
	return pace{time.Duration(slow * float64(time.Millisecond)), time.Millisecond}, nil
}

func calmWith(slow ...float64) *calm {
	m := &moods{slow: slow}
	best := []time.Duration{time.Millisecond, time.Millisecond, time.Millisecond}
	return &calm{look: m.look, nap: time.Microsecond, patience: time.Hour, seen: map[int]*paces{0: {slices.Clone(best), slices.Clone(best)}}}
}

func TestAWindowBesideASlowLookIsMeasuredAgain(t *testing.T) {
	for _, c := range []struct {
		name     string
		slow     []float64 // before and after each window; one that is slow before is waited for
		want     float64
		repeated int
	}{
		{name: "calm", slow: []float64{1}, want: 1},
		{name: "slow before", slow: []float64{2, 1.5, 1, 1}, want: 1},
		{name: "slow after", slow: []float64{1, 2, 1, 1.05}, want: 2, repeated: 1},
		{name: "slow between", slow: []float64{1, 1.2, 1.3, 1, 1.3, 1, 1}, want: 3, repeated: 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, n := calmWith(c.slow...), 0.0
			v, ok, err := during(m, []int{0}, func() (float64, error) { n++; return n, nil })
			if err != nil || !ok || v != c.want || n != c.want || m.repeated != c.repeated {
				t.Errorf("window %v of %v counts, calm %t, %d repeated, %v; want window %v and %d", v, n, ok, m.repeated, err, c.want, c.repeated)
			}
		})
	}
}

func TestWithoutPatienceTheLeastDisturbedWindowCounts(t *testing.T) {
	m, n := calmWith(1, 3, 1, 1.5, 1, 2), 0.0
	v, ok, err := during(m, []int{0}, func() (float64, error) {
		if n++; n == 3 {
			m.patience = 0
		}
		return n, nil
	})
	if err != nil || ok || v != 2 || n != 3 {
		t.Errorf("window %v of %v counts, calm %t, %v; want the second of three, and not calm", v, n, ok, err)
	}
	if v, ok, err = during(m, []int{0}, func() (float64, error) { return 7, nil }); err != nil || ok || v != 7 {
		t.Errorf("then %v, calm %t, %v; want the only one", v, ok, err)
	}
}

func TestAPaceThatIsReachedAgainIsTheBestFromNowOn(t *testing.T) {
	m := calmWith(0.5, 1, 0.5, 1, 0.5, 1)
	for i, calm := range []bool{true, true, true, true, true, false} {
		if d, err := m.disturbance([]int{0}); err != nil || d <= 1 != calm {
			t.Errorf("look %d: disturbed by %v, %v; want calm %t", i, d, err, calm)
		}
	}
}

func TestEachWindowGetsTwiceItsShareOfThePatienceThatIsLeft(t *testing.T) {
	c := &calm{patience: 100 * time.Second, windows: 10}
	for i, want := range []time.Duration{20 * time.Second, 20 * time.Second} {
		if got := c.allowance(); got != want*10/time.Duration(10-i) {
			t.Errorf("window %d may take %v longer", i, got)
		}
	}
	c.patience, c.windows = time.Second, 0
	if got := c.allowance(); got != time.Second {
		t.Errorf("one that was not counted may take %v longer", got)
	}
}

func TestAWindowThatUsesUpItsAllowanceLeavesTheOthersTheirs(t *testing.T) {
	c := calmWith(2)
	c.patience, c.windows, c.nap = 20*time.Millisecond, 20, time.Millisecond
	if _, ok, err := during(c, []int{0}, func() (int, error) { return 1, nil }); err != nil || ok || c.patience < 10*time.Millisecond {
		t.Errorf("calm %t, %v is left of 20 ms, %v", ok, c.patience, err)
	}
}

func TestACoreThatIsSlowerThanAnotherIsCalm(t *testing.T) {
	cores := []int{3, 5}
	c, err := newCalm(func(core int) (pace, error) { return pace{time.Duration(core), time.Duration(core)}, nil }, cores, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if d, err := c.disturbance(cores); err != nil || d > 1 {
		t.Errorf("disturbed by %v, %v", d, err)
	}
}

func TestAwaitingCalmTakesPatience(t *testing.T) {
	c := calmWith(2)
	c.nap = 0
	left := time.Microsecond
	if d, err := c.await([]int{0}, &left); err != nil || d <= 1 || left > 0 || c.patience >= time.Hour {
		t.Errorf("disturbed by %v, %v left of it, patience %v, %v", d, left, c.patience, err)
	}
}

func TestAWindowThatFailsIsNotMeasuredAgain(t *testing.T) {
	failed := errors.New("failed")
	if _, _, err := during(calmWith(1), []int{0}, func() (float64, error) { return 0, failed }); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	broken := &calm{seen: map[int]*paces{}, look: func(int) (pace, error) { return pace{}, failed }}
	if _, _, err := during(broken, []int{0}, func() (float64, error) { t.Error("measured"); return 0, nil }); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
}

func TestALookTimesBothParts(t *testing.T) {
	m := newPaceMemory()
	core := runtime.NumCPU() - 1
	c, err := newCalm(m.look, []int{core}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if s := c.seen[core]; len(s.arithmetic) != 100 || s.arithmetic[0] <= 0 || s.memory[0] <= 0 {
		t.Errorf("the paces are %v", s)
	}
	seen := map[uint32]bool{}
	for at := uint32(0); !seen[at]; at = m.words[at] {
		seen[at] = true
	}
	if want := len(m.words) / lineWords; len(seen) != want {
		t.Errorf("the cycle goes through %d lines of %d", len(seen), want)
	}
}

// The programs that are measured are killed when the thread ends that has started them.
func TestALookEndsNoProgram(t *testing.T) {
	m := newPaceMemory()
	defer killAll()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		p, err := launch(nil, "cat")
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			if _, err := m.look(runtime.NumCPU() - 1); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.end(p.in.Close); err != nil {
			t.Fatal(err)
		}
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		var now unix.CPUSet
		id, _ := strconv.Atoi(thread.Name())
		if err := unix.SchedGetaffinity(id, &now); err == nil && now != before {
			t.Errorf("thread %d stays on some cores: %v", id, now)
		}
	}
}

func TestACoreThatIsNoneCannotBeLookedAt(t *testing.T) {
	if _, err := new(paceMemory).look(1 << 20); err == nil || !strings.Contains(err.Error(), "core 1048576") {
		t.Error(err)
	}
}
