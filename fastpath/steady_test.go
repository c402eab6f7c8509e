package fastpath

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket/layers"
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// kinds are the modes, families and protocols that packets of a connection differ by.
type kind struct {
	mode    Mode
	v6, udp bool
	wide    wideness
	sctp    bool
	tell    ClientAddress // fullnat
}

// wideness is what a service in NAT may have.
type wideness string

const (
	narrow    wideness = ""
	manyVIPs  wideness = " several VIPs"
	portsKept wideness = " ports kept"
)

func kinds() (all []kind) {
	for _, mode := range []Mode{NAT, TUN, DR, FullNAT} {
		for _, v6 := range []bool{false, true} {
			for _, udp := range []bool{false, true} {
				all = append(all, kind{mode: mode, v6: v6, udp: udp})
				if mode == FullNAT {
					all = append(all, kind{mode: mode, v6: v6, udp: udp, wide: portsKept}, kind{mode: mode, v6: v6, udp: udp, tell: TellProxyV2})
				}
				if mode == NAT {
					all = append(all, kind{mode: mode, v6: v6, udp: udp, wide: manyVIPs}, kind{mode: mode, v6: v6, udp: udp, wide: portsKept})
				}
			}
			all = append(all, kind{mode: mode, v6: v6, sctp: true})
			if mode == NAT {
				all = append(all, kind{mode: mode, v6: v6, sctp: true, wide: manyVIPs})
			}
		}
	}
	return all
}

func (k kind) String() string {
	return fmt.Sprintf("%s v6=%t udp=%t", map[Mode]string{NAT: "nat", TUN: "tun", DR: "dr", FullNAT: "fullnat"}[k.mode], k.v6, k.udp) + string(k.wide) + map[bool]string{true: " sctp"}[k.sctp] + map[bool]string{true: " told"}[k.tell != TellNone]
}

// twoWay reports whether replies pass Weir.
func (k kind) twoWay() bool { return k.mode == NAT || k.mode == FullNAT }

// far is where a backend of a kind sends its replies: to the client or, in fullnat, to the first local address and port.
func (k kind) far(r *rig) string {
	client, _, _ := k.addrs()
	if k.mode != FullNAT {
		return client
	}
	r.workers[0].Dump(func(e *conn.Entry) bool {
		if e.Flags&conn.Full != 0 {
			client = netip.AddrPortFrom(r.workers[0].snap.LocalAddr(e.LocalIndex()), packet.Swap16(e.LocalPort())).String()
		}
		return false
	})
	return client
}

// addrs are a client, the VIP and the backend of a kind.
func (k kind) addrs() (client, vip, backend string) {
	client, vip, backend = "198.51.100.7:40000", "203.0.113.10:80", "10.0.0.11:8080"
	if k.v6 {
		client, vip, backend = "[2001:db8:c::7]:40000", "[2001:db8::10]:80", "[fd00::11]:8080"
	}
	if !k.twoWay() || k.wide == portsKept {
		backend = netip.AddrPortFrom(netip.MustParseAddrPort(backend).Addr(), 80).String()
	}
	return client, vip, backend
}

// of makes a packet one of the kind's protocol. In SCTP a SYN is an INIT, anything else DATA behind SACK.
func (k kind) of(p pk) pk {
	p.udp = k.udp
	if k.sctp {
		p.chunks = []uint8{sack, data}
		if p.flags == "S" {
			p.chunks = []uint8{initiate}
		}
	}
	return p
}

// established makes a rig with one connection of a kind that has seen packets from both sides.
func (k kind) established(t *testing.T) *rig {
	client, vip, backend := k.addrs()
	proto := uint8(packet.ProtoTCP)
	if k.udp {
		proto = packet.ProtoUDP
	}
	if k.sctp {
		proto = packet.ProtoSCTP
	}
	s := rigService{vip: vip, proto: proto, mode: k.mode, peers: []string{backend}, full: rigFull{tell: k.tell}}
	switch k.wide {
	case manyVIPs:
		s.more = []string{map[bool]string{false: "203.0.113.11:81", true: "[2001:db8::11]:81"}[k.v6]}
	case portsKept:
		s.peers = []string{netip.AddrPortFrom(netip.MustParseAddrPort(backend).Addr(), 0).String()}
	}
	r := newRig(t, []rigService{s})
	for i, flags := range []string{"S", "A"} {
		there, back := pk{udp: k.udp, flags: flags}, pk{udp: k.udp, flags: flags + "A"}
		if k.sctp {
			there.chunks, back.chunks = [][]uint8{{initiate}, {cookieEcho}}[i], [][]uint8{{initAck}, {cookieAck}}[i]
		}
		if k.tell != TellNone {
			there.tcp = func(c *layers.TCP) { c.Seq = uint32(1000 + i) }
			back.tcp = func(c *layers.TCP) { c.Ack = uint32(1001 + 100*i) }
		}
		there.from, there.to = client, vip
		r.send(wan, there.frame(t))
		if k.twoWay() {
			back.from, back.to, back.srcMAC, back.dstMAC = backend, k.far(r), rs1MAC, lanMAC
			r.send(lan, back.frame(t))
		}
	}
	return r
}

// told fills in a TCP header of a connection with a PROXY header: a sequence number, an acknowledgment, and options, of
// which only the commonest are steady.
func told(seq, options int) func(*layers.TCP) {
	return func(c *layers.TCP) {
		c.Seq, c.Ack = uint32(seq), uint32(seq+1000)
		nop := layers.TCPOption{OptionType: layers.TCPOptionKindNop}
		switch options {
		case 1:
			c.Options = []layers.TCPOption{nop, nop, {OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: make([]byte, 8)}}
		case 2:
			c.Options = []layers.TCPOption{nop, nop, {OptionType: layers.TCPOptionKindSACK, OptionLength: 10, OptionData: []byte{0, 0, 0x20, 1, 0, 0, 0x30, 2}}}
		}
	}
}

// packets are those of the connection at random: most of them plain, some with something that the steady way leaves
// to the long one.
func (k kind) packet(r *rand.Rand, far string) (p pk, in int) {
	client, vip, backend := k.addrs()
	p = pk{from: client, to: vip, udp: k.udp, flags: "A", payload: r.IntN(1400), tos: uint8(r.Uint32()), noChecksum: k.udp && !k.v6 && r.IntN(4) == 0}
	if k.twoWay() && r.IntN(2) == 0 {
		p.from, p.to, p.srcMAC, p.dstMAC, in = backend, far, rs1MAC, lanMAC, lan
	}
	if k.tell != TellNone {
		p.tcp = told(r.IntN(1<<20)+5000, r.IntN(4))
	}
	if k.sctp {
		p.chunks = [][]uint8{{data}, {sack}, {sack, data}, {4}, {5}}[r.IntN(5)]
	}
	switch r.IntN(20) {
	case 0:
		p.ttl = uint8(1 + r.IntN(2))
	case 1:
		p.payload, p.df = 1400+r.IntN(60), r.IntN(2) == 0
	case 2:
		p.options = 4 * r.IntN(3)
	case 3:
		p.flags = "SA"
	case 4:
		p.pad = r.IntN(20)
	case 5:
		p.payload = 0
	case 6:
		p.flags = []string{"", "F", "FA"}[r.IntN(3)]
		if k.sctp {
			p.chunks = [][]uint8{{shutdown}, {64}, {9}, {initiate}, {abort}}[r.IntN(5)]
		}
	case 7:
		p.from = client // and now it may be another connection
		p.to = vip
	}
	return p, in
}

// longWay makes a worker refuse the steady way: no port ever has room there.
func longWay(w *Worker) {
	for i := range w.exits {
		w.exits[i].b = full
	}
}

func TestSteadyPacketsLeaveAsOnTheLongWay(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.String(), func(t *testing.T) {
			short, long := k.established(t), k.established(t)
			longWay(long.workers[0])
			r := rand.New(rand.NewPCG(31, 32))
			for i := range 400 {
				if i%100 == 0 { // what has ended meanwhile is made anew by the same packets in both
					short.advance(60_000)
					long.advance(60_000)
				}
				p, in := k.packet(r, k.far(short))
				f := p.frame(t)
				if got, want := short.send(in, f), long.send(in, f); !sameFrames(got, want) {
					t.Fatalf("packet %d, %+v: %s", i, p, cmp.Diff(want, got, cmp.AllowUnexported(sentFrame{})))
				}
			}
			a, b := short.workers[0], long.workers[0]
			if d := cmp.Diff(counts(b), counts(a)); d != "" {
				t.Errorf("counters differ (- long way, + steady way): %s", d)
			}
			if d := cmp.Diff(connections(b), connections(a), cmp.AllowUnexported(conn.Entry{})); d != "" {
				t.Errorf("connections differ (- long way, + steady way): %s", d)
			}
		})
	}
}

func counts(w *Worker) [2]any {
	c := w.Counters()
	c.Polls, c.BusyNs, c.NowNs = 0, 0, 0
	return [2]any{c, fmt.Sprint(w.BackendCounters(0))}
}

func connections(w *Worker) (all []conn.Entry) {
	w.Dump(func(e *conn.Entry) bool {
		all = append(all, *e)
		return true
	})
	return all
}

func TestWhatNearlyAllPacketsAreTakesTheSteadyWay(t *testing.T) {
	for _, k := range kinds() {
		client, vip, backend := k.addrs()
		r := k.established(t)
		w := r.workers[0]
		steady := func(p pk, in uint8) bool {
			var buf [2048]byte
			n := copy(buf[port.Headroom:], p.frame(t))
			f := []port.Frame{{Data: unsafe.Pointer(&buf[port.Headroom]), Len: uint32(n), Room: port.Headroom, Tail: 100}}
			items := make([]item, 1)
			w.begin(f, items, in, false)
			found, replies := w.table.Probe(&items[0].Probe, 1, itemSize)
			done := found != 0 && w.steady(f, items, found&^replies, found&replies) == 0
			if done {
				for i := range w.ports {
					w.ports[i].b.NTX = 0 // the buffer is none of the pool's
				}
				w.counters.In++
			}
			return done
		}
		if !steady(k.of(pk{from: client, to: vip, flags: "A", payload: 20}), wan) {
			t.Errorf("%s: the client's packet takes the long way", k)
		}
		if k.twoWay() && !steady(k.of(pk{from: backend, to: k.far(r), flags: "A", payload: 20, srcMAC: rs1MAC, dstMAC: lanMAC}), lan) {
			t.Errorf("%s: the backend's packet takes the long way", k)
		}
		if steady(k.of(pk{from: client, to: vip, flags: "A", ttl: 1}), wan) && k.mode != DR {
			t.Errorf("%s: a packet whose TTL is up takes the steady way", k)
		}
	}
}

// TestPlainSeesWhatParseSees damages frames at random: what plain takes for plain must be that.
func TestPlainSeesWhatParseSees(t *testing.T) {
	rg := newRig(t, nil)
	w := rg.workers[0]
	r := rand.New(rand.NewPCG(33, 34))
	taken := 0
	var whole [][]byte
	for range 200 {
		k := kind{mode: NAT, v6: r.IntN(2) == 0, udp: r.IntN(2) == 0}
		client, vip, _ := k.addrs()
		whole = append(whole, pk{from: client, to: vip, udp: k.udp, flags: []string{"A", "S"}[r.IntN(2)], payload: r.IntN(8), pad: r.IntN(3)}.frame(t))
	}
	for range 40_000 {
		f := bytes.Clone(whole[r.IntN(len(whole))])
		for range r.IntN(3) {
			f[r.IntN(min(len(f), 76))] = []byte{0, 1, 4, 5, 6, 17, 0x45, 0x46, 0x50, 0x60, 0xff, uint8(r.Uint32())}[r.IntN(12)]
		}
		f = bytes.Clone(f[:len(f)-r.IntN(len(f)+1)*r.IntN(2)*r.IntN(2)])
		frame := []port.Frame{{Data: unsafe.Pointer(unsafe.SliceData(f)), Len: uint32(len(f))}}
		var got, want [1]item
		w.parse(&frame[0], &want[0], w.ports[wan].mac)
		if w.plain(frame, got[:], wan, w.ports[wan].mac) == 0 {
			continue
		}
		taken++
		if got[0].steady == 0 {
			t.Fatalf("% x: plain, but of no kind", f)
		}
		want[0].TCPFlags, want[0].steady = 0, got[0].steady // which are filled in later, and not by parse
		if got != want {
			t.Fatalf("% x: plain says %+v, parse %+v", f, got[0], want[0])
		}
	}
	if taken < 8_000 {
		t.Errorf("only %d frames were plain", taken)
	}
}
