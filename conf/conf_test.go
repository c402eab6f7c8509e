package conf

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// at is the addresses of a service with one.
func at(s string) []Endpoint    { return []Endpoint{EndpointOf(ap(s))} }
func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func TestEveryKeyIsReadIntoItsField(t *testing.T) {
	want := &Config{
		File: "weir.yaml",
		Dataplane: Dataplane{
			Cores: []int{1, 2}, Hugepages: HugepagesOff, MemoryMB: 256, Idle: IdleSpin, MaxConnections: 5000, MaxTemplates: 1_000_000,
			Timeouts: Timeouts{TCP: 15 * time.Minute, TCPFin: 30 * time.Second, UDP: 10 * time.Second, SCTP: 900 * time.Second},
		},
		Ports: []Port{
			{
				Name: "wan", Device: "net_af_packet0,iface=eth1", MAC: [6]byte{2, 0, 0, 0, 0, 2}, HasMAC: true,
				Addresses: []netip.Prefix{pfx("203.0.113.2/24"), pfx("2001:db8::2/64")},
				Gateways:  []netip.Addr{netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("fe80::1")},
				TAP:       "weir0", Queues: 2, RxDescriptors: 512, TxDescriptors: 256, MTU: 1400, Promiscuous: true,
			},
			{
				Name: "lan", Device: "0000:03:00.0", Addresses: []netip.Prefix{pfx("10.0.0.1/24")},
				RxDescriptors: 1024, TxDescriptors: 1024, MTU: 1500, RSS: true,
			},
		},
		Services: []Service{
			{
				Name: "web", Addresses: at("203.0.113.10:80"), Protocol: TCP, Mode: NAT, Scheduler: "mh", MhTableSize: 251,
				Tunnel: Tunnel{Type: IPIP, Checksum: Auto, DF: DFCopy, MSSClamp: true}, LocalPorts: PortRange{First: 1024, Last: 65535}, ClientAddress: TellNone, Quorum: Quorum{Backends: 1}, OnRemove: OnRemoveDrain, Line: 25,
				Health: &Health{
					Type: "http", Via: ViaBackend, Port: 8081, Jitter: 10, Start: StartUp,
					HTTP:     HTTPCheck{Method: "GET", Path: "/healthz", Host: "www.example.com", Status: []StatusRange{{200, 200}, {204, 204}}},
					DNS:      DNSCheck{Record: "A", RCode: "NOERROR"},
					Interval: 3 * time.Second, Timeout: 2 * time.Second, Rise: 1, Fall: 4,
				},
				Backends: []Backend{
					{Address: ap("10.0.0.11:8080"), Weight: 3, Down: true, Line: 42},
					{Address: ap("192.0.2.12:8080"), Weight: 1, Line: 45},
				},
			},
			{
				Name: "dns", Addresses: at("[2001:db8::10]:53"), Protocol: UDP, Mode: TUN, Scheduler: "wlc",
				Tunnel: Tunnel{Type: IPIP, Checksum: Auto, DF: DFSet}, LocalPorts: PortRange{First: 1024, Last: 65535}, ClientAddress: TellNone, Quorum: Quorum{Backends: 1}, OnRemove: OnRemoveDrain, Line: 46,
				Backends: []Backend{
					{Address: ap("10.0.0.13:53"), Weight: 1, Line: 52}, {Address: ap("[2001:db8::14]:53"), Weight: 1, Line: 53},
				},
			},
			{
				Name: "smtp", Addresses: at("203.0.113.10:25"), Protocol: TCP, Mode: DR, Scheduler: "wlc",
				Tunnel: Tunnel{Type: IPIP, Checksum: Auto, DF: DFCopy, MSSClamp: true}, LocalPorts: PortRange{First: 1024, Last: 65535}, ClientAddress: TellNone, Quorum: Quorum{Backends: 1}, OnRemove: OnRemoveDrain, Line: 54,
				Backends: []Backend{
					{Address: ap("203.0.113.15:25"), Weight: 1, Line: 58}, {Address: ap("203.0.113.16:25"), Weight: 0, Line: 58},
				},
			},
		},
		Neighbors: []Neighbor{{Port: "lan", Address: netip.MustParseAddr("10.0.0.11"), MAC: [6]byte{2, 0, 0, 0, 0, 0x11}}},
		API:       API{Socket: "/tmp/weir.sock"},
		Metrics:   Metrics{Listen: "[::1]:9481", MaxServices: 2000, MaxBackends: 5000},
	}
	if diff := cmp.Diff(want, mustLoad(t, base), byValue); diff != "" {
		t.Errorf("- want, + got:\n%s", diff)
	}
}

func TestSchedulersOptionsAreRead(t *testing.T) {
	cfg := mustLoad(t, edits{
		"mh_table_size: 251", "mh_table_size: 251\n    scheduler_flags: [mh-port, mh-fallback]\n    slow_start: 1m30s",
	}.of(t, base))
	if s := cfg.Services[0]; !slices.Equal(s.SchedulerFlags, []string{"mh-port", "mh-fallback"}) || s.SlowStart != 90*time.Second {
		t.Errorf("flags %q, slow start %v", s.SchedulerFlags, s.SlowStart)
	}
	if s := cfg.Services[1]; s.SchedulerFlags != nil || s.SlowStart != 0 {
		t.Errorf("by default flags %q, slow start %v", s.SchedulerFlags, s.SlowStart)
	}
}

func TestPortIndexFindsPortsByName(t *testing.T) {
	cfg := mustLoad(t, base)
	for name, want := range map[string]int{"wan": 0, "lan": 1} {
		if i, ok := cfg.PortIndex(name); !ok || i != want {
			t.Errorf("%s: %d, %v", name, i, ok)
		}
	}
	for _, name := range []string{"", "LAN", "dmz"} {
		if i, ok := cfg.PortIndex(name); ok {
			t.Errorf("%q: %d", name, i)
		}
	}
}

func write(t *testing.T, text string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "weir.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestLoadNamesTheFileAsItWasGiven(t *testing.T) {
	file := write(t, base)
	cfg, err := Load(file)
	if err != nil || cfg.File != file {
		t.Fatalf("%+v, %v", cfg, err)
	}
	file = write(t, edits{"weight: 3", "weight: 70000"}.of(t, base))
	cfg, err = Load(file)
	want := file + ":43: services[0].backends[0].weight: must be 0 to 65535, is 70000"
	if _, ok := err.(Errors); !ok || cfg != nil || err.Error() != want {
		t.Errorf("%v, %v\nwant %s", cfg, err, want)
	}
}

func TestAllErrorsComeAtOnceInTheOrderOfTheFile(t *testing.T) {
	text := edits{
		"idle: spin", "idel: spin", "tap: weir0", "tap: [weir0]", "protocol: udp", "protocol: dccp", "df: set", "df: st",
		"203.0.113.10:25", "203.0.113.10:80", "port: lan", "port: lna", "weight: 0", "weight: -1",
	}.of(t, base)
	expectErrors(t, text,
		"5: dataplane.idel: unknown key: did you mean idle?",
		"14: ports[0].tap: must be text, is a list",
		`48: services[1].protocol: must be tcp, udp or sctp, is "dccp"`,
		`50: services[1].tunnel.df: must be copy, set or clear, is "st": did you mean set?`,
		"55: services[2].address: overlaps service web (line 25): both are tcp 203.0.113.10:80",
		"58: services[2].backends[1].weight: must be 0 to 65535, is -1",
		"58: services[2].backends[1].address: has port 25, but mode dr leaves the service's port 80 as it is: write 203.0.113.16 without a port",
		`60: neighbors[0].port: there is no port "lna": did you mean lan?`,
	)
}

func TestLoadRegularDoesNotWaitForAWriter(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{fifo, "/dev/null"} {
		want := "reading the configuration: " + file + " is no regular file: put one in its place"
		if cfg, err := LoadRegular(file); cfg != nil || err == nil || err.Error() != want {
			t.Errorf("%v, %v, want %s", cfg, err, want)
		}
	}
	if cfg, err := LoadRegular(write(t, base)); cfg == nil || err != nil {
		t.Errorf("a regular file: %v", err)
	}
}

func TestFileThatCannotBeReadIsOneSentence(t *testing.T) {
	large := write(t, "")
	if err := os.Truncate(large, maxFile+1); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, c := range map[string]struct{ file, want string }{
		"missing":   {filepath.Join(dir, "nosuch.yaml"), "reading the configuration: open " + filepath.Join(dir, "nosuch.yaml") + ": no such file or directory"},
		"directory": {dir, "reading the configuration: read " + dir + ": is a directory"},
		"too large": {large, "reading the configuration: " + large + " is larger than 64 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := Load(c.file)
			if cfg != nil || err == nil || err.Error() != c.want {
				t.Errorf("%v, %v, want %s", cfg, err, c.want)
			}
			if _, ok := err.(Errors); ok {
				t.Error("is an error of what the file says")
			}
		})
	}
}
