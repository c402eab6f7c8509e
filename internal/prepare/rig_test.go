package prepare

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// machine is a tree that the scripts take for the root of the file system.
type machine struct {
	t    *testing.T
	root string
}

func newMachine(t *testing.T, files map[string]string) *machine {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, root: t.TempDir()}
	for name, text := range files {
		m.write(name, text)
	}
	return m
}

func (m *machine) path(name string) string { return filepath.Join(m.root, name) }

// write makes a file, or a symbolic link of a text that begins with "-> ".
func (m *machine) write(name, text string) {
	m.t.Helper()
	err := os.MkdirAll(filepath.Dir(m.path(name)), 0o755)
	if err == nil {
		if to, link := strings.CutPrefix(text, "-> "); link {
			err = os.Symlink(to, m.path(name))
		} else {
			err = os.WriteFile(m.path(name), []byte(text+"\n"), 0o644)
		}
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) read(name string) string {
	b, err := os.ReadFile(m.path(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// script runs one of the scripts and returns what it said and its exit status.
func (m *machine) script(name string, args ...string) (said string, code int) {
	m.t.Helper()
	cmd := exec.Command("../../scripts/"+name, args...)
	cmd.Env = append(os.Environ(), "SYSROOT="+m.root, "PATH="+m.path("bin")+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		m.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// obey is a kernel that reads what is written to a file, a line at a time. Each write is answered before the next is read.
func (m *machine) obey(name string, answer func(line string)) {
	m.t.Helper()
	if err := os.MkdirAll(filepath.Dir(m.path(name)), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := unix.Mkfifo(m.path(name), 0o644); err != nil {
		m.t.Fatal(err)
	}
	f, err := os.OpenFile(m.path(name), os.O_RDWR, 0) // open for writing too: it does not end with its first writer
	if err != nil {
		m.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := bufio.NewScanner(f); s.Scan(); {
			answer(s.Text())
		}
	}()
	m.t.Cleanup(func() {
		_ = f.Close()
		<-done
	})
}
