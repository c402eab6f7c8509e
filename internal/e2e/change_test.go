package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// TestReloadsUnderTrafficLoseNothing reloads while clients fetch files, and changes what does not concern them.
func TestReloadsUnderTrafficLoseNothing(t *testing.T) {
	l := needLab(t)
	config, url := service("nat", "4", "")
	d := l.start(t, "", "services:\n"+config)
	file := filepath.Join(filepath.Dir(d.socket), "weir.yaml")
	base, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var requests atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for !stop.Load() {
				if _, err := l.curl(url + "1m"); err != nil {
					t.Error(err)
				}
				requests.Add(1)
			}
		}()
	}
	for i := range 20 {
		other := fmt.Sprintf("  - {name: other, address: \"203.0.113.10:%d\", protocol: tcp, mode: nat, backends: [{address: \"10.0.0.12:%d\"}]}\n", 1000+i, 1000+i)
		changed := strings.Replace(string(base), "services:\n", "services:\n"+other, 1)
		if err := os.WriteFile(file, []byte(changed), 0o644); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if out, errs, code := run(t, "reload", "--socket", d.socket); code != 0 || !strings.Contains(out, "service other") {
				t.Fatalf("%d: %s%s", code, out, errs)
			}
			continue
		}
		_ = d.cmd.Process.Signal(syscall.SIGHUP)
		d.until("SIGHUP is applied", func() bool {
			r := d.row("services", "name", "other")
			return r != nil && r["address"] == fmt.Sprintf("203.0.113.10:%d", 1000+i)
		})
	}
	stop.Store(true)
	wg.Wait()
	if requests.Load() < 4 {
		t.Errorf("only %d requests", requests.Load())
	}
	d.accounted()
}

func TestDrainingABackendKeepsItsConnectionsAndGivesItNoNewOnes(t *testing.T) {
	l := needLab(t)
	config, url := service("nat", "4", "")
	d := l.start(t, "", "services:\n"+config)
	if out, errs, code := run(t, "backend", "drain", "nat4", "10.0.0.11:8080", "--socket", d.socket); code != 0 {
		t.Fatalf("%s%s", out, errs)
	}
	if got := l.servers(t, url, 6); got["rs2"] != 6 {
		t.Errorf("while rs1 drains, served: %v", got)
	}
	if out, errs, code := run(t, "backend", "set", "nat4", "10.0.0.11:8080", "--weight", "1", "--socket", d.socket); code != 0 {
		t.Fatalf("%s%s", out, errs)
	}
	if got := l.servers(t, url, 6); got["rs1"] != 3 {
		t.Errorf("afterwards, served: %v", got)
	}
}

// TestTheDaemonLeavesNothingBehind looks at the machine after SIGTERM: exit status and socket are checked by stop.
func TestTheDaemonLeavesNothingBehind(t *testing.T) {
	l := needLab(t)
	before := l.do(t, "lb", "ip", "-d", "link") + l.do(t, "lb", "ip", "route")
	config, url := service("nat", "4", quickCheck)
	d := l.start(t, "", "services:\n"+config)
	if _, err := l.curl(url); err != nil {
		t.Error(err)
	}
	if out := l.do(t, "lb", "ip", "link"); !strings.Contains(out, "weir-wan") {
		t.Errorf("no TAP while it runs:\n%s", out)
	}
	d.stop()
	if after := l.do(t, "lb", "ip", "-d", "link") + l.do(t, "lb", "ip", "route"); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}
