package neighbor

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

func TestEveryAddressOfAPrefixIsAnsweredForAndNoneAnnounced(t *testing.T) {
	r := withVIPs(t)
	r.table.SetLocal(r.now, []netip.Addr{vip4, vip6}, netip.MustParsePrefix("203.0.113.16/28"), netip.MustParsePrefix("2001:db8:1::/64"))
	r.pass(AnnounceCount * AnnounceInterval)
	r.expectSent()
	r.table.Handle(r.now, wan, whoHas(ip("203.0.113.31"), clientMAC, client4))
	r.table.Handle(r.now, wan, whoHas(ip("203.0.113.32"), clientMAC, client4))
	r.table.Handle(r.now, wan, solicitation(ip("2001:db8:1::77"), clientMAC, client6).frame())
	r.table.Handle(r.now, wan, solicitation(ip("2001:db8:2::77"), clientMAC, client6).frame())
	r.expectSent(
		"wan: 02:00:00:00:03:01 arp 203.0.113.31 is-at 02:00:00:00:00:02 to 203.0.113.77 02:00:00:00:03:01",
		"wan: 02:00:00:00:03:01 2001:db8:1::77>2001:db8::77 na 2001:db8:1::77 solicited override target 02:00:00:00:00:02")
	r.table.SetLocal(r.now, []netip.Addr{vip4, vip6})
	r.table.Handle(r.now, wan, whoHas(ip("203.0.113.31"), clientMAC, client4))
	r.expectSent()
}

// Whoever claims one address of a prefix after the other must not fill the memory.
func TestDefenceIsBounded(t *testing.T) {
	r := withVIPs(t)
	r.table.SetLocal(r.now, nil, netip.MustParsePrefix("203.0.0.0/16"))
	for i := range 2 * MaxDefended {
		a := ip(fmt.Sprintf("203.0.%d.%d", i>>8, i&255))
		r.table.Handle(r.now, wan, whoHas(a, clientMAC, a))
	}
	if len(r.table.defended) != MaxDefended || len(r.conflicts) != MaxDefended {
		t.Errorf("%d addresses are remembered, %d conflicts", len(r.table.defended), len(r.conflicts))
	}
	r.pass(DefendInterval)
	a := ip("203.0.99.99")
	r.table.Handle(r.now, wan, whoHas(a, clientMAC, a))
	if len(r.table.defended) != 1 || !slices.Contains(r.conflicts, "wan 203.0.99.99 02:00:00:00:03:01") {
		t.Errorf("%d addresses are remembered after a while", len(r.table.defended))
	}
}
