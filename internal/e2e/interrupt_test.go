package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A FIFO that is open for writing keeps its reader waiting for as long as the test likes.
func TestACommandThatWaitsForItsInputEndsAtCtrlC(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	config := write(t, "weir.yaml", "ports: [{name: wan, device: net_null0}]\n")
	for name, args := range map[string][]string{
		"check":  {"check", "-c", fifo},
		"replay": {"replay", "-c", config, "-i", fifo, "-o", filepath.Join(t.TempDir(), "out.pcap")},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), weirPath(t), args...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			writer := openOnceRead(t, fifo)
			defer writer.Close()
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				if err == nil {
					t.Errorf("weir %s ended well, though interrupted", name)
				}
			case <-time.After(patience):
				t.Fatalf("weir %s still waits %s after an interrupt", name, patience)
			}
		})
	}
}

// openOnceRead opens a FIFO for writing once somebody reads from it.
func openOnceRead(t *testing.T, fifo string) *os.File {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		f, err := os.OpenFile(fifo, os.O_WRONLY|unix.O_NONBLOCK, 0)
		if err == nil {
			return f
		}
		if time.Now().After(end) {
			t.Fatalf("nobody reads the FIFO: %v", err)
		}
	}
}
