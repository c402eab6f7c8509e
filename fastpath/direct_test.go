package fastpath

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/weirlb/weir/fastpath/rss"
)

const allKinds = rss.TCP4 | rss.UDP4 | rss.SCTP4 | rss.TCP6 | rss.UDP6 | rss.SCTP6

// spreadOver is a device with the key that Microsoft publishes and a table of the queues in turn.
func spreadOver(t testing.TB, queues, entries int, kinds rss.Kinds) *rss.Spread {
	t.Helper()
	s := rss.Settings{Ports: kinds, Key: []byte{
		0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
		0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
	}}
	for i := range entries {
		s.Table = append(s.Table, uint16(i%queues))
	}
	p, err := rss.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// queueOf is the queue on which a device puts a packet.
func queueOf(p *rss.Spread, src, dst netip.AddrPort) int {
	addrs := append(src.Addr().AsSlice(), dst.Addr().AsSlice()...)
	ports := uint32(src.Port()>>8|src.Port()<<8) | uint32(dst.Port()>>8|dst.Port()<<8)<<16
	return p.Queue(p.Addrs(addrs) ^ p.Ports(ports, src.Addr().Is6()))
}

// connect opens n connections, whose SYNs arrive at their owners, and lets each be answered on the queue where the device
// puts the reply.
func (r *rig) connect(p *rss.Spread, vip, client string, udp bool, n int) (locals []netip.AddrPort) {
	r.t.Helper()
	for i := range n {
		from := netip.AddrPortFrom(netipAddr(client), uint16(1024+i))
		owner := Owner(from, len(r.workers))
		s := one(r.t, r.sendTo(owner, wan, pk{from: from.String(), to: vip, udp: udp, flags: "S"}.frame(r.t), 0), lan)
		reply := pk{from: s.dst.String(), to: s.src.String(), udp: udp, flags: "SA", srcMAC: rs1MAC, dstMAC: lanMAC}.frame(r.t)
		back := one(r.t, r.sendTo(queueOf(p, s.dst, s.src), lan, reply, 0), wan)
		if back.dst != from || PortOwner(s.src.Port(), len(r.workers)) != owner {
			r.t.Fatalf("the reply to %s of worker %d: %s", s.src, owner, &back)
		}
		locals = append(locals, s.src)
	}
	return locals
}

func (r *rig) handedOver() (n uint64) {
	for _, w := range r.workers {
		n += w.Counters().HandedOver
	}
	return n
}

func TestLocalPortsAreChosenByTheDevicesRSS(t *testing.T) {
	const connections = 600
	for _, f := range families {
		for _, udp := range []bool{false, true} {
			for _, workers := range []int{2, 3, 4, 8} {
				t.Run(fmt.Sprintf("%s/udp=%t/%d workers", f.name, udp, workers), func(t *testing.T) {
					p := spreadOver(t, workers, 128, allKinds)
					r := fullRig(t, f.vip, f.rs1, udp, withWorkers(workers, workers), withRSS(p))
					r.connect(p, f.vip, f.client, udp, connections)
					if n := r.handedOver(); n != 0 {
						t.Errorf("%d of %d replies are handed over", n, connections)
					}
				})
			}
		}
	}
}

// Where the device does not tell, or cannot do what would help, local ports are of a worker's share all the same, and most
// replies are handed over.
func TestWithoutTheDevicesHelpRepliesAreHandedOver(t *testing.T) {
	const workers, connections = 4, 200
	p := spreadOver(t, workers, 128, allKinds)
	for name, told := range map[string]*rss.Spread{
		"nothing told":                 nil,
		"ports not hashed for TCP":     spreadOver(t, workers, 128, allKinds&^rss.TCP4),
		"a table without their queues": spreadOver(t, 1, 128, allKinds),
	} {
		r := fullRig(t, vip4, "10.0.0.11:80", false, withWorkers(workers, workers), withRSS(told))
		r.connect(p, vip4, client4, false, connections)
		if n := r.handedOver(); n < connections/2 || n == connections {
			t.Errorf("%s: %d of %d replies are handed over", name, n, connections)
		}
	}
}

// With RSS, too, every port is used before there are none.
func TestEveryLocalPortIsFoundWithRSS(t *testing.T) {
	const workers = 3
	p := spreadOver(t, workers, 64, allKinds)
	r := newRig(t, []rigService{{
		vip: vip4, proto: proto(false), mode: FullNAT, peers: []string{"10.0.0.11:80"},
		full: rigFull{locals: []string{"10.0.0.20", "10.0.0.21"}, first: 3000, last: 3100},
	}}, withWorkers(workers, workers), withCapacity(2000), withRSS(p))
	seen := map[netip.AddrPort]bool{}
	direct := 0
	for i, a := range r.toLocals(vip4, 400*workers) {
		if seen[a] || a.Port() < 3000 || a.Port() > 3100 {
			t.Errorf("%s is used twice, or none of the local ports", a)
		}
		seen[a] = true
		if i < 40 && queueOf(p, netip.MustParseAddrPort("10.0.0.11:80"), a) == PortOwner(a.Port(), workers) {
			direct++
		}
	}
	if len(seen) != 202 || direct != 40 {
		t.Errorf("%d local ends for one backend, want 202; of the first 40, %d are direct", len(seen), direct)
	}
}

func TestWhetherAWorkerChoosesByRSS(t *testing.T) {
	p := PortInfo{RSS: spreadOver(t, 2, 64, rss.TCP4|rss.UDP6)}
	for _, c := range []struct {
		info       PortInfo
		worker, n  int
		v6         bool
		proto      uint8
		wantDirect bool
	}{
		{p, 0, 2, false, proto(false), true},
		{p, 1, 4, true, proto(true), true},
		{p, 1, 2, true, proto(false), false},  // addresses only
		{p, 2, 4, false, proto(false), false}, // no queue
		{p, 0, 1, false, proto(false), false},
		{PortInfo{}, 0, 2, false, proto(false), false},
	} {
		if got := c.info.Direct(c.worker, c.n, c.v6, c.proto); got != c.wantDirect {
			t.Errorf("worker %d of %d, IPv6 %t, protocol %d: %t", c.worker, c.n, c.v6, c.proto, got)
		}
	}
}
