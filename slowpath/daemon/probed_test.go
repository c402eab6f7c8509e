package daemon

import (
	"fmt"
	"path/filepath"
	"testing"
)

// What the kernel sends to a VIP must fit through the narrowest tunnel that leads to it.
func TestProbesFitThroughEveryTunnelToTheirVIP(t *testing.T) {
	const ports = `
ports:
  - {name: wan, device: net_null0, addresses: [203.0.113.2/24, "2001:db8::2/64"], tap: w0}
  - {name: lan, device: net_null1, addresses: [10.0.0.1/24, "fd00::1/64"], mtu: 1400, tap: w1}
services:
  - {name: a, address: "203.0.113.10:80", protocol: tcp, mode: tun, health: {type: tcp, via: service}, backends: [{address: 10.0.0.11}, {address: "2001:db8::11"}]}
  - {name: b, address: "203.0.113.10:81", protocol: tcp, mode: tun, tunnel: {type: gue}, health: {type: tcp, via: service}, backends: [{address: 10.0.0.11}]}
  - {name: c, address: "203.0.113.12:80", protocol: tcp, mode: dr, health: {type: tcp, via: service}, backends: [{address: 10.0.0.11}]}
  - {name: d, address: "203.0.113.13:80", protocol: tcp, mode: dr, health: {type: tcp}, backends: [{address: 10.0.0.11}]}
`
	cfg := load(t, filepath.Join(t.TempDir(), "weir.yaml"), ports)
	for port, want := range []string{"map[203.0.113.10:1460]", "map[203.0.113.10:1368 203.0.113.12:1400]"} {
		if got := fmt.Sprint(probed(cfg, port)); got != want {
			t.Errorf("%s: %s, want %s", cfg.Ports[port].Name, got, want)
		}
	}
}
