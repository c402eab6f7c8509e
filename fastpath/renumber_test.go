package fastpath

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
)

// identOf is the identification of a fragment.
func identOf(ip []byte) uint32 {
	if ip[0]>>4 == 6 {
		return binary.BigEndian.Uint32(ip[44:])
	}
	return uint32(binary.BigEndian.Uint16(ip[4:]))
}

// byIdent sorts the fragments that left by a port by their identification.
func byIdent(t *testing.T, out []sentFrame, port int) map[uint32][][]byte {
	t.Helper()
	all := map[uint32][][]byte{}
	for _, ip := range ips(t, out, port) {
		all[identOf(ip)] = append(all[identOf(ip)], ip)
	}
	return all
}

// Datagrams of several clients with one identification stay apart behind a local address: in any order of their fragments, on
// any worker, and between IP versions.
func TestFragmentsOfManyClientsStayApartInFullNAT(t *testing.T) {
	cases := []crossing{{"4 to 4", families[0].client, families[0].vip, families[0].rs1, false}}
	for _, c := range append(cases, crossings...) {
		for _, workers := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s/%d workers", c.name, workers), func(t *testing.T) {
				r := fullRig(t, c.vip, c.backend, true, withWorkers(workers, workers))
				const clients = 9
				var parts [clients][][]byte
				for i := range parts {
					parts[i] = cutUp(pk{from: netipPort(c.client, uint16(3000+i)), to: c.vip, udp: true, payload: 2000 + i}.frame(t), 800, 0x1234)
				}
				var out []sentFrame
				// All have the same addresses, so at one time they would be one datagram: each comes whole, in an order of its own.
				for i := range parts {
					out = append(out, sendParts(r, wan, parts[i], orders(3)[i%6])...)
				}
				all := byIdent(t, out, lan)
				if len(all) != clients {
					t.Fatalf("%d identifications for %d datagrams", len(all), clients)
				}
				seen := map[int]bool{}
				for _, ip := range all {
					s := together(t, ip)
					seen[len(s.l4)] = true
				}
				if len(seen) != clients || len(r.reasons()) != 0 {
					t.Errorf("%d datagrams, reasons %v", len(seen), r.reasons())
				}
			})
		}
	}
}

// What Weir cuts up itself stays apart as well.
func TestPiecesOfManyClientsStayApartInFullNAT(t *testing.T) {
	for _, c := range []crossing{{"4 to 4", families[0].client, families[0].vip, families[0].rs1, false}, crossings[0]} {
		r := fullRig(t, c.vip, c.backend, true, withLanMTU(1300))
		var out []sentFrame
		for i := range 5 {
			out = append(out, r.send(wan, pk{from: netipPort(c.client, uint16(3000+i)), to: c.vip, udp: true, payload: 1400}.frame(t))...)
		}
		all := byIdent(t, out, lan)
		if len(all) != 5 {
			t.Errorf("%s: %d identifications for 5 packets", c.name, len(all))
		}
		for _, ip := range all {
			together(t, ip)
		}
	}
}

// Clients get errors about the identification that they have sent.
func TestErrorsInFullNATQuoteTheClientsIdentification(t *testing.T) {
	f := families[0]
	for _, workers := range []int{1, 3} {
		r := fullRig(t, f.vip, f.rs1, true, withWorkers(workers, workers))
		_, left := throughParts(t, r, wan, lan, pk{from: f.client, to: f.vip, udp: true, payload: 2000})
		for i, o := range left {
			if identOf(ipOf(o.data)) == 0x4321 {
				t.Fatal("the identification has not changed")
			}
			in := icmpFrame("10.0.0.254", localOf(false).String(), 3, 1, quoteOf(o.data, 20), rs1MAC, lanMAC, 64)
			s := one(t, r.send(lan, in), wan)
			if q := s.l4[8:]; identOf(q) != 0x4321 || sum16(q[:20]) != 0 {
				t.Errorf("fragment %d: identification %x", i, identOf(q))
			}
		}
	}
}

func TestWhatFollowsAForgottenFragmentInFullNATIsDropped(t *testing.T) {
	f := families[0]
	r := fullRig(t, f.vip, f.rs1, true)
	parts := cutUp(pk{from: f.client, to: f.vip, udp: true, payload: 1600}.frame(t), 800, 0)
	one(t, r.send(wan, parts[0]), lan)
	clear(r.workers[0].passages.places)
	if out := r.send(wan, parts[1]); len(out) != 0 || r.reasons()["fragment_orphan"] != 1 {
		t.Errorf("%d left, reasons %v", len(out), r.reasons())
	}
}

// A datagram that was renumbered has no backend of its own, such as the first place's, which may not be made yet.
func TestWhatFollowsInFullNATWhenItsConnectionHasEndedIsDropped(t *testing.T) {
	for _, f := range families {
		rs := rigService{vip: f.vip, proto: packet.ProtoTCP, mode: NAT}
		r := newRig(t, []rigService{rs, {vip: f.vip, proto: packet.ProtoUDP, mode: FullNAT, peers: []string{crossPeer(f.v6)}}})
		r.rows = true
		r.publish()
		parts := cutUp(pk{from: f.client, to: f.vip, udp: true, payload: 1600}.frame(t), 800, 7)
		one(t, r.send(wan, parts[0]), lan)
		w := r.workers[0]
		var ended conn.Entry
		w.Dump(func(e *conn.Entry) bool { ended = *e; return true })
		k := ended.Key()
		w.forget(w.table.Find(&k).Entry)
		if out := r.send(wan, parts[1]); len(out) != 0 || r.reasons()["fragment_orphan"] != 1 {
			t.Errorf("%s: %d left, reasons %v", f.name, len(out), r.reasons())
		}
	}
}

// crossPeer is a backend of the other IP version, for which a client's fragments are renumbered whatever theirs is.
func crossPeer(v6 bool) string { return onceBackends[!v6][0] }

// Each of all identifications comes once before any comes again, whichever worker gives it.
func TestWorkersShareTheIdentifications(t *testing.T) {
	const workers = 3
	r := fullRig(t, vip4, "10.0.0.11:80", true, withWorkers(workers, workers))
	seen := map[uint16]bool{}
	for range 1 << 16 / workers {
		for _, w := range r.workers {
			id := w.newIdent(w.real(0))
			if seen[id] {
				t.Fatalf("%d comes again after %d", id, len(seen))
			}
			seen[id] = true
		}
	}
}

func TestFragmentsInFullNATAllocateNothing(t *testing.T) {
	r := fullRig(t, vip4, "10.0.0.11:80", true)
	parts := cutUp(pk{from: client4, to: vip4, udp: true, payload: 4000}.frame(t), 800, 9)
	if n := r.allocations(parts, func() {}); n != 0 || len(r.reasons()) != 0 {
		t.Errorf("%v allocations, reasons %v", n, r.reasons())
	}
}
