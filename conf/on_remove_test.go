package conf

import "testing"

func TestOnRemove(t *testing.T) {
	cfg := mustLoad(t, edits{"mode: dr", "mode: dr\n    on_remove: reset\n    expire_nodest: true"}.of(t, base))
	if a, b := &cfg.Services[0], &cfg.Services[2]; a.OnRemove != OnRemoveDrain || b.OnRemove != OnRemoveReset || a.ExpireNodest || !b.ExpireNodest {
		t.Errorf("%s and %s", a.OnRemove, b.OnRemove)
	}
	testMistakes(t, []mistake{{"LVS's way", "mode: tun", "mode: tun\n    on_remove: drop", says(
		`50: services[1].on_remove: must be drain, reset or reschedule, is "drop"`)}})
}
