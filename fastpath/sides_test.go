package fastpath

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// TestWhatOneSideSendsStaysInOrder mixes packets of clients and backends, of new and old connections, of both families, on
// the steady and on the long way, whole and in fragments, in bursts of one port: each side's packets of each connection must leave in the order in which
// they came, though one side's may overtake the other's.
func TestWhatOneSideSendsStaysInOrder(t *testing.T) {
	for _, mode := range []Mode{NAT, TUN, DR, FullNAT} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			r := newRig(t, []rigService{
				{vip: "203.0.113.10:80", proto: packet.ProtoUDP, mode: mode, peers: []string{"10.0.0.11:80"}},
				{vip: "[2001:db8::10]:80", proto: packet.ProtoUDP, mode: mode, peers: []string{"[fd00::11]:80"}},
			})
			rnd := rand.New(rand.NewPCG(71, uint64(mode)))
			clients, replies, cut := 2, 0, map[uint32]sentBy{}
			for range rounds(400) {
				known, want := r.correspondents(), map[string][]int{}
				for i := range 1 + rnd.IntN(port.BurstSize) {
					clients = min(clients+rnd.IntN(2), 500)
					p, side := sidesPacket(max(0, clients-20)+rnd.IntN(min(clients, 20)), known, rnd)
					p.payload = i + 1
					want[side] = append(want[side], p.payload)
					parts := [][]byte{p.frame(t)}
					if mode != FullNAT && p.options == 0 && i > 20 && rnd.IntN(4) == 0 { // fullnat gives another identification
						id := uint32(len(cut) + 1)
						cut[id] = sentBy{side, p.payload}
						parts = cutUp(parts[0], 16, id)
					}
					for _, f := range parts {
						if err := r.queues[0][wan].Put(f, 0); err != nil {
							t.Fatal(err)
						}
					}
					if p.srcMAC == rs1MAC {
						replies++
					}
				}
				got := map[string][]int{}
				for _, f := range r.run() {
					if s, whole := sideOf(t, f.data, r.correspondents(), cut); whole {
						got[s.side] = append(got[s.side], s.size)
					}
				}
				for side, sizes := range want {
					if !slices.Equal(got[side], sizes) {
						t.Fatalf("%s sent packets of %d bytes, of which %d left", side, sizes, got[side])
					}
				}
			}
			if c := r.workers[0].Counters(); c.In != c.Out || replies == 0 != (mode == TUN || mode == DR) {
				t.Errorf("%d packets, of which %d left; %d replies", c.In, c.Out, replies)
			}
		})
	}
}

// correspondents are those that backends send to, and the ports of the clients that this is for. In tun and dr there are none.
func (r *rig) correspondents() map[netip.AddrPort]uint16 {
	w, all := r.workers[0], map[netip.AddrPort]uint16{}
	w.Dump(func(e *conn.Entry) bool {
		name, client := packet.Swap16(uint16(e.Ports)), sidesClient(e.Flags&conn.V6 != 0)
		switch {
		case e.Flags&conn.Full != 0:
			all[netip.AddrPortFrom(w.snap.LocalAddr(e.LocalIndex()), packet.Swap16(e.LocalPort()))] = name
		case e.Flags&conn.Reverse != 0:
			all[netip.AddrPortFrom(client, name)] = name
		}
		return true
	})
	return all
}

func sidesClient(v6 bool) netip.Addr {
	if v6 {
		return netip.MustParseAddr("2001:db8:c::7")
	}
	return netip.MustParseAddr("198.51.100.7")
}

// sidesPacket is one of a client's or, where a backend knows of it, of that backend's, and whose it is.
func sidesPacket(client int, known map[netip.AddrPort]uint16, rnd *rand.Rand) (p pk, side string) {
	name := uint16(2000 + client)
	p = pk{from: netip.AddrPortFrom(sidesClient(client%2 == 1), name).String(), to: "203.0.113.10:80", udp: true}
	backend := "10.0.0.11:80"
	if client%2 == 1 {
		p.to, backend = "[2001:db8::10]:80", "[fd00::11]:80"
	} else if rnd.IntN(4) == 0 {
		p.options = 4 // the long way
	}
	for to, of := range known {
		if of == name && rnd.IntN(2) == 0 {
			p.from, p.to, p.srcMAC = backend, to.String(), rs1MAC
			return p, fmt.Sprint("backend for ", name)
		}
	}
	return p, fmt.Sprint("client ", name)
}

// sentBy is who has sent a packet, and how many bytes it carries.
type sentBy struct {
	side string
	size int
}

// sideOf is what a frame that has left is, or completes: of those in cut, by identification, only the last fragment counts.
func sideOf(t *testing.T, frame []byte, known map[netip.AddrPort]uint16, cut map[uint32]sentBy) (s sentBy, whole bool) {
	t.Helper()
	var src netip.Addr
	for _, l := range gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default).Layers() {
		switch l := l.(type) { // in tun the inner header is the last
		case *layers.IPv4:
			src, _ = netip.AddrFromSlice(l.SrcIP.To4())
			if more := l.Flags&layers.IPv4MoreFragments != 0; more || l.FragOffset > 0 {
				s, whole = cut[uint32(l.Id)], !more
			}
		case *layers.IPv6:
			src, _ = netip.AddrFromSlice(l.SrcIP)
		case *layers.IPv6Fragment:
			return cut[l.Identification], !l.MoreFragments
		case *layers.UDP:
			s = sentBy{fmt.Sprint("client ", uint16(l.SrcPort)), int(l.Length) - packet.UDPLen}
			if name, ok := known[netip.AddrPortFrom(src, uint16(l.SrcPort))]; ok {
				s.side = fmt.Sprint("client ", name)
			}
			if l.SrcPort == 80 {
				s.side = fmt.Sprint("backend for ", uint16(l.DstPort))
			}
			return s, true
		}
	}
	if s.size == 0 {
		t.Fatalf("% x left", frame)
	}
	return s, whole
}

// TestNothingOvertakesAFragmentWhateverTheIndexHasInItsPlace lets the index have a backend's packets where it looks for what it cannot
// find, as it does for fragments: they are no backend's for that, and their sender's whole packets stay behind them.
func TestNothingOvertakesAFragmentWhateverTheIndexHasInItsPlace(t *testing.T) {
	for _, f := range families {
		r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: NAT, peers: []string{f.rs1}}}, withCapacity(20))
		w, backend := r.workers[0], netip.MustParseAddrPort(f.rs1)
		var other netip.AddrPort
		for port := uint16(1); other.Port() == 0; port++ {
			var addrs [32]byte
			to := netip.AddrPortFrom(netipAddr(f.client), port)
			if k := tuple(backend, to, packet.ProtoUDP, &addrs); w.hasher.KeyHome(&k) == w.hasher.HomeOf(0) {
				other = to
			}
		}
		one(t, r.send(wan, pk{from: other.String(), to: f.vip, udp: true}.frame(t)), lan)
		for range 2 {
			one(t, r.send(wan, pk{from: f.client, to: f.vip, udp: true}.frame(t)), lan)
		}
		frames := append(cutUp(pk{from: f.client, to: f.vip, udp: true, payload: 100}.frame(t), 56, 7), pk{from: f.client, to: f.vip, udp: true, payload: 9}.frame(t))
		for _, b := range frames {
			if err := r.queues[0][wan].Put(b, 0); err != nil {
				t.Fatal(err)
			}
		}
		for i, out := range r.run() {
			if len(out.data) != len(frames[i]) {
				t.Errorf("%s: the frame that leaves as number %d has %d bytes, and the one that came so %d", f.name, i, len(out.data), len(frames[i]))
			}
		}
	}
}
