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
		"4: services[0].addresses[1]: [2001:db8::10]:80 is IPv6, but the first address is IPv4: in mode nat all must be of one kind, only tun and fullnat can mix them",
		"7: services[0].backends[0].address: has no port: write for example 203.0.113.21:80",
		"7: services[0].backends[1].address: has no port: write for example [2001:db8::22]:80",
		"7: services[0].backends[1].address: 2001:db8::22 is IPv6, but the service is IPv4: in mode nat both must be of one kind, only tun and fullnat can mix them")
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
		{"range the wrong way round", edits{"203.0.113.10:443", "203.0.113.10:443-80"}, says(
			`4: services[0].addresses[1]: has the range of ports 443-80: write the smaller port first`)},
		{"range from 0", edits{"203.0.113.10:443", "203.0.113.10:0-80"}, says(
			`4: services[0].addresses[1]: has the port "0-80": write one from 1 to 65535, a range such as 8000-8100, or 0 for all`)},
		{"prefix without a port", edits{"203.0.113.10:443", "203.0.113.16/28"}, says(
			"4: services[0].addresses[1]: has no port: write 203.0.113.16/28:80")},
		{"prefix that begins elsewhere", edits{"203.0.113.10:443", "203.0.113.17/28:443"}, says(
			"4: services[0].addresses[1]: 203.0.113.17 is not the first address of 203.0.113.16/28: write that, or 203.0.113.17 without a length")},
		{"prefix that is too short", edits{"203.0.113.10:443", "198.0.0.0/7:443"}, says(
			"4: services[0].addresses[1]: has a prefix of length 7: the shortest is /8")},
		{"prefix of IPv6 without brackets", edits{"203.0.113.10:443", `"2001:db8:1::/64:443"`}, says(
			`4: services[0].addresses[1]: must be an IP address and a port such as 203.0.113.10:80 or [2001:db8::10]:80, is "2001:db8:1::/64:443"`)},
		{"prefix with Weir in it", edits{"203.0.113.10:443", "203.0.113.0/29:443"}, says(
			"4: services[0].addresses[1]: 203.0.113.0/29 holds 203.0.113.2, Weir's own address of port wan (line 1): only a single address can be both")},
		{"prefix with the broadcast address in it", edits{"203.0.113.10:443", "203.0.113.240/28:443"}, says(
			"4: services[0].addresses[1]: 203.0.113.240/28 holds 203.0.113.255, the broadcast address of the network 203.0.113.0/24: split it into prefixes without")},
		{"prefix with the gateway in it", edits{"203.0.113.10:443", "203.0.113.32/27:443", "[203.0.113.2/24", "[203.0.113.2/24", `2/64"]`, `2/64"], gateways: [203.0.113.33]`}, says(
			"4: services[0].addresses[1]: 203.0.113.32/27 holds 203.0.113.33, the gateway of port wan (line 1): a VIP is an address that no other host has")},
		{"prefix with a backend in it", edits{"203.0.113.10:443", "203.0.113.16/28:443"}, says(
			"7: services[0].backends[0].address: 203.0.113.21 is the service's own address: write the backend's",
			"7: services[0].backends[1].address: 203.0.113.22 is the service's own address: write the backend's")},
		{"ranges that cross", edits{"203.0.113.10:80, 203.0.113.10:443", "203.0.113.10:80-90, 203.0.113.10:85-95"}, says(
			"4: services[0].addresses[1]: 203.0.113.10:85-95 overlaps 203.0.113.10:80-90 in part: make one range hold the other, or part them")},
		{"ranges of two services that cross", edits{"services:\n", "services:\n- {name: other, address: 203.0.113.10:440-445, protocol: tcp, mode: nat, backends: []}\n",
			"203.0.113.10:443]", "203.0.113.10:443-450]"}, says(
			"5: services[1].addresses[1]: 203.0.113.10:443-450 overlaps 203.0.113.10:440-445 of service other (line 3) in part: make one range hold the other, or part them")},
		{"match without anything", edits{"  protocol", "  match: {}\n  protocol"}, says(
			"5: services[0].match: asks for nothing: give it source or port, or remove it")},
		{"empty lists in a match", edits{"  protocol", "  match: {source: [], port: []}\n  protocol"}, says(
			"5: services[0].match.source: is empty: write for example source: [198.51.100.0/24], or remove the key",
			"5: services[0].match.port: is empty: write the names of ports, or remove the key")},
		{"sources that are none", edits{"  protocol", "  match: {source: [198.51.100.7/24, all, 0.0.0.0/0]}\n  protocol"}, says(
			"5: services[0].match.source[0]: 198.51.100.7 is not the first address of 198.51.100.0/24: write that, or 198.51.100.7 without a length",
			"5: services[0].match.source[1]: must be an address or a prefix such as 198.51.100.0/24 or 2001:db8::/32, is \"all\"",
			"5: services[0].match.source[2]: has a length of 0, which is every source: remove the entry")},
		{"sources twice", edits{"  protocol", "  match: {source: [198.51.100.0/24, 198.51.100.7, 198.51.100.7/32]}\n  protocol"}, says(
			"5: services[0].match.source[2]: 198.51.100.7 is given twice: first on line 5")},
		{"sources of the other family", edits{"  protocol", "  match: {source: [\"2001:db8::/32\"]}\n  protocol"}, says(
			"4: services[0].addresses[0]: 203.0.113.10:80 is IPv4, but no source of the service's match is: nothing could come to it",
			"4: services[0].addresses[1]: 203.0.113.10:443 is IPv4, but no source of the service's match is: nothing could come to it",
			"5: services[0].match.source[0]: 2001:db8::/32 is IPv6, but no address of the service is")},
		{"port that is none", edits{"  protocol", "  match: {port: [wan, won]}\n  protocol"}, says(
			`5: services[0].match.port[1]: there is no port "won": did you mean wan?`)},
		{"another service's at the same source", edits{"services:\n", "services:\n- {name: other, address: 203.0.113.10:443, match: {source: [198.51.100.0/24, 192.0.2.1], port: [wan]}, protocol: tcp, mode: nat, backends: []}\n",
			"  protocol: tcp\n", "  match: {source: [192.0.2.1, 192.0.2.2], port: [wan]}\n  protocol: tcp\n"}, says(
			"5: services[1].addresses[1]: overlaps service other (line 3): both are tcp 203.0.113.10:443 from 192.0.2.1 by port wan")},
		{"all ports without persistence", edits{"203.0.113.10:443", "203.0.113.11:0"}, says(
			"4: services[0].addresses[1]: port 0 (all ports) needs persistence, so that a client's connections go together: add persistence: {timeout: 360s}, or write a range of ports")},
		{"another service's", edits{"services:\n", "services:\n- {name: other, address: 203.0.113.10:443, protocol: tcp, mode: nat, backends: []}\n"}, says(
			"5: services[1].addresses[1]: overlaps service other (line 3): both are tcp 203.0.113.10:443")},
	} {
		t.Run(c.name, func(t *testing.T) { expectErrors(t, c.of(t, shop), c.want...) })
	}
}

func TestAddressesThatStandForMany(t *testing.T) {
	for text, want := range map[string]Endpoint{
		"203.0.113.10:80":         {pfx("203.0.113.10/32"), PortRange{80, 80}},
		"203.0.113.10/32:80":      {pfx("203.0.113.10/32"), PortRange{80, 80}},
		"203.0.113.10:0":          {pfx("203.0.113.10/32"), AllPorts},
		"203.0.113.10:8000-8100":  {pfx("203.0.113.10/32"), PortRange{8000, 8100}},
		"203.0.113.16/28:1-65535": {pfx("203.0.113.16/28"), PortRange{1, 65535}},
		"[2001:db8::10]:80-90":    {pfx("2001:db8::10/128"), PortRange{80, 90}},
		"[2001:db8:1::/64]:80":    {pfx("2001:db8:1::/64"), PortRange{80, 80}},
		"[2001:db8:1::/64]:0":     {pfx("2001:db8:1::/64"), AllPorts},
	} {
		e, err := parseEndpoint(text)
		if err != nil || e != want {
			t.Errorf("%s: %v, %v", text, e, err)
			continue
		}
		if again, err := parseEndpoint(e.String()); err != nil || again != e {
			t.Errorf("%s becomes %s, and that %v, %v", text, e, again, err)
		}
	}
}

// The more specific service takes what both could take.
func TestServicesWithinServices(t *testing.T) {
	mustLoad(t, `ports: [{name: wan, device: net_null0, addresses: [203.0.113.2/24]}]
services:
- {name: all, address: 198.51.100.0/24:0, persistence: {}, protocol: tcp, mode: nat, backends: []}
- {name: range, address: 198.51.100.0/24:8000-9000, protocol: tcp, mode: nat, backends: []}
- {name: inner, addresses: [198.51.100.0/24:8000-8100, 198.51.100.0/24:8101-9000], protocol: tcp, mode: nat, backends: []}
- {name: port, address: 198.51.100.0/24:8080, protocol: tcp, mode: nat, backends: []}
- {name: part, address: 198.51.100.128/25:0, persistence: {}, protocol: tcp, mode: nat, backends: []}
- {name: host, address: 198.51.100.200:0, persistence: {}, protocol: tcp, mode: nat, backends: []}
- {name: from, address: 198.51.100.200:80, match: {source: [192.0.2.0/24]}, protocol: tcp, mode: nat, backends: []}
- {name: nearer, address: 198.51.100.200:80, match: {source: [192.0.2.0/25, 192.0.2.200]}, protocol: tcp, mode: nat, backends: []}
- {name: by, address: 198.51.100.200:80, match: {source: [192.0.2.0/24], port: [wan]}, protocol: tcp, mode: nat, backends: []}
- {name: both, address: 198.51.100.200:80, match: {port: [wan]}, protocol: tcp, mode: nat, backends: []}
- {name: ranges, address: 198.51.100.0/24:8000-9000, match: {port: [wan]}, protocol: tcp, mode: nat, backends: []}
- {name: one, address: 198.51.100.200:80, protocol: tcp, mode: nat, backends: []}
- {name: other, address: 198.51.100.0/24:0, persistence: {}, protocol: udp, mode: nat, backends: []}
`)
}
