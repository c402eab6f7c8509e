package vm

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The machine's NICs, by what scripts/vm plugs in.
const (
	wan = "0000:00:10.0" // virtio, four queues, RSS
	lan = "0000:00:11.0" // e1000e
)

// TestRealNICs goes from a machine that has nothing prepared to HTTP through Weir and back again.
func TestRealNICs(t *testing.T) {
	m := boot(t)
	for _, step := range []struct {
		name string
		run  func(*machine)
	}{
		{"the NIC of the default route is not taken", (*machine).refuses},
		{"what preflight prints mends what is wrong", (*machine).prepares},
		{"Weir runs on the NICs", (*machine).starts},
		{"HTTP in every mode and family", (*machine).carriesHTTP},
		{"packets reach the worker that owns them", (*machine).steers},
		{"replies of fullnat arrive at the worker that owns them", (*machine).repliesComeHome},
		{"Weir ends and the kernel gets its NICs back", (*machine).ends},
	} {
		// Each step stands on the one before.
		if !t.Run(step.name, func(t *testing.T) { step.run(&machine{t, m.prefix}) }) {
			return
		}
	}
}

func (m *machine) refuses() {
	m.do("ip link set eth1 up && ip addr add 192.0.2.2/24 dev eth1 && ip route add default via 192.0.2.1")
	said, code := m.run("scripts/nic bind " + lan)
	if code != 1 || !strings.Contains(said, "which carries the default route") {
		m.t.Errorf("exit %d: %s", code, said)
	}
	m.do("ip addr flush dev eth1 && ip link set eth1 down")
	m.wantDrivers("virtio-pci", "e1000e")
}

// wantDrivers compares what scripts/nic says the NICs' drivers are.
func (m *machine) wantDrivers(ofWAN, ofLAN string) {
	m.t.Helper()
	drivers := map[string]string{}
	said := m.do("scripts/nic status")
	for _, line := range strings.Split(said, "\n") {
		if f := strings.Fields(line); len(f) > 2 {
			drivers[f[0]] = f[2]
		}
	}
	if drivers[wan] != ofWAN || drivers[lan] != ofLAN {
		m.t.Fatalf("want %s and %s:\n%s", ofWAN, ofLAN, said)
	}
}

// finding is a line of weir preflight.
type finding struct {
	Check, Status, Found, Mend string
	Command                    bool
}

func (m *machine) prepares() {
	if err := os.WriteFile(m.file("vm", "weir.yaml"), []byte(m.config()), 0o644); err != nil {
		m.t.Fatal(err)
	}
	preflight := "bin/weir preflight -o json -c " + m.file("vm", "weir.yaml")
	mended := map[string]bool{}
	for round := 0; ; round++ {
		var all []finding
		m.read(preflight, &all)
		wrong := false
		for _, f := range all {
			if f.Status != "wrong" {
				continue
			}
			wrong = true
			if !f.Command || round > 2 {
				m.t.Fatalf("round %d: %+v", round, f)
			}
			m.t.Logf("%s: %s\n%s\n%s", f.Check, f.Found, f.Mend, m.do(f.Mend))
			mended[f.Check] = true
		}
		if !wrong {
			break
		}
	}
	for _, check := range []string{"hugepages", "vfio", "nic"} {
		if !mended[check] {
			m.t.Errorf("nothing was wrong with %s", check)
		}
	}
	m.t.Log(m.do("bin/weir preflight -c " + m.file("vm", "weir.yaml")))
	m.wantDrivers("vfio-pci", "vfio-pci")
}

// service is a service of the lab's two real servers.
type service struct{ mode, vip, backend string }

var services = []service{
	{"nat", "203.0.113.10", "10.0.0.1%d:8080"}, {"nat", "[2001:db8::10]", "[fd00::1%d]:8080"},
	{"tun", "203.0.113.11", "10.0.0.1%d:80"}, {"tun", "[2001:db8::11]", "[fd00::1%d]:80"},
	{"dr", "203.0.113.12", "10.0.0.1%d:80"}, {"dr", "[2001:db8::12]", "[fd00::1%d]:80"},
}

func (m *machine) config() string {
	var b strings.Builder
	b.WriteString(`dataplane: {cores: [1, 2], hugepages: require, memory_mb: 128, max_connections: 20000, idle: sleep}
ports:
  - {name: wan, device: "` + wan + `", addresses: [203.0.113.2/24, "2001:db8::2/64"], gateways: [203.0.113.1, "2001:db8::1"], tap: weir-wan}
  - {name: lan, device: "` + lan + `", addresses: [10.0.0.1/24, "fd00::1/64"], tap: weir-lan}
services:
`)
	for i, s := range services {
		fmt.Fprintf(&b, "  - {name: s%d, address: \"%s:80\", protocol: tcp, mode: %s, scheduler: rr, ", i, s.vip, s.mode)
		if s.mode == "nat" {
			// Few, as they are noise where packets are counted.
			fmt.Fprintf(&b, "health: {type: http, path: /healthz, interval: 10s, timeout: 10s}, ")
		}
		fmt.Fprintf(&b, "backends: [{address: \""+s.backend+"\"}, {address: \""+s.backend+"\"}]}\n", 1, 2)
	}
	for _, f := range fulls {
		fmt.Fprintf(&b, "  - {name: %s, address: \"%s\", protocol: tcp, mode: fullnat, scheduler: rr, local_addresses: [\"%s\"], ", f.name, f.vip, f.local)
		fmt.Fprintf(&b, "backends: [{address: \""+f.backend+"\"}, {address: \""+f.backend+"\"}]}\n", 1, 2)
	}
	return b.String()
}

// api asks as weir show does, which takes seconds to load DPDK's libraries here.
const api = "curl -sS --unix-socket /run/weir.sock http://weir/v1/"

func (m *machine) starts() {
	m.beyond()
	m.do(fmt.Sprintf("(setsid bin/weir run -c %s; echo $? >/run/weir.exit) >%s 2>&1 </dev/null &", m.file("vm", "weir.yaml"), m.file("vm", "weir.log")))
	m.until("the health checks succeed", func() bool {
		said, _ := m.run("cat /run/weir.exit 2>/dev/null || bin/weir show backends")
		if !strings.Contains(said, "\n") && !strings.HasPrefix(said, "weir:") {
			m.t.Fatalf("weir run ended: %s", said)
		}
		return strings.Count(said, " 200 OK ") == 4
	})
	var daemon struct{ Hugepages bool }
	m.read(api+"daemon", &daemon)
	if !daemon.Hugepages {
		m.t.Error("its memory is not in huge pages")
	}
	var ports []struct {
		Name, Driver string
		Queues       int
		LocalPorts   string `json:"local_ports"`
	}
	m.read("bin/weir show ports -o json", &ports)
	for i, want := range []string{"wan net_virtio", "lan net_e1000_em"} {
		if len(ports) != 2 || ports[i].Name+" "+ports[i].Driver != want {
			m.t.Fatalf("ports are %+v", ports)
		}
	}
	if ports[0].Queues != 2 {
		m.t.Errorf("two workers have %d queues of a NIC with four", ports[0].Queues)
	}
	if ports[0].LocalPorts != "rss" || ports[1].LocalPorts != "share" {
		m.t.Errorf("local ports are chosen by %s and %s", ports[0].LocalPorts, ports[1].LocalPorts)
	}
}

func (m *machine) ends() {
	m.do("kill -TERM $(pgrep -x weir)")
	m.until("weir run ended", func() bool {
		_, code := m.run("test -s /run/weir.exit")
		return code == 0
	})
	if code := m.do("cat /run/weir.exit"); code != "0" {
		m.t.Errorf("weir run ended with %s", code)
	}
	m.do("scripts/nic unbind " + wan + " " + lan)
	m.wantDrivers("virtio-pci", "e1000e")
	m.do("scripts/hugepages release")
}
