package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/slowpath/api"
	"github.com/weirlb/weir/slowpath/view"
)

const (
	somePorts = `
dataplane: {max_connections: 1000}
ports:
  - {name: wan, device: net_null0, addresses: [203.0.113.2/24]}
  - {name: lan, device: net_null1, addresses: [10.0.0.1/24]}
`
	oneService = `
services:
  - name: web
    address: 203.0.113.10:80
    protocol: tcp
    mode: nat
    backends: [{address: "10.0.0.11:8080"}, {address: "10.0.0.12:8080", weight: 3}]
`
)

// memory is hardware without any wire.
func memory() *wires { return &wires{steer: func([]byte, int) int { return 0 }} }

// rewrite changes the file of a running daemon.
func (r *rig) rewrite(config string) {
	r.t.Helper()
	load(r.t, r.file, config)
}

func (r *rig) reload() ([]string, error) { return r.reloadWith(api.ReloadOptions{}) }

func (r *rig) reloadWith(o api.ReloadOptions) ([]string, error) {
	done, err := api.Dial(r.socket).Reload(r.t.Context(), o)
	return append(done.Changes, done.NeedsRestart...), err
}

func (r *rig) backends() (out []string) {
	r.t.Helper()
	list, err := api.Dial(r.socket).Show(r.t.Context(), "backends", api.Filter{})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, b := range list.([]view.Backend) {
		out = append(out, b.Service+" "+b.Address+" "+b.State)
	}
	return out
}

func TestReloadTellsWhatHasNoEffect(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService)
	r.rewrite(somePorts + strings.Replace(oneService, "mode: nat", "mode: nat\n    scheduler: rr", 1))
	for _, dry := range []bool{true, false} {
		done, err := api.Dial(r.socket).Reload(t.Context(), api.ReloadOptions{DryRun: dry})
		if err != nil || len(done.Warnings) != 1 || !strings.Contains(done.Warnings[0], ": services[0].backends[1].weight: warning: scheduler rr ") {
			t.Errorf("%v, warnings %q", err, done.Warnings)
		}
	}
	if n := strings.Count(r.log.String(), "warning: scheduler rr "); n != 1 { // a dry run is not logged
		t.Errorf("%d lines of the log have it:\n%s", n, r.log)
	}
}

// The start logs what nobody asked for, too, as far as anybody would read on.
func TestTheStartLogsWhatHasNoEffect(t *testing.T) {
	services := "services:\n"
	for i := range 25 {
		services += fmt.Sprintf("  - {name: s%d, address: \"203.0.113.10:%d\", protocol: udp, mode: nat, one_packet: true, backends: [{address: \"10.0.0.11:%d\"}]}\n", i, 1000+i, 1000+i)
	}
	r := startIn(t, "", memory(), somePorts+services)
	log := r.log.String()
	if n := strings.Count(log, "warning: wlc goes by connections"); n != 20 || !strings.Contains(log, "more=5") {
		t.Errorf("%d warnings in\n%s", n, log)
	}
}

func TestReloadAppliesTheFileAndTellsWhatChanged(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService)
	r.rewrite(somePorts + strings.Replace(oneService, "10.0.0.11", "10.0.0.13", 1) + `  - name: dns
    address: 203.0.113.10:53
    protocol: udp
    mode: dr
    backends: [{address: "10.0.0.11:53"}]
`)
	got, err := r.reload()
	want := []string{
		"+ backend web 10.0.0.13:8080: weight 1", "- backend web 10.0.0.11:8080: weight 1", "+ service dns: udp 203.0.113.10:53, dr, 1 backend",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, changes %q, want %q", err, got, want)
	}
	if got, want := r.backends(), []string{"web 10.0.0.13:8080 up", "web 10.0.0.12:8080 up", "dns 10.0.0.11:53 up"}; !slices.Equal(got, want) {
		t.Errorf("backends %q, want %q", got, want)
	}
	if got, err := r.reload(); err != nil || len(got) != 0 {
		t.Errorf("a second reload: %v, %q", err, got)
	}
}

func TestReloadTellsOfTimeoutsByTheirKeys(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService)
	r.rewrite(strings.Replace(somePorts, "dataplane: {", "dataplane: {timeouts: {tcp: 60s, udp: 10s, sctp: 1h}, ", 1) + oneService)
	got, err := r.reload()
	want := []string{"~ dataplane.timeouts.tcp 900s → 60s", "~ dataplane.timeouts.udp 300s → 10s", "~ dataplane.timeouts.sctp 900s → 1h"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, changes %q, want %q", err, got, want)
	}
}

func TestReloadTellsOfAServicesOwnTimeouts(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService)
	r.rewrite(somePorts + strings.Replace(oneService, "protocol: tcp", "protocol: tcp\n    timeouts: {tcp: 60s}", 1))
	got, err := r.reload()
	if want := []string{"~ service web: timeouts.tcp none → 60s"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, changes %q, want %q", err, got, want)
	}
}

// TestTheLaterReloadCounts: the file is replaced and applied again while reloads are still at work on what it was. What they have
// read is older, and must not be what stays in force.
func TestTheLaterReloadCounts(t *testing.T) {
	const reloads = 20
	r := startIn(t, "", memory(), somePorts+oneService)
	newer := filepath.Join(filepath.Dir(r.file), "newer.yaml")
	ended := make(chan error, reloads)
	for i := range reloads {
		load(t, newer, somePorts+strings.Replace(oneService, "10.0.0.11", fmt.Sprintf("10.0.0.%d", 100+i), 1))
		if err := os.Rename(newer, r.file); err != nil {
			t.Fatal(err)
		}
		go func() {
			_, err := r.reload()
			ended <- err
		}()
	}
	for range reloads {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	want := []string{fmt.Sprintf("web 10.0.0.%d:8080 up", 100+reloads-1), "web 10.0.0.12:8080 up"}
	if got := r.backends(); !slices.Equal(got, want) {
		t.Errorf("backends %q, want %q", got, want)
	}
}

// A FIFO that nobody writes to would keep a reload waiting for ever, and the daemon's end with it.
func TestAFileThatBecameAFIFOIsRefused(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService)
	if err := errors.Join(os.Remove(r.file), unix.Mkfifo(r.file, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.reload(); err == nil || !strings.Contains(err.Error(), r.file+" is no regular file") {
		t.Errorf("the error is: %v", err)
	}
	if err := os.Remove(r.file); err != nil {
		t.Fatal(err)
	}
	r.rewrite(somePorts + strings.Replace(oneService, "10.0.0.11", "10.0.0.13", 1))
	if got, err := r.reload(); err != nil || len(got) != 2 {
		t.Errorf("with a file again: %v, %q", err, got)
	}
}

func TestAWrongFileChangesNothing(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService)
	before := r.backends()
	broken := strings.Replace(somePorts+oneService, "weight: 3", "weight: 70000", 1)
	if err := os.WriteFile(r.file, []byte(broken), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := r.reload(); err == nil || !strings.Contains(err.Error(), "weight") {
		t.Errorf("the error is: %v", err)
	}
	if got := r.backends(); !slices.Equal(got, before) {
		t.Errorf("backends %q, want %q", got, before)
	}
}

func TestWhatNeedsARestartIsRefusedAndNamed(t *testing.T) {
	for what, config := range map[string]string{
		"dataplane.max_connections 1000 → 2000":                   strings.Replace(somePorts, "max_connections: 1000", "max_connections: 2000", 1) + oneService,
		"port wan: addresses [203.0.113.2/24] → [203.0.113.3/24]": strings.Replace(somePorts, "203.0.113.2/24", "203.0.113.3/24", 1) + oneService,
	} {
		t.Run(what, func(t *testing.T) {
			r := startIn(t, "", memory(), somePorts+oneService)
			r.rewrite(config)
			if _, err := r.reload(); err == nil || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "restart") {
				t.Errorf("the error is: %v", err)
			}
		})
	}
}

func TestSighupReloads(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService)
	r.rewrite(somePorts + strings.Replace(oneService, "weight: 3", "weight: 0", 1))
	r.hup <- syscall.SIGHUP
	r.until("the backend drains", func() bool { return slices.Contains(r.backends(), "web 10.0.0.12:8080 draining") })
	r.until("the log tells the change", func() bool { return strings.Contains(r.log.String(), "weight 3 → 0") })
}

func TestSighupIsAnsweredInTheLogAlsoIfNothingChanged(t *testing.T) {
	r := startIn(t, "", memory(), somePorts+oneService)
	r.hup <- syscall.SIGHUP
	r.until("the log tells that nothing changed", func() bool { return strings.Contains(r.log.String(), "nothing changed") })
}

func TestAFailingStartTakesEverythingDownAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "weir.yaml")
	refused := errors.New("core 1 is not present")
	for name, c := range map[string]struct {
		hw   *wires
		edit func(*conf.Config)
		want string
	}{
		"a core is missing":       {&wires{refuse: refused}, func(*conf.Config) {}, refused.Error()},
		"the socket can't be":     {memory(), func(c *conf.Config) { c.API.Socket = "/nonexistent/weir.sock" }, "/nonexistent/weir.sock"},
		"the metrics port is bad": {memory(), func(c *conf.Config) { c.Metrics.Listen = "203.0.113.99:1" }, "203.0.113.99:1"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := load(t, file, somePorts+oneService)
			c.edit(cfg)
			err := Run(t.Context(), Options{Config: cfg, Hardware: c.hw, Log: discard()})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error is: %v", err)
			}
			if !c.hw.closed {
				t.Error("the hardware was not closed")
			}
		})
	}
}
