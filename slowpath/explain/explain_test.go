package explain

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/slowpath/view"
)

const config = `
ports:
  - {name: wan, device: net_null0, mac: "02:00:00:00:00:02", addresses: [203.0.113.2/24, "2001:db8::2/64"], gateways: [203.0.113.1, "2001:db8::1"], tap: weir0}
  - {name: lan, device: net_null1, mac: "02:00:00:00:01:01", addresses: [10.0.0.1/24, "fd00::1/64"], mtu: 1400}
services:
  - {name: web, address: "203.0.113.10:80", protocol: tcp, mode: nat, scheduler: rr, backends: [{address: "10.0.0.11:8080"}, {address: "10.0.0.12:8080", weight: 2}]}
  - {name: tunnel, address: "203.0.113.10:81", protocol: tcp, mode: tun, scheduler: mh, backends: [{address: "10.0.0.11:81"}]}
  - {name: direct, address: "[2001:db8::10]:53", protocol: udp, mode: dr, scheduler: sh, backends: [{address: "[fd00::11]:53"}]}
  - {name: diameter, address: "203.0.113.10:3868", protocol: sctp, mode: nat, scheduler: rr, backends: [{address: "10.0.0.11:3869"}]}
  - {name: sticky, address: "203.0.113.10:84", protocol: tcp, mode: nat, scheduler: rr, persistence: {timeout: 5m, mask: 24}, backends: [{address: "10.0.0.11:8080"}, {address: "10.0.0.12:8080"}]}
  - {name: dark, address: "203.0.113.10:82", protocol: tcp, mode: nat, backends: [{address: "10.0.0.11:82", state: down}]}
  - {name: far, address: "203.0.113.10:87", protocol: tcp, mode: fullnat, scheduler: rr, local_addresses: [10.0.0.20], local_ports: 3000-3001, backends: [{address: "10.0.0.11:83"}]}
neighbors:
  - {port: lan, address: 10.0.0.11, mac: "02:00:00:00:01:11"}
  - {port: lan, address: "fd00::11", mac: "02:00:00:00:01:11"}
  - {port: lan, address: "fe80::11", mac: "02:00:00:00:01:11"}
dataplane: {cores: [1, 2]}
`

func loaded(t *testing.T) *conf.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "weir.yaml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := conf.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func explained(t *testing.T, cfg *conf.Config, text string) *view.Explanation {
	t.Helper()
	p, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	e, err := File(cfg, p)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// told is what is printed of an explanation.
func told(t *testing.T, e *view.Explanation) string {
	t.Helper()
	var b strings.Builder
	if err := view.WriteExplanation(&b, e); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestWhatIsToldOfAPacket by a configuration alone: the verdict, the reason, and what must be among the steps.
func TestWhatIsToldOfATunnel(t *testing.T) {
	file := filepath.Join(t.TempDir(), "weir.yaml")
	for tunnel, want := range map[string]string{
		"{type: gue}": "wrapped in 10.0.0.1:", "{type: gre, key: 9}": "wrapped in 10.0.0.1 > 10.0.0.11, TTL 64",
		`{type: vxlan, vni: 9, mac: "02:00:00:00:00:99"}`: "10.0.0.11:4789, TTL 64",
	} {
		text := fmt.Sprintf(`ports:
  - {name: lan, device: net_null0, addresses: [10.0.0.1/24], gateways: [10.0.0.254]}
services:
  - {name: web, address: "203.0.113.10:80", protocol: tcp, mode: tun, tunnel: %s, backends: [{address: 10.0.0.11}]}
api: {socket: /run/weir.sock}
`, tunnel)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		cfg, err := conf.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		got := told(t, explained(t, cfg, "tcp 198.51.100.7:40000 > 203.0.113.10:80"))
		if !strings.Contains(got, want) || !strings.Contains(got, "TTL 63, was 64") {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

func TestWhatIsToldOfAPacket(t *testing.T) {
	cfg := loaded(t)
	for text, c := range map[string]struct {
		verdict, reason, backend string
		frames                   int
		steps                    []string
	}{
		"tcp 198.51.100.7:40000 > 203.0.113.10:80": {"forwarded", "", "10.0.0.11:8080", 1, []string{
			"comes in by wan", "a SYN, as nothing else was given", "web: tcp 203.0.113.10:80, nat", "rr chooses 10.0.0.11:8080, in turn",
			"10.0.0.12:8080 up, weight 2", "destination 10.0.0.11:8080, was 203.0.113.10:80", "TTL 63, was 64",
			"10.0.0.11 on lan is 02:00:00:00:01:11, static", "leaves by lan, 44 bytes",
		}},
		"tcp 198.51.100.7:40000 > 203.0.113.10:87": {"forwarded", "", "10.0.0.11:83", 1, []string{
			"far: tcp 203.0.113.10:87, fullnat", "local", "10.0.0.20:3001, the next that is this worker's",
			"source 10.0.0.20:3001, was 198.51.100.7:40000", "destination 10.0.0.11:83, was 203.0.113.10:87",
		}},
		"tcp 10.0.0.11:83 > 10.0.0.20:3001 syn ack": {"dropped", "no_connection", "", 0, []string{
			"1 of 2 (0 to 1) owns local port 3001", "10.0.0.20 is a local address, where only backends' replies go",
		}},
		"icmp 10.0.0.11 > 10.0.0.20": {"answered", "echo_reply", "", 1, []string{"10.0.0.20 is a local address: Weir itself answers its pings"}},
		"tcp 198.51.100.7:40000 > 203.0.113.10:81": {"forwarded", "", "10.0.0.11:81", 1, []string{
			"mh chooses 10.0.0.11:81, by the client's address", "MSS 1340, was 1460", "wrapped in 10.0.0.1 > 10.0.0.11, TTL 64",
		}},
		"udp [2001:db8:c::7]:1 > [2001:db8::10]:53": {"forwarded", "", "[fd00::11]:53", 1, []string{
			"direct: udp [2001:db8::10]:53, dr", "destination MAC 02:00:00:00:01:11", "fd00::11 on lan is",
		}},
		"tcp 198.51.100.7:40000 > 203.0.113.10:84": {"forwarded", "", "10.0.0.11:8080", 1, []string{
			"198.51.100.0/24 is not bound to a backend: it is to the one that is chosen now, until 5m0s after its last new connection",
		}},
		"sctp 198.51.100.7:4000 > 203.0.113.10:3868": {"forwarded", "", "10.0.0.11:3869", 1, []string{
			"an INIT, as nothing else was given", "diameter: sctp 203.0.113.10:3868, nat", "destination 10.0.0.11:3869, was 203.0.113.10:3868",
			"leaves by lan, 52 bytes",
		}},
		"sctp 198.51.100.7:1 > 203.0.113.10:3868 data":              {"dropped", "no_connection", "", 0, []string{"none, as there are none in a file"}},
		"sctp 198.51.100.7:1 > 203.0.113.10:80":                     {"dropped", "no_service", "", 0, []string{"none of its services has sctp port 80"}},
		"sctp 198.51.100.7:1 > 203.0.113.10:3868 init in lan ttl 1": {"answered", "ttl_exceeded", "", 1, nil},
		"tcp 198.51.100.7:1 > 203.0.113.10:82":                      {"answered", "no_backend", "", 1, []string{"wlc chooses none", "10.0.0.11:82 down", "mend", "icmp 203.0.113.10 > 198.51.100.7, DestinationUnreachable(Port)"}},
		"tcp 198.51.100.7:1 > 203.0.113.10:83":                      {"dropped", "no_service", "", 0, []string{"none of its services has tcp port 83", "tunnel has tcp port 81"}},
		"udp 198.51.100.7:1 > 203.0.113.10:80":                      {"dropped", "no_service", "", 0, []string{"none of its services has udp port 80"}},
		"tcp 198.51.100.7:1 > 203.0.113.99:80":                      {"dropped", "foreign", "", 0, []string{"neither a VIP nor Weir's own", "203.0.113.10 is the VIP of web"}},
		"tcp 198.51.100.7:1 > 203.0.113.10:80 ack":                  {"dropped", "no_connection", "", 0, []string{"none, as there are none in a file"}},
		"tcp 127.0.0.1:1 > 203.0.113.10:80":                         {"dropped", "martian_source", "", 0, nil},
		"tcp 203.0.113.10:1 > 203.0.113.10:80":                      {"dropped", "spoofed_source", "", 0, nil},
		"tcp 198.51.100.7:1 > 203.0.113.10:80 fragment":             {"forwarded", "", "10.0.0.11:8080", 1, nil},
		"tcp 198.51.100.7:1 > 203.0.113.10:80 fragment len 45":      {"dropped", "bad_fragment", "", 0, nil},
		"gre 198.51.100.7 > 203.0.113.10":                           {"dropped", "unsupported_protocol", "", 0, nil},
		"tcp 198.51.100.7:1 > 203.0.113.2:22":                       {"kernel", "punt_local", "", 0, []string{"Weir's own address on wan"}},
		"tcp 10.0.0.11:1 > 10.0.0.1:22":                             {"dropped", "no_tap", "", 0, []string{"comes in by lan"}},
		"icmp 198.51.100.7 > 203.0.113.10":                          {"answered", "echo_reply", "", 1, []string{"Weir itself answers", "EchoReply", "leaves by wan, back"}},
		"icmp 2001:db8:c::7 > 2001:db8::10":                         {"answered", "echo_reply", "", 1, []string{"EchoReply"}},
		"tcp 198.51.100.7:1 > 203.0.113.10:80 ttl 1":                {"answered", "ttl_exceeded", "", 1, []string{"icmp 203.0.113.2 > 198.51.100.7, TimeExceeded"}},
		"tcp 198.51.100.7:1 > 203.0.113.10:80 len 1500 df":          {"answered", "too_big", "10.0.0.11:8080", 1, []string{"(MTU 1400)"}},
		"tcp 198.51.100.7:1 > 203.0.113.10:80 len 1500":             {"forwarded", "", "10.0.0.11:8080", 2, []string{"in 2 pieces"}},
		"udp [2001:db8:c::7]:1 > [2001:db8::10]:53 len 1450":        {"answered", "too_big", "[fd00::11]:53", 1, []string{"PacketTooBig", "(MTU 1400)"}},
	} {
		t.Run(text, func(t *testing.T) {
			e := explained(t, cfg, text)
			if e.Verdict != c.verdict || e.Reason != c.reason || e.Backend != c.backend || len(e.Frames) != c.frames {
				t.Errorf("%s for %q, backend %q, %d frames; want %s for %q, backend %q, %d frames",
					e.Verdict, e.Reason, e.Backend, len(e.Frames), c.verdict, c.reason, c.backend, c.frames)
			}
			for _, want := range c.steps {
				if got := told(t, e); !strings.Contains(got, want) {
					t.Errorf("%q is not in\n%s", want, got)
				}
			}
		})
	}
}

func TestOnlyChoicesThatOthersMayChangeArePredictions(t *testing.T) {
	cfg := loaded(t)
	for text, predicted := range map[string]bool{
		"tcp 198.51.100.7:1 > 203.0.113.10:80":      true,  // rr
		"tcp 198.51.100.7:1 > 203.0.113.10:81":      false, // mh
		"udp [2001:db8:c::7]:1 > [2001:db8::10]:53": false, // sh
		"tcp 198.51.100.7:1 > 203.0.113.10:83":      false, // nothing to choose
	} {
		if e := explained(t, cfg, text); e.Predicted != predicted {
			t.Errorf("%s: predicted is %t", text, e.Predicted)
		}
	}
}

func TestUnknownPortIsASentence(t *testing.T) {
	p, err := Parse("tcp 198.51.100.7:1 > 203.0.113.10:80 in dmz")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := File(loaded(t), p); err == nil || err.Error() != `there is no port "dmz": there are wan, lan` {
		t.Errorf("got %v", err)
	}
}

// FuzzExplain takes whatever can be read as a packet through the packet path.
func FuzzExplain(f *testing.F) {
	for _, s := range []string{
		"tcp 198.51.100.7:40000 > 203.0.113.10:80", "udp [2001:db8:c::7]:5353 > [2001:db8::10]:53 len 1450 ttl 0",
		"icmp 198.51.100.7 > 203.0.113.10 df fragment in lan", "41 10.0.0.11 > 10.0.0.1 len 1400", "tcp 10.0.0.11:8080>198.51.100.7:1 syn,ack,rst",
	} {
		f.Add(s)
	}
	file := filepath.Join(f.TempDir(), "weir.yaml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		f.Fatal(err)
	}
	cfg, err := conf.Load(file)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		e, err := File(cfg, p)
		if err != nil {
			if p.In == "" {
				t.Errorf("%s: %v", p, err)
			}
			return
		}
		if e.Verdict == "" || e.Reason == "unset" || (e.Verdict == "forwarded") != (e.Reason == "" && p.Proto != "icmp") {
			t.Errorf("%s: %+v", p, e)
		}
	})
}

func TestSorryServerIsSaidToTakeOver(t *testing.T) {
	cfg := loaded(t)
	for i := range cfg.Services {
		if s := &cfg.Services[i]; s.Name == "dark" {
			s.Sorry = &conf.Backend{Address: netip.MustParseAddrPort("10.0.0.99:82"), Weight: 1}
		}
	}
	e := explained(t, cfg, "tcp 198.51.100.7:1 > 203.0.113.10:82 syn")
	text := told(t, e)
	if e.Backend != "10.0.0.99:82" || e.Predicted || !strings.Contains(text, "the quorum is lost: the sorry server 10.0.0.99:82 takes every new connection") {
		t.Errorf("%+v\n%s", e, text)
	}
}

func TestTheNextLocalPortSaysWhatItIsChosenBy(t *testing.T) {
	a := netip.MustParseAddrPort("10.0.0.20:3001")
	for by, want := range map[string]string{"": "the next that is this worker's", "lan": "the RSS of lan brings to this worker"} {
		if got := nextLocal(a, by); !strings.HasPrefix(got, a.String()) || !strings.Contains(got, want) {
			t.Errorf("by %q: %s", by, got)
		}
	}
}
