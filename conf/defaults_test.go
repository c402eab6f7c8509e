package conf

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	yaml "go.yaml.in/yaml/v3"

	"github.com/google/go-cmp/cmp"
)

const least = `
ports: [{name: wan, device: net_null0, addresses: [203.0.113.2/24]}]
services:
  - {name: web, address: 203.0.113.10:80, protocol: tcp, mode: nat, backends: [{address: 203.0.113.11:80}]}
`

func TestWhatIsNotWrittenHasItsDefault(t *testing.T) {
	want := &Config{
		File: "weir.yaml",
		Dataplane: Dataplane{
			Hugepages: HugepagesAuto, MemoryMB: 512, Idle: IdleSleep, MaxConnections: 1_000_000, MaxTemplates: 1_000_000,
			Timeouts: Timeouts{TCP: 900 * time.Second, TCPFin: 120 * time.Second, UDP: 300 * time.Second, SCTP: 900 * time.Second},
		},
		Ports: []Port{{
			Name: "wan", Device: "net_null0", Addresses: []netip.Prefix{pfx("203.0.113.2/24")},
			RxDescriptors: 1024, TxDescriptors: 1024, MTU: 1500, RSS: true,
		}},
		Services: []Service{{
			Name: "web", Addresses: at("203.0.113.10:80"), Protocol: TCP, Mode: NAT, Scheduler: "wlc",
			Tunnel: Tunnel{Type: IPIP, Checksum: Auto, DF: DFCopy, MSSClamp: true}, LocalPorts: PortRange{First: 1024, Last: 65535}, ClientAddress: TellNone, Quorum: Quorum{Backends: 1}, OnRemove: OnRemoveDrain, Line: 4,
			Backends: []Backend{{Address: ap("203.0.113.11:80"), Weight: 1, Line: 4}},
		}},
		API:     API{Socket: "/run/weir.sock"},
		Metrics: Metrics{Listen: "127.0.0.1:9480", MaxServices: 2000, MaxBackends: 5000},
	}
	if diff := cmp.Diff(want, mustLoad(t, least), byValue); diff != "" {
		t.Errorf("- want, + got:\n%s", diff)
	}
}

// A section that is there but for some keys has the same defaults as one that is not.
func TestHalfASectionHasTheDefaultsOfItsOtherKeys(t *testing.T) {
	cfg := mustLoad(t, least+"dataplane: {timeouts: {udp: 10s}}\n")
	if want := (Timeouts{TCP: 900 * time.Second, TCPFin: 120 * time.Second, UDP: 10 * time.Second, SCTP: 900 * time.Second}); cfg.Dataplane.Timeouts != want {
		t.Errorf("%+v", cfg.Dataplane.Timeouts)
	}
	if cfg.Dataplane.MemoryMB != 512 {
		t.Errorf("%+v", cfg.Dataplane)
	}
}

func TestHealthCheckHasDefaultsButForItsType(t *testing.T) {
	cfg := mustLoad(t, edits{"mode: nat", "mode: nat, health: {type: tcp}"}.of(t, least))
	want := &Health{
		Type: CheckTCP, Via: ViaBackend, Interval: 2 * time.Second, Jitter: 10, Timeout: time.Second, Rise: 2, Fall: 3, Start: StartUp,
		HTTP: HTTPCheck{Method: "GET", Path: "/"}, DNS: DNSCheck{Record: "A", RCode: "NOERROR"},
	}
	if diff := cmp.Diff(want, cfg.Services[0].Health, byValue); diff != "" {
		t.Errorf("- want, + got:\n%s", diff)
	}
}

// tryDefaults sets every default of a table as if it stood in a file, and counts them.
func tryDefaults[T any](t *testing.T, table string, fields []field[T]) (n int) {
	t.Helper()
	for _, f := range fields {
		if f.def == "" {
			continue
		}
		n++
		p := &problems{file: "defaults"}
		node := &yaml.Node{Kind: yaml.ScalarNode, Value: f.def}
		f.readValue(value{node: node, path: &path{key: f.key}, p: p}, new(T))
		if err := p.found(); err != nil {
			t.Errorf("%s: %v", table, err)
		}
	}
	return n
}

func TestEveryDefaultIsValid(t *testing.T) {
	tried := tryDefaults(t, "dataplane", dataplaneFields) + tryDefaults(t, "timeouts", timeoutFields("900s", "120s", "300s", "900s")) +
		tryDefaults(t, "ports", portFields) + tryDefaults(t, "services", serviceFields) + tryDefaults(t, "tunnel", tunnelFields) + tryDefaults(t, "persistence", persistenceFields) +
		tryDefaults(t, "health", healthFields) + tryDefaults(t, "flapping", flappingFields) + tryDefaults(t, "passive", passiveFields) + tryDefaults(t, "backends", backendFields) + tryDefaults(t, "quorum", quorumFields) + tryDefaults(t, "on_change", hookFields) +
		tryDefaults(t, "neighbors", neighborFields) + tryDefaults(t, "api", apiFields) + tryDefaults(t, "metrics", metricsFields)
	have := 0
	for _, k := range knownKeys("", rootFields) {
		if k.def != "" && !strings.HasPrefix(k.path, "backend_groups[].backends") { // the same table as services'
			have++
			if k.required {
				t.Errorf("%s is required and has a default", k.path)
			}
		}
	}
	if tried != have || have == 0 {
		t.Errorf("tried %d defaults of %d: a table is not tried here", tried, have)
	}
}
