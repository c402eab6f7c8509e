package ipvs

import (
	"math"
	"testing"
)

// draw is a choice of twos: the backends it had, with the connections of each, and which it was.
type draw struct {
	weights []int
	conns   []int
	picked  int
}

// chance is how likely each backend was: the less loaded of two tickets' owners, for its weight, and the first of equals. As
// there is a ticket 0 besides as many as the sum of the weights, the first backend with a weight has one more.
func (d *draw) chance() []float64 {
	owner, total := make([]float64, len(d.weights)), 1.
	for _, w := range d.weights {
		total += float64(w)
	}
	extra := 1.
	for i, w := range d.weights {
		if w > 0 {
			owner[i] = (float64(w) + extra) / total
			extra = 0
		}
	}
	out := make([]float64, len(d.weights))
	for a := range owner {
		for b := range owner {
			picked := a
			if d.weights[b]*d.conns[a] > d.weights[a]*d.conns[b] {
				picked = b
			}
			out[picked] += owner[a] * owner[b]
		}
	}
	return out
}

// draws are those of a scenario whose every packet opens a connection that stays.
func draws(t *testing.T, s *Scenario, out [][]Frame) (all []draw) {
	t.Helper()
	services := s.Services
	conns := make([]int, len(services[0].Backends))
	for _, step := range s.Steps {
		if step.Edit != nil {
			services = step.Edit
			continue
		}
		d := draw{conns: append([]int(nil), conns...)}
		for _, b := range services[0].Backends {
			d.weights = append(d.weights, b.Weight)
		}
		if len(out[0]) != 1 {
			t.Fatalf("a packet led to %d", len(out[0]))
		}
		d.picked = int(out[0][0].Data[5] - BackendMAC(0)[5])
		conns[d.picked]++
		all, out = append(all, d), out[1:]
	}
	return all
}

// deviation is by how many standard deviations the picks of each backend differ from what was to be expected, draw by draw.
func deviation(all []draw) []float64 {
	over, variance := make([]float64, len(all[0].conns)), make([]float64, len(all[0].conns))
	for _, d := range all {
		for i, p := range d.chance() {
			over[i] -= p
			variance[i] += p * (1 - p)
		}
		over[d.picked]++
	}
	for i := range over {
		if variance[i] > 0 {
			over[i] /= math.Sqrt(variance[i])
		}
	}
	return over
}

// unlikely is a deviation that nobody sees who follows the law: once in two million times.
const unlikely = 5

func TestTwosFollowsItsLaw(t *testing.T) {
	for _, s := range chances() {
		t.Run(s.Name, func(t *testing.T) {
			linux, weir := perform(t, &s)
			var b both
			for i := range linux {
				b.linux, b.weir = append(b.linux, linux[i].Out), append(b.weir, weir[i].Out)
			}
			for who, out := range map[string][][]Frame{"IPVS": b.linux, "Weir": b.weir} {
				all := draws(t, &s, out)
				for i, z := range deviation(all) {
					if math.Abs(z) > unlikely {
						t.Errorf("%s picks backend %d %.1f standard deviations off what its weight and connections make likely", who, i, z)
					}
				}
				for n, d := range all {
					if d.weights[d.picked] == 0 {
						t.Errorf("%s's draw %d is a backend of weight 0", who, n)
					}
				}
			}
		})
	}
}

func TestDeviationSeesAnotherLaw(t *testing.T) {
	// Who picks the same of two equal backends every time, whatever they have, does not follow it.
	var all []draw
	for i := range 50 {
		all = append(all, draw{weights: []int{1, 1}, conns: []int{i, 0}})
	}
	if z := deviation(all); z[0] < unlikely {
		t.Errorf("%.1f standard deviations, want more than %d", z[0], unlikely)
	}
}
