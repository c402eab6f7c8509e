package lcore

import (
	"os"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// onOwnThread runs f on a thread of its own, which ends with it.
func onOwnThread(f func()) {
	var done sync.WaitGroup
	done.Add(1)
	go func() {
		defer done.Done()
		runtime.LockOSThread() // and never unlocked: the thread keeps what f does to it to itself
		f()
	}()
	done.Wait()
}

func allowed(t *testing.T) (list []int) {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	for c := range 1024 {
		if set.IsSet(c) {
			list = append(list, c)
		}
	}
	return list
}

func TestVacateLeavesTheWorkersTheirCores(t *testing.T) {
	onOwnThread(func() {
		cores := allowed(t)
		if len(cores) < 2 {
			if os.Getenv("CI") == "true" {
				t.Error("a second core is missing")
				return
			}
			t.Skip("SKIPPED, NOT TESTED: a second core is missing")
		}
		last := cores[len(cores)-1]
		tid := unix.Gettid()
		if moved, err := vacate(tid, []int{last}); !moved || err != nil {
			t.Fatalf("moved %t, %v", moved, err)
		}
		if got := allowed(t); len(got) != len(cores)-1 || got[len(got)-1] == last {
			t.Errorf("allowed on %v after leaving %d of %v", got, last, cores)
		}
	})
}

func TestVacateStaysWhereNothingElseIsLeft(t *testing.T) {
	onOwnThread(func() {
		cores := allowed(t)
		moved, err := vacate(unix.Gettid(), cores)
		if moved || err != nil {
			t.Errorf("moved %t, %v", moved, err)
		}
		if got := allowed(t); len(got) != len(cores) {
			t.Errorf("allowed on %v of %v", got, cores)
		}
	})
}

func TestVacateWithoutCoresDoesNothing(t *testing.T) {
	if moved, err := Vacate(nil); moved || err != nil {
		t.Errorf("moved %t, %v", moved, err)
	}
}
