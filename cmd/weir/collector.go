package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// garbageRoom is how much garbage may pile up before it is collected, at least. A collection makes the workers
	// wait a few times, and longer where the slow path has to share its core.
	garbageRoom = 256 << 20
	// limitPeriod is how often the limit follows what is alive.
	limitPeriod = time.Second
)

// samples are what alive, total and heap are read from, see package runtime/metrics.
var samples = []string{
	"/gc/heap/live:bytes", // as of the last collection
	"/memory/classes/total:bytes",
	"/memory/classes/heap/objects:bytes", "/memory/classes/heap/unused:bytes", "/memory/classes/heap/free:bytes",
	"/memory/classes/heap/released:bytes",
}

// keepGarbage makes collections rare until ctx ends: they begin when garbageRoom, or three times what is alive if that
// is more, has been filled, not when the heap has grown by a percentage, and not every two minutes. With GOGC or
// GOMEMLIMIT in the environment it is left to them.
func keepGarbage(ctx context.Context) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	percent, limit := debug.SetGCPercent(-1), debug.SetMemoryLimit(-1)
	defer func() {
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	}()
	s := make([]metrics.Sample, len(samples))
	for i, name := range samples {
		s[i].Name = name
	}
	now := limit
	tick := time.NewTicker(limitPeriod)
	defer tick.Stop()
	for {
		metrics.Read(s)
		var heap uint64
		for _, class := range s[2:] {
			heap += class.Value.Uint64()
		}
		// To set it stops the world, too: a little more or less does not matter.
		if want := memoryLimit(s[0].Value.Uint64(), s[1].Value.Uint64()-heap); want-now > garbageRoom/4 || now-want > garbageRoom/4 {
			now = want
			debug.SetMemoryLimit(now)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// memoryLimit is how much memory the Go runtime may have: for what is alive, for garbage, and what it takes besides its
// heap.
func memoryLimit(live, besides uint64) int64 { return int64(live + max(garbageRoom, 3*live) + besides) }
