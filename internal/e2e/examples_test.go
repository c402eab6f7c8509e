package e2e

import (
	"os"
	"strings"
	"testing"
)

// TestTheExamplesCarryTraffic runs the examples as they are, but for the names and addresses of the lab.
func TestTheExamplesCarryTraffic(t *testing.T) {
	l := needLab(t)
	// What an example's real servers would have.
	for _, rs := range []string{"rs1", "rs2"} {
		for _, family := range []string{"-4", "-6"} {
			old := strings.Fields(l.do(t, rs, "ip", family, "route", "show", "default"))
			t.Cleanup(func() { l.do(t, rs, append([]string{"ip", family, "route", "replace"}, old...)...) })
		}
	}
	for _, c := range []struct {
		example string
		lab     []string // old, new
		prepare func(t *testing.T)
		urls    []string
		checked []string // backends that a health check has to find
	}{
		{"nat", []string{"iface=eth1", "iface=wan", "iface=eth2", "iface=lan", "192.0.2.", "10.0.0."},
			func(t *testing.T) { l.routeBack(t, "10.0.0.1", "fd00::1") },
			[]string{"http://203.0.113.10/1m"}, []string{"10.0.0.11:8080", "10.0.0.12:8080"}},
		{"tun", []string{"iface=eth1", "iface=wan", "203.0.113.10", "203.0.113.11", "198.51.100.11", "10.0.0.11", "2001:db8:1::12", "fd00::12"},
			func(t *testing.T) { l.routeBack(t, "10.0.0.254", "fd00::fe") },
			[]string{"http://203.0.113.11/1m"}, []string{"10.0.0.11:80", "[fd00::12]:80"}},
		{"dr", []string{"iface=eth1", "iface=lan", "203.0.113.10", "203.0.113.12", "203.0.113.2/24", "10.0.0.1/24", "[203.0.113.1]", "[10.0.0.254]",
			"203.0.113.11}", "10.0.0.11}", "203.0.113.12}", "10.0.0.12}"},
			func(t *testing.T) {
				l.routeBack(t, "10.0.0.254", "fd00::fe")
				l.do(t, "router", "ip", "route", "add", "203.0.113.12", "via", "10.0.0.1")
				t.Cleanup(func() { l.do(t, "router", "ip", "route", "del", "203.0.113.12") })
			},
			[]string{"http://203.0.113.12/1m"}, []string{"10.0.0.11:80", "10.0.0.12:80"}},
		{"fullnat", []string{"iface=eth1", "iface=wan", "iface=eth2", "iface=lan", "192.0.2.", "10.0.0.", "198.51.100.12", "10.0.0.12"},
			func(t *testing.T) { l.routeBack(t, "10.0.0.254", "fd00::fe") },
			[]string{"http://203.0.113.10/1m"}, []string{"10.0.0.11:8080", "10.0.0.12:8080"}},
		{"ipv6", []string{"iface=eth1", "iface=wan", "iface=eth2", "iface=lan", "2001:db8:1::", "fd00::"},
			func(t *testing.T) {
				l.routeBack(t, "10.0.0.1", "fd00::1")
				l.do(t, "router", "ip", "address", "add", "fe80::1/64", "dev", "wan", "nodad")
				t.Cleanup(func() { l.do(t, "router", "ip", "address", "del", "fe80::1/64", "dev", "wan") })
			},
			[]string{"http://[2001:db8::10]/1m"}, []string{"[fd00::11]:8080", "[fd00::12]:8080"}},
	} {
		t.Run(c.example, func(t *testing.T) {
			c.prepare(t)
			b, err := os.ReadFile("../../conf/examples/" + c.example + ".yaml")
			if err != nil {
				t.Fatal(err)
			}
			d := start(t, l.ns("lb"), "dataplane: {memory_mb: 128, max_connections: 20000}\n"+strings.NewReplacer(c.lab...).Replace(string(b)))
			for _, backend := range c.checked {
				d.until(backend+" has passed a check", func() bool {
					r := d.row("backends", "address", backend)
					return r != nil && r["state"] == "up" && strings.Contains(r["health"].(string), " in ")
				})
			}
			for _, url := range c.urls {
				for range 4 {
					if _, err := l.curl(url); err != nil {
						t.Errorf("%v\n%s", err, d.logged())
					}
				}
			}
			d.accounted()
		})
	}
}

// routeBack sets the real servers' default routes.
func (l *lab) routeBack(t *testing.T, v4, v6 string) {
	t.Helper()
	for _, rs := range []string{"rs1", "rs2"} {
		l.do(t, rs, "ip", "route", "replace", "default", "via", v4)
		l.do(t, rs, "ip", "-6", "route", "replace", "default", "via", v6)
	}
}
