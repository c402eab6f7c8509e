package ipvs

import (
	"fmt"
	"net/netip"
	"strings"
)

// tolerance is by how much a connection may end earlier in IPVS, in seconds: there, time passes while a scenario runs.
const tolerance = 10

// DiffTables tells how two tables differ, a line each. It leaves out connections whose backend is gone: IPVS shows them, and Weir
// does not.
func DiffTables(linux, weir *Table) string {
	var b strings.Builder
	want, got := content(linux), content(weir)
	for _, key := range sorted(want) {
		l := want[key]
		if w, ok := got[key]; !ok {
			fmt.Fprintf(&b, "only IPVS: %s\n", key)
		} else if l > w+1 || l < w-tolerance {
			fmt.Fprintf(&b, "%s ends in %d s in IPVS, in %d s in Weir\n", key, l, w)
		}
	}
	for _, key := range sorted(got) {
		if _, ok := want[key]; !ok {
			fmt.Fprintf(&b, "only Weir: %s\n", key)
		}
	}
	return b.String()
}

// content is what is in a table, and when connections end.
func content(t *Table) map[string]int {
	out := map[string]int{}
	there := map[netip.Addr]bool{}
	for _, c := range t.Counts {
		there[c.Backend.Addr()] = true
		out[fmt.Sprintf("%+v", c)] = 0
	}
	for _, c := range t.Conns {
		if there[c.Backend.Addr()] {
			ends := c.Expires
			c.Expires = 0
			out[fmt.Sprintf("%s %s > %s > %s %s", c.Protocol, c.Client, c.VIP, c.Backend, c.State)] = ends
		}
	}
	return out
}
