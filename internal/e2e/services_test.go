package e2e

import "testing"

// TestOneServiceOfManyAddresses asks for addresses, ports, ranges and prefixes of one service; the servers listen to
// ports 80 and 8080, and packets keep the one that they were sent to. The client asks by ARP or neighbour discovery for every
// address of the prefixes.
func TestOneServiceOfManyAddresses(t *testing.T) {
	l := needLab(t)
	d := l.start(t, "", `services:
  - name: many4
    addresses: [203.0.113.40:80, 203.0.113.40:8080, "203.0.113.48/29:8000-8100"]
    protocol: tcp
    mode: nat
    scheduler: rr
    backends: [{address: 10.0.0.11}, {address: 10.0.0.12}]
  - name: many6
    addresses: ["[2001:db8::40]:80-90", "[2001:db8::40:0/112]:8080"]
    protocol: tcp
    mode: nat
    scheduler: rr
    backends: [{address: "fd00::11"}, {address: "fd00::12"}]
  - name: one
    address: 203.0.113.51:8080
    protocol: tcp
    mode: nat
    backends: [{address: "10.0.0.12:80"}]
`)
	for i, url := range []string{
		"http://203.0.113.40/", "http://203.0.113.40:8080/1m", "http://203.0.113.48:8080/", "http://203.0.113.55:8080/1m",
		"http://[2001:db8::40]/1m", "http://[2001:db8::40:1]:8080/", "http://[2001:db8::40:ffff]:8080/1m", "http://[2001:db8::40]/",
	} {
		// One scheduler's turn, whichever address is asked.
		if got, err := l.curl(url); err != nil || got != []string{"rs1", "rs2"}[i%2] {
			t.Errorf("%s: %v, served by %q", url, err, got)
		}
	}
	for range 2 {
		if got, err := l.curl("http://203.0.113.51:8080/"); err != nil || got != "rs2" {
			t.Errorf("the more specific service: %v, served by %q", err, got)
		}
	}
	d.accounted()
}
