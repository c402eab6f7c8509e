package conf

import (
	"strings"
	"testing"
)

// What is unusual, but means something.
func TestConfigurationsThatAreValid(t *testing.T) {
	for _, c := range []struct {
		name string
		edits
	}{
		{"service without backends for now", edits{"backends: [{address: 203.0.113.15}, {address: 203.0.113.16:25, weight: 0}]", "backends: []"}},
		{"VIP that is Weir's own address", edits{"address: 203.0.113.10:25", "address: 203.0.113.2:25"}},
		{"one VIP and port for TCP and UDP", edits{"    address: 203.0.113.10:25\n    protocol: tcp", "    address: 203.0.113.10:80\n    protocol: udp", "203.0.113.16:25", "203.0.113.16"}},
		{"one VIP and port for TCP and SCTP", edits{"    address: 203.0.113.10:25\n    protocol: tcp", "    address: 203.0.113.10:80\n    protocol: sctp", "203.0.113.16:25", "203.0.113.16"}},
		{"SCTP through a tunnel", edits{"protocol: udp", "protocol: sctp"}},
		{"one backend of two services", edits{"{address: 203.0.113.15}", "{address: 203.0.113.17}, {address: 203.0.113.15:25}"}},
		{"VIP on no network", edits{"address: 203.0.113.10:25", "address: 198.51.100.10:25"}},
		{"IPv6 backend in brackets without a port", edits{`address: "2001:db8::14"`, `address: "[2001:db8::14]"`}},
		{"IPv6 backend in brackets with the service's port", edits{`address: "2001:db8::14"`, `address: "[2001:db8::14]:53"`}},
		{"tunnel of IPv6 on the least MTU that can be", edits{"mtu: 1400", "mtu: 1320"}},
		{"two addresses in one network of a port", edits{"addresses: [10.0.0.1/24]", "addresses: [10.0.0.1/24, 10.0.0.2/24]"}},
		{"network within another of the port", edits{"addresses: [10.0.0.1/24]", "addresses: [10.0.0.1/24, 10.0.1.1/16]"}},
		{"point-to-point networks (RFC 3021, RFC 6164)", edits{"addresses: [10.0.0.1/24]", `addresses: [10.0.0.1/24, 192.168.0.0/31, "2001:db8:1::/127"]`}},
		{"single address", edits{"addresses: [10.0.0.1/24]", "addresses: [10.0.0.1/24, 192.168.0.1/32]"}},
		{"IPv6 link-local network of two ports", edits{`addresses: [203.0.113.2/24, "2001:db8::2/64"]`, `addresses: [203.0.113.2/24, "2001:db8::2/64", "fe80::a/64"]`, "[10.0.0.1/24]", `[10.0.0.1/24, "fe80::b/64"]`}},
		{"no TAP", edits{"tap: weir0", `tap: ""`}},
		{"no API", edits{"socket: /tmp/weir.sock", `socket: ""`}},
		{"no metrics", edits{`listen: "[::1]:9481"`, `listen: ""`}},
		{"metrics on all addresses", edits{`listen: "[::1]:9481"`, `listen: ":9481"`}},
		{"metrics on a host's name", edits{`listen: "[::1]:9481"`, "listen: localhost:9481"}},
		{"MAC with dashes", edits{"mac: 02:00:00:00:00:02", "mac: 02-00-00-00-00-02"}},
		{"MAC that looks like a number", edits{"mac: 02:00:00:00:00:02", "mac: 10:20:30:40:50:59"}},
		{"PCI address without a domain, with arguments", edits{"device: 0000:03:00.0", "device: 03:00.0,rx_vec_en=0"}},
		{"two pcap devices that write where they read", edits{"device: 0000:03:00.0", "device: net_pcap0,rx_iface=eth2,tx_iface=eth2"}},
		{"neighbour that is link-local", edits{"address: 10.0.0.11\n", "address: fe80::11\n"}},
		{"same neighbour on two ports", edits{"neighbors:\n", "neighbors:\n  - {port: lan, address: \"fe80::9\", mac: 02:00:00:00:00:12}\n  - {port: wan, address: \"fe80::9\", mac: 02:00:00:00:00:12}\n"}},
		{"time in several units", edits{"tcp: 15m", "tcp: 1h30m10s500ms"}},
		{"least and most of times", edits{"tcp: 15m, tcp_fin: 30s", "tcp: 168h, tcp_fin: 1s"}},
		{"number with underscores", edits{"max_connections: 5000", "max_connections: 16_000_000"}},
		{"timeout longer than the interval", edits{"timeout: 2s", "timeout: 30s"}},
		{"path with a query", edits{"path: /healthz", "path: /healthz?deep=1&x=%20"}},
		{"host with a port", edits{"host: www.example.com", "host: www.example.com:8080"}},
		{"host that is an IPv6 address", edits{"host: www.example.com", `host: "[2001:db8::1]:8080"`}},
		{"host that is the backend's address", edits{"host: www.example.com", `host: ""`}},
		{"words in quotes", edits{"mode: dr", `mode: "dr"`}},
		{"no cores, one queue", edits{"cores: [1, 2]", "cores: []", "queues: 2", "queues: 1"}},
		{"weight of LVS's bound", edits{"weight: 3", "weight: 65535"}},
		{"no weight at all", edits{"weight: 3", "weight: 0"}},
	} {
		t.Run(c.name, func(t *testing.T) { mustLoad(t, c.of(t, base)) })
	}
	mustLoad(t, least[:strings.Index(least, "services:")])
}

func TestSectionsCanBeAliases(t *testing.T) {
	cfg := mustLoad(t, `
ports: [{name: wan, device: net_null0, addresses: [203.0.113.2/24]}]
services:
  - {name: http, address: 203.0.113.10:80, protocol: tcp, mode: dr, health: &check {type: tcp, fall: 9}, backends: &all [{address: 203.0.113.11}]}
  - {name: https, address: 203.0.113.10:443, protocol: tcp, mode: dr, health: *check, backends: *all}
`)
	http, https := cfg.Services[0], cfg.Services[1]
	if https.Health.Fall != 9 || https.Health == http.Health {
		t.Errorf("%+v, %+v", http.Health, https.Health)
	}
	if http.Backends[0].Address != ap("203.0.113.11:80") || https.Backends[0].Address != ap("203.0.113.11:443") {
		t.Errorf("%+v, %+v", http.Backends, https.Backends)
	}
	if https.Line != 5 || https.Backends[0].Line != 4 {
		t.Errorf("lines %d and %d", https.Line, https.Backends[0].Line)
	}
}

// The file format as it is meant to be used, with the one thing in it that this version lacks.
func TestFileFormatWithPersistence(t *testing.T) {
	mustLoad(t, whole)
}

const whole = `dataplane:
  cores: [1, 2]              # one worker per core; empty: one unpinned worker
  hugepages: auto            # auto | require | off
  memory_mb: 512
  idle: sleep                # spin | pause | sleep: what a worker does when there is nothing to do
  max_connections: 1000000   # per worker
  timeouts: {tcp: 900s, tcp_fin: 120s, udp: 300s}
ports:
  - name: wan
    device: net_af_packet0,iface=eth1        # or a PCI address such as 0000:03:00.0, or any DPDK devargs
    mac: 02:00:00:00:00:02                   # optional: the device's own otherwise; in replay a stable made-up one
    addresses: [203.0.113.2/24, "2001:db8::2/64"]
    gateways: [203.0.113.1]
    tap: weir0                               # name of the kernel interface; empty: none
    queues: auto
services:
  - name: web
    address: 203.0.113.10:80                 # or [2001:db8::10]:80; port 0 = all ports, with persistence
    protocol: tcp                            # tcp | udp | sctp
    mode: nat                                # nat | tun | dr | fullnat
    scheduler: wlc                           # LVS's names
    persistence: {timeout: 300s, mask: 32}
    health: {type: http, path: /healthz, interval: 2s, timeout: 1s, rise: 2, fall: 3}
    backends:
      - {address: 10.0.0.11:8080, weight: 3}
      - {address: 10.0.0.12:8080, weight: 1}
neighbors:
  - {port: wan, address: 203.0.113.1, mac: 02:00:00:00:00:01}
api:     {socket: /run/weir.sock}
metrics: {listen: 127.0.0.1:9480}
`
