package neighbor

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

// TestWhatHappensToNextHopsIsTold: one that is found, moves, and does not answer any more. Others are nobody's business.
func TestWhatHappensToNextHopsIsTold(t *testing.T) {
	r := newRig(t)
	var told []string
	r.table.OnState = func(port int, addr netip.Addr, mac [6]byte) {
		told = append(told, fmt.Sprintf("%d %s %s", port, addr, show(mac)))
	}
	if _, err := r.table.Resolve(r.now, lan, server4); err != nil {
		t.Fatal(err)
	}
	answer := func(mac [6]byte) {
		r.table.Handle(r.now, lan, encodeARP(lanMAC, arpPacket{op: arpReply, sha: mac, spa: server4, tha: lanMAC, tpa: ip("10.0.0.1")}))
	}
	answer(serverMAC)
	answer(serverMAC)
	answer(spareMAC)
	for end := r.now.Add(2 * ReachableTime); r.now.Before(end); {
		r.now = r.now.Add(RetryInterval / 2)
		r.table.Tick(r.now)
	}
	want := []string{"1 10.0.0.11 " + show(serverMAC), "1 10.0.0.11 " + show(spareMAC), "1 10.0.0.11 " + show(noMAC)}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
