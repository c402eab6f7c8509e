package conn

import (
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"

	"github.com/weirlb/weir/fastpath/offheap"
)

func TestWhatTheTableKeepsHoldsNoGoPointers(t *testing.T) {
	for _, v := range []any{Entry{}, bucket{}, Slot(0), Peer{}, Local{}} {
		if offheap.HoldsPointers(reflect.TypeOf(v)) {
			t.Errorf("%T does", v)
		}
	}
}

func TestAConnectionTakesAtMost82Bytes(t *testing.T) {
	for _, capacity := range []int{10_000, 100_000, 1_000_000} {
		tab := ordinary(t, capacity)
		slack := 2 * 2 << 20 // the two regions are rounded up to 2 MiB
		if got := tab.Bytes(); got > 82*capacity+slack {
			t.Errorf("%d connections: %d bytes each", capacity, got/capacity)
		}
		if tab.Cap() != capacity {
			t.Errorf("Cap %d, want %d", tab.Cap(), capacity)
		}
	}
}

// TestDumpBesideAWorkerGivesConnections cannot be checked by the race detector, which does not look at memory off the
// Go heap: that Dump may see entries while they change is its contract.
func TestDumpBesideAWorkerGivesConnections(t *testing.T) {
	tab := crowded(t, 500)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		r := rand.New(rand.NewPCG(1, 1))
		var live []*Entry
		for {
			select {
			case <-stop:
				return
			default:
			}
			if len(live) < tab.Cap() && r.IntN(2) == 0 {
				p := randomTuple(r)
				live = append(live, insert(tab, p.key(), nil))
			} else if len(live) > 0 {
				tab.Delete(live[0])
				live = live[1:]
			}
		}
	}()
	for range 300 {
		n := 0
		tab.Dump(func(e *Entry) bool {
			if e.Proto != 6 && e.Proto != 17 {
				t.Errorf("protocol %d", e.Proto)
			}
			n++
			return n < 400
		})
		if n > 400 {
			t.Fatalf("Dump went on after its end: %d", n)
		}
	}
	close(stop)
	wg.Wait()
}
