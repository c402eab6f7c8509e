package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirlb/weir/internal/netnstest"
)

// lab is the network of scripts/lab without its Weir: one for all tests of a run, each of which starts a daemon in it
// that is configured as it likes.
type lab struct {
	prefix string
	err    error
}

var theLab struct {
	once sync.Once
	lab
}

func TestMain(m *testing.M) {
	if end := os.Getenv(linuxSCTPEnd); end != "" {
		os.Exit(linuxSCTP(end, os.Args[1:]))
	}
	code := m.Run()
	if theLab.prefix != "" {
		if out, err := labScript("down"); err != nil {
			fmt.Fprintf(os.Stderr, "scripts/lab down: %v\n%s", err, out)
			code = 1
		}
	}
	os.Exit(code)
}

func labScript(command string) ([]byte, error) {
	cmd := exec.Command("../../scripts/lab", command)
	cmd.Env = append(os.Environ(), "PREFIX="+theLab.prefix)
	return cmd.CombinedOutput()
}

// needLab lays the network out with the first test that wants it.
func needLab(t *testing.T) *lab {
	t.Helper()
	netnstest.NeedRoot(t)
	weirPath(t)
	for _, program := range []string{"ip", "nginx", "curl", "ping", "arping", "iperf3"} {
		_, err := exec.LookPath(program)
		need(t, err == nil, program+" (scripts/setup test)")
	}
	theLab.once.Do(func() {
		theLab.prefix = fmt.Sprintf("weir-e2e-%d", os.Getpid())
		if out, err := labScript("network"); err != nil {
			theLab.err = fmt.Errorf("scripts/lab network: %w\n%s", err, out)
		}
	})
	if theLab.err != nil {
		t.Fatal(theLab.err)
	}
	return &theLab.lab
}

// ns is the full name of one of the lab's namespaces: client, router, lb, rs1, rs2.
func (l *lab) ns(name string) string { return l.prefix + "-" + name }

// file is the path of one of the lab's files.
func (l *lab) file(parts ...string) string {
	return filepath.Join(append([]string{"/run/weir-lab", l.prefix}, parts...)...)
}

// try runs a command in a namespace.
func (l *lab) try(ns string, args ...string) (string, error) {
	out, err := exec.Command("ip", append([]string{"netns", "exec", l.ns(ns)}, args...)...).CombinedOutput()
	return string(out), err
}

// do runs a command in a namespace that must succeed.
func (l *lab) do(t *testing.T, ns string, args ...string) string {
	t.Helper()
	out, err := l.try(ns, args...)
	if err != nil {
		t.Fatalf("%s in %s: %v\n%s", strings.Join(args, " "), ns, err, out)
	}
	return out
}

// background runs a command in a namespace until the test ends.
func (l *lab) background(t *testing.T, ns string, args ...string) { l.until(t, os.Kill, ns, args...) }

// until runs a command in a namespace until the test ends and it gets a signal.
func (l *lab) until(t *testing.T, end os.Signal, ns string, args ...string) {
	t.Helper()
	cmd := exec.Command("ip", append([]string{"netns", "exec", l.ns(ns)}, args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(end)
		_ = cmd.Wait() // it was ended
	})
}

// curl fetches a URL at the client and returns which server answered.
func (l *lab) curl(args ...string) (server string, err error) {
	out, err := l.try("client", append([]string{"curl", "-gsS", "--max-time", "5", "-o", "/dev/null", "-w", "%header{x-server}"}, args...)...)
	if err != nil {
		return "", fmt.Errorf("curl: %w: %s", err, out)
	}
	return out, nil
}

// start runs a daemon on the lab's two wires. extra is what the configuration has besides the ports; the ports' devices
// get devargs appended.
func (l *lab) start(t *testing.T, devargs, extra string) *daemon {
	t.Helper()
	if !strings.Contains(extra, "dataplane:") {
		extra = "dataplane: {memory_mb: 128, max_connections: 20000}\n" + extra
	}
	d := start(t, l.ns("lb"), extra+`
ports:
  - name: wan
    device: net_af_packet0,iface=wan`+devargs+`
    addresses: [203.0.113.2/24, "2001:db8::2/64"]
    gateways: [203.0.113.1, "2001:db8::1"]
    tap: weir-wan
  - name: lan
    device: net_af_packet1,iface=lan`+devargs+`
    addresses: [10.0.0.1/24, "fd00::1/64"]
    tap: weir-lan
`)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", d.logged())
		}
	})
	return d
}

// service is a service of two backends with the lab's addresses for a mode.
func service(mode, family, more string) (config, url string) {
	vip, port := map[string]int{"nat": 10, "tun": 11, "dr": 12, "fullnat": 13}[mode], 80
	if mode == "nat" || mode == "fullnat" {
		port = 8080
	}
	if mode == "fullnat" {
		more += "\n    local_addresses: [10.0.0.32/30, \"fd00::20\"]"
	}
	address, backends := fmt.Sprintf("203.0.113.%d:80", vip), [2]string{fmt.Sprintf("10.0.0.11:%d", port), fmt.Sprintf("10.0.0.12:%d", port)}
	if family == "6" {
		address, backends = fmt.Sprintf("[2001:db8::%d]:80", vip), [2]string{fmt.Sprintf("[fd00::11]:%d", port), fmt.Sprintf("[fd00::12]:%d", port)}
	}
	return fmt.Sprintf(`  - name: %s%s
    address: "%s"
    protocol: tcp
    mode: %s
    scheduler: rr
    %s
    backends: [{address: "%s"}, {address: "%s"}]
`, mode, family, address, mode, more, backends[0], backends[1]), "http://" + address + "/"
}

// until waits for a condition.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
