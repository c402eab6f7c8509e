package conf

import "testing"

func TestMistakesInLimits(t *testing.T) {
	testMistakes(t, []mistake{
		{"nothing", "scheduler: mh", "limits: {}\n    scheduler: mh", says(
			"29: services[0].limits: limits nothing: write for example limits: {connections: 10000, rate: 1000}")},
		{"burst alone", "scheduler: mh", "limits: {connections: 5, burst: 7}\n    scheduler: mh", says(
			"29: services[0].limits.burst: has a meaning only with a rate: write that as well, or remove the key")},
		{"none at all", "scheduler: mh", "limits: {connections: 0}\n    scheduler: mh", says(
			"29: services[0].limits.connections: must be 1 to 2147483647, is 0")},
	})
	cfg := mustLoad(t, edits{"scheduler: mh", "limits: {connections: 5, rate: 7}\n    scheduler: mh"}.of(t, base))
	if got, want := *cfg.Services[0].Limits, (Limits{Connections: 5, Rate: 7}); got != want || cfg.Services[1].Limits != nil {
		t.Errorf("%+v, want %+v", got, want)
	}
}
