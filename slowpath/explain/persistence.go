package explain

import (
	"fmt"
	"net/netip"
)

// tellPersistence tells of a new connection whether its client was bound to a backend before.
func (t *trial) tellPersistence() {
	if t.service == nil || t.service.Persistence == nil || t.made == nil || t.reply || t.known && len(t.picks) == 0 && t.made.Backend == t.entry.Backend {
		return
	}
	p := t.service.Persistence
	size := p.Mask
	if t.p.v6() {
		size = p.Prefix
	}
	client := netip.PrefixFrom(t.p.Src.Addr(), size).Masked()
	if len(t.picks) == 0 {
		t.step("persistence", fmt.Sprintf("%s is bound to %s, which no scheduler is asked about", client, t.out.Backend))
		return
	}
	t.step("persistence", fmt.Sprintf("%s is not bound to a backend: it is to the one that is chosen now, until %s after its last new connection",
		client, p.Timeout))
}
