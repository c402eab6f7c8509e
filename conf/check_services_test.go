package conf

import (
	"strings"
	"testing"
)

func TestServicesThatDoNotGoTogether(t *testing.T) {
	testMistakes(t, []mistake{
		{"name of two services", "name: dns", "name: web", says(
			"46: services[1].name: is the name of the service on line 25 already: choose another")},
		{"overlapping services", "address: 203.0.113.10:25", "address: 203.0.113.10:80", says(
			"55: services[2].address: overlaps service web (line 25): both are tcp 203.0.113.10:80",
			"58: services[2].backends[1].address: has port 25, but mode dr leaves the service's port 80 as it is: write 203.0.113.16 without a port")},
		{"VIP that is a gateway", "address: 203.0.113.10:25", "address: 203.0.113.1:25", says(
			"55: services[2].address: 203.0.113.1 is the gateway of port wan (line 13): a VIP is an address that no other host has")},
		{"VIP that is the address of a network", "address: 203.0.113.10:25", "address: 203.0.113.0:25", says(
			"55: services[2].address: 203.0.113.0 is the address of the network 203.0.113.0/24 itself: write the address of a host")},
		{"VIP that is a broadcast address", "address: 203.0.113.10:25", "address: 203.0.113.255:25", says(
			"55: services[2].address: 203.0.113.255 is the broadcast address of the network 203.0.113.0/24: write the address of a host")},
		{"VIP that is an anycast address of routers", `"[2001:db8::10]:53"`, `"[2001:db8::]:53"`, says(
			"47: services[1].address: 2001:db8:: is the anycast address of all routers in 2001:db8::/64: write the address of a host")},
		{"overlapping services without names", "  - name: web\n    address: 203.0.113.10:80\n    protocol: tcp", "  - address: 203.0.113.10:25\n    protocol: tcp", says(
			"25: services[0].name: is missing: write for example name: web",
			"54: services[2].address: overlaps the service on line 25: both are tcp 203.0.113.10:25")},
	})
}

func TestBackendsThatPacketsCannotReach(t *testing.T) {
	testMistakes(t, []mistake{
		{"backend without an address", "      - address: 10.0.0.11:8080\n        weight: 3", "      - weight: 3", says(
			"42: services[0].backends[0].address: is missing: write for example address: 10.0.0.11:8080")},
		{"backend that is a name", "address: 10.0.0.11:8080", "address: backend1:8080", says(
			`42: services[0].backends[0].address: must be an IP address and a port such as 203.0.113.10:80 or [2001:db8::10]:80, is "backend1:8080"`)},
		{"nat backend without a port", "address: 10.0.0.11:8080", "address: 10.0.0.11", says(
			"42: services[0].backends[0].address: has no port: write for example 10.0.0.11:80")},
		{"nat backend with port 0", "address: 10.0.0.11:8080", "address: 10.0.0.11:0", says(
			"42: services[0].backends[0].address: has port 0: write a port from 1 to 65535, or in the modes tun and dr none")},
		{"nat backend of the other family", "address: 10.0.0.11:8080", `address: "[2001:db8::11]:8080"`, says(
			"42: services[0].backends[0].address: 2001:db8::11 is IPv6, but the service is IPv4: in mode nat both must be of one kind, only tun and fullnat can mix them")},
		{"dr backend of the other family", "{address: 203.0.113.15}", `{address: "2001:db8::15"}`, says(
			"58: services[2].backends[0].address: 2001:db8::15 is IPv6, but the service is IPv4: in mode dr both must be of one kind, only tun and fullnat can mix them")},
		{"dr backend with another port", "{address: 203.0.113.15}", "{address: 203.0.113.15:26}", says(
			"58: services[2].backends[0].address: has port 26, but mode dr leaves the service's port 25 as it is: write 203.0.113.15 without a port")},
		{"tun backend with another port", "address: 10.0.0.13\n", "address: 10.0.0.13:54\n", says(
			"52: services[1].backends[0].address: has port 54, but mode tun leaves the service's port 53 as it is: write 10.0.0.13 without a port")},
		{"dr backend behind a gateway", "{address: 203.0.113.15}", "{address: 192.0.2.15}", says(
			"58: services[2].backends[0].address: 192.0.2.15 is on no network of a port: mode dr reaches a backend by its MAC alone, so without a gateway between")},
		{"backend twice", "address: 192.0.2.12:8080", "address: 10.0.0.11:8080", says(
			"45: services[0].backends[1].address: 10.0.0.11:8080 is given twice: first on line 42")},
		{"dr backend twice, with and without the port", "{address: 203.0.113.15}", "{address: 203.0.113.16}", says(
			"58: services[2].backends[1].address: 203.0.113.16:25 is given twice: first on line 58")},
		{"backend that is link-local", `address: "2001:db8::14"`, `address: "fe80::14"`, says(
			"53: services[1].backends[1].address: fe80::14 is a link-local address, which does not tell on which port it is: write a global or unique local one")},
		{"backend that is its VIP", "{address: 203.0.113.15}", "{address: 203.0.113.10}", says(
			"58: services[2].backends[0].address: 203.0.113.10 is the service's own address: write the backend's")},
		{"backend that is its VIP with another port", "address: 10.0.0.11:8080", "address: 203.0.113.10:8080", says(
			"42: services[0].backends[0].address: 203.0.113.10 is the service's own address: write the backend's")},
		{"tun backend that is its VIP with another port", "address: 10.0.0.13\n", "address: 203.0.113.10\n", says(
			"52: services[1].backends[0].address: 203.0.113.10 is the address of service web (line 25), and so Weir's: write the backend's own")},
		{"backend that is Weir itself", "address: 10.0.0.11:8080", "address: 10.0.0.1:8080", says(
			"42: services[0].backends[0].address: 10.0.0.1 is Weir's own address, of port lan (line 23): Weir forwards to other hosts only")},
		{"backend that is a broadcast address", "address: 10.0.0.11:8080", "address: 10.0.0.255:8080", says(
			"42: services[0].backends[0].address: 10.0.0.255 is the broadcast address of the network 10.0.0.0/24: write the address of a host")},
		{"weight over LVS's bound", "weight: 3", "weight: 65536", says(
			"43: services[0].backends[0].weight: must be 0 to 65535, is 65536")},
		{"weight below 0", "weight: 3", "weight: -1", says(
			"43: services[0].backends[0].weight: must be 0 to 65535, is -1")},
		{"weight in quotes", "weight: 3", `weight: "3"`, says(
			`43: services[0].backends[0].weight: must be a number, is the text "3": write it without quotes`)},
		{"state by another word", "state: down", "state: off", says(
			`44: services[0].backends[0].state: must be up, down or maintenance, is "off"`)},
		{"state misspelt", "state: down", "state: don", says(
			`44: services[0].backends[0].state: must be up, down or maintenance, is "don": did you mean down?`)},
		{"unknown key of a backend", "state: down", "port: 80", says(
			"44: services[0].backends[0].port: unknown key: known here are address, lower_threshold, state, upper_threshold and weight")},
		{"threshold by ipvsadm's name", "state: down", "uthreshold: 80", says(
			"44: services[0].backends[0].uthreshold: unknown key: did you mean upper_threshold?")},
		{"backend that is no section", "{address: 203.0.113.15}", "203.0.113.15", says(
			`58: services[2].backends[0]: must be a section with keys, is the text "203.0.113.15": write {address: 203.0.113.15}`)},
		{"backend's port over 65535", "address: 10.0.0.11:8080", "address: 10.0.0.11:80800", says(
			"42: services[0].backends[0].address: has the port 80800: write one from 1 to 65535")},
		{"backends without a list", "backends: [{address: 203.0.113.15}, {address: 203.0.113.16:25, weight: 0}]", "backends: {address: 203.0.113.15}", says(
			"58: services[2].backends: must be a list, is a section with keys")},
		{"backends that cannot be reached", `gateways: [203.0.113.1, "fe80::1"]`, `gateways: ["fe80::1"]`, says(
			"45: services[0].backends[1].address: 192.0.2.12 is on no network of a port, and no port has an IPv4 gateway: Weir cannot reach it")},
		{"IPv6 through a tunnel on too small an MTU", "mtu: 1400", "mtu: 1319", says(
			"53: services[1].backends[1].address: the outer header to 2001:db8::14 takes 40 of the 1319 bytes of port wan's mtu, and IPv6 needs 1280: set that mtu to 1320 or more")},
	})
}

func TestTableOfMhMustHoldItsBackends(t *testing.T) {
	mustLoad(t, edits{"mh_table_size: 251", "mh_table_size: 2"}.of(t, base))
	expectErrors(t, edits{
		"mh_table_size: 251", "mh_table_size: 2",
		"      - address: 192.0.2.12:8080\n", "      - address: 192.0.2.12:8080\n      - address: 192.0.2.13:8080\n",
	}.of(t, base), "30: services[0].mh_table_size: 3 servers are too many for an mh table of 2 entries: it takes 2")
}

// What is wrong with a backend by itself is told beside what is wrong with its service.
func TestBackendsOfAServiceThatIsWrongItself(t *testing.T) {
	const list = "    backends:\n      - address: 10.0.0.11:8080\n        weight: 3\n"
	bad := "    backends:\n      - address: 10.0.0.1:8080\n      - address: 10.0.0.255:8080\n      - address: 10.0.0.255:8080\n      - address: fd00::11\n"
	backends := []string{
		"42: services[0].backends[0].address: 10.0.0.1 is Weir's own address, of port lan (line 23): Weir forwards to other hosts only",
		"43: services[0].backends[1].address: 10.0.0.255 is the broadcast address of the network 10.0.0.0/24: write the address of a host",
		"44: services[0].backends[2].address: 10.0.0.255:8080 is given twice: first on line 43",
	}
	for _, c := range []struct{ name, old, with, says string }{
		{"no port", "address: 203.0.113.10:80", "address: 203.0.113.10", "26: services[0].address: has no port: write 203.0.113.10:80"},
		{"unknown mode", "mode: nat", "mode: masq", `28: services[0].mode: must be nat, tun, dr or fullnat, is "masq": write nat`},
	} {
		text := strings.Replace(strings.Replace(base, list, bad, 1), c.old, c.with, 1)
		t.Run(c.name, func(t *testing.T) { expectErrors(t, text, append([]string{c.says}, backends...)...) })
	}
}
