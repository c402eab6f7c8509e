package fastpath

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// longWayIn makes all services of a rig unusual.
func (r *rig) longWayIn() {
	snap := r.snap.Load()
	for i := range snap.Services {
		snap.Services[i].usual = false
	}
}

// firstPacket is a packet at random that begins a connection of a kind, or nearly does.
func (k kind) firstPacket(r *rand.Rand, clients int) (p pk, in int) {
	client, vip, _ := k.addrs()
	from := netip.MustParseAddrPort(client)
	p = k.of(pk{
		from: netip.AddrPortFrom(from.Addr(), uint16(1024+r.IntN(clients))).String(), to: vip, flags: "S",
		payload: r.IntN(100), tos: uint8(r.Uint32()), noChecksum: k.udp && !k.v6 && r.IntN(4) == 0,
	})
	other := func(v4, v6 []string) string {
		if k.v6 {
			v4 = v6
		}
		return v4[r.IntN(len(v4))]
	}
	switch r.IntN(16) {
	case 0:
		p.ttl = uint8(1 + r.IntN(2))
	case 1:
		p.payload, p.df = 1400+r.IntN(100), r.IntN(2) == 0
	case 2:
		p.options = 4 * r.IntN(3)
	case 3:
		p.flags = []string{"A", "SA", "FA", "R"}[r.IntN(4)]
	case 4:
		p.pad = r.IntN(20)
	case 5: // martians, own addresses, a VIP, broadcast addresses, and a few that are good
		p.from = other(
			[]string{"127.0.0.1:5", "0.0.0.0:5", "224.0.0.1:5", "240.0.0.1:5", "255.255.255.255:5", "203.0.113.2:5", "203.0.113.10:5", "10.0.0.255:5", "10.0.0.20:5", "10.0.0.77:5"},
			[]string{"[::1]:5", "[::]:5", "[ff02::1]:5", "[fe80::1]:5", "[2001:db8::2]:5", "[2001:db8::10]:5", "[::ffff:1.2.3.4]:5", "[fd00::77]:5"})
	case 6:
		p.to = other([]string{"203.0.113.10:81", "203.0.113.99:80", "203.0.113.2:80"}, []string{"[2001:db8::10]:81", "[2001:db8::99]:80", "[2001:db8::2]:80"})
	case 7:
		p.udp = !p.udp && !k.sctp
	}
	return p, wan
}

// beginning makes a rig with one service of a kind that knows no connection, one of whose backends takes few.
func (k kind) beginning(t *testing.T, capacity int) *rig {
	_, vip, backend := k.addrs()
	proto := uint8(packet.ProtoTCP)
	if k.udp {
		proto = packet.ProtoUDP
	}
	if k.sctp {
		proto = packet.ProtoSCTP
	}
	first := netip.MustParseAddrPort(backend)
	if k.wide == portsKept {
		first = netip.AddrPortFrom(first.Addr(), 0)
	}
	s := rigService{vip: vip, proto: proto, mode: k.mode, clamp: k.mode == NAT, full: rigFull{tell: k.tell}}
	s.peers = []string{first.String(), netip.AddrPortFrom(first.Addr().Next(), first.Port()).String(), netip.AddrPortFrom(first.Addr().Next().Next(), first.Port()).String()}
	if k.wide == manyVIPs {
		s.more = []string{map[bool]string{false: "203.0.113.11:81", true: "[2001:db8::11]:81"}[k.v6]}
	}
	r := newRig(t, []rigService{s}, withCapacity(capacity))
	r.loads[2].SetThresholds(20, 10)
	return r
}

func TestFirstPacketsLeaveAsOnTheLongWayIn(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.String(), func(t *testing.T) {
			short, long := k.beginning(t, 100), k.beginning(t, 100)
			long.longWayIn()
			r := rand.New(rand.NewPCG(35, 36))
			for i := range rounds(400) {
				switch r.IntN(20) {
				case 0: // many end
					d := time.Duration(r.IntN(200)) * time.Second
					short.advance(uint64(d.Milliseconds()))
					long.advance(uint64(d.Milliseconds()))
				case 1: // a neighbour comes or goes
					state := []nexthop.State{nexthop.Unresolved, nexthop.Reachable}[r.IntN(2)]
					for _, g := range []*rig{short, long} {
						g.hops.Set(g.spec.Backends[1].Hop, rs2MAC, state)
					}
				}
				burst := 1 + r.IntN(40)
				for range burst {
					p, in := k.firstPacket(r, 200)
					f := p.frame(t)
					for _, g := range []*rig{short, long} {
						if err := g.queues[0][in].Put(f, 0); err != nil {
							t.Fatal(err)
						}
					}
				}
				if got, want := short.run(), long.run(); !sameFrames(got, want) {
					t.Fatalf("burst %d: %s", i, cmp.Diff(want, got, cmp.AllowUnexported(sentFrame{})))
				}
			}
			a, b := short.workers[0], long.workers[0]
			if d := cmp.Diff(counts(b), counts(a)); d != "" {
				t.Errorf("counters differ (- long way, + usual way): %s", d)
			}
			if d := cmp.Diff(connections(b), connections(a), cmp.AllowUnexported(conn.Entry{})); d != "" {
				t.Errorf("connections differ (- long way, + usual way): %s", d)
			}
			if d := cmp.Diff(b.locals[:2], a.locals[:2]); d != "" {
				t.Errorf("other numbers of connections from local addresses (- long way, + usual way): %s", d)
			}
			for i := range short.loads {
				if got, want := short.loads[i].Total(), long.loads[i].Total(); got != want {
					t.Errorf("backend %d has %d connections, and on the long way %d", i, got, want)
				}
			}
			if c := a.Counters(); c.NewConns < uint64(rounds(400)) || c.Evicted == 0 {
				t.Errorf("only %d connections were made, and %d evicted", c.NewConns, c.Evicted)
			}
		})
	}
}

func TestWhatNearlyAllConnectionsBeginWithTakesTheUsualWay(t *testing.T) {
	for _, k := range kinds() {
		if k.sctp && k.mode == NAT || k.mode == NAT && k.wide != narrow || k.tell != TellNone {
			continue
		}
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			rg := k.beginning(t, 100)
			w := rg.workers[0]
			usually := func(p pk) bool {
				b := p.frame(t)
				frames, items, o := []port.Frame{{Data: unsafe.Pointer(&b[0]), Len: uint32(len(b))}}, make([]item, 1), opening{}
				w.begin(frames, items, wan, false)
				if items[0].Proto == packet.ProtoTCP {
					items[0].TCPFlags = packet.SYN
				}
				if w.admitUsual(&frames[0], &items[0], &o) != newcomer {
					return false
				}
				w.giveBack(&o)
				return o.state == usual
			}
			client, vip, _ := k.addrs()
			if !usually(k.of(pk{from: client, to: vip, flags: "S", payload: 20})) {
				t.Error("a connection's first packet takes the long way in")
			}
			if usually(k.of(pk{from: client, to: vip, flags: "S", ttl: 1})) && k.mode != DR {
				t.Error("a packet whose TTL is up takes the usual way in")
			}
		})
	}
}

func TestConnectionsThatTimeOutAreCountedNoMore(t *testing.T) {
	for _, k := range kinds() {
		for _, replaced := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, backend replaced: %t", k, replaced), func(t *testing.T) {
				r := k.established(t)
				loads := r.loads
				if replaced {
					r.replaceBackend()
					r.publish()
					loads = append(loads, r.spec.Backends[0].Load)
				}
				r.run()
				for range 3 {
					r.advance(1_000_000)
					r.run()
				}
				if n := r.workers[0].table.Len(); n != 0 {
					t.Fatalf("%d connections are left", n)
				}
				for i, l := range loads {
					if a, n := l.Active.Load(), l.Inactive.Load(); !(replaced && i == 0) && (a != 0 || n != 0) {
						t.Errorf("load %d counts %d active and %d inactive connections", i, a, n)
					}
				}
			})
		}
	}
}
