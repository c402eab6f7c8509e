package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestGarbageHasRoomBesideWhatIsAlive(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct{ live, besides, want uint64 }{
		{0, 0, 256 * mb},
		{10 * mb, 20 * mb, 286 * mb},
		{200 * mb, 50 * mb, 850 * mb},
	} {
		if got := memoryLimit(c.live, c.besides); got != int64(c.want) {
			t.Errorf("%+v: %d MB", c, got/mb)
		}
	}
}

var garbage []byte

// TestGarbageIsCollectedInTheEnd makes four times the room of it, more than once around.
func TestGarbageIsCollectedInTheEnd(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	ctx, end := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		keepGarbage(ctx)
	}()
	for debug.SetMemoryLimit(-1) > 1<<40 { // until it is in force
		runtime.Gosched()
	}
	var first, last runtime.MemStats
	runtime.ReadMemStats(&first)
	for range 4 * garbageRoom >> 20 {
		garbage = make([]byte, 1<<20)
	}
	runtime.ReadMemStats(&last)
	if n := last.NumGC - first.NumGC; n < 2 || n > 20 {
		t.Errorf("%d collections of %d MB of garbage", n, 4*garbageRoom>>20)
	}
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	if metrics.Read(s); s[0].Value.Uint64() > 2*garbageRoom {
		t.Errorf("%d MB are in the heap", s[0].Value.Uint64()>>20)
	}
	end()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
	}
	if limit := debug.SetMemoryLimit(-1); limit < 1<<40 {
		t.Errorf("the limit of %d MB is still in force", limit>>20)
	}
}
