package compile

import (
	"net/netip"
	"testing"

	"github.com/weirlb/weir/conf"
)

// full is web in mode fullnat.
func full(locals []string, backends ...string) conf.Service {
	s := web(backends...)
	s.Mode, s.LocalAddresses, s.LocalPorts = conf.FullNAT, prefixes(locals...), conf.PortRange{First: 1024, Last: 65535}
	return s
}

// local is where a local address is in the rig's snapshot.
func (r *rig) local(a string) uint32 {
	r.t.Helper()
	i, ok := r.c.Local(netip.MustParseAddr(a))
	if !ok || int(i) >= len(r.snap.Locals) || !r.snap.Locals[i].Used {
		r.t.Fatalf("%s has no place", a)
	}
	return i
}

func TestLocalAddressesKeepTheirPlaces(t *testing.T) {
	r := newRig(t)
	r.compile(full([]string{"10.0.0.20/32", "10.0.0.32/31"}, first))
	a, b := r.local("10.0.0.20"), r.local("10.0.0.33")
	r.compile(full([]string{"10.0.0.32/30", "10.0.0.20/32"}, first))
	if r.local("10.0.0.20") != a || r.local("10.0.0.33") != b {
		t.Error("an address that stays has another place")
	}
	if n := len(r.snap.Locals); n != 5 {
		t.Errorf("%d places, want 5", n)
	}
}

// The place of an address that connections still have is nobody else's.
func TestAPlaceOfALocalAddressIsFreeWhenNoConnectionHasIt(t *testing.T) {
	r := newRig(t)
	inUse := map[uint32]uint64{}
	r.c.LocalPorts = func(i uint32) uint64 { return inUse[i] }
	r.compile(full([]string{"10.0.0.20/32"}, first))
	old := r.local("10.0.0.20")
	inUse[old] = 1
	r.compile(full([]string{"10.0.0.21/32"}, first))
	r.compile(full([]string{"10.0.0.21/32", "10.0.0.22/32"}, first))
	if r.snap.Locals[old].Used {
		t.Error("the place has an address")
	}
	inUse[old] = 0
	r.compile(full([]string{"10.0.0.21/32", "10.0.0.22/32", "10.0.0.23/32"}, first))
	if got := r.local("10.0.0.23"); got != old {
		t.Errorf("place %d, want the free one, %d", got, old)
	}
}

func TestAChangeOfStatusIsMadeInFullNAT(t *testing.T) {
	r := newRig(t)
	s := web(first, second)
	s.Mode, s.LocalAddresses = conf.FullNAT, prefixes("10.0.0.100/32")
	r.compile(s)
	r.down[first] = true
	snap, commit, err := r.c.Recompile(r.now, []string{s.Name}, r.status, r.acked)
	if err != nil {
		t.Fatal(err)
	}
	commit()
	place, _ := r.c.Place(&s, netip.MustParseAddrPort(first))
	if got := picks(snap, 0, 10); got[place.Index] != 0 || len(got) != 1 {
		t.Errorf("picked %v", got)
	}
}
