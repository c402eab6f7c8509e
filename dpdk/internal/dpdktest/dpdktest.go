// Package dpdktest runs a package's tests on a real DPDK, in a network namespace of their own. As DPDK
// starts once in a process, all tests of a package share it ([Main]) and give their virtual devices
// names of their own ([Name]), or a test runs in a process of its own ([Alone]).
package dpdktest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/weirlb/weir/dpdk/eal"
)

// MemoryMB is DPDK's memory in tests.
const MemoryMB = 256

const (
	// isolatedEnv marks the child process that runs in a network namespace of its own.
	isolatedEnv = "WEIR_DPDKTEST_ISOLATED"
	// aloneEnv names the test that runs in a process of its own.
	aloneEnv = "WEIR_DPDKTEST_ALONE"
	// hugepagesEnv makes tests and benchmarks use huge pages (auto or require; off otherwise).
	hugepagesEnv = "WEIR_DPDKTEST_HUGEPAGES"
)

// Hugepages is what tests ask for when they start DPDK.
func Hugepages() eal.Hugepages {
	if h := os.Getenv(hugepagesEnv); h != "" {
		return eal.Hugepages(h)
	}
	return eal.HugepagesOff
}

var running *eal.EAL

// EAL is the DPDK that Main started.
func EAL() *eal.EAL { return running }

// Isolate runs the tests in a child process with a network namespace of its own, so that the
// interfaces they make can't meet anything else and are gone at the end. In the child it returns;
// elsewhere it ends the process. Without root it skips everything, which is a failure if CI is true.
func Isolate() {
	if os.Getenv(isolatedEnv) != "" {
		quiet()
		return
	}
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "SKIPPED: all tests of this package need root")
		if os.Getenv("CI") == "true" {
			os.Exit(1)
		}
		os.Exit(0)
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), isolatedEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "the tests' own process:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// quiet keeps the kernel from sending anything of its own, such as router solicitations, on the
// interfaces that the tests make. Without IPv6 there is nothing to keep quiet.
func quiet() {
	err := os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(os.Stderr, "turning IPv6 off for the tests' interfaces:", err)
		os.Exit(1)
	}
}

// Alone runs the calling test in a process of its own, for what can happen only once in one. In that
// process it returns true. In the first it returns false when the other has passed; the test must then
// return.
func Alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv(aloneEnv) == t.Name() {
		return true
	}
	levels := strings.Split(t.Name(), "/")
	for i, l := range levels {
		levels[i] = "^" + regexp.QuoteMeta(l) + "$"
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run="+strings.Join(levels, "/"), "-test.v")
	cmd.Env = append(os.Environ(), aloneEnv+"="+t.Name())
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Fatalf("in a process of its own: %v\n%s", err, out)
	case bytes.Contains(out, []byte("--- SKIP: ")) && os.Getenv("CI") == "true":
		t.Fatalf("skipped in a process of its own:\n%s", out)
	case bytes.Contains(out, []byte("--- SKIP: ")):
		t.Skipf("SKIPPED in a process of its own:\n%s", out)
	case !bytes.Contains(out, []byte("--- PASS: "+t.Name()+" ")):
		t.Fatalf("did not run in a process of its own:\n%s", out)
	}
	return false
}

// WithoutHugepages makes a test that then runs alone do so without huge pages: with them DPDK takes
// more than MemoryMB when it runs out and more are free.
func WithoutHugepages(t *testing.T) { t.Setenv(hugepagesEnv, string(eal.HugepagesOff)) }

// Main starts DPDK, runs the tests and ends DPDK. It does not return.
func Main(m *testing.M) {
	Isolate()
	var err error
	if running, err = eal.Start(eal.Options{Hugepages: Hugepages(), MemoryMB: MemoryMB}); err != nil {
		fail("starting DPDK for the tests: ", err)
	}
	code := m.Run()
	if err := running.Close(); err != nil {
		fail("ending DPDK after the tests: ", err)
	}
	os.Exit(code)
}

func fail(what string, err error) {
	fmt.Fprintf(os.Stderr, "%s%v\nDPDK's log:\n%s\n", what, err, strings.Join(eal.Log(), "\n"))
	os.Exit(1)
}

var names atomic.Int64

// Name returns a virtual device's name that no other test has: Name("net_null") is net_null7.
func Name(driver string) string {
	return fmt.Sprintf("%s%d", driver, names.Add(1))
}
