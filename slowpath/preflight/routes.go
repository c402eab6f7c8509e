package preflight

import (
	"slices"
	"strings"
)

// defaultRoutes are the interfaces that carry a default route, of either family.
func (m *Machine) defaultRoutes() []string {
	var out []string
	for line := range strings.Lines(m.text("proc/net/route")) {
		// Iface Destination Gateway Flags RefCnt Use Metric Mask …
		if f := strings.Fields(line); len(f) >= 8 && f[1] == "00000000" && f[7] == "00000000" {
			out = append(out, f[0])
		}
	}
	for line := range strings.Lines(m.text("proc/net/ipv6_route")) {
		// destination, its length, source, its length, next hop, metric, references, use, flags, interface. The kernel's
		// own entry for what has no route is on lo.
		if f := strings.Fields(line); len(f) >= 10 && strings.Trim(f[0], "0") == "" && f[1] == "00" && f[9] != "lo" {
			out = append(out, f[9])
		}
	}
	return out
}

// carriesDefaultRoute tells whether an interface, or a bridge, bond or VLAN on it, does.
func (m *Machine) carriesDefaultRoute(iface string) bool {
	routes := m.defaultRoutes()
	seen := []string{iface}
	for i := 0; i < len(seen); i++ {
		if slices.Contains(routes, seen[i]) {
			return true
		}
		for _, name := range m.list("sys/class/net/" + seen[i]) {
			if upper, ok := strings.CutPrefix(name, "upper_"); ok && !slices.Contains(seen, upper) {
				seen = append(seen, upper)
			}
		}
	}
	return false
}
