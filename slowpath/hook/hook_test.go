package hook

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// rig is a runner whose program is a shell script with $OUT for a file of the test's.
type rig struct {
	t       *testing.T
	r       *Runner
	out     string
	command []string
	mu      sync.Mutex
	log     bytes.Buffer
}

// Write collects the log.
func (g *rig) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.log.Write(b)
}

func (g *rig) logged() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.log.String()
}

func newRig(t *testing.T, script string, timeout time.Duration) *rig {
	t.Helper()
	g := &rig{t: t, out: filepath.Join(t.TempDir(), "out")}
	file := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(file, []byte("OUT="+g.out+"\n"+script), 0o600); err != nil {
		t.Fatal(err)
	}
	g.r = New(slog.New(slog.NewTextHandler(g, nil)))
	t.Cleanup(g.r.Close)
	g.command = []string{"/bin/sh", file}
	g.r.Set(map[string]Program{"web": {Command: g.command, Timeout: timeout}})
	return g
}

func (g *rig) until(what string, holds func() bool) {
	g.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			g.t.Fatalf("waited in vain until %s; the log:\n%s", what, g.logged())
		}
	}
}

func (g *rig) wrote(want string) {
	g.t.Helper()
	g.until("the program has written", func() bool {
		got, _ := os.ReadFile(g.out)
		return len(got) >= len(want)
	})
	if got, _ := os.ReadFile(g.out); string(got) != want {
		g.t.Errorf("got %q, want %q", got, want)
	}
}

func TestProgramIsToldWhatChanged(t *testing.T) {
	g := newRig(t, `echo "$WEIR_EVENT $WEIR_SERVICE $WEIR_BACKEND $WEIR_REASON" >>$OUT`, patience)
	g.r.Fire(Change{Service: "web", Backend: "10.0.0.11:80", Reason: "connection refused"})
	g.r.Fire(Change{Service: "web", Up: true, Reason: "2 backends are up"})
	g.r.Fire(Change{Service: "dns", Up: true})
	g.wrote("backend-down web 10.0.0.11:80 connection refused\nservice-up web  2 backends are up\n")
}

func TestChangesOfAServiceAreToldInTheirOrder(t *testing.T) {
	g := newRig(t, `echo "$WEIR_REASON" >>$OUT`, patience)
	want := ""
	for i := range 20 {
		reason := string(rune('a' + i))
		g.r.Fire(Change{Service: "web", Reason: reason})
		want += reason + "\n"
	}
	g.wrote(want)
}

func TestProgramThatFailsIsLogged(t *testing.T) {
	g := newRig(t, `echo "no route to the pager"; exit 3`, patience)
	g.r.Fire(Change{Service: "web", Up: true})
	g.until("the log tells", func() bool {
		return strings.Contains(g.logged(), "a hook failed") && strings.Contains(g.logged(), "exit status 3: no route to the pager")
	})
}

func TestProgramThatDoesNotExistIsLogged(t *testing.T) {
	g := newRig(t, "", patience)
	g.r.Set(map[string]Program{"web": {Command: []string{"/nonexistent/hook"}, Timeout: patience}})
	g.r.Fire(Change{Service: "web", Up: true})
	g.until("the log tells", func() bool { return strings.Contains(g.logged(), "no such file") })
}

func TestProgramThatHangsIsKilledAndTheNextChangeTold(t *testing.T) {
	g := newRig(t, `[ "$WEIR_EVENT" = service-up ] || sleep 60; echo told >>$OUT`, 100*time.Millisecond)
	g.r.Fire(Change{Service: "web"})
	g.until("it was killed", func() bool { return strings.Contains(g.logged(), "killed, as it had not ended after 100ms") })
	g.r.Set(map[string]Program{"web": {Command: g.command, Timeout: patience}})
	g.r.Fire(Change{Service: "web", Up: true})
	g.wrote("told\n")
}

func TestCloseKillsWhatRuns(t *testing.T) {
	g := newRig(t, `echo running >>$OUT; sleep 60`, time.Hour)
	g.r.Fire(Change{Service: "web"})
	g.wrote("running\n")
	g.r.Close()
	g.r.Fire(Change{Service: "web"})
	if l := g.logged(); l != "" {
		t.Errorf("logged %q", l)
	}
}

func TestFloodOfChangesIsBounded(t *testing.T) {
	g := newRig(t, `sleep 60`, time.Hour)
	for range maxWaiting + 10 {
		g.r.Fire(Change{Service: "web"})
	}
	if !strings.Contains(g.logged(), "too many wait") {
		t.Errorf("logged %q", g.logged())
	}
}
