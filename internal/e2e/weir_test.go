package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the weir that is tested.
const binary = "../../bin/weir"

// patience is how long a test waits for anything that should happen soon.
const patience = 20 * time.Second

// need skips a test, loudly, where something it stands on is missing; in CI that is a failure.
func need(t *testing.T, ok bool, what string) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing", what)
	}
	t.Skipf("SKIPPED, NOT TESTED: %s is missing", what)
}

func needRoot(t *testing.T) {
	t.Helper()
	need(t, os.Geteuid() == 0, "root")
}

func weirPath(t *testing.T) string {
	t.Helper()
	p, err := filepath.Abs(binary)
	if err != nil {
		t.Fatal(err)
	}
	_, err = os.Stat(p)
	need(t, err == nil, "bin/weir (make build)")
	return p
}

// run runs a weir command to its end.
func run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, weirPath(t), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("weir %s: %v", strings.Join(args, " "), err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// write makes a file in a folder of the test's own.
func write(t *testing.T, name, content string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

// daemon is a running weir run.
type daemon struct {
	t      *testing.T
	cmd    *exec.Cmd
	socket string
	ended  chan struct{}
	once   sync.Once
	mu     sync.Mutex
	log    bytes.Buffer
}

// Write collects the daemon's log.
func (d *daemon) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.Write(b)
}

func (d *daemon) logged() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// start runs the daemon, in a network namespace unless netns is empty, and waits until it answers on its socket. The
// configuration gets the socket added. The daemon is stopped with the test, and must then exit with 0.
func start(t *testing.T, netns, config string) *daemon {
	t.Helper()
	needRoot(t)
	dir := t.TempDir()
	d := &daemon{t: t, socket: filepath.Join(dir, "weir.sock"), ended: make(chan struct{})}
	file := filepath.Join(dir, "weir.yaml")
	section := "socket: " + d.socket
	if _, more, ok := strings.Cut(config, "# api: "); ok { // what the section has besides
		more, _, _ = strings.Cut(more, "\n")
		section += ", " + more
	}
	config += "\napi: {" + section + "}\n"
	if !strings.Contains(config, "metrics:") {
		config += "metrics: {listen: \"\"}\n"
	}
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{weirPath(t), "run", "-c", file}
	if netns != "" {
		args = append([]string{"ip", "netns", "exec", netns}, args...)
	}
	d.cmd = exec.Command(args[0], args[1:]...)
	d.cmd.Stdout, d.cmd.Stderr = d, d
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = d.cmd.Wait() // stop looks at the state
		close(d.ended)
	}()
	t.Cleanup(d.stop)
	d.until("the daemon answers", func() bool {
		select {
		case <-d.ended:
			t.Fatalf("weir run ended:\n%s", d.logged())
		default:
		}
		_, err := os.Stat(d.socket)
		if err != nil {
			return false
		}
		return len(d.show("workers")) > 0
	})
	return d
}

// stop ends the daemon as an operator does and checks that it goes cleanly.
func (d *daemon) stop() {
	d.once.Do(func() {
		_ = d.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-d.ended:
		case <-time.After(patience):
			_ = d.cmd.Process.Kill()
			d.t.Errorf("weir run did not end on SIGTERM:\n%s", d.logged())
			return
		}
		if code := d.cmd.ProcessState.ExitCode(); code != 0 {
			d.t.Errorf("weir run ended with %d:\n%s", code, d.logged())
		}
		if _, err := os.Stat(d.socket); err == nil {
			d.t.Error("the socket is still there")
		}
	})
}

// show returns the rows of weir show; a row is a JSON object.
func (d *daemon) show(what string, args ...string) []map[string]any {
	d.t.Helper()
	out, errs, code := run(d.t, append([]string{"show", what, "-o", "json", "--socket", d.socket}, args...)...)
	if code != 0 {
		d.t.Logf("weir show %s: %s", what, errs)
		return nil
	}
	var rows []map[string]any
	if err := json.Unmarshal([]byte(out), &rows); err != nil {
		d.t.Fatalf("weir show %s: %v in %s", what, err, out)
	}
	return rows
}

// row returns the row in which a field has a value.
func (d *daemon) row(what, field string, value any) map[string]any {
	for _, r := range d.show(what) {
		if r[field] == value {
			return r
		}
	}
	return nil
}

// until waits for a condition.
func (d *daemon) until(what string, cond func() bool) {
	d.t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatalf("waited in vain until %s; the log:\n%s", what, d.logged())
		}
	}
}
