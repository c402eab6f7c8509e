package sched

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The models here do what Linux 6.x's ip_vs modules do, looking at every server every time, with lists and maps.

func (s *Server) active() int64   { return int64(s.loadOf().Active.Load()) }
func (s *Server) overhead() int64 { return s.active()*256 + int64(s.loadOf().Inactive.Load()) }

func (s *Server) loadOf() *Load {
	if s.Load == nil {
		return &noLoad
	}
	return s.Load
}

func modelSED(ss []Server) int {
	best := -1
	for i := range ss {
		if ss[i].Weight > 0 && (best < 0 ||
			(ss[best].active()+1)*int64(ss[i].Weight) > (ss[i].active()+1)*int64(ss[best].Weight)) {
			best = i
		}
	}
	return best
}

func modelNQ(ss []Server) int {
	for i := range ss {
		if ss[i].Weight > 0 && ss[i].active() == 0 {
			return i
		}
	}
	return modelSED(ss)
}

func modelFO(ss []Server) int {
	best, highest := -1, 0
	for i := range ss {
		if ss[i].Weight > highest {
			best, highest = i, ss[i].Weight
		}
	}
	return best
}

func modelOVF(ss []Server) int {
	best, highest := -1, 0
	for i := range ss {
		if w := ss[i].Weight; w != 0 && ss[i].active() <= int64(w) && (best < 0 || w > highest) {
			best, highest = i, w
		}
	}
	return best
}

func TestChoicesByLoadMatchModelsOfLVS(t *testing.T) {
	models := map[string]func([]Server) int{
		"sed": modelSED, "nq": modelNQ, "fo": modelFO, "ovf": modelOVF,
		"wlc": func(ss []Server) int { return naiveLeast(ss, true) },
	}
	r := rand.New(rand.NewPCG(30, 31))
	for range 5000 {
		ss := randomServers(r)
		clearShares(ss)
		for i := range ss {
			if r.IntN(3) == 0 && ss[i].Load != nil {
				ss[i].Load.Active.Store(int32(r.IntN(4)))
			}
		}
		for name, model := range models {
			if got, want := build(t, name, ss, Options{}).Pick(&Key{}, &State{}), model(ss); got != want {
				t.Fatalf("%s picked %d, LVS %d, of %v", name, got, want, weightsOf(ss))
			}
		}
	}
}

// modelTable deals 256 buckets out; without weights (dh) one to each in turn.
func modelTable(ss []Server, byWeight bool) (table [256]int) {
	p, count := 0, 0
	for b := range table {
		table[b] = -1
		if len(ss) == 0 {
			continue
		}
		table[b] = p
		if count++; !byWeight || count >= ss[p].Weight {
			p, count = (p+1)%len(ss), 0
		}
	}
	return table
}

func TestHashesWithoutFallbackMatchModelsOfLVS(t *testing.T) {
	r := rand.New(rand.NewPCG(32, 33))
	for range 500 {
		ss := randomServers(r)
		clearShares(ss)
		for i := range ss {
			ss[i].Down = false
		}
		for _, name := range []string{"sh", "dh"} {
			table := modelTable(ss, name == "sh")
			s := build(t, name, ss, Options{})
			for range 50 {
				k := randomKey(r)
				addr := &k.Src
				if name == "dh" {
					addr = &k.Dst
				}
				want := table[foldedHash(addr, k.V6, 0)]
				if want >= 0 && ss[want].Weight == 0 {
					want = -1
				}
				if got := s.Pick(&k, nil); got != want {
					t.Fatalf("%s picked %d, LVS %d, of %v", name, got, want, weightsOf(ss))
				}
			}
		}
	}
}

// modelTwos returns the chance of each server: LVS draws two numbers from 0 to the sum of the weights, both
// included, and takes the first server at which the weights so far reach the number.
func modelTwos(ss []Server) []float64 {
	total := 0
	for i := range ss {
		total += ss[i].Weight
	}
	at := func(n int) int {
		for i := range ss {
			if n -= ss[i].Weight; ss[i].Weight > 0 && n <= 0 {
				return i
			}
		}
		panic("past the last server")
	}
	chance := make([]float64, len(ss))
	each := 1 / math.Pow(float64(total+1), 2)
	for a := 0; a <= total; a++ {
		for b := 0; b <= total; b++ {
			x, y := at(a), at(b)
			if int64(ss[y].Weight)*ss[x].overhead() > int64(ss[x].Weight)*ss[y].overhead() {
				x = y
			}
			chance[x] += each
		}
	}
	return chance
}

// modelP2C is the same with fair draws, the new connection counted, and up to three more draws for a second
// server.
func modelP2C(ss []Server) []float64 {
	total := 0.0
	for i := range ss {
		total += float64(ss[i].Weight)
	}
	p := func(i int) float64 { return float64(ss[i].Weight) / total }
	chance := make([]float64, len(ss))
	for a := range ss {
		if ss[a].Weight == 0 {
			continue
		}
		again := 1.0 // chance that all draws before gave a as well
		for draw := range 4 {
			for b := range ss {
				if ss[b].Weight == 0 || b == a && draw < 3 {
					continue
				}
				x := a
				if (ss[a].overhead()+256)*int64(ss[b].Weight) > (ss[b].overhead()+256)*int64(ss[a].Weight) {
					x = b
				}
				chance[x] += p(a) * again * p(b)
			}
			again *= p(a)
		}
	}
	return chance
}

// Workers all start with the same state: they must not choose alike.
func TestWorkersDrawDifferently(t *testing.T) {
	for _, name := range []string{"random", "p2c", "twos"} {
		s := build(t, name, equalServers(100), Options{})
		same := 0
		r := rand.New(rand.NewPCG(36, 37))
		var a, b State
		for range 10_000 {
			k, l := randomKey(r), randomKey(r)
			if s.Pick(&k, &a) == s.Pick(&l, &b) {
				same++
			}
		}
		if same > 300 {
			t.Errorf("%s: two workers chose the same of 100 servers %d times of 10000", name, same)
		}
	}
}
