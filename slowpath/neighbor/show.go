package neighbor

import (
	"cmp"
	"slices"
	"time"

	"github.com/weirlb/weir/slowpath/view"
)

// Snapshot returns all neighbours by port and address, for weir show neighbors. Age is the time since the MAC
// was last confirmed or learned, or since the neighbour began to be incomplete or failed.
func (t *Table) Snapshot(now time.Time) []view.Neighbor {
	t.advance(now)
	all := make([]*entry, 0, len(t.entries))
	for _, e := range t.entries {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.key.Port, b.key.Port), a.addr.Compare(b.addr))
	})
	rows := make([]view.Neighbor, len(all))
	for i, e := range all {
		rows[i] = view.Neighbor{
			Port: t.links[e.key.Port].name, Address: e.addr.String(), State: e.state.String(),
			Age: t.now.Sub(e.since).Seconds(), Queued: len(e.queue),
		}
		if e.usable() {
			rows[i].MAC = show(e.mac)
		}
	}
	return rows
}
