package conf

import "testing"

func TestMistakesInAPort(t *testing.T) {
	testMistakes(t, []mistake{
		{"name in capitals", "name: wan", "name: WAN", says(
			"9: ports[0].name: must be in lower case: write wan")},
		{"name with a space", "name: wan", "name: wan port", says(
			`9: ports[0].name: must be made of a-z, 0-9, dot, dash and underscore, is "wan port"`)},
		{"name that is a number", "name: wan", "name: 1", says(
			"9: ports[0].name: must be text, is the number 1: put it in quotes")},
		{"empty name", "name: wan", `name: ""`, says(
			"9: ports[0].name: is empty: give it a name")},
		{"name too long", "name: wan", "name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", says(
			"9: ports[0].name: is 33 characters long: names have at most 32")},
		{"port without a name", "  - name: wan\n    device", "  - device", says(
			"9: ports[0].name: is missing: write for example name: wan")},
		{"port without a device", "    device: 0000:03:00.0\n", "", says(
			"21: ports[1].device: is missing: write for example device: net_af_packet0,iface=eth1")},
		{"interface where a device belongs", "device: net_af_packet0,iface=eth1", "device: eth1", says(
			`10: ports[0].device: must be a PCI address such as 0000:03:00.0 or a DPDK virtual device such as net_af_packet0,iface=eth1, is "eth1": for the kernel's interface of this name write net_af_packet0,iface=eth1`)},
		{"device that is none", "device: net_af_packet0,iface=eth1", "device: /dev/net0", says(
			`10: ports[0].device: must be a PCI address such as 0000:03:00.0 or a DPDK virtual device such as net_af_packet0,iface=eth1, is "/dev/net0"`)},
		{"empty device", "device: net_af_packet0,iface=eth1", `device: ""`, says(
			"10: ports[0].device: is empty: write a PCI address or a DPDK virtual device")},
		{"device that is a number", "device: net_af_packet0,iface=eth1", "device: 3", says(
			"10: ports[0].device: must be text, is the number 3: put it in quotes")},
		{"device with an empty argument", "device: net_af_packet0,iface=eth1", "device: net_af_packet0,iface=eth1,", says(
			`10: ports[0].device: has an empty argument: "net_af_packet0,iface=eth1,"`)},
		{"device with spaces between its arguments", "device: net_af_packet0,iface=eth1", `device: "net_af_packet0, iface = eth1"`, says(
			`10: ports[0].device: has a space beside a comma or an equals sign, which DPDK takes for a part of what is there: write "net_af_packet0,iface=eth1"`)},
		{"device with a control character", "device: net_af_packet0,iface=eth1", `device: "net_null0,a=\a"`, says(
			`10: ports[0].device: must be at most 1024 printable characters, is "net_null0,a=\a"`)},
		{"MAC too short", "mac: 02:00:00:00:00:02", "mac: 02:00:00:00:00", says(
			`11: ports[0].mac: must be a MAC such as 02:00:00:00:00:01, is "02:00:00:00:00"`)},
		{"MAC as a list", "mac: 02:00:00:00:00:02", "mac: [02:00:00:00:00:02]", says(
			"11: ports[0].mac: must be a single value, is a list")},
		{"MAC of a group", "mac: 02:00:00:00:00:02", "mac: 01:00:5e:00:00:01", says(
			"11: ports[0].mac: 01:00:5e:00:00:01 is a multicast address: write the MAC of a single station")},
		{"MAC of zeros", "mac: 02:00:00:00:00:02", "mac: 00:00:00:00:00:00", says(
			"11: ports[0].mac: is all zeros: write the MAC of a station")},
		{"address without a length", "addresses: [10.0.0.1/24]", "addresses: [10.0.0.1]", says(
			"23: ports[1].addresses[0]: lacks the length of its network: write for example 10.0.0.1/24")},
		{"IPv6 address without a length", "addresses: [10.0.0.1/24]", `addresses: ["2001:db8:1::1"]`, says(
			"23: ports[1].addresses[0]: lacks the length of its network: write for example 2001:db8:1::1/64")},
		{"address that is a name", "addresses: [10.0.0.1/24]", "addresses: [lan.example.com]", says(
			`23: ports[1].addresses[0]: must be an address and the length of its network such as 203.0.113.2/24 or 2001:db8::2/64, is "lan.example.com"`)},
		{"address of the network", "addresses: [10.0.0.1/24]", "addresses: [10.0.0.0/24]", says(
			"23: ports[1].addresses[0]: is the address of the network 10.0.0.0/24 itself: write Weir's own address there")},
		{"broadcast address", "addresses: [10.0.0.1/24]", "addresses: [10.0.0.255/24]", says(
			"23: ports[1].addresses[0]: is the broadcast address of the network 10.0.0.0/24: write Weir's own address there")},
		{"anycast address of routers", "addresses: [10.0.0.1/24]", `addresses: ["2001:db8:1::/64", 10.0.0.1/24]`, says(
			"23: ports[1].addresses[0]: is the anycast address of all routers in 2001:db8:1::/64: write Weir's own address there")},
		{"network of length 0", "addresses: [10.0.0.1/24]", "addresses: [10.0.0.1/0]", says(
			"23: ports[1].addresses[0]: has a network of length 0, which is the whole Internet: write the length of the port's network, and the router under gateways")},
		{"length beyond the address", "addresses: [10.0.0.1/24]", "addresses: [10.0.0.1/33]", says(
			`23: ports[1].addresses[0]: must be an address and the length of its network such as 203.0.113.2/24 or 2001:db8::2/64, is "10.0.0.1/33"`)},
		{"loopback address", "addresses: [10.0.0.1/24]", "addresses: [127.0.0.1/8]", says(
			"23: ports[1].addresses[0]: 127.0.0.1 is a loopback address: no other host can reach it")},
		{"multicast address", "addresses: [10.0.0.1/24]", "addresses: [224.0.0.5/24]", says(
			"23: ports[1].addresses[0]: 224.0.0.5 is a multicast address: Weir forwards unicast only")},
		{"address with a zone", "addresses: [10.0.0.1/24]", `addresses: ["fe80::1%eth1/64", 10.0.0.1/24]`, says(
			`23: ports[1].addresses[0]: has the zone "eth1": write the address without %eth1`)},
		{"IPv4 address in an IPv6 one", "addresses: [10.0.0.1/24]", `addresses: ["::ffff:10.0.0.1/120"]`, says(
			"23: ports[1].addresses[0]: is an IPv4 address in IPv6's clothes: write 10.0.0.1")},
		{"addresses without a list", "addresses: [10.0.0.1/24]", "addresses: 10.0.0.1/24", says(
			`23: ports[1].addresses: must be a list, is the text "10.0.0.1/24": write [10.0.0.1/24]`)},
		{"gateway that is a network", "gateways: [203.0.113.1,", "gateways: [203.0.113.1/24,", says(
			`13: ports[0].gateways[0]: must be an IP address such as 203.0.113.1 or 2001:db8::1, is "203.0.113.1/24"`)},
		{"gateway of zeros", "gateways: [203.0.113.1,", "gateways: [0.0.0.0,", says(
			"13: ports[0].gateways[0]: 0.0.0.0 stands for no host: write the address of one")},
		{"gateway of all ones", "gateways: [203.0.113.1,", "gateways: [255.255.255.255,", says(
			"13: ports[0].gateways[0]: 255.255.255.255 is the broadcast address: write the address of a host")},
		{"TAP's name too long", "tap: weir0", "tap: weirinterface000", says(
			"14: ports[0].tap: is 16 characters long: names of interfaces have at most 15")},
		{"TAP's name with a slash", "tap: weir0", "tap: weir/0", says(
			`14: ports[0].tap: must be a name for a network interface, of letters, digits, dot, dash and underscore, is "weir/0"`)},
		{"TAP named as the loopback interface", "tap: weir0", "tap: lo", says(
			"14: ports[0].tap: is lo, a name that the kernel has a use for: choose another")},
		{"TAP as a number", "tap: weir0", "tap: 0", says(
			"14: ports[0].tap: must be text, is the number 0: put it in quotes")},
		{"no queues", "queues: 2", "queues: 0", says(
			`15: ports[0].queues: must be auto or a number from 1 to 128, is "0"`)},
		{"queues by another word", "queues: 2", "queues: all", says(
			`15: ports[0].queues: must be auto or a number from 1 to 128, is "all"`)},
		{"too many queues", "queues: 2", "queues: 129", says(
			`15: ports[0].queues: must be auto or a number from 1 to 128, is "129"`)},
		{"descriptors that are no power of two", "rx_descriptors: 512", "rx_descriptors: 1000", says(
			"16: ports[0].rx_descriptors: must be a power of two, is 1000: 512 and 1024 are the nearest")},
		{"too few descriptors", "rx_descriptors: 512", "rx_descriptors: 32", says(
			"16: ports[0].rx_descriptors: must be 64 to 8192, is 32")},
		{"too many descriptors", "tx_descriptors: 256", "tx_descriptors: 16384", says(
			"17: ports[0].tx_descriptors: must be 64 to 8192, is 16384")},
		{"MTU under IPv6's least", "mtu: 1400", "mtu: 1279", says(
			"18: ports[0].mtu: must be 1280 to 9000, is 1279")},
		{"more than jumbo frames", "mtu: 1400", "mtu: 9001", says(
			"18: ports[0].mtu: must be 1280 to 9000, is 9001")},
		{"MTU that is no number", "mtu: 1400", "mtu: big", says(
			`18: ports[0].mtu: must be a number, is the text "big"`)},
		{"promiscuous by a word", "promiscuous: true", "promiscuous: yes", says(
			`19: ports[0].promiscuous: must be true or false, is the text "yes": write true`)},
		{"promiscuous in quotes", "promiscuous: true", `promiscuous: "true"`, says(
			`19: ports[0].promiscuous: must be true or false, is the text "true": write it without quotes`)},
		{"promiscuous by a number", "promiscuous: true", "promiscuous: 1", says(
			"19: ports[0].promiscuous: must be true or false, is the number 1")},
		{"misspelt addresses, without what follows from it", "addresses: [10.0.0.1/24]", "adresses: [10.0.0.1/24]", says(
			"23: ports[1].adresses: unknown key: did you mean addresses?")},
		{"promiscuous by another word", "promiscuous: true", "promiscuous: no", says(
			`19: ports[0].promiscuous: must be true or false, is the text "no": write false`)},
		{"unknown key of a port", "rss: false", "lane: 5", says(
			"20: ports[0].lane: unknown key: known here are addresses, device, gateways, mac, mtu, name, parent, promiscuous, queues, rss, rx_descriptors, tap, tx_descriptors and vlan")},
		{"port that is no section", "  - name: lan\n    device: 0000:03:00.0\n    addresses: [10.0.0.1/24]\n", "  - lan\n", says(
			`21: ports[1]: must be a section with keys, is the text "lan"`)},
	})
}
