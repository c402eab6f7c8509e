package reason

import "testing"

func TestEveryReasonHasANameOfItsOwnAndAnExplanation(t *testing.T) {
	seen := map[string]Reason{}
	for r := Unset; r < Count; r++ {
		if r.String() == "" || r.Help() == "" {
			t.Errorf("reason %d has no name or no help", r)
		}
		if other, dup := seen[r.String()]; dup {
			t.Errorf("reasons %d and %d share the name %s", r, other, r)
		}
		seen[r.String()] = r
	}
	if Count.String() != "unknown" || Count.Punt() {
		t.Error("Count must not pass for a reason")
	}
}
