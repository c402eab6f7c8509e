package vm

import (
	"net/netip"
	"os/exec"
	"strconv"

	"github.com/weirlb/weir/fastpath"
)

// fulls are fullnat services whose backends are beyond the wan port's gateway: their replies come in by the NIC that does RSS.
var fulls = []struct {
	name, vip, local, backend string // the backend of rs1 and rs2
}{
	{"f4", "203.0.113.13:80", "203.0.113.3", "192.0.2.1%d:8080"},
	{"f6", "[2001:db8::13]:80", "2001:db8::3", "[2001:db8:b::1%d]:8080"},
}

// beyond gives the real servers addresses that only the router leads to, and a way back to the local addresses by it.
func (m *machine) beyond() {
	m.t.Helper()
	ip := func(namespace string, args ...string) {
		m.t.Helper()
		if out, err := exec.Command("ip", append([]string{"-n", m.prefix + "-" + namespace}, args...)...).CombinedOutput(); err != nil {
			m.t.Fatalf("ip %q in %s: %v: %s", args, namespace, err, out)
		}
	}
	for n, rs := range map[string]string{"1": "rs1", "2": "rs2"} {
		for _, a := range [][3]string{{"192.0.2.1" + n, "10.0.0.1" + n, "/32"}, {"2001:db8:b::1" + n, "fd00::1" + n, "/128"}} {
			ip(rs, "addr", "add", a[0]+a[2], "dev", "lo")
			ip("router", "route", "add", a[0]+a[2], "via", a[1])
		}
		ip(rs, "route", "add", "203.0.113.3/32", "via", "10.0.0.254")
		ip(rs, "route", "add", "2001:db8::3/128", "via", "fd00::fe")
	}
}

// repliesComeHome makes fullnat connections that RSS brings to their owners' queues, and looks whether it does so with their
// replies too, which the choice of the local port decides.
func (m *machine) repliesComeHome() {
	const connections = 4 // of each worker and family
	next := uint16(30000)
	for _, f := range fulls {
		vip, client := netip.MustParseAddrPort(f.vip), netip.MustParseAddr("198.51.100.7")
		if vip.Addr().Is6() {
			client = netip.MustParseAddr("2001:db8:c::7")
		}
		before := m.workers()
		for owner := range 2 {
			for range connections {
				for ; queue(netip.AddrPortFrom(client, next), vip) != owner ||
					fastpath.Owner(netip.AddrPortFrom(client, next), 2) != owner; next++ {
				}
				if _, err := m.curl("-o", "/dev/null", "--local-port", strconv.Itoa(int(next)), "http://"+f.vip+"/1m"); err != nil {
					m.t.Fatal(err)
				}
				next++
			}
		}
		m.accounted()
		after := m.workers()
		for w := range after {
			in, handed := after[w].In-before[w].In, after[w].HandedOver-before[w].HandedOver
			m.t.Logf("%s: worker %d received %d packets and handed over %d", f.name, w, in, handed)
			// A megabyte is 700 packets. What is handed over is of health checks.
			if in < 700*connections || handed > 10*connections {
				m.t.Errorf("%s: worker %d received %d packets and handed over %d", f.name, w, in, handed)
			}
		}
		m.localPortsLeadHome(f.name, 2*connections)
	}
	var ports []struct {
		LocalPorts string `json:"local_ports"`
		RSSStrays  int    `json:"rss_strays"`
	}
	m.read(api+"ports", &ports)
	if len(ports) != 2 || ports[0].LocalPorts != "rss" || ports[0].RSSStrays != 0 {
		m.t.Errorf("ports are %+v", ports)
	}
}

// localPortsLeadHome looks whether RSS puts what backends send to a service's local ports on the queue of the worker that has
// the connection.
func (m *machine) localPortsLeadHome(service string, connections int) {
	var all []struct {
		Local, Backend string
		Worker         int
	}
	m.read(api+"'connections?service="+service+"'", &all)
	if len(all) != connections {
		m.t.Errorf("%s has %d connections, want %d", service, len(all), connections)
	}
	for _, c := range all {
		if q := queue(netip.MustParseAddrPort(c.Backend), netip.MustParseAddrPort(c.Local)); q != c.Worker {
			m.t.Errorf("%s: replies of %s to %s, which is worker %d's, come to queue %d", service, c.Backend, c.Local, c.Worker, q)
		}
	}
}
