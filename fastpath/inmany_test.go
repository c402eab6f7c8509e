package fastpath

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/sched"
)

// manyServices are services that overlap, share real servers, and have what keeps connections off the usual way in; with prefixes
// no source of IPv4 is known to be good at a glance.
func manyServices(t *testing.T, v6, ranges bool) *rig {
	at := func(last, port int) string {
		if v6 {
			return fmt.Sprintf("[2001:db8::%d]:%d", last, port)
		}
		return fmt.Sprintf("203.0.113.%d:%d", last, port)
	}
	server := func(last, port int) string {
		if v6 {
			return fmt.Sprintf("[fd00::%d]:%d", last, port)
		}
		return fmt.Sprintf("10.0.0.%d:%d", last, port)
	}
	tcp, udp := uint8(packet.ProtoTCP), uint8(packet.ProtoUDP)
	services := []rigService{
		{vip: at(10, 80), proto: tcp, mode: NAT},
		{vip: at(10, 80), proto: tcp, mode: TUN}, // from some sources
		{vip: at(10, 81), proto: udp, mode: NAT, peers: []string{server(11, 81), server(12, 81)}},
		{vip: at(11, 81), proto: udp, mode: NAT, peers: []string{server(11, 81), server(12, 81)}},
		{vip: at(10, 82), proto: udp, mode: DR},
		{vip: at(10, 83), proto: udp, mode: NAT, once: true},
		{vip: at(10, 84), proto: udp, mode: NAT},
		{vip: at(10, 85), proto: tcp, mode: DR},
		{vip: at(10, 85), proto: packet.ProtoSCTP, mode: DR},
	}
	if ranges {
		p := netip.PrefixFrom(netip.MustParseAddrPort(at(10, 80)).Addr(), 28+92*int(b2i(v6))).Masked()
		services = append(services,
			rigService{vip: at(12, 86), proto: udp, mode: NAT, nets: []Endpoint{{p, 80, 90}}},
			rigService{vip: at(12, 86), proto: tcp, mode: DR, nets: []Endpoint{{p, 0, 65535}}})
	}
	r := newRig(t, services, withCapacity(120))
	r.spec.Services[1].Sources = prefixes("198.51.100.8/32", "2001:db8:c::8/128")
	r.spec.Services[7].Sloppy = true
	for i := range r.spec.Backends {
		b := &r.spec.Backends[i]
		b.Shared = b.Service == 2 || b.Service == 3
	}
	r.loads[0].SetThresholds(15, 9)
	r.publishFillable()
	return r
}

// fillable is a roundRobin that passes over backends that are full, as all schedulers of package sched do.
type fillable struct {
	roundRobin
	loads []*sched.Load
}

func (s *fillable) Pick(k *sched.Key, st *sched.State) int {
	for range s.n {
		if i := s.roundRobin.Pick(k, st); i >= 0 && !s.loads[i].Full() {
			return i
		}
	}
	return -1
}

// publishFillable is publish with schedulers that look at the backends' thresholds.
func (r *rig) publishFillable() {
	for i := range r.spec.Services {
		svc := &r.spec.Services[i]
		s := &fillable{}
		switch was := svc.Sched.(type) {
		case *roundRobin:
			s.n = was.n
		case *fillable:
			s.n = was.n
		}
		for _, b := range svc.Backends {
			s.loads = append(s.loads, r.spec.Backends[b].Load)
		}
		svc.Sched = s
	}
	r.publish()
}

// reload changes something about a rig's services as a reload would, and publishes it; which it is, is drawn by n.
func (r *rig) reload(n int, gen uint32) {
	svc := &r.spec.Services[n/8%len(r.spec.Services)]
	b := &r.spec.Backends[n/8%len(r.spec.Backends)]
	switch n % 8 {
	case 0:
		if svc.Persist = nil; n/64%2 == 0 && !svc.OnePacket {
			svc.Persist = &PersistenceSpec{Timeout: 60_000, Mask4: 32, Mask6: 128}
		}
	case 1:
		if svc.Limits = nil; n/64%2 == 0 {
			svc.Limits = &LimitSpec{Connections: 10, Load: new(ServiceLoad)}
		}
	case 2:
		b.Gen, b.Load = gen, new(sched.Load)
	case 3:
		of, at := &r.spec.Services[b.Service], uint32(n/8%len(r.spec.Backends))
		of.Backends = slices.DeleteFunc(slices.Clone(of.Backends), func(i uint32) bool { return i == at })
		if b.Accepts, b.Departure = n/64%2 == 0, Stays; b.Accepts {
			of.Backends = append(of.Backends, at)
		} else {
			b.Departure = Departure(n / 128 % 3)
		}
		of.Sched = &roundRobin{n: len(of.Backends)}
	case 4:
		port := svc.Addresses[0].First ^ 0x400 // the service goes, or comes again
		svc.Addresses[0].First, svc.Addresses[0].Last = port, port
	case 5:
		svc.Gen = gen
	case 6:
		svc.Sched = &roundRobin{n: n / 64 % (len(svc.Backends) + 1)}
	case 7:
		b.Load.SetThresholds(n/64%10, 0)
	}
	r.publishFillable()
}

func TestFirstPacketsAmongManyServicesLeaveAsOnTheLongWayIn(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for _, prefixes := range []bool{false, true} {
			for seed := range uint64(3) {
				t.Run(fmt.Sprintf("IPv6 %t/prefixes %t/%d", v6, prefixes, seed), func(t *testing.T) {
					short, long := manyServices(t, v6, prefixes), manyServices(t, v6, prefixes)
					long.rows = short.rows
					long.longWayIn()
					rigs := []*rig{short, long}
					rnd := rand.New(rand.NewPCG(51, seed))
					for i := range rounds(400) {
						switch rnd.IntN(12) {
						case 0:
							ms := rnd.Uint64N(200_000)
							short.advance(ms)
							long.advance(ms)
						case 1, 2:
							n := rnd.IntN(1 << 20)
							for _, r := range rigs {
								r.reload(n, uint32(1000+i))
							}
							long.longWayIn()
						}
						for range 1 + rnd.IntN(40) {
							f, in := oneOfMany(t, rnd, v6)
							for _, r := range rigs {
								if err := r.queues[0][in].Put(f, 0); err != nil {
									t.Fatal(err)
								}
							}
						}
						if got, want := short.run(), long.run(); !sameFrames(got, want) {
							t.Fatalf("burst %d: %s", i, cmp.Diff(want, got, cmp.AllowUnexported(sentFrame{})))
						}
						a, b := short.workers[0], long.workers[0]
						if d := cmp.Diff(counts(b), counts(a)); d != "" {
							t.Fatalf("burst %d: counters differ (- long way, + usual way): %s", i, d)
						}
						for s := range short.spec.Services {
							if a.ServiceReasons(uint32(s)) != b.ServiceReasons(uint32(s)) {
								t.Fatalf("burst %d: service %d has lost others", i, s)
							}
						}
						for n := range short.spec.Backends {
							if got, want := a.BackendCounters(uint32(n)), b.BackendCounters(uint32(n)); got != want {
								t.Fatalf("burst %d: backend %d counts %+v, and on the long way %+v", i, n, got, want)
							}
							if got, want := short.spec.Backends[n].Load.Total(), long.spec.Backends[n].Load.Total(); got != want {
								t.Fatalf("burst %d: backend %d has %d connections, and on the long way %d", i, n, got, want)
							}
						}
					}
					a, b := short.workers[0], long.workers[0]
					if d := cmp.Diff(connections(b), connections(a), cmp.AllowUnexported(conn.Entry{})); d != "" {
						t.Errorf("connections differ (- long way, + usual way): %s", d)
					}
					if a.Counters().NewConns < uint64(rounds(400)) {
						t.Errorf("only %d connections were made", a.Counters().NewConns)
					}
				})
			}
		}
	}
}

// oneOfMany is a packet of a few clients or backends, some of them damaged.
func oneOfMany(t *testing.T, rnd *rand.Rand, v6 bool) (f []byte, in int) {
	client, vip, rs := "198.51.100.%d:%d", "203.0.113.%d:%d", "10.0.0.%d:%d"
	if v6 {
		client, vip, rs = "[2001:db8:c::%d]:%d", "[2001:db8::%d]:%d", "[fd00::%d]:%d"
	}
	port := 80 + rnd.IntN(8)
	p := pk{
		from: fmt.Sprintf(client, 7+rnd.IntN(3), 1024+rnd.IntN(12)), to: fmt.Sprintf(vip, 10+rnd.IntN(3), port),
		udp: port > 80 && port < 85 || rnd.IntN(8) == 0, flags: []string{"S", "S", "A", "FA", "R"}[rnd.IntN(5)],
		payload: rnd.IntN(60), ttl: uint8(1 + rnd.IntN(20)), noChecksum: rnd.IntN(5) == 0, pad: rnd.IntN(20) * rnd.IntN(2),
	}
	switch rnd.IntN(20) {
	case 0:
		p.payload = 1440 + rnd.IntN(40)
	case 1:
		p.options = 8 * int(b2i(!v6))
	case 2, 3, 4:
		p.from, p.to = fmt.Sprintf(rs, 11+rnd.IntN(2), port), p.from
		p.srcMAC, p.dstMAC, in = rs1MAC, lanMAC, lan
	case 5:
		if !p.udp {
			p.chunks = []uint8{initiate}
		}
	case 6:
		p.dstMAC = [6]byte{1, 0, 0x5e, 0, 0, 1}
	}
	f = p.frame(t)
	switch rnd.IntN(16) {
	case 0:
		f[rnd.IntN(min(len(f), 70))] = uint8(rnd.Uint32())
	case 1:
		f = f[:rnd.IntN(len(f)+1)]
	}
	return f, in
}
