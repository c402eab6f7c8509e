package main

import (
	"errors"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirlb/weir/internal/ipvs"
	"github.com/weirlb/weir/slowpath/replay"
)

// What Linux does with the tests' captures is stored in testdata, for machines where its kernel cannot be booted.
const (
	live   = "WEIR_IPVS" // boots it: make test-ipvs
	record = "record"    // and stores it: make ipvs-record
)

// director is the MAC that captures are for, which is neither balancer's.
var director, router = [6]byte{0, 0x16, 0x3e, 1, 1, 1}, [6]byte{0, 0x16, 0x3e, 2, 2, 2}

// trial is a comparison for a test.
type trial struct {
	name     string
	services string
	args     []string
	frames   []stamped
	out      string // folder of the last comparison
}

type stamped struct {
	at    time.Duration
	frame []byte
}

// add lets packets come a millisecond apart.
func (tr *trial) add(packets ...ipvs.Packet) {
	for _, p := range packets {
		tr.raw(p.Frame(router, director))
	}
}

func (tr *trial) raw(frame []byte) {
	at := time.Millisecond
	if n := len(tr.frames); n > 0 {
		at += tr.frames[n-1].at
	}
	tr.frames = append(tr.frames, stamped{at, frame})
}

// wait lets time pass before the next packet.
func (tr *trial) wait(d time.Duration) { tr.frames[len(tr.frames)-1].at += d }

// compare is the report, and how the comparison ends.
func (tr *trial) compare(t *testing.T) (report string, err error) {
	t.Helper()
	dir := t.TempDir()
	tr.out = dir
	services, in := filepath.Join(dir, "lvs.txt"), filepath.Join(dir, "in.pcap")
	if err := os.WriteFile(services, []byte(tr.services), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := replay.Create(in, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range tr.frames {
		err = errors.Join(err, out.Write(f.frame, time.Unix(1e9, 0).Add(f.at), 0))
	}
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
	o := options{out: dir}
	if err := o.parse(append([]string{"--services", services, "--in", in, "--out", dir}, tr.args...)); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	c, err := o.prepare(&b)
	if err != nil {
		t.Fatal(err, b.String())
	}
	if err := c.beside(tr.linux(t, c)); err != nil {
		t.Fatal(err)
	}
	if err := c.store(dir); err != nil {
		t.Fatal(err)
	}
	err = c.report(&b, "all")
	return b.String(), err
}

// outcomes are those of kernels that were booted, by the trials' names.
var outcomes = map[string]*ipvs.Outcome{}

// linux is what IPVS does.
func (tr *trial) linux(t *testing.T, c *comparison) *ipvs.Outcome {
	t.Helper()
	file := filepath.Join("testdata", tr.name+".gz")
	if os.Getenv(live) == "" {
		o, err := ipvs.ReadFile[ipvs.Outcome](file)
		if err != nil {
			t.Fatal(err)
		}
		if o.Plan != c.plan.Sum() {
			t.Fatalf("%s is of another plan: make ipvs-record", file)
		}
		return o
	}
	if o := outcomes[tr.name]; o != nil {
		return o
	}
	const lab = "../../../scripts/ipvslab"
	if err := exec.Command(lab, "prepared").Run(); err != nil {
		const text = "the kernel of User Mode Linux is missing: scripts/ipvslab prepare"
		if os.Getenv("CI") == "true" {
			t.Fatal(text)
		}
		t.Skip("SKIPPED, NOT TESTED: " + text)
	}
	t.Setenv("IPVSLAB", lab)
	o, err := playLinux(&c.plan, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv(live) == record {
		if err := ipvs.WriteFile(file, o); err != nil {
			t.Fatal(err)
		}
	}
	outcomes[tr.name] = o
	return o
}

func addr(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }

// modes has a service in every mode, in IPv4 and IPv6, and connections of four clients to each.
func modes() *trial {
	tr := &trial{name: "modes", services: `
# what ipvsadm-restore takes, and a script's calls
-A -t 203.0.113.10:80 -s rr
-a -t 203.0.113.10:80 -r 10.0.0.11:8080 -m -w 1
-a -t 203.0.113.10:80 -r 10.0.0.12:8081 -m -w 1
ipvsadm -A -u 203.0.113.10:53 -s wrr
ipvsadm -a -u 203.0.113.10:53 -r 10.0.0.11:53 -g -w 1
ipvsadm -a -u 203.0.113.10:53 -r 10.0.1.12:53 -g -w 2
-A --sctp-service 203.0.113.11:3868 -s wlc
-a --sctp-service 203.0.113.11:3868 -r 10.0.0.11:3868 -i -w 1
-a --sctp-service 203.0.113.11:3868 -r 10.0.0.12:3868 -i -w 1
-A -t [2001:db8:f::10]:80 -s sh
-a -t [2001:db8:f::10]:80 -r [2001:db8:2::11]:8080 -m -w 1
-a -t [2001:db8:f::10]:80 -r [2001:db8:2::12]:8080 -m -w 3
-A -u [2001:db8:f::10]:53 -s lc
-a -u [2001:db8:f::10]:53 -r [2001:db8:2::11]:53 -g -w 1
-a -u [2001:db8:f::10]:53 -r [2001:db8:2::12]:53 -g -w 1
-A -t [2001:db8:f::10]:443 -s mh -b mh-port
-a -t [2001:db8:f::10]:443 -r [2001:db8:2::11]:443 -i -w 1
-a -t [2001:db8:f::10]:443 -r [2001:db8:3::12]:443 -i -w 1
`}
	for i := range 4 {
		c4 := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(7 + i)}), uint16(40000+i))
		c6 := netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 9, 15: byte(7 + i)}), uint16(40000+i))
		tr.add(
			ipvs.Packet{Protocol: ipvs.TCP, From: c4, To: addr("203.0.113.10:80"), Flags: "S", MSS: 1460, DF: true},
			ipvs.Packet{Protocol: ipvs.UDP, From: c4, To: addr("203.0.113.10:53"), Payload: 30},
			ipvs.Packet{Protocol: ipvs.SCTP, From: c4, To: addr("203.0.113.11:3868"), Flags: "INIT"},
			ipvs.Packet{Protocol: ipvs.TCP, From: c6, To: addr("[2001:db8:f::10]:80"), Flags: "S"},
			ipvs.Packet{Protocol: ipvs.UDP, From: c6, To: addr("[2001:db8:f::10]:53"), Payload: 30},
			ipvs.Packet{Protocol: ipvs.TCP, From: c6, To: addr("[2001:db8:f::10]:443"), Flags: "S"},
		)
	}
	// A real server's answer, the client's next packet, and a packet of no connection.
	c := addr("198.51.100.7:40000")
	tr.add(
		ipvs.Packet{Protocol: ipvs.TCP, From: addr("10.0.0.12:8081"), To: c, Flags: "SA", MSS: 1460, TTL: 63},
		ipvs.Packet{Protocol: ipvs.TCP, From: c, To: addr("203.0.113.10:80"), Flags: "PA", Payload: 100, TTL: 7},
		ipvs.Packet{Protocol: ipvs.TCP, From: addr("198.51.100.99:5"), To: addr("203.0.113.10:80"), Flags: "A"},
	)
	return tr
}

// names are the wanted differences that a report has.
func names(report string) []string {
	all := map[string]bool{}
	for line := range strings.Lines(report) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "wanted: "); ok {
			all[name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func TestACaptureInEveryModeHasOnlyWantedDifferences(t *testing.T) {
	report, err := modes().compare(t)
	if err != nil {
		t.Errorf("%v\n%s", err, report)
	}
	want := []string{"packets-of-no-connection", "the-outer-flow-label", "the-outer-ttl", "the-ttl-in-dr"}
	if got := names(report); !slices.Equal(got, want) {
		t.Errorf("wanted differences are %q, want %q\n%s", got, want, report)
	}
	for _, line := range []string{
		"6 services with 12 backends; 0 lines changed, 0 ignored, 0 missing",
		"27 packets: 10 alike, 17 with wanted differences, 0 with unexpected ones",
		"both  to 10.0.0.12: tcp 198.51.100.7:40000 > 10.0.0.12:8081 S, TTL 63",
		"both  to gateway: tcp 203.0.113.10:80 > 198.51.100.7:40000 SA, TTL 62",
		"both  to 10.0.0.12: tcp 198.51.100.7:40000 > 10.0.0.12:8081 PA, TTL 6",
	} {
		if !strings.Contains(report, line) {
			t.Errorf("%q is not in\n%s", line, report)
		}
	}
}

func TestADifferenceThatNobodyWantsIsFlagged(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"another backend", "scheduler: rr", "scheduler: fo", "destination: IPVS 10.0.0.11, Weir 10.0.0.12"},
		{"another port", "10.0.0.12:8081", "10.0.0.12:8082", "destination port: IPVS 8081, Weir 8082"},
		{"nothing instead of a packet", "scheduler: wrr", "scheduler: wrr\n    match: {source: [198.51.100.128/25]}", "Weir  nothing (no_service)"},
		{"another mode", "mode: dr", "mode: tun", "in a tunnel: IPVS false, Weir true"},
		{"only in the table", "scheduler: rr", "scheduler: rr\n    timeouts: {tcp: 100s}", "ends in"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := modes()
			if report, err := tr.compare(t); err != nil { // writes weir.yaml
				t.Fatal(err, report)
			}
			config := filepath.Join(t.TempDir(), "weir.yaml")
			text, err := os.ReadFile(filepath.Join(tr.out, "weir.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.Replace(string(text), c.old, c.new, 1)
			if changed == string(text) {
				t.Fatalf("%q is not in\n%s", c.old, text)
			}
			if err := os.WriteFile(config, []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			tr.args = []string{"--config", config}
			report, err := tr.compare(t)
			if !errors.Is(err, errDiffer) || !strings.Contains(report, c.want) {
				t.Errorf("it ends with %v, and the report lacks %q:\n%s", err, c.want, report)
			}
		})
	}
}
