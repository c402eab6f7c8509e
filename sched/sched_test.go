package sched

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// schedulers are the ones this package brings.
var schedulers = []string{
	"dh", "fo", "lblc", "lblcr", "lc", "mh", "nq", "ovf", "p2c", "random", "rr", "sed", "sh", "twos", "wlc", "wrr",
}

// smallTable keeps mh's table small where a test builds many.
const smallTable = 4093

func TestNamesListsTheSchedulersInOrder(t *testing.T) {
	names := Names()
	if !slices.IsSorted(names) {
		t.Errorf("Names() = %v is not sorted", names)
	}
	for _, name := range schedulers {
		if !slices.Contains(names, name) {
			t.Errorf("Names() = %v lacks %s", names, name)
		}
		if d := Describe(name); !strings.HasSuffix(d, ".") || strings.Contains(d, "\n") {
			t.Errorf("Describe(%q) = %q, want one line of sentences", name, d)
		}
	}
	if d := Describe("nosuch"); d != "" {
		t.Errorf("Describe of an unknown scheduler = %q", d)
	}
}

func TestNewRefusesWhatIsOutOfRange(t *testing.T) {
	heavy := []Server{{Address: "10.0.0.1:80", Weight: 1}, {Address: "10.0.0.2:80", Weight: 65536}}
	tests := []struct {
		name, scheduler string
		servers         []Server
		opt             Options
		want            string
	}{
		{"unknown scheduler", "nosuch", nil, Options{}, `unknown scheduler "nosuch": known are [`},
		{"weight too large", "rr", heavy, Options{}, "server 10.0.0.2:80: weight 65536 is not in the range 0 to 65535"},
		{"negative weight", "wlc", []Server{{Address: "a", Weight: -1}}, Options{}, "server a: weight -1"},
		{"table not a prime", "mh", heavy[:1], Options{TableSize: 65536}, "cannot have 65536 entries: use a prime"},
		{"table too small for a table", "mh", nil, Options{TableSize: 1}, "cannot have 1 entries"},
		{"negative table", "mh", nil, Options{TableSize: -7}, "cannot have -7 entries"},
		{"table too large", "mh", nil, Options{TableSize: 1299709}, "cannot have 1299709 entries"},
		{"more servers than entries", "mh", make([]Server, 4), Options{TableSize: 3}, "4 servers are too many"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := New(tt.scheduler, tt.servers, tt.opt)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v does not contain %q", err, tt.want)
			}
			if s != nil {
				t.Error("a scheduler came with the error")
			}
		})
	}
}

func TestNothingToPickWithoutServersOrWeights(t *testing.T) {
	for _, name := range schedulers {
		for _, weights := range [][]int{nil, {0}, make([]int, 7), make([]int, 1000)} {
			s := build(t, name, servers(weights...), Options{TableSize: smallTable})
			for range 100 {
				if got := s.Pick(&Key{}, &State{}); got != -1 {
					t.Fatalf("%s with weights %v picked %d", name, weights, got)
				}
			}
		}
	}
}

// Servers come and go and change their weight under one State, which some other scheduler may also
// have had before: whatever it holds, the choice must be a server with a weight if there is one.
func TestServersChangeUnderAState(t *testing.T) {
	for _, name := range schedulers {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			var st State
			memory := NewMemory(name)
			for range 300 {
				ss := randomServers(r)
				opt := Options{TableSize: smallTable, Ports: r.IntN(2) == 0, Fallback: r.IntN(2) == 0, Memory: memory}
				s := build(t, name, ss, opt)
				for range 20 {
					if r.IntN(4) == 0 {
						st = State{Pos: int32(r.Uint32()), Weight: int32(r.Uint32())}
					}
					k := randomKey(r)
					checkPick(t, name, ss, opt, s.Pick(&k, &st))
				}
			}
		})
	}
}

func checkPick(t *testing.T, name string, ss []Server, opt Options, got int) {
	t.Helper()
	takes := func(s Server) bool { return s.Weight > 0 }
	refuses := name == "dh" || name == "ovf" || !opt.Fallback && (name == "sh" || name == "mh")
	switch {
	case got < -1 || got >= len(ss):
		t.Fatalf("%s picked %d of %d servers", name, got, len(ss))
	case got >= 0 && !takes(ss[got]):
		t.Fatalf("%s picked server %d with weight 0", name, got)
	case got < 0 && !refuses && slices.ContainsFunc(ss, takes):
		t.Fatalf("%s picked none of %v", name, weightsOf(ss))
	}
}

func TestPickDoesNotAllocate(t *testing.T) {
	for _, name := range schedulers {
		for _, share := range []uint8{100, 50} {
			ss := servers(3, 0, 1, 65535, 7)
			ss[2].Share = share
			s := build(t, name, ss, Options{Ports: true})
			var st State
			k := Key{V6: true}
			if n := testing.AllocsPerRun(1000, func() {
				k.Src[15]++
				k.Dst[0]++
				k.Dst[1]--
				s.Pick(&k, &st)
			}); n != 0 {
				t.Errorf("%s: %v allocations a pick, share %d", name, n, share)
			}
		}
	}
}

// The race detector looks on while workers share a scheduler and its servers' loads.
func TestWorkersShareAScheduler(t *testing.T) {
	for _, name := range schedulers {
		t.Run(name, func(t *testing.T) {
			ss := servers(1, 2, 1, 40000)
			opt := Options{TableSize: smallTable}
			s := build(t, name, ss, opt)
			var wg sync.WaitGroup
			for worker := range 4 {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(uint64(worker), 0))
					var st State
					for range 1000 {
						k := randomKey(r)
						i := s.Pick(&k, &st)
						checkPick(t, name, ss, opt, i)
						ss[i].Load.Active.Add(1)
					}
				})
			}
			wg.Wait()
			var picks int32
			for _, server := range ss {
				picks += server.Load.Active.Load()
			}
			if picks != 4000 {
				t.Errorf("%d picks were counted, want 4000", picks)
			}
		})
	}
}

func TestASchedulerDoesNotKeepItsServers(t *testing.T) {
	for _, name := range schedulers {
		given := servers(1, 2, 3)
		s := build(t, name, given, Options{TableSize: smallTable})
		same := build(t, name, servers(1, 2, 3), Options{TableSize: smallTable})
		clear(given)
		r := rand.New(rand.NewPCG(5, 5))
		var st, stSame State
		for range 100 {
			k := randomKey(r)
			if a, b := s.Pick(&k, &st), same.Pick(&k, &stSame); a != b {
				t.Fatalf("%s picked %d, and %d where its slice was not overwritten", name, b, a)
			}
		}
	}
}

// rounds is how often a test goes through what one goroutine does alone. The race detector has nothing to find there and
// makes it ten to seventy times as slow; without it the test is whole.
func rounds(n int) int {
	if raceDetector {
		return n / 10
	}
	return n
}

func build(t testing.TB, name string, ss []Server, opt Options) Scheduler {
	t.Helper()
	s, err := New(name, ss, opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// servers makes servers 10.0.0.1:80, 10.0.0.2:80 and so on, each with a Load.
func servers(weights ...int) []Server {
	ss := make([]Server, len(weights))
	for i, w := range weights {
		ss[i] = Server{Address: fmt.Sprintf("10.0.%d.%d:80", i/250, i%250+1), Weight: w, Load: new(Load)}
	}
	return ss
}

func equalServers(n int) []Server { return servers(slices.Repeat([]int{1}, n)...) }

func weightsOf(ss []Server) []int {
	ws := make([]int, len(ss))
	for i := range ss {
		ws[i] = ss[i].Weight
	}
	return ws
}

// randomServers makes up to 40 servers of which some have weight 0, some the same weight, some a huge
// one, and some no Load.
func randomServers(r *rand.Rand) []Server {
	weights := make([]int, r.IntN(40))
	limit := []int{2, 5, 100, MaxWeight + 1}[r.IntN(4)]
	for i := range weights {
		weights[i] = r.IntN(limit) * r.IntN(3) % (MaxWeight + 1)
	}
	ss := servers(weights...)
	for i := range ss {
		ss[i].ID = uint32(100 + r.IntN(3)*40 + i)
		switch {
		case r.IntN(8) == 0:
			ss[i].Share = uint8(r.IntN(101))
		case r.IntN(8) == 0:
			ss[i].Weight, ss[i].Down, ss[i].Last = 0, r.IntN(2) == 0, ss[i].Weight
		}
		if r.IntN(4) == 0 {
			ss[i].Load = nil
			continue
		}
		ss[i].Load.Active.Store(int32(r.IntN(1 << (r.IntN(31) + 1) >> 1)))
		ss[i].Load.Inactive.Store(int32(r.IntN(100)))
	}
	return ss
}

func randomKey(r *rand.Rand) Key {
	k := Key{SrcPort: uint16(r.Uint32()), DstPort: 80, V6: r.IntN(2) == 0}
	n := 4
	if k.V6 {
		n = 16
	}
	for i := range n {
		k.Src[i] = byte(r.Uint32())
	}
	k.Dst[n-1], k.Now = byte(r.IntN(20)), r.Uint32()
	return k
}
