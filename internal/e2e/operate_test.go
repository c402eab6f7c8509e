package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weirlb/weir/internal/netnstest"
	"github.com/weirlb/weir/slowpath/api/apitest"
)

// running is a weir command under way, and what it has printed so far.
type running struct {
	cmd *exec.Cmd
	mu  sync.Mutex
	out bytes.Buffer
}

func (r *running) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.Write(b)
}

func (r *running) printed() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.String()
}

// begin starts a weir command that goes on until it is ended.
func begin(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{cmd: exec.Command(weirPath(t), args...)}
	r.cmd.Stdout, r.cmd.Stderr = r, r
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	return r
}

// end waits until it ends, and returns its status.
func (r *running) end() int {
	_ = r.cmd.Wait() // the status tells
	return r.cmd.ProcessState.ExitCode()
}

const drained = `dataplane: {memory_mb: 128, max_connections: 20000, timeouts: {udp: 2s}}
services: # of the drain
  - name: load
    address: 203.0.113.10:7000
    protocol: udp
    mode: nat
    scheduler: rr
    backends:
      - address: 10.0.0.11:7000 # the first
      - {address: "10.0.0.12:7000", weight: 3}
`

// TestADrainIsWaitedForToItsEnd holds a flow on a backend while that drains, and then lets it go.
func TestADrainIsWaitedForToItsEnd(t *testing.T) {
	l := needLab(t)
	l.echo(t, "rs1", "10.0.0.11:7000")
	d := l.start(t, "", drained)
	watch := begin(t, "watch", "--type", "drain,drained,weight", "--socket", d.socket)
	d.until("the watcher watches", func() bool { return strings.Contains(watch.printed(), "watching") })
	if out, errs, code := run(t, "backend", "set", "load", "10.0.0.12:7000", "--weight", "0", "--socket", d.socket); code != 0 {
		t.Fatal(out, errs)
	}
	c, err := netnstest.Dial(t.Context(), l.ns("client"), "udp4", "203.0.113.10:7000")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	stop, held := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(held)
		hold(c, stop)
	}()
	left := func() float64 {
		b := d.row("backends", "address", "10.0.0.11:7000")
		return b["active_connections"].(float64) + b["inactive_connections"].(float64)
	}
	d.until("there is a connection", func() bool { return left() == 1 })
	drain := []string{"backend", "drain", "load", "10.0.0.11:7000", "--socket", d.socket, "--wait"}
	out, errs, code := run(t, append(drain, "1200ms")...)
	if code != 3 || !strings.Contains(out, "drains, weight 1 → 0; 1 connection is left") || !strings.Contains(errs, "the time is up with 1 connection left; the drain stays in force") {
		t.Errorf("%d: %s%s", code, out, errs)
	}
	waiting := begin(t, append(drain, "1m")...)
	d.until("it waits", func() bool { return strings.Contains(waiting.printed(), "1 connection left") })
	_ = waiting.cmd.Process.Signal(syscall.SIGINT)
	if code := waiting.end(); code != 130 || !strings.Contains(waiting.printed(), "the drain stays in force") {
		t.Errorf("%d: %s", code, waiting.printed())
	}
	if b := d.row("backends", "address", "10.0.0.11:7000"); b["state"] != "draining" || b["changed"] != "drained" {
		t.Errorf("%v", b)
	}
	waiting = begin(t, append(drain, "1m")...)
	d.until("it waits", func() bool { return strings.Contains(waiting.printed(), "1 connection left") })
	close(stop)
	<-held
	if code := waiting.end(); code != 0 || !strings.HasSuffix(waiting.printed(), "is drained: no connections are left\n") {
		t.Errorf("%d: %s", code, waiting.printed())
	}
	d.until("the watcher has told that it is drained", func() bool { return strings.Contains(watch.printed(), "has no connections left") })
	out, errs, code = run(t, "backend", "drain", "load", "10.0.0.11:7000", "--undo", "--socket", d.socket)
	if code != 0 || out != "~ backend load 10.0.0.11:7000: drains no more, weight 0 → 1\n" {
		t.Errorf("%d: %s%s", code, out, errs)
	}
	d.until("the watcher has told all of it", func() bool { return strings.Contains(watch.printed(), "drains no more") })
}

// hold keeps a flow alive.
func hold(c net.Conn, stop <-chan struct{}) {
	tick := time.NewTicker(10 * flowPeriod)
	defer tick.Stop()
	for {
		_, _ = c.Write([]byte("hold")) // if nothing comes, the test finds no connection
		select {
		case <-stop:
			return
		case <-tick.C:
		}
	}
}

// TestAnOperatorsDay changes things at run time, looks, is refused, reloads and saves.
func TestAnOperatorsDay(t *testing.T) {
	l := needLab(t)
	d := l.start(t, "", drained)
	file := filepath.Join(filepath.Dir(d.socket), "weir.yaml")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(before)
	put := func(from, to string) {
		t.Helper()
		changed := strings.Replace(text, from, to, 1)
		if changed == text && from != to {
			t.Fatalf("%q is not in the file", from)
		}
		if err := os.WriteFile(file, []byte(changed), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(code int, stdout, stderr string, args ...string) {
		t.Helper()
		out, errs, got := run(t, append(args, "--socket", d.socket)...)
		if got != code || out != stdout || !strings.Contains(errs, stderr) || stderr == "" && errs != "" {
			t.Errorf("weir %s: %d\n%s%swant %d\n%s%s", strings.Join(args, " "), got, out, errs, code, stdout, stderr)
		}
	}
	expect(0, "+ backend load 10.0.0.13:7000: weight 2\n", "", "backend", "add", "load", "10.0.0.13:7000", "--weight", "2")
	expect(0, "- backend load 10.0.0.12:7000: weight 3; on_remove: drain for 0 connections\n", "", "backend", "remove", "load", "10.0.0.12:7000")
	expect(1, "", "has no backend 10.0.0.12:7000", "backend", "drain", "load", "10.0.0.12:7000")
	expect(1, "", "is IPv6, but the service is IPv4", "backend", "add", "load", "[fd00::12]:7000")
	expect(1, "", "look at it again", "backend", "set", "load", "10.0.0.13:7000", "--weight", "1", "--if-revision", "0-0")
	diff := "+ backend load 10.0.0.13:7000: weight 2\n- backend load 10.0.0.12:7000: weight 3\n"
	expect(0, diff, "", "config", "diff")

	put("scheduler: rr", "scheduler: mh")
	dry := "~ service load: scheduler rr → mh\n+ backend load 10.0.0.12:7000: weight 3 (undoes what was changed at run time)\n" +
		"- backend load 10.0.0.13:7000: weight 2 (undoes what was changed at run time)\n"
	expect(0, dry, "", "reload", "--dry-run")
	expect(0, "~ service load: scheduler rr → mh\n", "", "reload", "--keep-runtime")
	put("max_connections: 20000", "max_connections: 30000")
	out, errs, code := run(t, "reload", "--dry-run", "--keep-runtime", "--socket", d.socket)
	if code != 0 || !strings.Contains(out, "~ dataplane.max_connections 20000 → 30000 (needs a restart") {
		t.Errorf("%d: %s%s", code, out, errs)
	}
	expect(1, "", "dataplane.max_connections 20000 → 30000 cannot change while weir runs: restart it", "reload")
	put("weight: 3", "weight: 70000")
	for _, args := range [][]string{{"reload"}, {"reload", "--dry-run"}, {"check", "-c", file}} {
		if args[0] == "reload" {
			args = append(args, "--socket", d.socket)
		}
		out, errs, code := run(t, args...)
		if want := ".yaml:10: services[0].backends[1].weight: must be 0 to 65535, is 70000\n"; code != 1 || out != "" || !strings.HasPrefix(errs, file[:len(file)-5]) || !strings.HasSuffix(errs, want) {
			t.Errorf("%q: %d: %s%s", args, code, out, errs)
		}
	}

	expect(1, "", "has changed on disk since it was loaded", "config", "save")
	put("scheduler: rr", "scheduler: mh")
	expect(0, diff, "", "config", "save")
	after, err := os.ReadFile(file)
	want := strings.Replace(strings.Replace(text, "scheduler: rr", "scheduler: mh", 1),
		"      - {address: \"10.0.0.12:7000\", weight: 3}\n", "      - address: 10.0.0.13:7000\n        weight: 2\n", 1)
	if err != nil || string(after) != want {
		t.Errorf("%v\n%s", err, after)
	}
	expect(0, "nothing changed\n", "", "reload")
	effective, _, _ := run(t, "config", "show", "--socket", d.socket)
	if _, errs, code := run(t, "check", "-c", write(t, "effective.yaml", effective)); code != 0 {
		t.Errorf("the effective configuration: %s\n%s", errs, effective)
	}
	if out, _, _ := run(t, "__complete", "backend", "drain", "--socket", d.socket, "load", ""); !strings.Contains(out, "10.0.0.13:7000\n") {
		t.Errorf("completion: %s", out)
	}
}

// TestTheDaemonIsReachedByTCP needs only a loopback interface.
func TestTheDaemonIsReachedByTCP(t *testing.T) {
	l := needLab(t)
	servers, clients := apitest.NewAuthority(t), apitest.NewAuthority(t)
	cert, key := servers.Issue("weir")
	l.do(t, "lb", "ip", "link", "set", "lo", "up")
	d := l.start(t, "", drained+fmt.Sprintf("# api: listen: \"127.0.0.1:9443\", certificate: %s, key: %s, client_ca: %s\n", cert, key, clients.Path))
	cert, key = clients.Issue("alice")
	weir := func(args ...string) (string, error) { return l.try("lb", append([]string{weirPath(t)}, args...)...) }
	tcp := []string{"--api", "https://127.0.0.1:9443", "--cacert", servers.Path}
	mine := append(slices.Clone(tcp), "--cert", cert, "--key", key)
	if out, err := weir(append([]string{"backend", "drain", "load", "10.0.0.11:7000"}, mine...)...); err != nil || !strings.Contains(out, "drains") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := weir(append([]string{"show", "backends"}, tcp...)...); err == nil || !strings.Contains(out, "only clients with a certificate") {
		t.Errorf("%v: %s", err, out)
	}
	cert, key = servers.Issue("mallory")
	if out, err := weir(append([]string{"show", "backends", "--cert", cert, "--key", key}, tcp...)...); err == nil || !strings.Contains(out, "api.client_ca") {
		t.Errorf("%v: %s", err, out)
	}
	d.until("the log tells who it was", func() bool { return strings.Contains(d.logged(), "by=alice") })
}
