package conf

import (
	"fmt"
	"strings"
	"testing"
)

const grouped = `ports: [{name: wan, device: net_null0, addresses: [203.0.113.2/24, "2001:db8::2/64"]}]
backend_groups:
- {name: pool, backends: [{address: 203.0.113.21:8080, weight: 3}, {address: 203.0.113.22:8080}]}
- name: real
  backends:
  - address: 203.0.113.21
  - address: 203.0.113.22
services:
- {name: a, address: 203.0.113.10:80, protocol: tcp, mode: nat, backend_group: pool}
- {name: b, address: 203.0.113.11:80, protocol: tcp, mode: nat, backend_group: pool}
- {name: c, address: 203.0.113.10:81, protocol: tcp, mode: dr, backend_group: real}
- {name: d, address: 203.0.113.11:81, protocol: tcp, mode: dr, backend_group: real}
- {name: e, address: 203.0.113.11:82, protocol: tcp, mode: dr, backend_group: real}
`

func TestServicesShareTheBackendsOfAGroup(t *testing.T) {
	cfg := mustLoad(t, grouped)
	s := cfg.Services
	if len(s[0].Backends) != 2 || &s[0].Backends[0] != &s[1].Backends[0] || s[0].Backends[0].Weight != 3 || s[0].Backends[0].Line != 3 {
		t.Errorf("%+v, %+v", s[0].Backends, s[1].Backends)
	}
	if s[2].Backends[1].Address != ap("203.0.113.22:81") || &s[2].Backends[0] != &s[3].Backends[0] || s[2].Backends[1].Line != 7 {
		t.Errorf("%+v, %+v", s[2].Backends, s[3].Backends)
	}
	if s[4].Backends[1].Address != ap("203.0.113.22:82") || cfg.BackendGroups[1].Backends[1].Address != ap("203.0.113.22:0") {
		t.Errorf("%+v of %+v", s[4].Backends, cfg.BackendGroups[1])
	}
}

func TestMistakesInGroups(t *testing.T) {
	for _, c := range []struct {
		name string
		edits
		want []string
	}{
		{"a group that is none", edits{"name: a, address: 203.0.113.10:80, protocol: tcp, mode: nat, backend_group: pool", "name: a, address: 203.0.113.10:80, protocol: tcp, mode: nat, backend_group: pools"}, says(
			`9: services[0].backend_group: there is no group "pools": did you mean pool?`)},
		{"a name twice", edits{"name: real", "name: pool"}, says(
			"4: backend_groups[1].name: is the name of the group on line 3 already: choose another",
			`11: services[2].backend_group: there is no group "real": the groups are pool and pool`,
			`12: services[3].backend_group: there is no group "real": the groups are pool and pool`,
			`13: services[4].backend_group: there is no group "real": the groups are pool and pool`)},
		{"backends as well", edits{"mode: nat, backend_group: pool}\n- {name: b", "mode: nat, backend_group: pool, backends: [{address: 203.0.113.29:80}]}\n- {name: b"}, says(
			"9: services[0].backend_group: cannot be given together with backends: a service has either its own or a group's")},
		{"backends as well, with a mistake", edits{"mode: nat, backend_group: pool}\n- {name: b", "mode: nat, backend_group: pool, backends: [{address: 203.0.113.29}]}\n- {name: b"}, says(
			"9: services[0].backends[0].address: has no port: write for example 203.0.113.29:80",
			"9: services[0].backend_group: cannot be given together with backends: a service has either its own or a group's")},
		{"neither", edits{"mode: nat, backend_group: pool}\n- {name: b", "mode: nat}\n- {name: b"}, says(
			"9: services[0].backends: is missing: write for example backends: [{address: 10.0.0.11:8080}]")},
		{"a mistake in a group is told once for every use", edits{"  - address: 203.0.113.22\n", "  - address: 198.51.100.22\n    lower_threshold: 7\n"}, says(
			"7: backend_groups[1].backends[1].address: 198.51.100.22 is on no network of a port: mode dr reaches a backend by its MAC alone, so without a gateway between",
			"7: backend_groups[1].backends[1].address: 198.51.100.22 is on no network of a port: mode dr reaches a backend by its MAC alone, so without a gateway between",
			"8: backend_groups[1].backends[1].lower_threshold: has a meaning only with an upper_threshold: write that as well, or remove the key",
			"8: backend_groups[1].backends[1].lower_threshold: has a meaning only with an upper_threshold: write that as well, or remove the key")},
	} {
		t.Run(c.name, func(t *testing.T) { expectErrors(t, c.of(t, grouped), c.want...) })
	}
}

func TestDifferencesOfAGroupAreToldOnce(t *testing.T) {
	old, now := mustLoad(t, grouped), mustLoad(t, edits{"{address: 203.0.113.22:8080}", "{address: 203.0.113.23:8080}", "weight: 3", "weight: 4"}.of(t, grouped))
	var lines []string
	for _, d := range Diff(old, now) {
		lines = append(lines, d.String())
	}
	want := "~ backend of group pool 203.0.113.21:8080: weight 3 → 4, + backend of group pool 203.0.113.23:8080: weight 1, - backend of group pool 203.0.113.22:8080: weight 1"
	if got := strings.Join(lines, ", "); got != want {
		t.Error(got)
	}
}

// manyOfAGroup are services with a group of backends.
func manyOfAGroup(services, backends int) string {
	var b strings.Builder
	b.WriteString("ports: [{name: wan, device: net_null0, addresses: [10.0.0.1/8]}]\nbackend_groups:\n- name: pool\n  backends:\n")
	for i := range backends {
		fmt.Fprintf(&b, "  - {address: 10.1.%d.%d:8080, weight: %d}\n", i/200, 2+i%200, 1+i%9)
	}
	b.WriteString("services:\n")
	for i := range services {
		fmt.Fprintf(&b, "- {name: s%d, address: 203.%d.%d.%d:80, protocol: tcp, mode: nat, backend_group: pool}\n", i, i>>16, i>>8&255, i&255)
	}
	return b.String()
}

func BenchmarkTenThousandServicesOfAGroup(b *testing.B) {
	text := manyOfAGroup(10_000, 1000)
	for b.Loop() {
		if _, err := loadText(text); err != nil {
			b.Fatal(err)
		}
	}
}
