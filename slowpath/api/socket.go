package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socketMode lets the owner and the group talk to the daemon.
const socketMode = 0o660

// maxSocketPath is what sockaddr_un holds, less the final zero.
const maxSocketPath = 107

// socket is a listening Unix socket and the file that stands for it.
type socket struct {
	listener *net.UnixListener
	path     string
	file     os.FileInfo
}

// listen makes the socket at path.
func listen(path string) (*socket, error) {
	if path == "" || path[0] == '@' {
		return nil, errors.New("it must be the path of a file")
	}
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("the path has %d bytes, and a Unix socket's has %d at most", len(path), maxSocketPath)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	s, err := bind(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("the directory %s does not exist: create it, or set another path", filepath.Dir(path))
	}
	return s, err
}

// removeStale removes a socket that nobody listens on any more.
func removeStale(path string) error {
	file, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if file.Mode().Type() != os.ModeSocket {
		return errors.New("something that is not a socket is there already: remove it, or set another path")
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		_ = conn.Close()
		fallthrough
	case errors.Is(err, syscall.EAGAIN): // its backlog is full
		return errors.New("another process answers there: stop that daemon, or set another path for this one")
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	}
	return fmt.Errorf("a socket is there already, and whether anybody listens on it cannot be told: %w", err)
}

func bind(path string) (*socket, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		// The mode of the file comes from the socket, less the umask: at no time may others open it.
		var failed error
		err := c.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), socketMode) })
		return errors.Join(err, failed)
	}}
	l, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	s := &socket{listener: l.(*net.UnixListener), path: path}
	s.listener.SetUnlinkOnClose(false) // remove does it, with more care
	if err = os.Chmod(path, socketMode); err == nil {
		s.file, err = os.Lstat(path)
	}
	if err != nil {
		_ = l.Close()
		return nil, errors.Join(err, os.Remove(path))
	}
	return s, nil
}

// remove removes the file, unless another has taken its place.
func (s *socket) remove() error {
	now, err := os.Lstat(s.path)
	if errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(now, s.file) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Remove(s.path)
}
