package conf

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// fullConfig is a configuration with a fullnat service whose keys are these lines.
func fullConfig(lines ...string) string {
	return `ports:
  - {name: wan, device: net_null0, addresses: [203.0.113.2/24, "2001:db8::2/64"], gateways: [203.0.113.1, "2001:db8::1"]}
  - {name: lan, device: net_null1, addresses: [10.0.0.1/24, "fd00::1/64"]}
services:
  - name: web
    address: 203.0.113.10:80
    protocol: tcp
    mode: fullnat
    ` + strings.Join(lines, "\n    ") + "\n"
}

const (
	fullLocals   = "local_addresses: [10.0.0.20, 10.0.0.32/30]"
	fullBackends = "backends: [{address: 10.0.0.11:8080}, {address: 198.51.100.12:8080}]"
)

func TestLocalAddressesAndPorts(t *testing.T) {
	cfg := mustLoad(t, fullConfig(fullLocals, fullBackends, "local_ports: 2000-2999"))
	s := &cfg.Services[0]
	var got []string
	for a := range s.Locals() {
		got = append(got, a.String())
	}
	want := []string{"10.0.0.20", "10.0.0.32", "10.0.0.33", "10.0.0.34", "10.0.0.35"}
	if !slices.Equal(got, want) || s.LocalPorts != (PortRange{2000, 2999}) || s.LocalPorts.Len() != 1000 {
		t.Errorf("%v, %v", got, s.LocalPorts)
	}
	if s = &mustLoad(t, fullConfig(fullLocals, fullBackends, "local_ports: 5000")).Services[0]; s.LocalPorts != (PortRange{5000, 5000}) {
		t.Errorf("%v", s.LocalPorts)
	}
	overlapping := Service{LocalAddresses: []netip.Prefix{pfx("10.0.0.0/31"), pfx("10.0.0.1/32")}}
	if n := len(slices.Collect(overlapping.Locals())); n != 2 {
		t.Errorf("%d addresses of two networks that overlap, want 2", n)
	}
}

// The VIPs and the backends may be of either IP version.
func TestFullNATMixesIPVersions(t *testing.T) {
	cfg := mustLoad(t, strings.Replace(fullConfig(`local_addresses: [10.0.0.20, "fd00::20"]`, `backends: [{address: 10.0.0.11:8080}, {address: "[fd00::11]:8080"}]`),
		"address: 203.0.113.10:80", `addresses: [203.0.113.10:80, "[2001:db8::10]:80"]`, 1))
	if s := &cfg.Services[0]; len(s.Addresses) != 2 || len(s.Backends) != 2 {
		t.Errorf("%+v", s)
	}
}

func TestMistakesInFullNAT(t *testing.T) {
	for _, c := range []struct{ name, cfg, want string }{
		{"no local address", fullConfig(fullBackends),
			"5: services[0]: has no local_addresses, from which mode fullnat talks to the backends: write for example local_addresses: [10.0.0.20], addresses that no host has and that the backends reach Weir by"},
		{"none in the list", fullConfig("local_addresses: []", fullBackends),
			"5: services[0]: has no local_addresses, from which mode fullnat talks to the backends: write for example local_addresses: [10.0.0.20], addresses that no host has and that the backends reach Weir by"},
		{"a name", fullConfig("local_addresses: [lan]", fullBackends),
			`9: services[0].local_addresses[0]: must be an address or a network such as 10.0.0.20, 10.0.0.32/28 or 2001:db8::20, is "lan"`},
		{"bits behind the network's", fullConfig("local_addresses: [10.0.0.33/28]", fullBackends),
			"9: services[0].local_addresses[0]: is no network: write 10.0.0.32/28 for all of its addresses, or 10.0.0.33 for this one"},
		{"a large network", fullConfig("local_addresses: [10.1.0.0/16]", fullBackends),
			"9: services[0].local_addresses[0]: has more than 4096 addresses: a service takes as many; each is good for 64,512 connections with every backend"},
		{"many networks", fullConfig("local_addresses: [10.1.0.0/20, 10.2.0.0]", fullBackends),
			"9: services[0].local_addresses[1]: makes more than 4096 local addresses: that is the most of a service"},
		{"the port's own address", fullConfig("local_addresses: [10.0.0.1]", fullBackends),
			"9: services[0].local_addresses[0]: 10.0.0.1 is an address of port lan (line 3): the kernel uses its ports for connections of its own, health checks among them; write one that no host has"},
		{"a VIP", fullConfig("local_addresses: [203.0.113.10]", fullBackends),
			"9: services[0].local_addresses[0]: 203.0.113.10 is the address of service web (line 5): backends' replies to it could not be told from clients' packets; write another"},
		{"a gateway", fullConfig("local_addresses: [203.0.113.1]", fullBackends),
			"9: services[0].local_addresses[0]: 203.0.113.1 is the gateway of port wan (line 2): write an address that no host has"},
		{"a network's broadcast address", fullConfig("local_addresses: [10.0.0.252/30]", fullBackends),
			"9: services[0].local_addresses[0]: 10.0.0.255 is the broadcast address of the network 10.0.0.0/24: write the address of a host"},
		{"an address twice", fullConfig("local_addresses: [10.0.0.20, 10.0.0.16/28]", fullBackends),
			"9: services[0].local_addresses[1]: 10.0.0.16/28 is given twice: first on line 9"},
		{"a backend", fullConfig("local_addresses: [10.0.0.8/29]", fullBackends),
			"10: services[0].backends[0].address: 10.0.0.11 is a local address of service web (line 5), and so Weir's: write the backend's own"},
		{"a neighbour", fullConfig(fullLocals, fullBackends) + "neighbors: [{port: lan, address: 10.0.0.20, mac: 02:00:00:00:00:09}]\n",
			"11: neighbors[0].address: 10.0.0.20 is a local address of service web (line 5), and so Weir's: a neighbour is another host"},
		{"none of the backends' family", fullConfig(`local_addresses: ["fd00::20"]`, fullBackends),
			"10: services[0].backends[0].address: 10.0.0.11 is IPv4, and none of the service's local_addresses is: add one\n" +
				"10: services[0].backends[1].address: 198.51.100.12 is IPv4, and none of the service's local_addresses is: add one"},
		{"none of the sorry server's family", fullConfig(`local_addresses: ["fd00::20"]`, "backends: []", "sorry: 10.0.0.99:80"),
			"11: services[0].sorry: 10.0.0.99 is IPv4, and none of the service's local_addresses is: add one"},
		{"ports that are none", fullConfig(fullLocals, fullBackends, "local_ports: 0-9"),
			`11: services[0].local_ports: must be the first and last of a range of ports such as 1024-65535, is "0-9"`},
		{"ports backwards", fullConfig(fullLocals, fullBackends, "local_ports: 2000-1000"),
			`11: services[0].local_ports: must be the first and last of a range of ports such as 1024-65535, is "2000-1000"`},
		{"fewer ports than workers", "dataplane: {cores: [1, 2, 3]}\n" + fullConfig(fullLocals, fullBackends, "local_ports: 2000-2001"),
			"12: services[0].local_ports: are 2, for 3 workers: each needs at least one of its own"},
		{"a backend without a port", fullConfig(fullLocals, "backends: [{address: 10.0.0.11}]"),
			"10: services[0].backends[0].address: has no port: write for example 10.0.0.11:80"},
		{"another mode", strings.Replace(fullConfig(fullLocals, "local_ports: 2000-3000", fullBackends), "mode: fullnat", "mode: nat", 1),
			"9: services[0].local_addresses: has a meaning only in mode fullnat, this one is nat: remove it\n" +
				"10: services[0].local_ports: has a meaning only in mode fullnat, this one is nat: remove it"},
		{"another mode, without anything to tell", strings.Replace(fullConfig("client_address: toa", fullBackends), "mode: fullnat", "mode: nat", 1),
			"9: services[0].client_address: has a meaning only in mode fullnat, this one is nat: remove it"},
		{"a client's address in UDP", strings.Replace(fullConfig(fullLocals, "client_address: proxy_v2", fullBackends), "protocol: tcp", "protocol: udp", 1),
			"10: services[0].client_address: is proxy_v2, which only TCP has room for, and this service is udp: remove it"},
		{"a PROXY header for connections without a handshake", fullConfig(fullLocals, "client_address: proxy_v1", "sloppy: true", fullBackends),
			"11: services[0].sloppy: cannot be given together with client_address proxy_v1: the header is sent with the handshake, which a connection that begins in its middle does not have"},
		{"a client's address by another name", fullConfig(fullLocals, "client_address: proxy", fullBackends),
			`10: services[0].client_address: must be none, toa, proxy_v1 or proxy_v2, is "proxy"`},
	} {
		t.Run(c.name, func(t *testing.T) { expectErrors(t, c.cfg, strings.Split(c.want, "\n")...) })
	}
}

// All services together have no more local addresses than a snapshot takes.
func TestLocalAddressesOfAllServicesAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("ports:\n  - {name: wan, device: net_null0, addresses: [203.0.113.2/24], gateways: [203.0.113.1]}\nservices:\n")
	for i := range 9 {
		fmt.Fprintf(&b, "  - {name: s%d, address: 203.0.113.10:%d, protocol: tcp, mode: fullnat, local_addresses: [10.1.%d.0/20], backends: [{address: 192.0.2.11:80}]}\n", i, 80+i, 16*i)
	}
	expectErrors(t, b.String(), "12: services[8].local_addresses: makes more than 32768 local addresses of all services together: that is the most")
}
