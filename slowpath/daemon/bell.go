package daemon

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// bell wakes the slow path from a worker. It is an eventfd: ringing it is one system call that never
// blocks, and the reader sleeps in the runtime's poller.
type bell struct {
	fd   int
	file *os.File
	done chan struct{} // closed when listen has returned
}

func newBell() (*bell, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making an eventfd for the slow path: %w", err)
	}
	return &bell{fd: fd, file: os.NewFile(uintptr(fd), "bell"), done: make(chan struct{})}, nil
}

// ring wakes the reader; it may be called by anyone, any number of times, until close.
func (b *bell) ring() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(b.fd, one[:]) // fails only when the counter is at its end: then the reader is awake
}

// listen sends to awake after each ring, or several, until close.
func (b *bell) listen(awake chan<- struct{}) {
	defer close(b.done)
	var buf [8]byte
	for {
		if _, err := b.file.Read(buf[:]); err != nil {
			return
		}
		select {
		case awake <- struct{}{}:
		default: // it has not even looked at the last one
		}
	}
}

// close ends listen. Nobody may ring any more: the descriptor may be somebody else's afterwards.
func (b *bell) close() {
	_ = b.file.Close()
	<-b.done
}
