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
	// A thread that was made meanwhile may have been missed: until a pass finds none.
	seen := map[int]bool{}
	for again := true; again; {
		again = false
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return false, fmt.Errorf("listing the threads of the process: %w", err)
		}
		for _, e := range threads {
			tid, err := strconv.Atoi(e.Name())
			if err != nil || seen[tid] {
				continue
			}
			seen[tid], again = true, true
			m, err := vacate(tid, cores)
			if err != nil {
				return false, err
			}
			moved = moved || m
		}
	}
	return moved, nil
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
