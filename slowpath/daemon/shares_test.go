package daemon

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/weirlb/weir/slowpath/api"
	"github.com/weirlb/weir/slowpath/compile"
	"github.com/weirlb/weir/slowpath/view"
)

func TestSharesAreOfTheNewestConnections(t *testing.T) {
	var m shareMeter
	a, b, idle := new(compile.Place), new(compile.Place), new(compile.Place)
	got := map[*compile.Place]uint64{}
	look := func() {
		next := map[*compile.Place]counts{}
		for _, service := range [][]*compile.Place{{a, b}, {idle}} {
			m.moveOn(service, next, func(p *compile.Place) uint64 { return got[p] })
		}
		m.counts = next
	}
	expect := func(wantA, wantB, wantIdle uint64) {
		t.Helper()
		if x, y, z := got[a]-m.since(a), got[b]-m.since(b), got[idle]-m.since(idle); x != wantA || y != wantB || z != wantIdle {
			t.Errorf("%d, %d and %d are the newest connections, want %d, %d and %d", x, y, z, wantA, wantB, wantIdle)
		}
	}
	got[a], got[b], got[idle] = 5, 1, 7
	expect(5, 1, 7) // of all there were
	look()
	got[a], got[b] = 6, 4
	expect(6, 4, 7)
	look()
	expect(1, 3, 7)
	got[b] = 5
	expect(1, 4, 7)
	look()
	expect(0, 1, 7)
	look() // nothing came
	look()
	expect(0, 1, 7)
}

// udpTo is a frame from 198.51.100.7 to a VIP.
func udpTo(mac [6]byte, vip string, from uint16) []byte {
	to := netip.MustParseAddrPort(vip)
	f := make([]byte, 60)
	copy(f, mac[:])
	copy(f[6:], []byte{2, 9, 9, 9, 9, 9, 8, 0, 0x45, 0, 0, 28})
	f[22], f[23] = 64, 17
	copy(f[26:], []byte{198, 51, 100, 7})
	copy(f[30:], to.Addr().AsSlice())
	sum := uint32(0)
	for i := 14; i < 34; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(f[i:]))
	}
	binary.BigEndian.PutUint16(f[24:], ^uint16(sum+sum>>16))
	binary.BigEndian.PutUint16(f[34:], from)
	binary.BigEndian.PutUint16(f[36:], to.Port())
	binary.BigEndian.PutUint16(f[38:], 8)
	return f
}

func TestServicesShowWhatEachBackendGets(t *testing.T) {
	hw := memory()
	r := startIn(t, "", hw, somePorts+`
services:
  - name: dns
    address: 203.0.113.10:53
    protocol: udp
    mode: nat
    scheduler: wrr
    backends: [{address: "10.0.0.11:53"}, {address: "10.0.0.12:53", weight: 3}]
`)
	var s view.Service
	show := func() view.Service {
		list, err := api.Dial(r.socket).Show(t.Context(), "services", api.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		s = list.([]view.Service)[0]
		return s
	}
	if want := []view.Share{{Backend: "10.0.0.11:53"}, {Backend: "10.0.0.12:53"}}; !slices.Equal(show().Shares, want) {
		t.Errorf("before the first connection: %v", s.Shares)
	}
	for n := range uint16(40) {
		if err := hw.devices[0].queues[0].Put(udpTo(hw.devices[0].mac, "203.0.113.10:53", 40000+n), 0); err != nil {
			t.Fatal(err)
		}
	}
	r.until("there are 40 connections", func() bool { return show().Connections == 40 })
	if want := []view.Share{{Backend: "10.0.0.11:53", Share: 0.25}, {Backend: "10.0.0.12:53", Share: 0.75}}; !slices.Equal(s.Shares, want) {
		t.Errorf("shares %v, want %v", s.Shares, want)
	}
	if b := r.showBackends()[1]; b.Share != 0.75 || b.Effective != 3 {
		t.Errorf("%+v", b)
	}
}
