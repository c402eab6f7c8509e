package conf

import (
	"net/netip"
	"testing"
	"time"
)

// throughTunnel is a tun service that is checked through itself, on ports that let it.
const throughTunnel = `ports:
  - name: wan
    device: net_af_packet0,iface=eth1
    addresses: [203.0.113.2/24]
    gateways: [203.0.113.1]
    tap: weir0
  - name: lan
    device: net_af_packet1,iface=eth2
    addresses: [10.0.0.1/24]
services:
  - name: web
    address: 203.0.113.10:80
    protocol: tcp
    mode: tun
    health: {type: http, via: service}
    backends: [192.0.2.11, 192.0.2.12]
`

func TestChecksThroughTheService(t *testing.T) {
	c := mustLoad(t, edits{"[192.0.2.11, 192.0.2.12]", "[{address: 192.0.2.11}, {address: 192.0.2.12}]"}.of(t, throughTunnel))
	if h := c.Services[0].Health; h.Via != ViaService || h.Port != 0 {
		t.Errorf("%+v", h)
	}
}

func TestMistakesInChecksThroughTheService(t *testing.T) {
	text := edits{"[192.0.2.11, 192.0.2.12]", "[{address: 192.0.2.11}, {address: 192.0.2.12}]"}.of(t, throughTunnel)
	for _, c := range []struct {
		name, from, to string
		want           []string
	}{
		{"in nat", "mode: tun\n    health: {type: http, via: service}\n    backends: [{address: 192.0.2.11}, {address: 192.0.2.12}]",
			"mode: nat\n    health: {type: http, via: service}\n    backends: [{address: \"192.0.2.11:80\"}]", says(
				"15: services[0].health.via: service has a meaning only for mode tun or dr, this service is nat: its backends are checked at their own addresses, remove the key")},
		{"with a ping", "type: http, via", "type: ping, via", says(
			"15: services[0].health.via: has a meaning only for type tcp, http, https, http2, grpc, tls, udp or dns, this one is ping: remove the key")},
		{"with an INIT", "type: http, via", "type: sctp, via", says(
			"15: services[0].health.via: has a meaning only for type tcp, http, https, http2, grpc, tls, udp or dns, this one is sctp: remove the key")},
		{"with a program", "type: http, via", "type: exec, command: [/bin/true], via", says(
			"15: services[0].health.via: has a meaning only for type tcp, http, https, http2, grpc, tls, udp or dns, this one is exec: remove the key")},
		{"of another word", "via: service", "via: vip", says(
			`15: services[0].health.via: must be backend or service, is "vip"`)},
		{"without a kernel's interface", "    tap: weir0\n", "", says(
			"14: services[0].health.via: service needs tap on port wan, through which the kernel gives Weir its checks: add for example tap: weir0 there")},
		{"to another port", "via: service", "via: service, port: 81", says(
			"15: services[0].health.port: must be the service's port 80 with via: service, which takes the service's way, is 81: remove the key")},
		{"from another port's address", "via: service", "via: service, source: 10.0.0.1", says(
			"15: services[0].health.source: must be an address of port wan, through which the checks go with via: service, is 10.0.0.1")},
		{"from the other family", "via: service", `via: service, source: "2001:db8::1"`, says(
			"15: services[0].health.source: 2001:db8::1 is IPv6, but the service is IPv4")},
		{"without an address of the service's family", "203.0.113.10:80", `"[2001:db8::10]:80"`, says(
			"15: services[0].health.via: service needs an IPv6 address on port wan for the checks to come from, as the service is IPv6: add one there")},
	} {
		t.Run(c.name, func(t *testing.T) { expectErrors(t, edits{c.from, c.to}.of(t, text), c.want...) })
	}
}

func TestSourceOfChecksThroughATunnelOfTheOtherFamilyIsTheServices(t *testing.T) {
	text := edits{"[192.0.2.11, 192.0.2.12]", "[{address: 192.0.2.11}]", "[203.0.113.2/24]", `[203.0.113.2/24, "2001:db8::2/64"]`,
		"203.0.113.10:80", `"[2001:db8::10]:80"`, "via: service", `via: service, source: "2001:db8::2"`}.of(t, throughTunnel)
	if got := mustLoad(t, text).Services[0].Health.Source; got != netip.MustParseAddr("2001:db8::2") {
		t.Errorf("source %s", got)
	}
}

func TestMistakesInPassiveChecks(t *testing.T) {
	for _, c := range []struct {
		name, lines string
		want        []string
	}{
		{"a share of nothing", "      type: tcp\n      passive: {share: 0%}\n", says(
			"33: services[0].health.passive.share: must be 1% to 100%, is 0%: without the section passive, connections cause no check")},
		{"a share of more than all", "      type: tcp\n      passive: {share: 101%}\n", says(
			`33: services[0].health.passive.share: must be 0% to 100%, is "101%"`)},
		{"too short a window", "      type: tcp\n      passive: {window: 100ms}\n", says(
			`33: services[0].health.passive.window: must be 1s to 1h, is 100ms`)},
		{"no connection at all", "      type: tcp\n      passive: {min_connections: 0}\n", says(
			"33: services[0].health.passive.min_connections: must be 1 to 1000000, is 0")},
	} {
		t.Run(c.name, func(t *testing.T) { expectErrors(t, withHealth(t, c.lines), c.want...) })
	}
	expectErrors(t, edits{"tunnel: {df: set, mss_clamp: false}", "health: {type: udp, passive: {}}"}.of(t, base), says(
		"50: services[1].health.passive: has a meaning only for protocol tcp, this service is udp: only TCP tells that a connection has failed, remove the section")...)
}

func TestPassiveChecksHaveDefaults(t *testing.T) {
	c := mustLoad(t, withHealth(t, "      type: tcp\n      passive: {}\n"))
	if p := c.Services[0].Health.Passive; p == nil || p.Share != 20 || p.Window != 10*time.Second || p.MinConnections != 10 {
		t.Errorf("%+v", p)
	}
}
