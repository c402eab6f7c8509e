package e2e

import (
	"os"
	"strings"
	"testing"
)

const quickCheck = "health: {type: http, path: /healthz, interval: 100ms, timeout: 500ms, rise: 2, fall: 2}"

// state is a backend's state in weir show backends.
func (d *daemon) state(address string) string {
	if r := d.row("backends", "address", address); r != nil {
		return r["state"].(string)
	}
	return ""
}

// servers counts who answers n requests.
func (l *lab) servers(t *testing.T, url string, n int) map[string]int {
	t.Helper()
	served := map[string]int{}
	for range n {
		s, err := l.curl(url)
		if err != nil {
			t.Error(err)
		}
		served[s]++
	}
	return served
}

func TestABackendThatDiesGetsNoConnectionsUntilItIsBack(t *testing.T) {
	l := needLab(t)
	for _, c := range []struct {
		name       string
		kill, heal func(t *testing.T)
	}{
		{"the server's program is stopped",
			func(t *testing.T) { l.signalNginx(t, "rs1", "-STOP") },
			func(t *testing.T) { l.signalNginx(t, "rs1", "-CONT") }},
		{"the cable is pulled",
			func(t *testing.T) { l.do(t, "router", "ip", "link", "set", "lan-rs1", "down") },
			func(t *testing.T) { l.do(t, "router", "ip", "link", "set", "lan-rs1", "up") }},
		{"the page says it is in maintenance",
			func(t *testing.T) { l.editNginx(t, "rs1", "/healthz { return 200", "/healthz { return 503") },
			func(t *testing.T) { l.editNginx(t, "rs1", "/healthz { return 503", "/healthz { return 200") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, url := service("nat", "4", quickCheck)
			d := l.start(t, "", "services:\n"+config)
			d.until("rs1 has passed a check", func() bool {
				r := d.row("backends", "address", "10.0.0.11:8080")
				return r != nil && strings.HasPrefix(r["health"].(string), "200 OK")
			})
			healed := false
			t.Cleanup(func() {
				if !healed {
					c.heal(t)
				}
			})
			c.kill(t)
			d.until("rs1 is down", func() bool { return d.state("10.0.0.11:8080") == "down" })
			if got := l.servers(t, url, 6); got["rs2"] != 6 {
				t.Errorf("with rs1 down, served: %v", got)
			}
			c.heal(t)
			healed = true
			d.until("rs1 is up", func() bool { return d.state("10.0.0.11:8080") == "up" })
			if got := l.servers(t, url, 6); got["rs1"] != 3 || got["rs2"] != 3 {
				t.Errorf("with rs1 back, served: %v", got)
			}
		})
	}
}

// nginxPID is the first process of a real server's nginx.
func (l *lab) nginxPID(t *testing.T, ns string) string {
	t.Helper()
	out, err := os.ReadFile(l.file(ns, "nginx.pid"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// signalNginx sends a signal to every process of a real server's nginx.
func (l *lab) signalNginx(t *testing.T, ns, signal string) {
	t.Helper()
	pid := l.nginxPID(t, ns)
	l.do(t, ns, "pkill", signal, "-P", pid)
	l.do(t, ns, "kill", signal, pid)
}

// editNginx changes a real server's configuration while it runs.
func (l *lab) editNginx(t *testing.T, ns, old, new string) {
	t.Helper()
	path := l.file(ns, "nginx.conf")
	b, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(b), old) {
		t.Fatalf("%v: no %q in %s", err, old, b)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(b), old, new, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	l.do(t, ns, "kill", "-HUP", l.nginxPID(t, ns))
}
