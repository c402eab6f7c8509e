package e2e

import (
	"fmt"
	"testing"

	"github.com/weirlb/weir/internal/netnstest"
)

// Every encapsulation carries HTTP, with a health check through itself, and datagrams in fragments.
func TestEveryEncapsulation(t *testing.T) {
	l := needLab(t)
	for name, tunnel := range map[string]string{
		"GUE": "type: gue", "GUE with checksum": "type: gue, checksum: true", "GRE": "type: gre",
		"GRE with checksum and key": "type: gre, checksum: true, key: 7",
		"VXLAN":                     `type: vxlan, vni: 100, mac: "02:00:00:00:64:01"`,
		"IPIP with sources":         `sources: [10.0.0.40, 10.0.0.41, "fd00::40", "fd00::41"]`,
	} {
		t.Run(name, func(t *testing.T) {
			var config string
			var urls []string
			for _, family := range []string{"4", "6"} {
				c, url := service("tun", family, fmt.Sprintf("tunnel: {%s}\n    health: {type: http, path: /healthz, interval: 200ms, via: service}", tunnel))
				config, urls = config+c, append(urls, url)
			}
			config += fmt.Sprintf(`  - {name: echo4, address: "203.0.113.11:7", protocol: udp, mode: tun, tunnel: {%[1]s}, backends: [{address: "fd00::11"}]}
  - {name: echo6, address: "[2001:db8::11]:7", protocol: udp, mode: tun, tunnel: {%[1]s}, backends: [{address: "10.0.0.11"}]}
`, tunnel)
			d := l.start(t, "", "services:\n"+config)
			d.until("all backends are up", func() bool {
				up := 0
				for _, b := range d.show("backends") {
					if b["state"] == "up" {
						up++
					}
				}
				return up == 6
			})
			for _, url := range urls {
				for range 4 {
					if _, err := l.curl(url); err != nil {
						t.Errorf("%s: %v", url, err)
					}
				}
			}
			for _, vip := range []string{"203.0.113.11:7", "[2001:db8::11]:7"} {
				go echoUDP(netnstest.ListenPacket(t, l.ns("rs1"), vip))
				c, err := netnstest.Dial(t.Context(), l.ns("client"), "udp", vip)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				for _, size := range []int{100, 1473, 8192} {
					if err := exchange(c, fmt.Sprintf("%0*d", size, size)); err != nil {
						t.Errorf("%s, %d bytes: %v", vip, size, err)
					}
				}
			}
			d.accounted()
		})
	}
}
