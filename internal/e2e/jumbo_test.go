package e2e

import (
	"strings"
	"testing"
)

// With an MTU of 9000 on all links, pings of 8000 bytes and bulk TCP go through in single frames.
func TestJumboFrames(t *testing.T) {
	l := needLab(t)
	links := [][2]string{
		{"client", "eth0"}, {"router", "clients"}, {"router", "wan"}, {"router", "lan-lb"}, {"router", "lan-rs1"}, {"router", "lan-rs2"},
		{"router", "lan"}, {"rs1", "eth0"}, {"rs2", "eth0"},
	}
	setMTU := func(mtu string) {
		for _, k := range links {
			l.do(t, k[0], "ip", "link", "set", k[1], "mtu", mtu)
		}
	}
	t.Cleanup(func() { setMTU("1500") })
	setMTU("9000")
	d := start(t, l.ns("lb"), `dataplane: {memory_mb: 512, max_connections: 20000}
services:
  - {name: iperf, address: "203.0.113.10:5201", protocol: tcp, mode: nat, backends: [{address: "10.0.0.11:5201"}]}
ports:
  - {name: wan, device: "net_af_packet0,iface=wan", mtu: 9000, addresses: [203.0.113.2/24], gateways: [203.0.113.1], tap: weir-wan}
  - {name: lan, device: "net_af_packet1,iface=lan", mtu: 9000, addresses: [10.0.0.1/24], tap: weir-lan}
`)
	for _, to := range []string{"203.0.113.10", "203.0.113.2"} {
		out := l.do(t, "client", "ping", "-c", "3", "-i", "0.2", "-W", "5", "-M", "do", "-s", "8000", to)
		if !strings.Contains(out, " 0% packet loss") {
			t.Errorf("%s: %s", to, out)
		}
	}
	l.background(t, "rs1", "iperf3", "-s", "-B", "10.0.0.11")
	until(t, "iperf3 gets through", func() bool {
		_, err := l.try("client", "iperf3", "-c", "203.0.113.10", "-n", "16M", "-M", "8900")
		return err == nil
	})
	if b := d.row("backends", "service", "iperf"); b != nil {
		if mean := b["bytes_in"].(float64) / b["packets_in"].(float64); mean < 3000 {
			t.Errorf("packets have %.0f bytes on average: %v", mean, b)
		}
	}
	d.accounted()
}
