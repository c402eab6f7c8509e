package health

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirlb/weir/conf"
)

// script writes a shell script and returns the command that runs it.
func script(t *testing.T, text string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "check")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"/bin/sh", path}
}

func execHealth(dynamic bool, command ...string) conf.Health {
	return conf.Health{Type: conf.CheckExec, Exec: conf.ExecCheck{Command: command, Dynamic: dynamic}}
}

func TestExecVerdicts(t *testing.T) {
	for _, c := range []struct {
		name, script string
		dynamic      bool
		want         verdict
		text         string
		weight       int
	}{
		{"well", "exit 0", false, pass, "exit status 0", -1},
		{"sick", "exit 1", false, fail, "exit status 1, expected exit status 0", -1},
		{"sick, and says so", "echo; echo 'CRITICAL - \x1b[31mno answer'; echo more; exit 2", false, fail,
			"exit status 2 (CRITICAL - ?[31mno answer), expected exit status 0", -1},
		{"well, with a weight", "exit 12", true, pass, "exit status 12", 10},
		{"well, with weight 0", "exit 2", true, pass, "exit status 2", 0},
		{"well, with the weight it had", "exit 0", true, pass, "exit status 0", -1},
		{"sick, where statuses are weights", "exit 1", true, fail, "exit status 1, expected exit status 0, or 2 to 255", -1},
		{"crashed", "kill -SEGV $$", true, fail, "ended by signal 11, expected exit status 0, or 2 to 255", -1},
		{"a child stays behind", "sleep 60 & exit 0", false, pass, "exit status 0", -1},
		{"much to say", "yes | head -c 1000000; exit 0", false, pass, "exit status 0 (y)", -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := askOnce(t, Target{Backend: backend, Check: execHealth(c.dynamic, script(t, c.script)...)})
			expectOutcome(t, o, c.want, c.text)
			if o.weight-1 != c.weight {
				t.Errorf("weight %d, want %d", o.weight-1, c.weight)
			}
		})
	}
}

func TestProgramIsToldWhomToCheck(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	h := execHealth(false, append(script(t, `echo "$@ $WEIR_SERVICE $WEIR_ADDRESS $WEIR_PORT" >"$1"`), out, "-H{address}", "{port}", "{service}")...)
	h.Port = 9000
	if o := askOnce(t, Target{Service: "web", Backend: backend, Check: h}); o.verdict != pass {
		t.Fatalf("%d %q", o.verdict, o)
	}
	got, err := os.ReadFile(out)
	if want := out + " -H10.0.0.11 9000 web web 10.0.0.11 9000\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestProgramThatHangsIsKilledWithItsChildren(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	h := execHealth(false, append(script(t, `sh -c 'echo $$ >"$0.new"; mv "$0.new" "$0"; exec sleep 60' "$1"; true`), pid)...)
	h.Timeout = 3 * time.Second // the child has to get to start
	o := askOnce(t, Target{Backend: backend, Check: h})
	expectOutcome(t, o, fail, "timeout after 3s running /bin/sh")
	text, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the child is gone", func() bool {
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(text)) + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
}

func TestProgramThatCannotRunSaysNothingAboutTheBackend(t *testing.T) {
	o := askOnce(t, Target{Backend: backend, Check: execHealth(false, "/nonexistent/check")})
	expectOutcome(t, o, inconclusive, "not checked: cannot run /nonexistent/check: no such file or directory")
	o = askOnce(t, Target{Backend: backend, Check: execHealth(false, "/etc/passwd")})
	expectOutcome(t, o, inconclusive, "not checked: cannot run /etc/passwd: permission denied")
}

func TestWeightOfACheckIsAnEventOfItsOwn(t *testing.T) {
	events := make(chan Event, 16)
	m := New(func(e Event) { events <- e })
	defer m.Close()
	status := filepath.Join(t.TempDir(), "status")
	say := func(text string) {
		if err := os.WriteFile(status+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(status+".new", status); err != nil {
			t.Fatal(err)
		}
	}
	say("7")
	h := quick(conf.CheckExec)
	h.Exec = conf.ExecCheck{Command: append(script(t, `exit $(cat "$1")`), status), Dynamic: true}
	set(t, m, []Target{{Service: "web", Backend: backend, Check: h}})
	if e := expectEvent(t, events, true); !e.Reweighed || e.Weight != 5 {
		t.Errorf("%+v", e)
	}
	say("9")
	awaitEvent(t, events, "weight 7", func(e Event) bool { return e.Up && e.Reweighed && e.Weight == 7 })
	say("1")
	awaitEvent(t, events, "a fall that keeps the weight", func(e Event) bool { return !e.Up && !e.Reweighed && (e.Weight == 5 || e.Weight == 7) })
}
