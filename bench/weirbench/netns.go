package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// inNamespace is set in the environment once this process has a network namespace of its own.
const inNamespace = "WEIRBENCH_NAMESPACE"

// isolate starts this program anew in a network namespace of its own, in which the backends' addresses can be the
// machine's: Weir's health checks find someone there. It returns false where that is not allowed.
func isolate() bool {
	if os.Getenv(inNamespace) != "" {
		return true
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return false
	}
	// The new program takes the place of all threads, and has the namespace of the one that calls it.
	self, err := os.Executable()
	if err == nil {
		err = syscall.Exec(self, os.Args, append(os.Environ(), inNamespace+"=1"))
	}
	fmt.Fprintln(os.Stderr, "weirbench: starting anew in a network namespace:", err)
	os.Exit(1)
	return false
}

// answerFor gives the namespace's loopback interface the addresses of a family's backends.
func (f *family) answerFor() error {
	commands := [][]string{{"link", "set", "lo", "up"}}
	for _, k := range []int{0, services} {
		commands = append(commands, []string{"address", "replace", f.backend(k, true).Addr().String(), "dev", "lo"})
	}
	for _, c := range commands {
		if out, err := exec.Command("ip", c...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w: %s", c, err, out)
		}
	}
	return nil
}
