package daemon

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/slowpath/api"
	"github.com/weirlb/weir/slowpath/view"
	"github.com/weirlb/weir/slowpath/watch"
)

// service is the first service as weir show tells it.
func (r *rig) service() view.Service {
	r.t.Helper()
	list, err := api.Dial(r.socket).Show(r.t.Context(), "services", api.Filter{})
	if err != nil {
		r.t.Fatal(err)
	}
	return list.([]view.Service)[0]
}

func (r *rig) expectBackends(want ...string) {
	r.t.Helper()
	r.until(fmt.Sprintf("the backends are %q", want), func() bool { return fmt.Sprint(r.backends()) == fmt.Sprint(want) })
}

// switched is a program that checks by a file for each backend, which says its exit status; none is 0.
func switched(t *testing.T) (command string, set func(backend, status string)) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "check")
	if err := os.WriteFile(file, []byte(`exit $(cat "`+dir+`/$1" 2>/dev/null || echo 0)`), 0o600); err != nil {
		t.Fatal(err)
	}
	return "[/bin/sh, " + file + `, "{address}"]`, func(backend, status string) {
		new := filepath.Join(dir, "new")
		if err := os.WriteFile(new, []byte(status), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(new, filepath.Join(dir, backend)); err != nil {
			t.Fatal(err)
		}
	}
}

// rhythm is that of checks that run programs. A busy machine takes a second to run one: a shorter timeout would take
// backends down, and with a shorter interval a check that began earlier would read its file later.
const rhythm = "interval: 500ms, timeout: 5s, rise: 1, fall: 1, dynamic: true"

// checked is a service of two backends with more keys.
func checked(command, more string) string {
	return somePorts + `
services:
  - name: web
    address: 203.0.113.10:80
    protocol: tcp
    mode: nat
    health: {type: exec, command: ` + command + `, ` + rhythm + `}
    ` + more + `
    backends: [{address: "10.0.0.11:8080"}, {address: "10.0.0.12:8080", weight: 3}]
`
}

func TestSorryServerTakesConnectionsWhileTheQuorumIsLost(t *testing.T) {
	command, set := switched(t)
	r := startIn(t, "", memory(), checked(command, "quorum: {weight: 2}\n    sorry: \"10.0.0.99:8080\""))
	r.expectBackends("web 10.0.0.11:8080 up", "web 10.0.0.12:8080 up", "web 10.0.0.99:8080 standby")
	set("10.0.0.12", "1")
	r.expectBackends("web 10.0.0.11:8080 up", "web 10.0.0.12:8080 down", "web 10.0.0.99:8080 sorry")
	if s := r.service(); s.State != "sorry" || s.Reason != "weight up: 1, quorum: 2" || s.BackendsUp != 1 || s.Backends != 2 {
		t.Errorf("%+v", s)
	}
	set("10.0.0.12", "0")
	r.expectBackends("web 10.0.0.11:8080 up", "web 10.0.0.12:8080 up", "web 10.0.0.99:8080 standby")
	for _, line := range []string{
		`msg="service down" service=web reason="weight up: 1, quorum: 2"`, `msg="service up" service=web reason="weight up: 4, quorum: 2"`,
		`msg="backend down" service=web backend=10.0.0.12:8080 check="exit status 1`,
	} {
		if !strings.Contains(r.log.String(), line) {
			t.Errorf("no line of %s in\n%s", line, r.log)
		}
	}
}

func TestChecksSetWeightsAndOperatorsOverrideThem(t *testing.T) {
	command, set := switched(t)
	set("10.0.0.11", "9")
	r := startIn(t, "", memory(), checked(command, ""))
	weight := func() int {
		list, err := api.Dial(r.socket).Show(t.Context(), "backends", api.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		return list.([]view.Backend)[0].Weight
	}
	r.until("the check's weight counts", func() bool { return weight() == 7 })
	if _, err := api.Dial(r.socket).SetWeight(t.Context(), api.Match{}, "web", netip.MustParseAddrPort("10.0.0.11:8080"), 5); err != nil {
		t.Fatal(err)
	}
	set("10.0.0.11", "12")
	r.until("the check has another", func() bool { return strings.Contains(r.log.String(), "weight=10") })
	if got := weight(); got != 5 {
		t.Errorf("the operator's weight became %d", got)
	}
}

func TestHooksAreToldOfChanges(t *testing.T) {
	command, set := switched(t)
	out := filepath.Join(t.TempDir(), "out")
	program := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(program, []byte(`echo "$WEIR_EVENT $WEIR_BACKEND $WEIR_REASON" >>`+out), 0o600); err != nil {
		t.Fatal(err)
	}
	config := checked(command, "quorum: {backends: 2}\n    on_change: {command: [/bin/sh, "+program+"]}")
	r := startIn(t, "", memory(), config)
	r.expectBackends("web 10.0.0.11:8080 up", "web 10.0.0.12:8080 up")
	set("10.0.0.11", "1")
	r.until("the hook was told of the backend, then of the service", func() bool {
		told, _ := os.ReadFile(out) // there is none before
		_, after, found := strings.Cut(string(told), "backend-down 10.0.0.11:8080 exit status 1 in ")
		return found && strings.Contains(after, "\nservice-down  backends up: 1, quorum: 2\n")
	})
}

func TestBackendInMaintenanceIsCheckedAndTakesNothing(t *testing.T) {
	command, set := switched(t)
	config := strings.Replace(checked(command, ""), `{address: "10.0.0.11:8080"}`, `{address: "10.0.0.11:8080", state: maintenance}`, 1)
	r := startIn(t, "", memory(), config)
	r.expectBackends("web 10.0.0.11:8080 maintenance", "web 10.0.0.12:8080 up")
	if s := r.service(); s.BackendsUp != 1 {
		t.Errorf("%+v", s)
	}
	set("10.0.0.11", "1")
	r.until("its check is known", func() bool { return strings.Contains(r.log.String(), "backend=10.0.0.11:8080") })
	r.expectBackends("web 10.0.0.11:8080 maintenance", "web 10.0.0.12:8080 up")
	r.rewrite(checked(command, ""))
	changes, err := r.reload()
	if err != nil || len(changes) != 1 || changes[0] != "~ backend web 10.0.0.11:8080: state maintenance → up" {
		t.Errorf("%q, %v", changes, err)
	}
	r.expectBackends("web 10.0.0.11:8080 down", "web 10.0.0.12:8080 up")
}

func TestBackendsThatStartDownWaitForTheirFirstCheck(t *testing.T) {
	command, set := switched(t)
	set("10.0.0.11", "1")
	config := strings.Replace(checked(command, "sorry: \"10.0.0.99:8080\""), "fall: 1,", "fall: 100, start: down,", 1)
	r := startIn(t, "", memory(), config)
	r.expectBackends("web 10.0.0.11:8080 down", "web 10.0.0.12:8080 up", "web 10.0.0.99:8080 standby")
	set("10.0.0.11", "0")
	r.expectBackends("web 10.0.0.11:8080 up", "web 10.0.0.12:8080 up", "web 10.0.0.99:8080 standby")
}

// TestWhatTheFirstChecksFindIsNotLost: they may end before the loop knows whom to ask about it.
func TestWhatTheFirstChecksFindIsNotLost(t *testing.T) {
	command, _ := switched(t)
	cfg := load(t, filepath.Join(t.TempDir(), "weir.yaml"), checked(command, ""))
	d := &Daemon{
		log: discard(), hw: memory(), calls: make(chan func()), changed: make(chan struct{}, 1), punted: make(chan struct{}, 1),
		stopped: make(chan struct{}), events: watch.NewHub(),
	}
	var undo []func() error
	for _, up := range []func(*conf.Config) (func() error, error){d.openHardware(t.Context()), d.startHooks, d.makeNode, d.startWorkers, d.startLoop} {
		down, err := up(cfg)
		if err != nil {
			t.Fatal(err)
		}
		undo = append(undo, down)
	}
	var before, after uint64
	d.do(func() { before = d.node.Snapshot().Generation })
	down, err := d.startHealth(cfg)
	if err != nil {
		t.Fatal(err)
	}
	undo = append(undo, down)
	// All checks pass, and so tell of no change.
	for deadline := time.Now().Add(20 * time.Second); after <= before; time.Sleep(time.Millisecond) {
		if d.do(func() { after = d.node.Snapshot().Generation }); time.Now().After(deadline) {
			t.Error("the loop has not looked again")
			break
		}
	}
	for i := len(undo) - 1; i >= 0; i-- {
		if err := undo[i](); err != nil {
			t.Error(err)
		}
	}
}
