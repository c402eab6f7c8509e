package conf

import "testing"

func TestOneOfAThingIsSingular(t *testing.T) {
	for n, want := range map[int]string{0: "0 backends", 1: "1 backend", 2: "2 backends"} {
		if got := Counted(n, "backend"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
