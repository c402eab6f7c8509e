package api

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weirlb/weir/slowpath/view/viewtest"
)

// leaveStale leaves a socket at path as a killed process does.
func leaveStale(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSocketIsForOwnerAndGroupWhateverTheUmask(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o077} {
		old := syscall.Umask(umask)
		path, _ := serve(t, viewtest.Sample(), &recorder{})
		syscall.Umask(old)
		file, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if file.Mode().Perm() != 0o660 {
			t.Errorf("umask %o: mode %v", umask, file.Mode())
		}
	}
}

func TestSocketOfADeadDaemonIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.sock")
	leaveStale(t, path)
	s, err := Serve(Options{Socket: path}, viewtest.Sample(), &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := Dial(path).Daemon(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSocketOfALivingDaemonIsLeftAlone(t *testing.T) {
	path, _ := serve(t, viewtest.Sample(), &recorder{})
	_, err := Serve(Options{Socket: path}, viewtest.Sample(), &recorder{})
	want := "api.socket " + path + ": another process answers there: stop that daemon, or set another path for this one"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if _, err := Dial(path).Daemon(t.Context()); err != nil {
		t.Errorf("the first daemon no longer answers: %v", err)
	}
}

func TestPlacesWhereNoSocketCanBe(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []struct{ name, path, want string }{
		{"a file", file, "something that is not a socket is there already"},
		{"a directory", dir, "something that is not a socket is there already"},
		{"no such directory", filepath.Join(dir, "none", "weir.sock"), "the directory " + dir + "/none does not exist"},
		{"too long", "/" + strings.Repeat("x", 107), "the path has 108 bytes"},
		{"abstract", "@weir", "it must be the path of a file"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Serve(Options{Socket: c.path}, viewtest.Sample(), &recorder{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if content, err := os.ReadFile(file); err != nil || string(content) != "precious" {
		t.Errorf("the file was touched: %q, %v", content, err)
	}
}

func TestCloseRemovesTheSocket(t *testing.T) {
	path, s := serve(t, viewtest.Sample(), &recorder{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Close: %v", err)
	}
}

func TestCloseLeavesAnothersSocketAlone(t *testing.T) {
	path, s := serve(t, viewtest.Sample(), &recorder{})
	moved := path + ".moved" // keeps the inode in use
	if err := os.Rename(path, moved); err != nil {
		t.Fatal(err)
	}
	other, err := Serve(Options{Socket: path}, viewtest.Sample(), &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Dial(path).Daemon(t.Context()); err != nil {
		t.Errorf("the second daemon no longer answers: %v", err)
	}
}
