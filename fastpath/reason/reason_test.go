package reason

import "testing"

func TestEveryReasonHasANameOfItsOwnAndAnExplanation(t *testing.T) {
	seen := map[string]Reason{}
	for r := Unset; r < Count; r++ {
		if r.String() == "" || r.Help() == "" || r.Cause() == "" || r.Mend() == "" {
			t.Errorf("reason %d (%v) has no name, help, cause or mend", r, r)
		}
		if other, dup := seen[r.String()]; dup {
			t.Errorf("reasons %d and %d share the name %s", r, other, r)
		}
		seen[r.String()] = r
	}
	if Count.String() != "unknown" || Count.Help()+Count.Cause()+Count.Mend() != "" || Count.Punt() || Count.Answer() || Count.Drop() || Count.Answered() {
		t.Error("Count must not pass for a reason")
	}
}
