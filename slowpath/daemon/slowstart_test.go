package daemon

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weirlb/weir/slowpath/api"
	"github.com/weirlb/weir/slowpath/view"
)

func (r *rig) showBackends() []view.Backend {
	r.t.Helper()
	list, err := api.Dial(r.socket).Show(r.t.Context(), "backends", api.Filter{})
	if err != nil {
		r.t.Fatal(err)
	}
	return list.([]view.Backend)
}

func TestBackendThatComesBackIsSeenToStartSlowly(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+strings.Replace(oneService, "mode: nat", "mode: nat\n    slow_start: 2s", 1))
	back := netip.MustParseAddrPort("10.0.0.12:8080")
	set := func(weight int) {
		t.Helper()
		if _, err := api.Dial(r.socket).SetWeight(t.Context(), api.Match{}, "web", back, weight); err != nil {
			t.Fatal(err)
		}
	}
	if b := r.showBackends()[1]; b.Weight != 3 || b.Effective != 3 {
		t.Errorf("at the start: weight %d, effective %v", b.Weight, b.Effective)
	}
	set(0)
	if b := r.showBackends()[1]; b.Effective != 0 || b.State != "draining" {
		t.Errorf("drained: %+v", b)
	}
	set(4)
	b := r.showBackends()
	if b[1].Weight != 4 || b[1].Effective >= 4 || b[1].Effective < 0.2 || b[1].State != "up" || b[0].Effective != 1 {
		t.Errorf("it comes back: %+v", b)
	}
	last := 0.0
	r.until("it has all of its weight", func() bool {
		now := r.showBackends()[1].Effective
		if now < last {
			t.Errorf("the weight fell from %v to %v", last, now)
		}
		last = now
		return now == 4
	})
}

func TestStepsOfASlowStartLeaveTheLoopTime(t *testing.T) {
	due, rest := time.Unix(100, 0), time.Unix(200, 0)
	if later(due, rest) != rest || later(rest, due) != rest || !later(time.Time{}, rest).IsZero() {
		t.Error("a step is not put off")
	}
}
