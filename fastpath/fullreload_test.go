package fastpath

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/rss"
	"github.com/weirlb/weir/sched"
)

// fullServices are services in fullnat that share local addresses and backends, with too few ports for their clients.
func fullServices(t *testing.T, workers int, p *rss.Spread) *rig {
	few := rigFull{first: 3000, last: 3011}
	told := few
	told.tell = TellProxyV2
	tcp, udp := uint8(packet.ProtoTCP), uint8(packet.ProtoUDP)
	opts := []rigOption{withWorkers(workers, workers), withCapacity(120)}
	if p != nil {
		opts = append(opts, withRSS(p))
	}
	return newRig(t, []rigService{
		{vip: "203.0.113.10:80", proto: udp, mode: FullNAT, full: few, peers: []string{"10.0.0.11:80", "10.0.0.12:80"}},
		{vip: "203.0.113.10:81", proto: udp, mode: FullNAT, full: few, peers: []string{"10.0.0.11:80", "10.0.0.12:0"}},
		{vip: "203.0.113.10:82", proto: tcp, mode: FullNAT, full: few, peers: []string{"10.0.0.11:80", "[fd00::12]:80"}},
		{vip: "203.0.113.10:83", proto: tcp, mode: FullNAT, full: told, peers: []string{"10.0.0.11:80"}},
		{vip: "203.0.113.10:84", proto: udp, mode: NAT, peers: []string{"10.0.0.11:80", "10.0.0.12:80"}},
		{vip: "[2001:db8::10]:80", proto: udp, mode: FullNAT, full: few, peers: []string{"[fd00::11]:80", "[fd00::12]:0"}},
		{vip: "[2001:db8::10]:82", proto: tcp, mode: FullNAT, full: few, peers: []string{"[fd00::11]:80", "10.0.0.12:80"}},
		{vip: "[2001:db8::10]:85", proto: packet.ProtoSCTP, mode: FullNAT, full: few, peers: []string{"[fd00::11]:80"}},
	}, opts...)
}

// reloadFull changes something about a rig's local addresses, or about who uses them.
func (r *rig) reloadFull(n int, gen uint32) {
	svc := &r.spec.Services[n/8%len(r.spec.Services)]
	at := n / 64 % len(r.spec.Backends)
	b := &r.spec.Backends[at]
	more := n / 2048
	switch full := svc.Full; {
	case n%8 == 0 && full != nil:
		c := *full
		c.FirstPort = 3000 + uint16(more%5)
		c.LastPort = c.FirstPort + uint16(more/5%40)
		svc.Full = &c
	case n%8 == 1 && full != nil: // a local address comes or goes
		c := *full
		c.Locals = []uint32{0, 1}
		for i := range more % 5 {
			a := netip.MustParseAddr([]string{"10.0.0.21", "10.0.0.22", "fd00::21", "10.0.0.23", "fd00::22"}[i])
			for len(r.spec.Locals) < 3+i {
				r.spec.Locals = append(r.spec.Locals, netip.Addr{})
			}
			r.spec.Locals[2+i] = a
			c.Locals = append(c.Locals, uint32(2+i))
		}
		svc.Full = &c
	case n%8 == 2:
		b.Gen, b.Load = gen, new(sched.Load)
	case n%8 == 3: // it has an address of the other family
		if r.spec.Services[b.Service].Mode == FullNAT {
			addr := "[fd00::11]:80"
			if !b.Address.Addr().Is4() {
				addr = "10.0.0.11:80"
			}
			b.Address, b.Gen, b.Load = netip.MustParseAddrPort(addr), gen, new(sched.Load)
			b.Hop = r.hop(lan, b.Address.Addr().String(), rs1MAC)
		}
	case n%8 == 4 && full != nil && svc.Proto == packet.ProtoTCP:
		c := *full
		c.Tell = []ClientAddress{TellNone, TellTOA, TellProxyV1}[more%3]
		svc.Full = &c
	case n%8 == 5: // two services change places
		i, j := 0, 1
		x, y := &r.spec.Services[i], &r.spec.Services[j]
		x.Addresses, y.Addresses = y.Addresses, x.Addresses
		x.Full, y.Full = y.Full, x.Full
		x.Gen, y.Gen = gen, gen+1
	case n%8 == 6 && full != nil: // a local address is removed while connections have it
		for i := range r.spec.Locals[2:] {
			r.spec.Locals[2+i] = netip.Addr{}
		}
		for i := range r.spec.Services {
			if f := r.spec.Services[i].Full; f != nil {
				c := *f
				c.Locals = []uint32{0, 1}
				r.spec.Services[i].Full = &c
			}
		}
	case n%8 == 7:
		b.Load.SetThresholds(more%10, 0)
	}
	r.publishFillable()
}

func TestFullNATBeginsAsOnTheLongWayInAcrossReloads(t *testing.T) {
	for _, workers := range []int{1, 3} {
		for _, spread := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d workers/RSS %t", workers, spread), func(t *testing.T) {
				var p *rss.Spread
				if spread {
					p = spreadOver(t, workers, 128, allKinds)
				}
				short, long := fullServices(t, workers, p), fullServices(t, workers, p)
				long.rows = short.rows
				short.publishFillable()
				long.publishFillable()
				long.longWayIn()
				rnd := rand.New(rand.NewPCG(95, 0))
				for i := range rounds(150) {
					switch rnd.IntN(10) {
					case 0, 1:
						ms := rnd.Uint64N(300_000)
						short.advance(ms)
						long.advance(ms)
					case 2, 3:
						n := rnd.IntN(1 << 24)
						short.reloadFull(n, uint32(1000+2*i))
						long.reloadFull(n, uint32(1000+2*i))
						long.longWayIn()
					}
					for range 1 + rnd.IntN(30) {
						v6, port := rnd.IntN(2) == 0, 80+rnd.IntN(6)
						q := pk{from: fmt.Sprintf("198.51.100.7:%d", 1024+rnd.IntN(60)), to: fmt.Sprintf("203.0.113.10:%d", port)}
						if v6 {
							q.from, q.to = fmt.Sprintf("[2001:db8:c::7]:%d", 1024+rnd.IntN(60)), fmt.Sprintf("[2001:db8::10]:%d", port)
						}
						q.udp, q.flags, q.payload = port < 82 || port == 84, []string{"S", "S", "A", "FA", "R"}[rnd.IntN(5)], rnd.IntN(1450)
						q.noChecksum = !v6 && rnd.IntN(5) == 0
						if port == 85 {
							q.chunks = []uint8{initiate}
						}
						f := q.frame(t)
						for _, r := range []*rig{short, long} {
							if err := r.queues[0][wan].Put(f, 0); err != nil {
								t.Fatal(err)
							}
						}
					}
					if got, want := short.run(), long.run(); !sameFrames(got, want) {
						t.Fatalf("burst %d: %s", i, cmp.Diff(want, got, cmp.AllowUnexported(sentFrame{})))
					}
					short.checkLocalPorts()
					for n := range short.workers {
						a, b := short.workers[n], long.workers[n]
						if d := cmp.Diff(counts(b), counts(a)); d != "" {
							t.Fatalf("burst %d: counters differ (- long way, + usual way): %s", i, d)
						}
						if d := cmp.Diff(connections(b), connections(a), cmp.AllowUnexported(conn.Entry{})); d != "" {
							t.Fatalf("burst %d: connections differ (- long way, + usual way): %s", i, d)
						}
					}
					for n := range short.spec.Backends {
						if got, want := short.spec.Backends[n].Load.Total(), long.spec.Backends[n].Load.Total(); got != want {
							t.Fatalf("burst %d: backend %d has %d connections, and on the long way %d", i, n, got, want)
						}
					}
				}
				if m := short.reasons(); m["no_local_port"] == 0 || short.workers[0].Counters().NewConns < uint64(rounds(100)) {
					t.Errorf("reasons %v, %d new connections", m, short.workers[0].Counters().NewConns)
				}
			})
		}
	}
}
