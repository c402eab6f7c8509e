package conf

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const uselessPorts = "ports: [{name: wan, device: net_null0, addresses: [203.0.113.2/24, \"2001:db8::2/64\"]}]\nservices:\n"

// expectWarnings compares all warnings of a valid configuration, each as a user sees it behind the file's name.
func expectWarnings(t *testing.T, text string, want ...string) {
	t.Helper()
	cfg, err := loadText(text)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range cfg.Warnings {
		got = append(got, strings.TrimPrefix(w.Error(), "weir.yaml:"))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings differ (- want, + got):\n%s\nof\n%s", diff, numbered(text))
	}
}

func TestWhatIsOfNoUseIsAWarning(t *testing.T) {
	for name, c := range map[string]struct {
		service string
		want    []string
	}{
		"weights with rr": {
			"  - {name: a, address: 203.0.113.10:80, protocol: tcp, mode: dr, scheduler: rr, backends: [{address: 203.0.113.11, weight: 0}, {address: 203.0.113.12, weight: 2}, {address: 203.0.113.13}]}",
			[]string{"3: services[0].backends[2].weight: warning: scheduler rr gives all backends with a weight the same, however much it is: choose another scheduler, or give all the same weight"},
		},
		"weights with rr and a quorum of weights": {
			"  - {name: a, address: 203.0.113.10:80, protocol: tcp, mode: dr, scheduler: rr, quorum: {weight: 2}, backends: [{address: 203.0.113.12, weight: 2}, {address: 203.0.113.13}]}", nil,
		},
		"weights with wrr": {
			"  - {name: a, address: 203.0.113.10:80, protocol: tcp, mode: dr, scheduler: wrr, backends: [{address: 203.0.113.12, weight: 2}, {address: 203.0.113.13}]}", nil,
		},
		"one_packet with the default scheduler and thresholds": {
			"  - {name: a, address: 203.0.113.10:53, protocol: udp, mode: dr, one_packet: true, backends: [{address: 203.0.113.11}, {address: 203.0.113.12, upper_threshold: 9}]}",
			[]string{
				"3: services[0].scheduler: warning: wlc goes by connections, of which one_packet makes none: all packets go to one backend, as in LVS. Choose rr or wrr, or p2c or random",
				"3: services[0].backends[1].upper_threshold: warning: counts connections, of which one_packet makes none: the backend is never full",
			},
		},
		"one_packet with rr": {
			"  - {name: a, address: 203.0.113.10:53, protocol: udp, mode: dr, scheduler: rr, one_packet: true, backends: [{address: 203.0.113.11}]}", nil,
		},
		"a tunnel's keys for the other IP version": {
			"  - {name: a, address: 203.0.113.10:53, protocol: udp, mode: tun, tunnel: {sources: [198.51.100.1, \"2001:db8::a\"], df: set, mss_clamp: false}, backends: [{address: \"2001:db8::11\"}]}",
			[]string{
				"3: services[0].tunnel.mss_clamp: warning: is of TCP, and this service is udp",
				"3: services[0].tunnel.sources[0]: warning: 198.51.100.1 is IPv4, and none of the backends is: it is not used",
				"3: services[0].tunnel.df: warning: is of outer IPv4 headers, and all backends are IPv6: IPv6 has no such bit",
			},
		},
		"a tunnel's keys, of no backends yet": {
			"  - {name: a, address: 203.0.113.10:80, protocol: tcp, mode: tun, tunnel: {sources: [198.51.100.1], df: set}, backends: []}", nil,
		},
		"a tunnel to a sorry server of the other IP version": {
			"  - {name: a, address: 203.0.113.10:80, protocol: tcp, mode: tun, tunnel: {sources: [198.51.100.1, \"2001:db8::a\"]}, sorry: 203.0.113.99, backends: [{address: \"2001:db8::11\"}]}", nil,
		},
		"a local address of the other IP version": {
			"  - {name: a, address: 203.0.113.10:80, protocol: tcp, mode: fullnat, local_addresses: [203.0.113.20, \"2001:db8::20\"], backends: [{address: 203.0.113.11:80}]}",
			[]string{"3: services[0].local_addresses[1]: warning: 2001:db8::20 is IPv6, and none of the backends is: it is not used"},
		},
	} {
		t.Run(name, func(t *testing.T) { expectWarnings(t, uselessPorts+c.service+"\n", c.want...) })
	}
}

func TestWarningsAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString(uselessPorts)
	for i := range maxErrors + 5 {
		b.WriteString("  - {name: s" + strconv.Itoa(i) + ", address: 203.0.113.10:" + strconv.Itoa(1+i) + ", protocol: udp, mode: dr, one_packet: true, backends: [{address: 203.0.113.11}]}\n")
	}
	cfg, err := loadText(b.String())
	if err != nil {
		t.Fatal(err)
	}
	if n := len(cfg.Warnings); n != maxErrors {
		t.Errorf("%d warnings, want %d", n, maxErrors)
	}
}

func TestTheExamplesHaveNoWarnings(t *testing.T) {
	files, err := filepath.Glob("examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		cfg, err := Load(f)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		for _, w := range cfg.Warnings {
			t.Error(w.Error())
		}
	}
}
