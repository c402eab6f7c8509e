package conf

import "testing"

func TestPortsThatDoNotGoTogether(t *testing.T) {
	testMistakes(t, []mistake{
		{"no ports", "ports:\n", "ports: []\nservice_ports:\n", says(
			"8: ports: is empty: Weir needs at least one port",
			"9: service_ports: unknown key: known here are api, backend_groups, dataplane, metrics, neighbors, ports and services")},
		{"name of two ports", "name: lan", "name: wan", says(
			"21: ports[1].name: is the name of the port on line 9 already: choose another",
			`60: neighbors[0].port: there is no port "lan": did you mean wan?`)},
		{"PCI device of two ports", "device: net_af_packet0,iface=eth1", "device: 03:00.0", says(
			"22: ports[1].device: is the device of port wan (line 9) already: every port needs one of its own")},
		{"PCI device in capitals of two ports", "device: net_af_packet0,iface=eth1", "device: 0000:03:00.0,a=1", says(
			"22: ports[1].device: is the device of port wan (line 9) already: every port needs one of its own")},
		{"virtual device of two ports", "device: 0000:03:00.0", "device: net_af_packet0,iface=eth2", says(
			"22: ports[1].device: is the device of port wan (line 9) already: give every virtual device its own number, as in net_af_packet0 and net_af_packet1")},
		{"kernel interface of two ports", "device: 0000:03:00.0", "device: net_pcap0,rx_iface=eth1", says(
			"22: ports[1].device: uses the interface eth1, which port wan (line 9) uses already")},
		{"TAP of two ports", "device: 0000:03:00.0", "device: 0000:03:00.0\n    tap: weir0", says(
			"23: ports[1].tap: is the TAP of port wan (line 9) already: choose another name")},
		{"TAP with the name of a device's interface", "tap: weir0", "tap: eth1", says(
			"14: ports[0].tap: is the name of the interface that the device of port wan (line 9) uses: choose another, Weir makes it anew")},
		{"address of two ports", "addresses: [10.0.0.1/24]", "addresses: [10.0.0.1/24, 203.0.113.2/30]", says(
			"23: ports[1].addresses[1]: 203.0.113.2 is an address of port wan (line 12) already")},
		{"address twice on a port", "addresses: [10.0.0.1/24]", "addresses: [10.0.0.1/24, 10.0.0.1/16]", says(
			"23: ports[1].addresses[1]: 10.0.0.1 is an address of port lan (line 23) already")},
		{"network of two ports", "addresses: [10.0.0.1/24]", "addresses: [10.0.0.1/24, 203.0.113.3/24]", says(
			"23: ports[1].addresses[1]: the network 203.0.113.0/24 overlaps 203.0.113.0/24 of port wan (line 12): Weir could not tell on which port a host is")},
		{"network within another port's", "addresses: [10.0.0.1/24]", `addresses: [10.0.0.1/24, "2001:db8::ffff:1/112"]`, says(
			"23: ports[1].addresses[1]: the network 2001:db8::ffff:0/112 overlaps 2001:db8::/64 of port wan (line 12): Weir could not tell on which port a host is")},
		{"network of an earlier port", `addresses: [203.0.113.2/24, "2001:db8::2/64"]`, `addresses: [203.0.113.2/24, "2001:db8::2/64", 10.0.0.2/24]`, says(
			"23: ports[1].addresses[0]: the network 10.0.0.0/24 overlaps 10.0.0.0/24 of port wan (line 12): Weir could not tell on which port a host is")},
		{"gateway on no network", "gateways: [203.0.113.1,", "gateways: [198.51.100.1,", says(
			"13: ports[0].gateways[0]: 198.51.100.1 is on no network of this port (203.0.113.0/24 and 2001:db8::/64): a gateway must be reached directly")},
		{"gateway on another port's network", "gateways: [203.0.113.1,", "gateways: [10.0.0.2,", says(
			"13: ports[0].gateways[0]: 10.0.0.2 is on a network of port lan, not of this port: move it there")},
		{"gateway that is Weir itself", "gateways: [203.0.113.1,", "gateways: [203.0.113.2,", says(
			"13: ports[0].gateways[0]: 203.0.113.2 is Weir's own address, of port wan (line 12): write the router's")},
		{"gateway that is another port's address", "gateways: [203.0.113.1,", "gateways: [10.0.0.1,", says(
			"13: ports[0].gateways[0]: 10.0.0.1 is Weir's own address, of port lan (line 23): write the router's")},
		{"gateway twice", "gateways: [203.0.113.1,", "gateways: [203.0.113.1, 203.0.113.1,", says(
			"13: ports[0].gateways[1]: 203.0.113.1 is given twice: first on line 13")},
		{"gateway that is the broadcast address", "gateways: [203.0.113.1,", "gateways: [203.0.113.255,", says(
			"13: ports[0].gateways[0]: 203.0.113.255 is the broadcast address of the network 203.0.113.0/24: write the address of a host")},
		{"gateway without an address of its family", "addresses: [10.0.0.1/24]", "addresses: [10.0.0.1/24]\n    gateways: [\"fe80::9\"]", says(
			"24: ports[1].gateways[0]: fe80::9 is an IPv6 gateway of a port without an IPv6 address: give the port one under addresses")},
		{"network of a port without a name", "name: wan\n    device: net_af_packet0,iface=eth1\n    mac: 02:00:00:00:00:02\n    addresses: [203.0.113.2/24, \"2001:db8::2/64\"]", "device: net_af_packet0,iface=eth1\n    addresses: [203.0.113.2/24, \"2001:db8::2/64\", 10.0.0.2/24]", says(
			"9: ports[0].name: is missing: write for example name: wan",
			"21: ports[1].addresses[0]: the network 10.0.0.0/24 overlaps 10.0.0.0/24 of the port on line 10: Weir could not tell on which port a host is")},
	})
}

func TestNeighboursThatNoPortCanMeet(t *testing.T) {
	testMistakes(t, []mistake{
		{"neighbour on an unknown port", "port: lan", "port: lna", says(
			`60: neighbors[0].port: there is no port "lna": did you mean lan?`)},
		{"neighbour on a port like no other", "port: lan", "port: backbone", says(
			`60: neighbors[0].port: there is no port "backbone": the ports are wan and lan`)},
		{"neighbour without a port", "  - port: lan\n    address:", "  - address:", says(
			"60: neighbors[0].port: is missing: write for example port: wan")},
		{"neighbour that is a network", "address: 10.0.0.11\n", "address: 10.0.0.11/24\n", says(
			`61: neighbors[0].address: must be an IP address such as 203.0.113.1 or 2001:db8::1, is "10.0.0.11/24"`)},
		{"neighbour on another port's network", "port: lan", "port: wan", says(
			"61: neighbors[0].address: 10.0.0.11 is on no network of port wan: a neighbour is reached directly")},
		{"neighbour that is Weir", "address: 10.0.0.11\n", "address: 10.0.0.1\n", says(
			"61: neighbors[0].address: 10.0.0.1 is Weir's own address, of port lan (line 23): a neighbour is another host")},
		{"neighbour that is a VIP", "port: lan\n    address: 10.0.0.11\n", "port: wan\n    address: 203.0.113.10\n", says(
			"61: neighbors[0].address: 203.0.113.10 is the address of service web (line 25), and so Weir's: a neighbour is another host")},
		{"neighbour that is a broadcast address", "address: 10.0.0.11\n", "address: 10.0.0.255\n", says(
			"61: neighbors[0].address: 10.0.0.255 is the broadcast address of the network 10.0.0.0/24: write the address of a host")},
		{"neighbour twice", "neighbors:\n", "neighbors:\n  - {port: lan, address: 10.0.0.11, mac: 02:00:00:00:00:12}\n", says(
			"62: neighbors[1].address: 10.0.0.11 is given twice for port lan: first on line 60")},
		{"neighbour without a MAC", "    mac: 02:00:00:00:00:11\n", "", says(
			"60: neighbors[0].mac: is missing: write for example mac: 02:00:00:00:00:01")},
		{"neighbour with a group's MAC", "mac: 02:00:00:00:00:11", "mac: 03:00:00:00:00:11", says(
			"62: neighbors[0].mac: 03:00:00:00:00:11 is a multicast address: write the MAC of a single station")},
		{"neighbour with its port's MAC", "  - port: lan\n    address: 10.0.0.11\n    mac: 02:00:00:00:00:11", "  - port: wan\n    address: 203.0.113.1\n    mac: 02:00:00:00:00:02", says(
			"62: neighbors[0].mac: is the MAC of port wan itself: write the neighbour's")},
	})
}

func TestPortsWithoutAnyAddressAreToldOnce(t *testing.T) {
	expectErrors(t, `ports: [{name: wan, device: net_null0}, {name: lan, device: net_null1}]
services:
- {name: a, address: 203.0.113.10:80, protocol: tcp, mode: nat, backends: [{address: 10.0.0.11:80}, {address: 10.0.0.12:80}]}
- {name: b, address: 203.0.113.11:80, protocol: tcp, mode: dr, backends: [{address: 10.0.0.11}]}
`, "1: ports[0].addresses: no port has an address, so that Weir reaches no backend: write Weir's own, for example addresses: [203.0.113.2/24]")
}
