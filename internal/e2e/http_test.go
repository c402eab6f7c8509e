package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHTTPInEveryModeAndFamily fetches and sends files that take several segments, so that a wrong checksum, a packet
// too large for a tunnel, or a reply that went the wrong way shows.
func TestHTTPInEveryModeAndFamily(t *testing.T) {
	l := needLab(t)
	upload := filepath.Join(t.TempDir(), "upload")
	if err := os.WriteFile(upload, []byte(strings.Repeat("0123456789abcdef", 1<<14)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ mode, family string }{
		{"nat", "4"}, {"nat", "6"}, {"tun", "4"}, {"tun", "6"}, {"dr", "4"}, {"dr", "6"}, {"fullnat", "4"}, {"fullnat", "6"},
	} {
		t.Run(c.mode+c.family, func(t *testing.T) {
			config, url := service(c.mode, c.family, "")
			d := l.start(t, "", "services:\n"+config)
			served := map[string]int{}
			for i := range 12 {
				args := []string{url}
				switch i % 3 {
				case 1:
					args = []string{url + "1m"}
				case 2:
					args = []string{"-T", upload, url + "put/upload"}
				}
				server, err := l.curl(args...)
				if err != nil {
					t.Fatal(err)
				}
				served[server]++
				if i%3 == 2 {
					got, err := os.ReadFile(l.file(server, "www", "put", "upload"))
					want, _ := os.ReadFile(upload)
					if err != nil || string(got) != string(want) {
						t.Errorf("the server got %d bytes, not the %d sent: %v", len(got), len(want), err)
					}
				}
			}
			if served["rs1"] != 6 || served["rs2"] != 6 {
				t.Errorf("served %v, want 6 each", served)
			}
			d.accounted()
		})
	}
}

func TestTunnelsAcrossFamilies(t *testing.T) {
	l := needLab(t)
	d := l.start(t, "", `services:
  - {name: in6, address: "203.0.113.11:80", protocol: tcp, mode: tun, scheduler: rr, backends: [{address: "fd00::11"}, {address: "fd00::12"}]}
  - {name: in4, address: "[2001:db8::11]:80", protocol: tcp, mode: tun, scheduler: rr, backends: [{address: "10.0.0.11"}, {address: "10.0.0.12"}]}
`)
	for _, url := range []string{"http://203.0.113.11/1m", "http://[2001:db8::11]/1m"} {
		for i, want := range []string{"rs1", "rs2"} {
			if got, err := l.curl(url); err != nil || got != want {
				t.Errorf("%s, request %d: %v, served by %q", url, i, err, got)
			}
		}
	}
	d.accounted()
}

func TestFullNATAcrossFamilies(t *testing.T) {
	l := needLab(t)
	upload := filepath.Join(t.TempDir(), "upload")
	if err := os.WriteFile(upload, []byte(strings.Repeat("0123456789abcdef", 1<<14)), 0o644); err != nil {
		t.Fatal(err)
	}
	d := l.start(t, "", `services:
  - {name: to6, address: "203.0.113.13:80", protocol: tcp, mode: fullnat, scheduler: rr, local_addresses: ["fd00::20"], backends: [{address: "[fd00::11]:8080"}, {address: "[fd00::12]:8080"}]}
  - {name: to4, address: "[2001:db8::13]:80", protocol: tcp, mode: fullnat, scheduler: rr, local_addresses: [10.0.0.20], backends: [{address: "10.0.0.11:8080"}, {address: "10.0.0.12:8080"}]}
`)
	for _, url := range []string{"http://203.0.113.13/", "http://[2001:db8::13]/"} {
		for i, args := range [][]string{{url + "1m"}, {url + "1m"}, {"-T", upload, url + "put/upload"}, {"-T", upload, url + "put/upload"}} {
			if got, err := l.curl(args...); err != nil || got != []string{"rs1", "rs2"}[i%2] {
				t.Errorf("%s, request %d: %v, served by %q", url, i, err, got)
			}
		}
	}
	for _, c := range d.show("connections") {
		if v6 := strings.HasPrefix(c["client"].(string), "["); v6 == strings.HasPrefix(c["local"].(string), "[") {
			t.Errorf("%v comes from %v", c["client"], c["local"])
		}
	}
	d.accounted()
}

// accounted waits until in = out + punted + dropped - own over all workers, and nothing was lost for no reason.
func (d *daemon) accounted() {
	d.t.Helper()
	d.until("in = out + punted + dropped - own", func() bool {
		var left float64
		for _, w := range d.show("workers") {
			n := func(k string) float64 { return w[k].(float64) }
			left += n("packets_in") + n("packets_own") - n("packets_out") - n("packets_punted") - n("packets_dropped")
		}
		return left == 0
	})
	for _, r := range d.show("drops") {
		if r["reason"] == "unset" && r["packets"] != 0.0 {
			d.t.Errorf("%v packets were lost without a reason", r["packets"])
		}
	}
}
