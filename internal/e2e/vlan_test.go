package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A host with tags of both kinds: Linux's 8021q, in a kernel of its own. It is a real server behind sub-ports, and a client and a
// neighbour there.
func TestVLANs(t *testing.T) {
	l := needLab(t)
	need(t, exec.Command("../../scripts/ipvslab", "prepared").Run() == nil, "Linux as a process (scripts/setup ipvs)")
	const tap = "lan-tagged"
	for _, args := range []string{"tuntap add " + tap + " mode tap", "link set " + tap + " master lan", "link set " + tap + " up"} {
		l.do(t, "router", append([]string{"ip"}, strings.Fields(args)...)...)
	}
	t.Cleanup(func() { l.do(t, "router", "ip", "link", "del", tap) })
	hosts := []struct{ name, vlan, host, port, vip, other string }{
		{"802.1Q", "42", "10.42.0.13", "10.42.0.1", "203.0.113.20", "203.0.113.30"},
		{"802.1Q, IPv6", "42", "fd42::13", "fd42::1", "2001:db8::20", "2001:db8::30"},
		{"QinQ", "100.7", "10.43.0.13", "10.43.0.1", "203.0.113.21", "203.0.113.31"},
		{"QinQ, IPv6", "100.7", "fd43::13", "fd43::1", "2001:db8::21", "2001:db8::31"},
	}
	guest := []string{"../../scripts/ipvslab", "tagged", tap}
	services := ""
	for i, h := range hosts {
		length, local := "/24", "10.0.0.11"
		if strings.Contains(h.host, ":") {
			length, local = "/64", "fd00::11"
		}
		guest = append(guest, h.vlan, h.host+length, h.port, h.other)
		services += fmt.Sprintf(`  - {name: to%[1]d, address: "%[2]s", protocol: tcp, mode: nat, backends: [{address: "%[3]s"}]}
  - {name: from%[1]d, address: "%[4]s", protocol: tcp, mode: fullnat, local_addresses: ["%[6]s"], backends: [{address: "%[5]s"}]}
`, i, bracketed(h.vip, 80), bracketed(h.host, 80), bracketed(h.other, 80), bracketed(local, 8080), [2]string{"10.0.0.20", "fd00::20"}[i%2])
	}
	l.until(t, syscall.SIGTERM, "router", guest...)
	d := start(t, l.ns("lb"), `dataplane: {memory_mb: 128, max_connections: 20000}
ports:
  - {name: wan, device: "net_af_packet0,iface=wan", addresses: [203.0.113.2/24, "2001:db8::2/64"], gateways: [203.0.113.1, "2001:db8::1"]}
  - {name: lan, device: "net_af_packet1,iface=lan", addresses: [10.0.0.1/24, "fd00::1/64"]}
  - {name: vlan, parent: lan, vlan: 42, addresses: [10.42.0.1/24, "fd42::1/64"], tap: weir-vlan}
  - {name: qinq, parent: lan, vlan: [100, 7], addresses: [10.43.0.1/24, "fd43::1/64"], tap: weir-qinq}
services:
`+services)
	for _, h := range hosts {
		t.Run(h.name, func(t *testing.T) {
			url := "http://" + bracketed(h.vip, 80) + "/"
			l.eventually(t, url, "Linux ")
			if size, err := l.try("client", "curl", "-gsS", "--max-time", "20", "-o", "/dev/null", "-w", "%{size_download}", url+"1m"); err != nil || size != "1048576" {
				t.Errorf("%s1m: %v, got %s bytes of 1048576", url, err, size)
			}
			l.eventually(t, url+h.host, "rs1")
			if out := l.do(t, "lb", "ping", "-c", "3", "-i", "0.2", "-W", "5", "-s", "1400", h.host); !strings.Contains(out, " 0% packet loss") {
				t.Errorf("ping %s: %s", h.host, out)
			}
		})
	}
	for _, p := range []string{"vlan", "qinq"} {
		if row := d.row("ports", "name", p); row["packets_in"].(float64) < 700 || row["packets_out"].(float64) < 100 {
			t.Errorf("port %s: %v", p, row)
		}
	}
	d.accounted()
}

func bracketed(address string, port int) string {
	if strings.Contains(address, ":") {
		return fmt.Sprintf("[%s]:%d", address, port)
	}
	return fmt.Sprintf("%s:%d", address, port)
}

// eventually fetches a URL at the client until the answer begins as it should.
func (l *lab) eventually(t *testing.T, url, want string) {
	t.Helper()
	var said string
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if said, err = l.try("client", "curl", "-gsS", "--max-time", "5", url); err == nil && strings.HasPrefix(said, want) {
			return
		}
	}
	t.Fatalf("%s: %v, said %q, want %q", url, err, said, want)
}
