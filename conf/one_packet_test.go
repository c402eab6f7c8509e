package conf

import "testing"

func TestMistakesInOnePacket(t *testing.T) {
	testMistakes(t, []mistake{{"TCP", "scheduler: mh", "one_packet: true\n    scheduler: mh", says(
		"29: services[0].one_packet: has a meaning only for udp, this one is tcp: remove the key")}})
	const two = `ports: [{name: wan, device: net_null0, addresses: [203.0.113.2/24]}]
services:
  - {name: a, address: 203.0.113.10:53, protocol: udp, mode: nat, one_packet: true, backends: [{address: 203.0.113.11:53}]}
  - {name: b, address: 203.0.113.12:53, protocol: udp, mode: nat, one_packet: true, backends: [{address: 203.0.113.11:53}]}
  - {name: c, addresses: [203.0.113.13:53, 203.0.113.14:53], protocol: udp, mode: nat, one_packet: true, backends: [{address: 203.0.113.15:53}]}
  - {name: e, address: 203.0.113.17:53, protocol: udp, mode: nat, one_packet: true, sorry: 203.0.113.11:53, backends: [{address: 203.0.113.18:53}]}
  - {name: d, address: 203.0.113.16:53, protocol: udp, mode: dr, one_packet: true, backends: [{address: 203.0.113.11}]}
`
	expectErrors(t, two,
		"4: services[1].backends[0].address: 203.0.113.11:53 is a backend of service a (line 3), too, and both have one_packet: nobody could tell whose answers it gives",
		"5: services[2].one_packet: needs a single address and port in mode nat: a backend's answer does not tell which of several its client sent to",
		"6: services[3].sorry: 203.0.113.11:53 is a backend of service a (line 3), too, and both have one_packet: nobody could tell whose answers it gives")
	const connections = `ports: [{name: wan, device: net_null0, addresses: [203.0.113.2/24]}]
services:
  - name: a
    address: 203.0.113.10:53
    protocol: udp
    mode: dr
    one_packet: true
    on_remove: drain
    expire_nodest: true
    timeouts: {udp: 10s}
    limits: {connections: 10, rate: 10}
    backends: [{address: 203.0.113.11}]
`
	const none = "is about connections, of which one_packet makes none: remove the key"
	expectErrors(t, connections, "8: services[0].on_remove: "+none, "9: services[0].expire_nodest: "+none,
		"10: services[0].timeouts.udp: "+none, "11: services[0].limits.connections: "+none)
}
