package e2e

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// A real server for tun as its users have them: Linux with the VIP on its IPIP device, in a kernel of its own.
func TestLinuxTakesPacketsOutOfTunnels(t *testing.T) {
	l := needLab(t)
	need(t, exec.Command("../../scripts/ipvslab", "prepared").Run() == nil, "Linux as a process (scripts/setup ipvs)")
	const tap = "lan-linux"
	for _, args := range []string{"tuntap add " + tap + " mode tap", "link set " + tap + " master lan", "link set " + tap + " up"} {
		l.do(t, "router", append([]string{"ip"}, strings.Fields(args)...)...)
	}
	t.Cleanup(func() { l.do(t, "router", "ip", "link", "del", tap) })
	l.until(t, syscall.SIGTERM, "router", "../../scripts/ipvslab", "serve", tap,
		"10.0.0.13/24", "10.0.0.254", "203.0.113.11", "fd00::13/64", "fd00::fe", "2001:db8::11")
	l.start(t, "", `services:
  - {name: v4, address: "203.0.113.11:80", protocol: tcp, mode: tun, backends: [{address: "10.0.0.13"}]}
  - {name: v6, address: "[2001:db8::11]:80", protocol: tcp, mode: tun, backends: [{address: "fd00::13"}]}
`)
	for _, url := range []string{"http://203.0.113.11/", "http://[2001:db8::11]/"} {
		l.eventually(t, url, "Linux ")
		// Whole segments fit only because their MSS was lowered.
		if size, err := l.try("client", "curl", "-gsS", "--max-time", "20", "-o", "/dev/null", "-w", "%{size_download}", url+"1m"); err != nil || size != "1048576" {
			t.Errorf("%s1m: %v, got %s bytes of 1048576", url, err, size)
		}
	}
}
