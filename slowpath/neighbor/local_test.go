package neighbor

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestNewAddressesAreAnnouncedThreeTimes(t *testing.T) {
	r := newRig(t)
	want := []string{
		"wan: ff:ff:ff:ff:ff:ff arp who-has 203.0.113.2 tell 203.0.113.2",
		"wan: 33:33:00:00:00:01 2001:db8::2>ff02::1 na 2001:db8::2 override target 02:00:00:00:00:02",
		"lan: ff:ff:ff:ff:ff:ff arp who-has 10.0.0.1 tell 10.0.0.1",
		"lan: 33:33:00:00:00:01 fd00::1>ff02::1 na fd00::1 override target 02:00:00:00:00:03",
		"wan: ff:ff:ff:ff:ff:ff arp who-has 203.0.113.10 tell 203.0.113.10",
		"wan: 33:33:00:00:00:01 2001:db8::10>ff02::1 na 2001:db8::10 override target 02:00:00:00:00:02",
		"wan: ff:ff:ff:ff:ff:ff arp who-has 192.0.2.80 tell 192.0.2.80",
		"lan: ff:ff:ff:ff:ff:ff arp who-has 192.0.2.80 tell 192.0.2.80",
	}
	r.table.SetLocal(r.now, []netip.Addr{vip4, vip6, ip("192.0.2.80")})
	r.expectSent()
	for range AnnounceCount {
		r.pass(0)
		r.expectSent(want...)
		r.pass(AnnounceInterval - 1)
		r.expectSent()
		r.pass(1)
	}
	r.pass(time.Minute)
	r.expectSent()
}

func TestReloadAnnouncesOnlyWhatIsNew(t *testing.T) {
	r := withVIPs(t)
	added := ip("203.0.113.11")
	r.table.SetLocal(r.now, []netip.Addr{vip4, vip6, added})
	r.pass(500 * time.Millisecond)
	// In the middle of the repetitions vip4 goes, and one that was there before comes again.
	r.table.SetLocal(r.now, []netip.Addr{vip6, added})
	r.pass(0)
	r.table.SetLocal(r.now, []netip.Addr{vip6, added, vip4})
	r.pass(time.Minute)
	sent := r.take()
	for vip, times := range map[string]int{"203.0.113.11": 3, "203.0.113.10": 3} {
		got := 0
		for _, frame := range sent {
			if strings.HasSuffix(frame, "tell "+vip) {
				got++
			}
		}
		if got != times {
			t.Errorf("%s announced %d times, want %d: %v", vip, got, times, sent)
		}
	}
	if len(sent) != 6 {
		t.Errorf("sent %v", sent)
	}
}

func TestVIPThatGoesIsNotAnnouncedFurther(t *testing.T) {
	r := newRig(t)
	r.table.SetLocal(r.now, []netip.Addr{vip4})
	r.pass(0)
	r.take()
	r.table.SetLocal(r.now, nil)
	r.pass(time.Minute)
	if slices.ContainsFunc(r.take(), func(s string) bool { return strings.Contains(s, vip4.String()) }) {
		t.Error("announced after it went")
	}
}

func TestAddressesNobodyCanHaveAreNotAnnounced(t *testing.T) {
	r := withVIPs(t)
	r.table.SetLocal(r.now, []netip.Addr{{}, ip("0.0.0.0"), ip("224.0.0.1"), ip("ff02::1")})
	r.pass(time.Minute)
	r.expectSent()
}
