package ipvs

import "slices"

// Twos is the scheduler that draws its backends. Debian's kernel for User Mode Linux lacks it, so it has to be built.
const Twos = "twos"

// Uses reports whether a scenario has a service with a scheduler at any time.
func (s *Scenario) Uses(scheduler string) bool {
	has := func(v Service) bool { return v.Scheduler == scheduler }
	return slices.ContainsFunc(s.Services, has) || slices.ContainsFunc(s.Steps, func(t Step) bool { return slices.ContainsFunc(t.Edit, has) })
}

// drawing has twos in every mode, for every protocol and IP version, with never more than one backend to draw from: weight 0, a
// threshold or a removal keeps the others out.
func drawing() (all []Scenario) {
	for _, mode := range Modes {
		for _, proto := range Protocols {
			for _, v6 := range []bool{false, true} {
				all = append(all, drawingOne(mode, proto, v6))
			}
		}
	}
	return all
}

func drawingOne(mode Mode, proto Protocol, v6 bool) Scenario {
	s := service(proto, mode, Twos, v6, 0, 3, 0)
	t := newStory("scheduler/twos/"+string(mode)+"/"+string(proto)+"/"+version(v6), s)
	i := 0
	open := func(n int) {
		for range n {
			t.open(s, i)
			i++
		}
	}
	open(2)
	s = s.weights(1, 0, 0)
	s.Backends[0].Upper = 2
	t.edit(s)
	open(2)
	t.table()
	s = s.weights(5, 0, 4)
	t.edit(s)
	open(3)
	s = s.weights(0, 7, 4).without(2)
	t.edit(s)
	open(2)
	t.table()
	t.edit(s.weights(0, 0))
	t.send(s.opening(i)) // nobody is left
	return t.s
}

// chances are what twos is compared by where it has a choice: many draws, which have to follow its law (TestTwosFollowsItsLaw).
func chances() (all []Scenario) {
	for _, c := range []struct {
		name    string
		weights [][]int // before each 200 draws
	}{
		{"even", [][]int{{1, 1, 1, 1}}},
		{"skewed", [][]int{{5, 1, 3, 2}}},
		{"edited", [][]int{{1, 2, 3}, {4, 0, 1}, {1, 6, 1}}},
	} {
		s := service(UDP, DR, Twos, false, c.weights[0]...)
		t := newStory("chance/twos/"+c.name, s)
		for phase, weights := range c.weights {
			if phase > 0 {
				t.edit(s.weights(weights...))
			}
			for i := range 200 {
				t.send(s.opening(200*phase + i))
			}
		}
		all = append(all, t.s)
	}
	return all
}
