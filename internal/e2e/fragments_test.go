package e2e

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/weirlb/weir/internal/netnstest"
)

const echoServices = udpServices + `  - {name: dr4, address: "203.0.113.12:7", protocol: udp, mode: dr, backends: [{address: "10.0.0.11"}]}
  - {name: dr6, address: "[2001:db8::12]:7", protocol: udp, mode: dr, backends: [{address: "fd00::11"}]}
`

// echoServers are the addresses of rs1 behind echoServices' VIPs.
var echoServers = map[string]string{
	"203.0.113.10:7": "10.0.0.11:7", "203.0.113.11:7": "203.0.113.11:7", "203.0.113.12:7": "203.0.113.12:7",
	"[2001:db8::10]:7": "[fd00::11]:7", "[2001:db8::11]:7": "[2001:db8::11]:7", "[2001:db8::12]:7": "[2001:db8::12]:7",
}

// moreEchoServices are services whose later fragments have no more than the first one to go by: those of fullnat get an
// identification of Weir's, also between IP versions, and with one_packet there is no connection.
const moreEchoServices = `  - {name: full4, address: "203.0.113.13:7", protocol: udp, mode: fullnat, local_addresses: [10.0.0.20], backends: [{address: "10.0.0.11:1007"}]}
  - {name: full64, address: "[2001:db8::13]:7", protocol: udp, mode: fullnat, local_addresses: [10.0.0.20], backends: [{address: "10.0.0.11:1008"}]}
  - {name: full46, address: "203.0.113.14:7", protocol: udp, mode: fullnat, local_addresses: ["fd00::20"], backends: [{address: "[fd00::11]:1009"}]}
  - {name: once4, address: "203.0.113.15:7", protocol: udp, mode: nat, scheduler: rr, one_packet: true, backends: [{address: "10.0.0.11:1010"}]}
  - {name: once6, address: "[2001:db8::15]:7", protocol: udp, mode: nat, scheduler: rr, one_packet: true, backends: [{address: "[fd00::11]:1011"}]}
`

// moreEchoServers are the addresses of rs1 behind their VIPs.
var moreEchoServers = map[string]string{
	"203.0.113.13:7": "10.0.0.11:1007", "[2001:db8::13]:7": "10.0.0.11:1008", "203.0.113.14:7": "[fd00::11]:1009",
	"203.0.113.15:7": "10.0.0.11:1010", "[2001:db8::15]:7": "[fd00::11]:1011",
}

// Datagrams larger than any MTU come through in fragments, both ways, with one worker and with two.
func TestUDPInFragments(t *testing.T) {
	l := needLab(t)
	for _, workers := range []string{"", "dataplane: {memory_mb: 256, max_connections: 20000, cores: [0, 1], idle: sleep}\n"} {
		t.Run(fmt.Sprintf("%d workers", 1+min(len(workers), 1)), func(t *testing.T) {
			d := l.start(t, "", workers+echoServices+moreEchoServices)
			servers := maps.Clone(echoServers)
			maps.Copy(servers, moreEchoServers)
			for vip, server := range servers {
				go echoUDP(netnstest.ListenPacket(t, l.ns("rs1"), server))
				for range 3 { // ports that different workers own
					c, err := netnstest.Dial(t.Context(), l.ns("client"), "udp", vip)
					if err != nil {
						t.Fatal(err)
					}
					for _, size := range []int{1473, 2000, 8192, 60000} {
						if err := exchange(c, fmt.Sprintf("%0*d", size, size)); err != nil {
							t.Errorf("%s, %d bytes: %v", vip, size, err)
						}
					}
					c.Close()
				}
			}
			d.accounted()
		})
	}
}

func TestPingsOf8000BytesAreAnswered(t *testing.T) {
	l := needLab(t)
	d := l.start(t, "", echoServices)
	for _, to := range []string{"203.0.113.10", "203.0.113.11", "2001:db8::10", "203.0.113.2", "2001:db8::2"} {
		out := l.do(t, "client", "ping", "-c", "3", "-i", "0.2", "-W", "5", "-s", "8000", to)
		if !strings.Contains(out, " 0% packet loss") || !strings.Contains(out, "8008 bytes from") {
			t.Errorf("%s: %s", to, out)
		}
	}
	d.accounted()
}
