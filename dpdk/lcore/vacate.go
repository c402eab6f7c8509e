package lcore

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Vacate moves all threads of the process off cores that workers are to have for themselves, and with them the
// threads that these will make: garbage collection and the slow path would run there just as well otherwise, and a
// worker would wait for them. Cores on which nothing else would be left stay shared: moved reports whether there
// were others. It comes before the workers, which Register puts on their cores afterwards.
func Vacate(cores []int) (moved bool, err error) {
	if len(cores) == 0 {
		return false, nil
	}
	err = eachThread(func(tid int) error {
		m, err := vacate(tid, cores)
		moved = moved || m
		return err
	})
	return moved, err
}

// niceness is what Prefer asks for: ten steps above an ordinary process, that is nine tenths of a core against one.
const niceness = -10

// Prefer makes all threads of the process go before those of ordinary processes, and with them the threads that they
// will make. When the garbage collector stops the world, workers wait until the thread that stopped it has started it
// again, and that thread for whatever else runs on its core: beside a busy process, ten gaps of more than a millisecond
// in a worker's polling were measured in 5 s instead of 24. It needs CAP_SYS_NICE.
func Prefer() error {
	return eachThread(func(tid int) error {
		if err := unix.Setpriority(unix.PRIO_PROCESS, tid, niceness); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("raising the priority of a thread: %w", err)
		}
		return nil
	})
}

// eachThread calls f for every thread of the process. One that was made meanwhile may have been missed: it goes on until
// a pass finds none.
func eachThread(f func(tid int) error) error {
	seen := map[int]bool{}
	for again := true; again; {
		again = false
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("listing the threads of the process: %w", err)
		}
		for _, e := range threads {
			tid, err := strconv.Atoi(e.Name())
			if err != nil || seen[tid] {
				continue
			}
			seen[tid], again = true, true
			if err := f(tid); err != nil {
				return err
			}
		}
	}
	return nil
}

func vacate(tid int, cores []int) (bool, error) {
	var set unix.CPUSet
	err := unix.SchedGetaffinity(tid, &set)
	if err == nil {
		for _, c := range cores {
			set.Clear(c)
		}
		if set.Count() == 0 {
			return false, nil
		}
		err = unix.SchedSetaffinity(tid, &set)
	}
	if errors.Is(err, unix.ESRCH) {
		return false, nil // it has ended
	}
	if err != nil {
		return false, fmt.Errorf("moving a thread off the cores of workers: %w", err)
	}
	return true, nil
}
