package conf

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// base is a valid configuration that the tables of mistakes change in one place each.
const base = `dataplane:
  cores: [1, 2]
  hugepages: off
  memory_mb: 256
  idle: spin
  max_connections: 5000
  timeouts: {tcp: 15m, tcp_fin: 30s, udp: 10s}
ports:
  - name: wan
    device: net_af_packet0,iface=eth1
    mac: 02:00:00:00:00:02
    addresses: [203.0.113.2/24, "2001:db8::2/64"]
    gateways: [203.0.113.1, "fe80::1"]
    tap: weir0
    queues: 2
    rx_descriptors: 512
    tx_descriptors: 256
    mtu: 1400
    promiscuous: true
    rss: false
  - name: lan
    device: 0000:03:00.0
    addresses: [10.0.0.1/24]
services:
  - name: web
    address: 203.0.113.10:80
    protocol: tcp
    mode: nat
    scheduler: mh
    mh_table_size: 251
    health:
      type: http
      path: /healthz
      host: www.example.com
      status: [200, 204]
      port: 8081
      interval: 3s
      timeout: 2s
      rise: 1
      fall: 4
    backends:
      - address: 10.0.0.11:8080
        weight: 3
        state: down
      - address: 192.0.2.12:8080
  - name: dns
    address: "[2001:db8::10]:53"
    protocol: udp
    mode: tun
    tunnel: {df: set, mss_clamp: false}
    backends:
      - address: 10.0.0.13
      - address: "2001:db8::14"
  - name: smtp
    address: 203.0.113.10:25
    protocol: tcp
    mode: dr
    backends: [{address: 203.0.113.15}, {address: 203.0.113.16:25, weight: 0}]
neighbors:
  - port: lan
    address: 10.0.0.11
    mac: 02:00:00:00:00:11
api:
  socket: /tmp/weir.sock
metrics:
  listen: "[::1]:9481"
`

// mistake is base with one thing changed, and what Load says to it, without "weir.yaml:".
type mistake struct {
	name     string
	from, to string // from stands once in base
	want     []string
}

func says(lines ...string) []string { return lines }

func (m mistake) test(t *testing.T) {
	t.Helper()
	expectErrors(t, edits{m.from, m.to}.of(t, base), m.want...)
}

// edits are pairs of what stands once in a text and what takes its place.
type edits []string

func (e edits) of(t *testing.T, text string) string {
	t.Helper()
	for i := 0; i < len(e); i += 2 {
		if n := strings.Count(text, e[i]); n != 1 {
			t.Fatalf("%q stands %d times in the text, want once", e[i], n)
		}
		text = strings.Replace(text, e[i], e[i+1], 1)
	}
	return text
}

func testMistakes(t *testing.T, all []mistake) {
	t.Helper()
	for _, m := range all {
		t.Run(m.name, m.test)
	}
}

// loadText is Load without a file and an environment.
func loadText(text string) (*Config, error) {
	p := &problems{file: "weir.yaml"}
	cfg := parse(p, []byte(text))
	return cfg, p.found()
}

// expectErrors compares all errors, each as a user sees it behind the file's name.
func expectErrors(t *testing.T, text string, want ...string) {
	t.Helper()
	_, err := loadText(text)
	var got []string
	if err != nil {
		for _, e := range err.(Errors) {
			got = append(got, strings.TrimPrefix(e.Error(), "weir.yaml:"))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("errors differ (- want, + got):\n%s\nof\n%s", diff, numbered(text))
	}
}

func numbered(text string) string {
	var b strings.Builder
	for i, line := range strings.Split(text, "\n") {
		if i == 100 {
			fmt.Fprintln(&b, "...")
			break
		}
		fmt.Fprintf(&b, "%3d %s\n", i+1, line)
	}
	return b.String()
}

func mustLoad(t *testing.T, text string) *Config {
	t.Helper()
	cfg, err := loadText(text)
	if err != nil {
		t.Fatalf("%v\nof\n%s", err, numbered(text))
	}
	return cfg
}

var byValue = cmp.Options{
	cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{}),
	cmpopts.IgnoreFields(Config{}, "Text", "Warnings"),
}
