package conf

import (
	"net/netip"
	"reflect"
	"testing"
)

const inTunnel = `ports:
  - {name: wan, device: net_null0, addresses: [192.0.2.1/24, "2001:db8::1/64"], gateways: [192.0.2.254], mtu: 1500}
services:
  - name: web
    address: 203.0.113.10:80
    protocol: tcp
    mode: tun
    tunnel: {type: ipip}
    backends: [{address: 192.0.2.11}]
api: {socket: /run/weir.sock}
`

func TestTunnelsOfEveryType(t *testing.T) {
	for text, want := range map[string]Tunnel{
		"{}":                          {Type: IPIP},
		"{type: gue}":                 {Type: GUE},
		"{type: gue, port: 5555}":     {Type: GUE, Port: 5555},
		"{type: gre, checksum: true}": {Type: GRE, Checksum: Yes},
		"{type: gre, key: 4294967295, checksum: false}":   {Type: GRE, Key: 1<<32 - 1, Checksum: No},
		"{type: vxlan, vni: 100, mac: 02:00:00:00:64:01}": {Type: VXLAN, VNI: 100, MAC: [6]byte{2, 0, 0, 0, 0x64, 1}},
		"{sources: [192.0.2.40, 2001:db8::40]}":           {Type: IPIP, Sources: []netip.Addr{netip.MustParseAddr("192.0.2.40"), netip.MustParseAddr("2001:db8::40")}},
	} {
		c := mustLoad(t, edits{"{type: ipip}", text}.of(t, inTunnel))
		want.DF, want.MSSClamp = DFCopy, true
		if want.Checksum == "" {
			want.Checksum = Auto
		}
		if got := c.Services[0].Tunnel; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}

func TestUDPOverIPv6HasAChecksumUnlessToldNotTo(t *testing.T) {
	for _, c := range []struct {
		t        Tunnel
		v4, v6   bool
		overhead [2]int
	}{
		{Tunnel{Type: GUE, Checksum: Auto}, false, true, [2]int{32, 52}},
		{Tunnel{Type: GUE, Checksum: No}, false, false, [2]int{32, 52}},
		{Tunnel{Type: VXLAN, Checksum: Yes}, true, true, [2]int{50, 70}},
		{Tunnel{Type: GRE, Checksum: Auto, Key: 1}, false, false, [2]int{28, 48}},
		{Tunnel{Type: GRE, Checksum: Yes}, true, true, [2]int{28, 48}},
		{Tunnel{Type: IPIP, Checksum: Auto}, false, false, [2]int{20, 40}},
	} {
		if c.t.Summed(false) != c.v4 || c.t.Summed(true) != c.v6 || c.t.overhead(false) != c.overhead[0] || c.t.overhead(true) != c.overhead[1] {
			t.Errorf("%+v: %t, %t, %d, %d", c.t, c.t.Summed(false), c.t.Summed(true), c.t.overhead(false), c.t.overhead(true))
		}
	}
}

func TestTunnelsThatCannotBe(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"{type: l2tp}", `8: services[0].tunnel.type: must be ipip, gue, gre or vxlan, is "l2tp"`},
		{"{port: 6080}", "8: services[0].tunnel.port: has a meaning only for type gue or vxlan, this one is ipip: remove the key"},
		{"{type: gue, key: 1}", "8: services[0].tunnel.key: has a meaning only for type gre, this one is gue: remove the key"},
		{"{checksum: true}", "8: services[0].tunnel.checksum: has a meaning only for type gue or gre or vxlan, this one is ipip: remove the key"},
		{"{type: vxlan, vni: 1}", "8: services[0].tunnel: of type vxlan needs mac: write for example mac: 02:00:00:00:64:01, that of the VXLAN interface of every backend"},
		{"{type: vxlan, mac: 02:00:00:00:64:01}", "8: services[0].tunnel: of type vxlan needs vni: write for example vni: 100"},
		{"{sources: [192.0.2.40, 192.0.2.40]}", "8: services[0].tunnel.sources[1]: 192.0.2.40 is given twice"},
		{"{sources: [203.0.113.10]}", `8: services[0].tunnel.sources[0]: 203.0.113.10 is the address of service web (line 4): a tunnel comes from another`},
		{"{sources: [192.0.2.11]}", "8: services[0].tunnel.sources[0]: 192.0.2.11 is a backend's"},
	} {
		t.Run(c.text, func(t *testing.T) { expectErrors(t, edits{"{type: ipip}", c.text}.of(t, inTunnel), c.want) })
	}
}
