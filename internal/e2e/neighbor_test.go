package e2e

import (
	"strings"
	"testing"

	"github.com/weirlb/weir/internal/netnstest"
)

// TestTrafficFollowsABackendsNewMAC changes the MAC of a real server under a TCP connection, as a failover does.
func TestTrafficFollowsABackendsNewMAC(t *testing.T) {
	l := needLab(t)
	d := l.start(t, "", `services:
  - {name: echo, address: "203.0.113.10:7", protocol: tcp, mode: nat, backends: [{address: "10.0.0.11:7"}]}
`)
	go echoTCP(netnstest.Listen(t, l.ns("rs1"), "10.0.0.11:7"))
	conn, err := netnstest.Dial(t.Context(), l.ns("client"), "tcp", "203.0.113.10:7")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	echoes(t, conn, "before")
	old := strings.TrimSpace(l.do(t, "rs1", "cat", "/sys/class/net/eth0/address"))
	const other = "02:00:00:00:01:99"
	setMAC := func(mac string) {
		l.do(t, "rs1", "ip", "link", "set", "eth0", "address", mac)
		l.do(t, "rs1", "arping", "-U", "-c", "1", "-w", "1", "-I", "eth0", "10.0.0.11")
	}
	t.Cleanup(func() { setMAC(old) })
	setMAC(other)
	d.until("the neighbour has its new MAC", func() bool {
		r := d.row("neighbors", "address", "10.0.0.11")
		return r != nil && r["mac"] == other
	})
	echoes(t, conn, "after")
}

func TestVIPsAreAnnouncedAtTheStart(t *testing.T) {
	l := needLab(t)
	// A router that remembers another station for the VIP, as after a failover.
	l.do(t, "router", "sysctl", "-qw", "net.ipv4.conf.wan.arp_accept=1")
	l.do(t, "router", "ip", "neigh", "replace", "203.0.113.10", "lladdr", "02:00:00:00:00:99", "dev", "wan", "nud", "stale")
	l.do(t, "router", "ip", "neigh", "replace", "2001:db8::10", "lladdr", "02:00:00:00:00:99", "dev", "wan", "nud", "stale")
	d := l.start(t, "", vipsOnly())
	mac := d.row("ports", "name", "wan")["mac"].(string)
	until(t, "the router knows the VIPs' new MAC", func() bool {
		return strings.Contains(l.do(t, "router", "ip", "neigh", "show", "203.0.113.10", "dev", "wan"), mac) &&
			strings.Contains(l.do(t, "router", "ip", "neigh", "show", "2001:db8::10", "dev", "wan"), mac)
	})
}

func TestABackendThatNeverAnswersARPCostsCountedDrops(t *testing.T) {
	l := needLab(t)
	d := l.start(t, "", `services:
  - {name: nobody, address: "203.0.113.10:9", protocol: udp, mode: dr, backends: [{address: "10.0.0.77"}]}
`)
	conn, err := netnstest.Dial(t.Context(), l.ns("client"), "udp", "203.0.113.10:9")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 100 {
		if _, err := conn.Write([]byte("into the void")); err != nil {
			t.Fatal(err)
		}
	}
	d.until("every packet is accounted for", func() bool {
		lost := 0.0
		for _, r := range d.show("drops") {
			if strings.HasPrefix(r["reason"].(string), "neighbor_") {
				lost += r["packets"].(float64)
			}
		}
		return lost == 100
	})
	d.until("weir explain names who does not answer", func() bool {
		out, _, code := run(t, "explain", "--socket", d.socket, "udp 198.51.100.7:1 > 203.0.113.10:9")
		return code == 0 && strings.Contains(out, "dropped: neighbor_unresolved") && strings.Contains(out, "10.0.0.77 on lan has not answered")
	})
	if out, _, _ := run(t, "show", "drops", "--by", "service", "--socket", d.socket); !strings.Contains(out, "nobody") {
		t.Errorf("the service's packets are not counted as its own:\n%s", out)
	}
}
