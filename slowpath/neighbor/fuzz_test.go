package neighbor

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/reason"
)

// judge checks every frame that leaves, whatever came in.
type judge struct {
	t     *testing.T
	table *Table
	sent  int
	drops int
}

func (j *judge) Drop(_ int, _ reason.Reason, n int) { j.drops += n }

func (j *judge) Send(port int, frame []byte) {
	j.sent++
	if port < 0 || port >= len(j.table.links) || [6]byte(frame[6:12]) != j.table.links[port].mac {
		j.t.Fatalf("a frame on port %d from %s", port, show([6]byte(frame[6:12])))
	}
	switch binary.BigEndian.Uint16(frame[12:]) {
	case etherARP:
		if p, ok := decodeARP(frame); !ok || !p.spa.IsUnspecified() && !j.table.ours(port, p.spa) {
			j.t.Fatalf("ARP that says %+v", p)
		}
	case etherIPv6:
		if m, ok := decodeND(frame); !ok || !j.table.ours(port, m.src) {
			j.t.Fatalf("neighbour discovery that says %+v", m)
		}
	default:
		return // a packet that has waited
	}
	if p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default); p.ErrorLayer() != nil {
		j.t.Fatalf("a frame nobody can read: %v", p.ErrorLayer().Error())
	}
}

// busyTable has neighbours in every state.
func busyTable(t *testing.T) (*Table, *judge) {
	j := &judge{t: t}
	j.table = New(nexthop.NewTable(), links(), j)
	j.table.SetLocal(start, []netip.Addr{vip4, vip6})
	if err := j.table.SetStatic(start, []Static{{wan, gateway4, gatewayA}}); err != nil {
		t.Fatal(err)
	}
	for _, a := range []netip.Addr{server4, server6} {
		if _, err := j.table.Resolve(start, lan, a); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := j.table.Resolve(start, wan, gateway6); err != nil {
		t.Fatal(err)
	}
	j.table.Handle(start, lan, isAt(lan, server4, serverMAC))
	j.table.Await(start, wan, client4, datagram(wanMAC, "\x45 no packet"))
	j.table.Await(start, wan, client6, datagram(wanMAC, "\x60 no packet"))
	return j.table, j
}

func seeds() [][]byte {
	return [][]byte{
		whoHas(vip4, clientMAC, client4), whoHas(vip4, clientMAC, netip.IPv4Unspecified()),
		isAt(lan, server4, spareMAC), isAt(wan, client4, clientMAC), gratuitous(server4, spareMAC), gratuitous(vip4, spareMAC),
		solicitation(vip6, clientMAC, client6).frame(), solicitation(vip6, clientMAC, netip.IPv6Unspecified()).frame(),
		answer(lan, server6, serverMAC).frame(), unsolicited(server6, spareMAC).frame(), unsolicited(vip6, spareMAC).frame(),
		answer(wan, client6, clientMAC).frame(),
	}
}

// FuzzHandle sends a frame twice, as it is and with a right ICMPv6 checksum, and lets time pass.
func FuzzHandle(f *testing.F) {
	for i, frame := range seeds() {
		f.Add(frame, uint8(i%2), uint16(100*i))
	}
	f.Add([]byte{}, uint8(2), uint16(0))
	f.Fuzz(func(t *testing.T, frame []byte, port uint8, milliseconds uint16) {
		table, j := busyTable(t)
		now := start
		known := len(table.entries)
		for _, b := range [][]byte{frame, summed(frame)} {
			j.sent, j.drops = 0, 0
			table.Handle(now, int(port), b)
			if j.drops > 0 && j.sent > 1 || j.sent > 2 {
				t.Fatalf("%d frames sent, %d dropped", j.sent, j.drops)
			}
			checkInvariants(t, table)
			now = now.Add(time.Duration(milliseconds) * time.Millisecond)
			table.Tick(now)
			checkInvariants(t, table)
		}
		if len(table.entries) > known+2 {
			t.Fatalf("two frames have made %d neighbours", len(table.entries)-known)
		}
		for k := range table.entries {
			if table.ours(int(k.Port), addrOf(k)) {
				t.Fatalf("our address %s became a neighbour", addrOf(k))
			}
		}
	})
}

// summed is a frame with the checksum right, if there is room for one.
func summed(frame []byte) []byte {
	if len(frame) < ethLen+ip6Len+4 || int(binary.BigEndian.Uint16(frame[ethLen+4:])) != len(frame)-ethLen-ip6Len {
		return frame
	}
	return resum(frame, func([]byte) {})
}

// FuzzLife plays a script of calls: each byte is one, on one of a few neighbours.
func FuzzLife(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
	f.Add([]byte{0x10, 0x40, 0x50, 0x20, 0x30, 0x60, 0x70, 0x80, 0x90, 0xa0, 0xff, 0x11, 0x95})
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 300 {
			return
		}
		table, _ := busyTable(t)
		hops := table.hops
		now := start
		for _, b := range script {
			a := netip.AddrFrom4([4]byte{10, 0, 0, 11 + b&7})
			if b&8 != 0 {
				a = netip.AddrFrom16([16]byte{0xfd, 15: 0x11 + b&7})
			}
			switch b >> 4 {
			case 0, 1:
				if _, err := table.Resolve(now, lan, a); err != nil {
					t.Fatal(err)
				}
			case 2, 3:
				table.Await(now, lan, a, datagram(lanMAC, "\x45 no packet"))
			case 4:
				table.Release(table.Mark())
			case 5:
				if err := table.SetStatic(now, []Static{{lan, a, serverMAC}}); err != nil {
					t.Fatal(err)
				}
			case 6:
				if a.Is4() {
					table.Handle(now, lan, isAt(lan, a, serverMAC))
				} else {
					table.Handle(now, lan, answer(lan, a, serverMAC).frame())
				}
			case 7:
				if a.Is4() {
					table.Handle(now, lan, gratuitous(a, spareMAC))
				} else {
					table.Handle(now, lan, unsolicited(a, spareMAC).frame())
				}
			case 8:
				table.SetLocal(now, []netip.Addr{vip4, {}, vip6, vip4}[:b&3])
			case 9:
				if e := table.known(lan, a); e != nil {
					hops.Touch(e.id)
				}
			case 10, 11:
				now = now.Add(time.Duration(b&15) * time.Minute)
				table.Tick(now)
			case 12:
				table.Snapshot(now)
			default:
				now = now.Add(time.Duration(b&31) * time.Second / 4)
				table.Tick(now)
			}
			checkInvariants(t, table)
		}
	})
}
