package conf

import "testing"

func TestMistakesInThresholds(t *testing.T) {
	testMistakes(t, []mistake{
		{"lower above upper", "        weight: 3", "        upper_threshold: 10\n        lower_threshold: 11", says(
			"44: services[0].backends[0].lower_threshold: must be at most the upper_threshold, which is 10, is 11")},
		{"lower alone", "        weight: 3", "        lower_threshold: 11", says(
			"43: services[0].backends[0].lower_threshold: has a meaning only with an upper_threshold: write that as well, or remove the key")},
		{"negative", "        weight: 3", "        upper_threshold: -1", says(
			"43: services[0].backends[0].upper_threshold: must be 1 to 2147483647, is -1")},
	})
}

func TestThresholds(t *testing.T) {
	cfg := mustLoad(t, edits{"        weight: 3", "        upper_threshold: 10\n        lower_threshold: 10"}.of(t, base))
	if b := cfg.Services[0].Backends[0]; b.UpperThreshold != 10 || b.LowerThreshold != 10 {
		t.Errorf("%+v", b)
	}
}
