package lcore

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// thread is what the kernel keeps for a thread and a worker changes.
type thread struct {
	affinity unix.CPUSet
	slack    int
}

func current(t *testing.T) thread {
	t.Helper()
	var th thread
	if err := unix.SchedGetaffinity(0, &th.affinity); err != nil {
		t.Fatal(err)
	}
	var err error
	if th.slack, err = unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	return th
}

// firstCore is a core this process may use.
func firstCore(t *testing.T) int {
	t.Helper()
	set := current(t).affinity
	for c := range 1024 {
		if set.IsSet(c) {
			return c
		}
	}
	t.Fatal("this process may use no core")
	return 0
}

func register(t *testing.T, core int) *Thread {
	t.Helper()
	th, err := Register(core)
	if err != nil {
		t.Fatal(err)
	}
	return th
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("error %v,\nwant  %s", err, want)
	}
}

func TestAWorkerIsBoundToItsCoreAndLetGo(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, core := current(t), firstCore(t)
	th := register(t, core)
	on := current(t)
	var want unix.CPUSet
	want.Set(core)
	if on.affinity != want {
		t.Errorf("the worker may run on %d cores, want core %d alone", on.affinity.Count(), core)
	}
	if on.slack != timerSlackNS {
		t.Errorf("the worker's timer slack is %d ns, want %d", on.slack, timerSlackNS)
	}
	th.Unregister()
	if current(t) != before {
		t.Error("the thread is not as it was before")
	}
}

func TestAWorkerOnAnyCoreMayMove(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := current(t)
	th := register(t, AnyCore)
	defer th.Unregister()
	if current(t).affinity != before.affinity {
		t.Error("the worker's thread was bound")
	}
}

func TestEachWorkerHasANumberOfItsOwn(t *testing.T) {
	ids := registerMany(t, 4, nil)
	slices.Sort(ids)
	if len(slices.Compact(slices.Clone(ids))) != 4 || ids[0] < 1 || ids[3] > maxThreads {
		t.Errorf("numbers %v, want 4 different ones from 1 to %d", ids, maxThreads)
	}
}

// registerMany has n threads registered at one time, calls then meanwhile, and returns their numbers.
func registerMany(t *testing.T, n int, then func()) []int {
	t.Helper()
	var mu sync.Mutex
	var ids []int
	var in, out sync.WaitGroup
	leave := make(chan struct{})
	in.Add(n)
	for range n {
		out.Go(func() {
			th, err := Register(AnyCore)
			if err != nil {
				t.Error(err)
				in.Done()
				return
			}
			mu.Lock()
			ids = append(ids, th.ID())
			mu.Unlock()
			in.Done()
			<-leave
			th.Unregister()
		})
	}
	in.Wait()
	if then != nil {
		then()
	}
	close(leave)
	out.Wait()
	return ids
}

// maxThreads is how many threads DPDK has numbers for, besides its own.
const maxThreads = 127

func TestMoreWorkersThanDPDKCanNumber(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := current(t)
	ids := registerMany(t, maxThreads, func() {
		_, err := Register(AnyCore)
		wantError(t, err, "registering a worker's thread with DPDK: more than 127 workers")
	})
	if len(ids) != maxThreads {
		t.Errorf("%d workers could be registered, want %d", len(ids), maxThreads)
	}
	if current(t) != before {
		t.Error("the refused thread is not as it was before")
	}
}

func TestWorkersBeforeDPDKRuns(t *testing.T) {
	wantError(t, early, "registering a worker's thread with DPDK: DPDK is not running")
}

func TestACoreThatIsNotThere(t *testing.T) {
	data, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		t.Fatal(err)
	}
	online := strings.TrimSpace(string(data))
	for _, core := range []int{900, 5000, -7} {
		_, err := Register(core)
		wantError(t, err, fmt.Sprintf("core %d is not present: this machine has cores %s", core, online))
	}
}

func TestInList(t *testing.T) {
	for _, tc := range []struct {
		list string
		in   []int
		out  []int
	}{
		{"0", []int{0}, []int{1, -1}},
		{"0-3", []int{0, 1, 3}, []int{4, -1}},
		{"0-3,8", []int{2, 8}, []int{4, 7, 9}},
		{"1,3-5,16-31", []int{1, 3, 5, 16, 31}, []int{0, 2, 6, 15, 32}},
		{"", nil, []int{0}},
	} {
		for _, n := range tc.in {
			if !inList(n, tc.list) {
				t.Errorf("%d is in %q", n, tc.list)
			}
		}
		for _, n := range tc.out {
			if inList(n, tc.list) {
				t.Errorf("%d is not in %q", n, tc.list)
			}
		}
	}
}
