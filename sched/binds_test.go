package sched

import (
	"slices"
	"testing"
)

func TestOnlySchedulersThatHaveOneServerForAClientBind(t *testing.T) {
	servers := []Server{{Address: "10.0.0.1:80", Weight: 1}, {Address: "10.0.0.2:80", Weight: 1}}
	starting := slices.Clone(servers)
	starting[0].Share = 50
	for _, name := range Names() {
		for _, fallback := range []bool{false, true} {
			for _, servers := range [][]Server{servers, starting} {
				s, err := New(name, servers, Options{Fallback: fallback})
				if err != nil {
					t.Fatal(err)
				}
				want := name == "dh" || !fallback && (name == "sh" || name == "mh")
				if got := Binds(s); got != want {
					t.Errorf("%s, fallback %t, %T: %t, want %t", name, fallback, s, got, want)
				}
			}
		}
	}
}
