package vm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirlb/weir/internal/netnstest"
)

// patience is how long the test waits for anything that should happen soon. The machine is slow: its CPUs are software.
const patience = 2 * time.Minute

// need skips the test, loudly, where something it stands on is missing; in CI that is a failure.
func need(t *testing.T, ok bool, what string) {
	t.Helper()
	switch {
	case ok:
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is missing", what)
	default:
		t.Skipf("SKIPPED, NOT TESTED: %s is missing", what)
	}
}

// machine is the virtual machine in a lab of its own.
type machine struct {
	t      *testing.T
	prefix string
}

// boot lays out the lab and boots the machine in it. Both end with the test.
func boot(t *testing.T) *machine {
	t.Helper()
	netnstest.NeedRoot(t)
	for _, program := range []string{"qemu-system-x86_64", "ip", "nginx", "curl"} {
		_, err := exec.LookPath(program)
		need(t, err == nil, program+" (scripts/setup vm)")
	}
	for file, how := range map[string]string{"../../bin/weir": "make build", cache() + "/initrd": "scripts/setup vm"} {
		_, err := os.Stat(file)
		need(t, err == nil, file+" ("+how+")")
	}
	m := &machine{t: t, prefix: fmt.Sprintf("weir-vm-%d", os.Getpid())}
	t.Cleanup(func() {
		if t.Failed() {
			for _, list := range []string{"services", "backends", "workers", "ports", "neighbors", "drops"} {
				said, _ := m.script("vm", "run", "bin/weir show "+list)
				t.Logf("weir show %s:\n%s", list, said)
			}
			for _, name := range []string{"console.log", "weir.log"} {
				log, _ := os.ReadFile(m.file("vm", name)) // what there is
				t.Logf("%s:\n%s", name, log[max(0, len(log)-4000):])
			}
		}
		if out, err := m.script("lab", "down"); err != nil { // it ends whatever runs in the lab
			t.Errorf("scripts/lab down: %v\n%s", err, out)
		}
	})
	for _, s := range [][2]string{{"lab", "network"}, {"vm", "up"}} {
		if out, err := m.script(s[0], s[1]); err != nil {
			t.Fatalf("scripts/%s %s: %v\n%s", s[0], s[1], err, out)
		}
	}
	return m
}

func cache() string {
	if c := os.Getenv("CACHE"); c != "" {
		return c
	}
	return "/var/cache/weir-vm"
}

func (m *machine) script(name string, args ...string) (string, error) {
	cmd := exec.Command("../../scripts/"+name, args...)
	cmd.Env = append(os.Environ(), "PREFIX="+m.prefix)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// file is the path of one of the lab's files, here and, below vm, in the machine.
func (m *machine) file(parts ...string) string {
	return filepath.Join(append([]string{"/run/weir-lab", m.prefix}, parts...)...)
}

// run runs a command in the machine, in the source tree.
func (m *machine) run(command string) (said string, code int) {
	m.t.Helper()
	cmd := exec.Command("../../scripts/vm", "run", command)
	cmd.Env = append(os.Environ(), "PREFIX="+m.prefix)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || errs.Len() > 0 {
		m.t.Fatalf("%s: %v: %s", command, err, errs.String())
	}
	return strings.TrimSpace(out.String()), cmd.ProcessState.ExitCode()
}

// do runs a command that must succeed.
func (m *machine) do(command string) string {
	m.t.Helper()
	said, code := m.run(command)
	if code != 0 {
		m.t.Fatalf("%s: exit %d: %s", command, code, said)
	}
	return said
}

// read runs a command that answers in JSON, whatever its exit status.
func (m *machine) read(command string, into any) {
	m.t.Helper()
	said, _ := m.run(command)
	if err := json.Unmarshal([]byte(said), into); err != nil {
		m.t.Fatalf("%s: %v in %s", command, err, said)
	}
}

// curl fetches a URL at the client, and returns which server answered.
func (m *machine) curl(args ...string) (server string, err error) {
	out, err := exec.Command("ip", append([]string{"netns", "exec", m.prefix + "-client",
		"curl", "-gsS", "--max-time", "60", "-w", "%header{x-server}"}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("curl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// until waits for a condition.
func (m *machine) until(what string, cond func() bool) {
	m.t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Fatalf("waited in vain until %s", what)
		}
	}
}
