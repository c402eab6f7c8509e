package persist

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weirlb/weir/fastpath/conn"
)

var seed = conn.Seed{7, 9}

// table is one on the heap, which the race detector sees.
func table(sets int) *Table { return over(make([]set, sets), seed) }

func client(n int) *Key { return &Key{Addr: [2]uint64{uint64(n), 0}, Service: 3} }

func to(n int) Target { return Target{uint32(n), uint32(n) + 1000} }

// bind is what a worker does with a new connection of a client whose scheduler would choose a backend.
func (t *Table) bind(k *Key, choice Target, now conn.Tick, timeout uint32) (Ref, Target) {
	if r, target, ok := t.Hold(k, now, timeout); ok {
		return r, target
	}
	r, target, _ := t.Add(k, choice, now, timeout)
	return r, target
}

func TestAClientKeepsItsTargetUntilItsTimeIsUp(t *testing.T) {
	tb := table(100)
	r, target := tb.bind(client(1), to(1), 1000, 500)
	tb.Release(r, 1100)
	if target != to(1) {
		t.Fatalf("the first connection went to %v", target)
	}
	r, target = tb.bind(client(1), to(2), 1499, 500) // which makes it last until 1999
	tb.Release(r, 1499)
	if target != to(1) {
		t.Errorf("before the end it went to %v", target)
	}
	if _, target = tb.bind(client(1), to(2), 1999, 500); target != to(2) {
		t.Errorf("after the end it went to %v", target)
	}
	for _, k := range []*Key{client(2), {Addr: [2]uint64{1, 0}, Service: 4}, {Addr: [2]uint64{1, 0}, Service: 3, V6: true}, {Addr: [2]uint64{1, 1}, Service: 3}} {
		if _, target := tb.bind(k, to(5), 1999, 500); target != to(5) {
			t.Errorf("%+v has another client's template", k)
		}
	}
}

// TestAHeldTemplateLastsAsInLVS: what is held does not end; when its time is up meanwhile, it is looked at every minute.
func TestAHeldTemplateLastsAsInLVS(t *testing.T) {
	tb := table(1)
	r, _ := tb.bind(client(1), to(1), 0, 300_000)
	tb.Sweep(5_000_000, 0, 1)
	if c, ok := tb.Peek(client(1), 5_000_000); !ok || c.Held != 1 || c.Target != to(1) {
		t.Fatalf("while it is held: %+v, %v", c, ok)
	}
	tb.Release(r, 310_000) // looked at after 300 s, and due again after 360
	for _, c := range []struct {
		at   conn.Tick
		want bool
	}{{359_999, true}, {360_000, false}} {
		if _, ok := tb.Peek(client(1), c.at); ok != c.want {
			t.Errorf("at %d it is there: %v", c.at, ok)
		}
	}
}

func TestAHeldTemplateCanBeLedElsewhere(t *testing.T) {
	tb := table(1)
	r, _ := tb.bind(client(1), to(1), 0, 1000)
	if got := tb.Redirect(r, to(1), to(2)); got != to(2) {
		t.Errorf("redirected to %v", got)
	}
	if got := tb.Redirect(r, to(1), to(3)); got != to(2) {
		t.Errorf("who comes second leads it to %v", got)
	}
	if _, target := tb.bind(client(1), to(4), 1, 1000); target != to(2) {
		t.Errorf("the next connection goes to %v", target)
	}
}

func TestAFullTableGivesUpWhatEndsFirstAndIsNotHeld(t *testing.T) {
	tb := table(1)
	var refs []Ref
	for i := range setSize {
		r, _ := tb.bind(client(i), to(i), conn.Tick(i), 1000)
		refs = append(refs, r)
	}
	if r, target, evicted := tb.Add(client(99), to(99), 20, 1000); r != 0 || target != to(99) || evicted {
		t.Errorf("with all held: %v, %v, %v", r, target, evicted)
	}
	tb.Release(refs[7], 20)
	tb.Release(refs[4], 20)
	r, target, evicted := tb.Add(client(99), to(99), 20, 1000)
	if r == 0 || target != to(99) || !evicted {
		t.Errorf("with two that are not held: %v, %v, %v", r, target, evicted)
	}
	for i, want := range map[int]bool{4: false, 7: true, 5: true, 99: true} {
		if _, ok := tb.Peek(client(i), 20); ok != want {
			t.Errorf("client %d is remembered: %v", i, ok)
		}
	}
}

func TestSweepsRemoveWhatHasExpired(t *testing.T) {
	tb, err := New(1000, seed)
	if err != nil {
		t.Fatal(err)
	}
	defer tb.Close()
	for i := range 500 {
		r, _ := tb.bind(client(i), to(i), 0, 1000+uint32(i%2))
		tb.Release(r, 0)
	}
	if n := tb.Len(); n < 480 || n > 500 {
		t.Fatalf("%d of 500 are remembered", n)
	}
	before, n := tb.Len(), 0
	tb.Dump(1000, func(Template) bool { n++; return true })
	next := 0
	for range 1 + tb.Sets()/10 {
		next = tb.Sweep(1000, next, 10)
	}
	if tb.Len() != n || n == 0 || n == before {
		t.Errorf("of %d that are left of %d, the sweep left %d", n, before, tb.Len())
	}
}

// TestOneBackendForTheFirstConnectionsOfAClient is the property that the table is for: whoever opens a client's first
// connections at the same time gets the same target.
func TestOneBackendForTheFirstConnectionsOfAClient(t *testing.T) {
	const workers, clients = 8, 3000
	tb := table(1000)
	var got [workers][clients]Target
	var start, done sync.WaitGroup
	start.Add(1)
	for w := range workers {
		done.Go(func() {
			start.Wait()
			for i := range clients {
				_, got[w][i] = tb.bind(client(i), to(w), 0, 1000)
			}
		})
	}
	start.Done()
	done.Wait()
	for i := range clients {
		for w := range workers {
			if got[w][i] != got[0][i] {
				t.Fatalf("client %d got %v on one worker and %v on another", i, got[0][i], got[w][i])
			}
		}
		if c, ok := tb.Peek(client(i), 0); !ok || c.Held != workers || c.Target != got[0][i] {
			t.Fatalf("client %d: %+v, %v", i, c, ok)
		}
	}
}

// TestTemplatesComeAndGoUnderManyWorkers lets workers bind the same few clients in a table that is too small, while time
// goes on, backends go away and a sweep runs. At no time may two connections that exist lead one client to two backends.
func TestTemplatesComeAndGoUnderManyWorkers(t *testing.T) {
	const workers, clients, rounds = 6, 24, 30_000
	tb := table(1)
	var clock atomic.Uint32
	var mu sync.Mutex
	bound := map[int]map[Target]int{} // client → target → connections
	for i := range clients {
		bound[i] = map[Target]int{}
	}
	var done sync.WaitGroup
	for w := range workers {
		done.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 5))
			type hold struct {
				ref    Ref
				client int
				target Target
			}
			var mine []hold
			end := func(i int) {
				h := mine[i]
				mu.Lock()
				if bound[h.client][h.target]--; bound[h.client][h.target] == 0 {
					delete(bound[h.client], h.target)
				}
				mu.Unlock()
				tb.Release(h.ref, conn.Tick(clock.Load()))
				mine[i] = mine[len(mine)-1]
				mine = mine[:len(mine)-1]
			}
			for n := range rounds {
				now := conn.Tick(clock.Load())
				i := r.IntN(clients)
				if ref, target := tb.bind(client(i), to(w*rounds+n), now, uint32(r.IntN(20))); ref != 0 {
					mu.Lock()
					if bound[i][target]++; len(bound[i]) > 1 {
						t.Errorf("client %d is bound to %v at a time", i, bound[i])
						mu.Unlock()
						return
					}
					mu.Unlock()
					mine = append(mine, hold{ref, i, target})
				}
				for len(mine) > 2 || len(mine) > 0 && r.IntN(2) == 0 {
					end(r.IntN(len(mine)))
				}
				if r.IntN(10) == 0 {
					clock.Add(uint32(r.IntN(70_000)))
				}
				if r.IntN(50) == 0 {
					tb.Sweep(conn.Tick(clock.Load()), 0, 1)
				}
			}
			for len(mine) > 0 {
				end(0)
			}
		})
	}
	done.Wait()
	tb.Sweep(conn.Tick(clock.Load())+1_000_000, 0, 1)
	if n := tb.sets[0].control.Load() & (published | taken); n != 0 || tb.Len() != 0 {
		t.Errorf("places %x are taken with nothing held", n)
	}
}

func TestACapacityOutOfRangeIsRefused(t *testing.T) {
	for _, n := range []int{0, -1, MaxCapacity + 1} {
		if _, err := New(n, seed); err == nil {
			t.Errorf("a table for %d", n)
		}
	}
}

func TestNothingAllocates(t *testing.T) {
	tb := table(10)
	i := 0
	if n := testing.AllocsPerRun(1000, func() {
		r, _ := tb.bind(client(i), to(i), conn.Tick(i), 5)
		tb.Release(r, conn.Tick(i))
		i++
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
