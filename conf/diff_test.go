package conf

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func diffLines(t *testing.T, old, now string) (lines []string) {
	t.Helper()
	for _, d := range Diff(mustLoad(t, old), mustLoad(t, now)) {
		lines = append(lines, d.String())
	}
	return lines
}

func TestDifferencesTellOldAndNewValues(t *testing.T) {
	for name, c := range map[string]struct {
		edits edits
		want  []string
	}{
		"nothing":                             {edits{}, nil},
		"other words for the same":            {edits{"timeout: 2s", "timeout: 2000ms", "tcp: 15m", "tcp: 900s", "df: set", `df: "set"`}, nil},
		"a default written out":               {edits{"    mode: tun\n", "    mode: tun\n    scheduler: wlc\n"}, nil},
		"a port that is the service's anyway": {edits{"- address: 10.0.0.13", "- address: 10.0.0.13:53"}, nil},
		"timeouts":                            {edits{"udp: 10s", "udp: 20s"}, []string{"~ dataplane.timeouts.udp 10s → 20s"}},
		"a key goes":                          {edits{"  memory_mb: 256\n", ""}, []string{"~ dataplane.memory_mb 256 → 512"}},
		"a list":                              {edits{"cores: [1, 2]", "cores: [1, 3]"}, []string{"~ dataplane.cores [1, 2] → [1, 3]"}},
		"a health check's key":                {edits{"interval: 3s", "interval: 5s"}, []string{"~ service web: health.interval 3s → 5s"}},
		"a list of a health check":            {edits{"status: [200, 204]", "status: [200]"}, []string{"~ service web: health.status [200, 204] → [200]"}},
		"a health check's type": {
			edits{"type: http", "type: tcp", "      path: /healthz\n      host: www.example.com\n      status: [200, 204]\n", ""},
			[]string{
				"~ service web: health.type http → tcp", "~ service web: health.path /healthz → none",
				"~ service web: health.host www.example.com → none", "~ service web: health.status [200, 204] → none",
			},
		},
		"a health check comes": {
			edits{"    mode: tun\n", "    mode: tun\n    health: {type: tcp, interval: 1s} # why\n"},
			[]string{"~ service dns: health none → {type: tcp, interval: 1s}"},
		},
		"a section without its keys": {edits{"    tunnel: {df: set, mss_clamp: false}\n", ""}, []string{"~ service dns: tunnel.df set → copy", "~ service dns: tunnel.mss_clamp false → true"}},
		"a service's address":        {edits{"address: 203.0.113.10:80\n", "address: 203.0.113.10:81\n"}, []string{"~ service web: address 203.0.113.10:80 → 203.0.113.10:81"}},
		"a service's name":           {edits{"name: web", "name: shop"}, []string{"~ service shop: name web → shop"}},
		"backends": {
			edits{"weight: 3\n        state: down\n      - address: 192.0.2.12:8080", "weight: 1\n      - address: 192.0.2.13:8080\n        state: maintenance"},
			[]string{
				"~ backend web 10.0.0.11:8080: weight 3 → 1", "~ backend web 10.0.0.11:8080: state down → up",
				"+ backend web 192.0.2.13:8080: weight 1, maintenance", "- backend web 192.0.2.12:8080: weight 1",
			},
		},
		"the order of backends": {
			edits{"      - address: 10.0.0.13\n      - address: \"2001:db8::14\"\n", "      - address: \"2001:db8::14\"\n      - address: 10.0.0.13\n"},
			[]string{"~ service dns: order of the backends"},
		},
		"services": {
			edits{"name: smtp", "name: mail", "203.0.113.10:25\n", "203.0.113.10:26\n", "203.0.113.16:25", "203.0.113.16"},
			[]string{"+ service mail: tcp 203.0.113.10:26, dr, 2 backends", "- service smtp: tcp 203.0.113.10:25, dr, 2 backends"},
		},
		"a neighbor": {
			edits{"mac: 02:00:00:00:00:11", "mac: 02:00:00:00:00:12"},
			[]string{"+ neighbor 10.0.0.11 on lan: 02:00:00:00:00:12", "- neighbor 10.0.0.11 on lan: 02:00:00:00:00:11"},
		},
		"ports":   {edits{"mtu: 1400", "mtu: 1350", "queues: 2", "queues: auto"}, []string{"~ port wan: queues 2 → auto", "~ port wan: mtu 1400 → 1350"}},
		"the API": {edits{"/tmp/weir.sock", "/tmp/other.sock"}, []string{"~ api.socket /tmp/weir.sock → /tmp/other.sock"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, diffLines(t, base, c.edits.of(t, base))); diff != "" {
				t.Errorf("- want, + got:\n%s", diff)
			}
		})
	}
}

// TestAConfigurationDoesNotDifferFromItself compares each example with itself.
func TestAConfigurationDoesNotDifferFromItself(t *testing.T) {
	files, err := filepath.Glob("examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if got := diffLines(t, string(text), string(text)); got != nil {
			t.Errorf("%s: %q", f, got)
		}
	}
}
