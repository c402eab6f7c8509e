package conf

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const shop = `ports: [{name: wan, device: net_null0, addresses: [203.0.113.2/24, "2001:db8::2/64"]}]
services:
- name: shop
  addresses: [203.0.113.10:80, 203.0.113.10:443]
  protocol: tcp
  mode: nat
  backends: [{address: 203.0.113.21}, {address: 203.0.113.22:8080}]
`

func TestServiceWithSeveralAddresses(t *testing.T) {
	s := mustLoad(t, shop).Services[0]
	if s.Where() != "203.0.113.10:80,203.0.113.10:443" {
		t.Error(s.Where())
	}
	if _, one := s.Port(); one || s.Backends[0].Address != ap("203.0.113.21:0") || s.Backends[1].Address != ap("203.0.113.22:8080") {
		t.Errorf("%+v", s.Backends)
	}
	s = mustLoad(t, edits{"203.0.113.10:443]", "203.0.113.11:80, \"203.0.113.12:80\", 203.0.113.13:80, 203.0.113.14:80]",
		"mode: nat", "mode: dr", "203.0.113.22:8080", "203.0.113.22:80"}.of(t, shop)).Services[0]
	if port, one := s.Port(); !one || port != 80 || s.Backends[0].Address != ap("203.0.113.21:80") {
		t.Errorf("%+v", s.Backends)
	}
	if s.Where() != "203.0.113.10:80,203.0.113.11:80,203.0.113.12:80,+2" {
		t.Error(s.Where())
	}
}

func TestAddressIsOneOfAddresses(t *testing.T) {
	a := mustLoad(t, edits{"addresses: [203.0.113.10:80, 203.0.113.10:443]", "address: 203.0.113.10:80", "203.0.113.21}", "203.0.113.21:80}"}.of(t, shop))
	b := mustLoad(t, edits{", 203.0.113.10:443", "", "203.0.113.21}", "203.0.113.21:80}"}.of(t, shop))
	if d := cmp.Diff(a.Services, b.Services, byValue); d != "" {
		t.Error(d)
	}
}

func TestTunMixesFamilies(t *testing.T) {
	mixed := edits{"203.0.113.10:443]", `"[2001:db8::10]:80"]`, "203.0.113.22:8080", `"2001:db8::22"`}
	mustLoad(t, append(mixed, "mode: nat", "mode: tun").of(t, shop))
	expectErrors(t, mixed.of(t, shop),
		"4: services[0].addresses[1]: [2001:db8::10]:80 is IPv6, but the first address is IPv4: in mode nat all must be of one kind, only tun can mix them",
		"7: services[0].backends[0].address: has no port: write for example 203.0.113.21:80",
		"7: services[0].backends[1].address: has no port: write for example [2001:db8::22]:80",
		"7: services[0].backends[1].address: 2001:db8::22 is IPv6, but the service is IPv4: in mode nat both must be of one kind, only tun can mix them")
}

func TestMistakesInAddresses(t *testing.T) {
	for _, c := range []struct {
		name string
		edits
		want []string
	}{
		{"both keys", edits{"  protocol", "  address: 203.0.113.9:80\n  protocol"}, says(
			"5: services[0].address: cannot be given together with addresses: put all into addresses")},
		{"none", edits{"[203.0.113.10:80, 203.0.113.10:443]", "[]"}, says(
			"4: services[0].addresses: is empty: write for example addresses: [203.0.113.10:80, 203.0.113.10:443]")},
		{"one twice", edits{"203.0.113.10:443]", "203.0.113.10:80]", "203.0.113.21}", "203.0.113.21:80}"}, says(
			"4: services[0].addresses[1]: 203.0.113.10:80 is given twice: first on line 4")},
		{"one unreadable", edits{"203.0.113.10:443", "203.0.113.10"}, says(
			"4: services[0].addresses[1]: has no port: write 203.0.113.10:80")},
		{"backend at one of them", edits{"203.0.113.21", "203.0.113.10"}, says(
			"7: services[0].backends[0].address: 203.0.113.10 is the service's own address: write the backend's")},
		{"port in a mode that keeps it", edits{"mode: nat", "mode: dr"}, says(
			"7: services[0].backends[1].address: has port 8080, but mode dr leaves a packet's port as it is, and the service has several: write 203.0.113.22 without a port")},
		{"check without a port", edits{"  mode: nat\n", "  mode: nat\n  health: {type: tcp}\n"}, says(
			"7: services[0].health.port: is missing: the backend 203.0.113.21 has no port of its own, as packets keep theirs")},
		{"another service's", edits{"services:\n", "services:\n- {name: other, address: 203.0.113.10:443, protocol: tcp, mode: nat, backends: []}\n"}, says(
			"5: services[1].addresses[1]: overlaps service other (line 3): both are tcp 203.0.113.10:443")},
	} {
		t.Run(c.name, func(t *testing.T) { expectErrors(t, c.of(t, shop), c.want...) })
	}
}
