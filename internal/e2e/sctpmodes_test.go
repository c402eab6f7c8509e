package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestLinuxSCTP takes associations between two Linux kernels' SCTP through every mode: with messages larger than a packet, with the
// path MTU's discovery in tun, and with SHUTDOWN.
func TestLinuxSCTP(t *testing.T) {
	l := needLab(t)
	l.linuxSCTPThrough(t, associations{services: `services:
  - {name: nat4, address: "203.0.113.10:3868", protocol: sctp, mode: nat, backends: [{address: "10.0.0.13:5868"}]}
  - {name: nat6, address: "[2001:db8::10]:3868", protocol: sctp, mode: nat, backends: [{address: "[fd00::13]:5868"}]}
  - {name: tun4, address: "203.0.113.11:3868", protocol: sctp, mode: tun, backends: [{address: "10.0.0.13"}]}
  - {name: tun6, address: "[2001:db8::11]:3868", protocol: sctp, mode: tun, backends: [{address: "fd00::13"}]}
  - {name: dr4, address: "203.0.113.12:3868", protocol: sctp, mode: dr, backends: [{address: "10.0.0.13"}]}
  - {name: dr6, address: "[2001:db8::12]:3868", protocol: sctp, mode: dr, backends: [{address: "fd00::13"}]}
  - {name: fullnat4, address: "203.0.113.13:3868", protocol: sctp, mode: fullnat, local_addresses: [10.0.0.20], backends: [{address: "10.0.0.13:5868"}]}
  - {name: fullnat6, address: "[2001:db8::13]:3868", protocol: sctp, mode: fullnat, local_addresses: ["fd00::20"], backends: [{address: "[fd00::13]:5868"}]}
`,
		rewritten: []string{"203.0.113.10:3868", "[2001:db8::10]:3868", "203.0.113.13:3868", "[2001:db8::13]:3868"},
		whole:     []string{"203.0.113.11:3868", "[2001:db8::11]:3868", "203.0.113.12:3868", "[2001:db8::12]:3868"},
	})
}

// TestLinuxSCTPInFragments takes associations through every mode whose client does not find out the path MTU, while a router on the way
// takes less than its NIC: every full packet arrives in two fragments. Linux sends datagrams in bursts with one identification
// then, which only their order keeps apart.
func TestLinuxSCTPInFragments(t *testing.T) {
	l := needLab(t)
	for _, to := range []string{"203.0.113.10", "203.0.113.11", "203.0.113.12", "203.0.113.13"} {
		l.do(t, "router", "ip", "route", "add", to, "dev", "wan", "mtu", "lock", "1000")
		t.Cleanup(func() { l.do(t, "router", "ip", "route", "del", to) })
	}
	before := l.fragmentsMade(t)
	l.linuxSCTPThrough(t, associations{services: `services:
  - {name: nat, address: "203.0.113.10:3868", protocol: sctp, mode: nat, backends: [{address: "10.0.0.13:5868"}]}
  - {name: tun, address: "203.0.113.11:3868", protocol: sctp, mode: tun, backends: [{address: "10.0.0.13"}]}
  - {name: dr, address: "203.0.113.12:3868", protocol: sctp, mode: dr, backends: [{address: "10.0.0.13"}]}
  - {name: fullnat, address: "203.0.113.13:3868", protocol: sctp, mode: fullnat, local_addresses: [10.0.0.20], backends: [{address: "10.0.0.13:5868"}]}
`,
		rewritten: []string{"203.0.113.10:3868", "203.0.113.13:3868"}, whole: []string{"203.0.113.11:3868", "203.0.113.12:3868"}, blind: true,
	})
	if n := l.fragmentsMade(t) - before; n < 400 {
		t.Errorf("the router made %d fragments", n)
	}
}

// fragmentsMade is how many the router has made since it is there.
func (l *lab) fragmentsMade(t *testing.T) (n int) {
	t.Helper()
	for line := range strings.Lines(l.do(t, "router", "nstat", "-asz", "IpFragCreates")) {
		if _, err := fmt.Sscanf(line, "IpFragCreates %d", &n); err == nil {
			return n
		}
	}
	t.Fatal("nstat does not tell IpFragCreates")
	return 0
}

// associations are what a client's kernel makes with the VIPs of some services.
type associations struct {
	services  string
	rewritten []string // VIPs of nat and fullnat
	whole     []string // VIPs of tun and dr, which are the real server's as well
	blind     bool     // see linuxSCTPBlind
}

// linuxSCTPThrough makes an association with each VIP, and expects that all are seen, and that nothing goes wrong.
func (l *lab) linuxSCTPThrough(t *testing.T, a associations) {
	t.Helper()
	need(t, exec.Command("../../scripts/ipvslab", "prepared").Run() == nil, "Linux as a process (scripts/setup ipvs)")
	l.linuxSCTPTAPs(t)
	d := l.start(t, "", a.services)
	vips := append(slices.Clone(a.rewritten), a.whole...)
	shared := t.TempDir()
	ended := make(chan error, 1)
	go func() { ended <- l.linuxSCTPKernel(shared, vips, a) }()

	inState := func(state string) (n int) {
		for _, c := range d.show("connections") {
			if c["protocol"] == "sctp" && c["state"] == state {
				n++
			}
		}
		return n
	}
	for seen := false; !seen; {
		select {
		case err := <-ended:
			t.Fatalf("the kernel's end came first: %v; %v", err, d.show("drops", "--by", "service"))
		case <-time.After(20 * time.Millisecond):
			_, err := os.Stat(filepath.Join(shared, clientEchoed))
			seen = err == nil
		}
	}
	if n := inState("ESTABLISHED"); n != len(vips) {
		t.Errorf("%d associations are established, not %d: %v", n, len(vips), d.show("connections"))
	}
	if err := os.WriteFile(filepath.Join(shared, testHasSeen), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("%v; %v", err, d.show("drops", "--by", "service"))
	}
	d.until("all associations are closed", func() bool { return inState("CLOSED") == len(vips) })
	for _, r := range d.show("drops", "--by", "service") {
		switch service, reason := r["service"].(string), r["reason"]; {
		case reason == "too_big" && strings.HasPrefix(service, "tun"): // the path MTU's discovery
		case reason == "neighbor_unresolved": // the kernel was still booting when Weir asked for it
		default:
			t.Errorf("dropped: %v", r)
		}
	}
	d.accounted()
}
