package daemon

import (
	"strings"
	"testing"

	"github.com/weirlb/weir/slowpath/api"
	"github.com/weirlb/weir/slowpath/view"
)

// passive is checked with a check that asks for nothing within the test, but by suspicion.
func passive(command string) string {
	c := strings.Replace(checked(command, "scheduler: rr"), rhythm,
		"interval: 1h, timeout: 10s, fall: 100, passive: {window: 1s, share: 50%, min_connections: 4}", 1)
	return c + knownNeighbors
}

// unanswered lets n clients send two SYNs each, to which no backend answers.
func (r *rig) unanswered(first uint16, n int) {
	for i := range n {
		r.arrive(first+uint16(i), 80, 0)
	}
	r.until("the first ones have gone", func() bool { return r.daemonPackets() >= uint64(n) })
	for i := range n {
		r.arrive(first+uint16(i), 80, 0)
	}
}

func (r *rig) daemonPackets() (n uint64) {
	for _, w := range r.workers() {
		n += w.PacketsIn
	}
	return n
}

func TestABackendThatDoesNotAnswerClientsIsCheckedAtOnce(t *testing.T) {
	command, set := switched(t)
	r := startIn(t, "", memory(), passive(command))
	r.until("the first checks are over", func() bool {
		for _, b := range r.showBackends() {
			if b.ChecksPassed == 0 {
				return false
			}
		}
		return true
	})
	set("10.0.0.11", "1")
	port := uint16(30000)
	r.until("the backend is down", func() bool {
		r.unanswered(port, 20)
		port += 20
		for _, b := range r.showBackends() {
			if b.Address == "10.0.0.11:8080" && b.State == "down" {
				return true
			}
		}
		return false
	})
	for _, b := range r.showBackends() {
		switch b.Address {
		case "10.0.0.11:8080":
			if b.Suspected != 1 || b.Unanswered == 0 || b.ChecksFailed != 1 || b.State != "down" {
				t.Errorf("%+v", b)
			}
		case "10.0.0.12:8080": // which its check finds well
			if b.State != "up" || b.Unanswered == 0 {
				t.Errorf("%+v", b)
			}
		}
	}
	log := r.log.String()
	for _, want := range []string{
		`msg="backend suspected" service=web backend=10.0.0.11:8080 reason="`,
		`msg="backend down" service=web backend=10.0.0.11:8080 check="exit status 1`,
	} {
		if n := strings.Count(log, want); n != 1 {
			t.Errorf("%d lines of %s in\n%s", n, want, log)
		}
	}
	list, err := api.Dial(r.socket).Show(t.Context(), "services", api.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if s := list.([]view.Service)[0]; s.Unanswered == 0 || s.Setup.Count != 0 {
		t.Errorf("%+v", s)
	}
}
