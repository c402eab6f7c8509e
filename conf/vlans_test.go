package conf

import (
	"slices"
	"testing"
)

const trunk = `ports:
  - {name: trunk, device: net_null0, mtu: 1400}
  - {name: v100, parent: trunk, vlan: 100, addresses: [203.0.113.2/24]}
  - {name: qinq, parent: trunk, vlan: [200, 100], addresses: [192.0.2.1/24], mtu: 1396}
services: []
api: {socket: /run/weir.sock}
`

func TestVLANsOfAPort(t *testing.T) {
	c := mustLoad(t, trunk)
	if p := c.Ports[1]; p.Parent != "trunk" || !slices.Equal(p.VLAN, []int{100}) || p.MTU != 1400 {
		t.Errorf("%+v", p)
	}
	if p := c.Ports[2]; !slices.Equal(p.VLAN, []int{200, 100}) || p.MTU != 1396 {
		t.Errorf("%+v", p)
	}
	if c = mustLoad(t, edits{", mtu: 1396", ""}.of(t, trunk)); c.Ports[2].MTU != 1396 {
		t.Errorf("the MTU between two tags is %d", c.Ports[2].MTU)
	}
	if parent, ok := c.Sub(2); !ok || parent != 0 {
		t.Errorf("parent %d, %t", parent, ok)
	}
}

func TestVLANsThatCannotBe(t *testing.T) {
	for _, m := range []mistake{
		{"without a parent", "parent: trunk, vlan: 100", "device: net_null1, vlan: 100", says(
			"3: ports[1].vlan: has a meaning only with a parent: write the port whose VLAN it is, or remove the key")},
		{"without a VLAN", "parent: trunk, vlan: 100", "parent: trunk", says("3: ports[1].parent: needs a vlan: write for example vlan: 100")},
		{"of no port", "parent: trunk, vlan: 100", "parent: trnk, vlan: 100", says("3: ports[1].parent: there is no port trnk")},
		{"in a VLAN", "parent: trunk, vlan: [200, 100]", "parent: v100, vlan: 7", says(
			"4: ports[2].parent: v100 is a VLAN itself: write the port that has the device, and both tags as vlan: [outer, inner]")},
		{"with a device", "parent: trunk, vlan: 100", "parent: trunk, vlan: 100, device: net_null1", says("3: ports[1].device: is that of the parent trunk: remove the key")},
		{"number 0", "vlan: 100", "vlan: 0", says("3: ports[1].vlan: must be 1 to 4094, is 0")},
		{"number 4095", "[200, 100]", "[200, 4095]", says("4: ports[2].vlan[1]: must be 1 to 4094, is 4095")},
		{"three tags", "[200, 100]", "[200, 100, 3]", says("4: ports[2].vlan: has 3 entries: at most 2 are supported")},
		{"twice", "[200, 100], addresses: [192.0.2.1/24], mtu: 1396", "100", says("4: ports[2].vlan: is that of port v100 (line 3) already: choose another")},
		{"an MTU too large", "1396", "1397", says("4: ports[2].mtu: is more than the mtu of the parent trunk, which is 1400 less 4 for the second tag")},
	} {
		t.Run(m.name, func(t *testing.T) { expectErrors(t, edits{m.from, m.to}.of(t, trunk), m.want...) })
	}
}
