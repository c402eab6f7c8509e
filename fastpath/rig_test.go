package fastpath

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/memport"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/persist"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/fastpath/ring"
	"github.com/weirlb/weir/fastpath/rss"
	"github.com/weirlb/weir/sched"
)

// The rig is a Weir of one or more workers on two ports in memory, with a clock of its own:
//
//	clients ── wan 203.0.113.2/24, 2001:db8::2/64 ── Weir ── lan 10.0.0.1/24, fd00::1/64 ── backends
//
// Clients are behind the gateways 203.0.113.1 and 2001:db8::1. Every service has the backends .11 and .12.
var (
	wanMAC = [6]byte{2, 0, 0, 0, 0, 2}
	lanMAC = [6]byte{2, 0, 0, 0, 1, 1}
	gwMAC  = [6]byte{2, 0, 0, 0, 0, 1}
	rs1MAC = [6]byte{2, 0, 0, 0, 1, 11}
	rs2MAC = [6]byte{2, 0, 0, 0, 1, 12}
)

const (
	wan = 0
	lan = 1
)

type rig struct {
	t       testing.TB
	pool    *memport.Pool
	now     uint64
	clock   func() uint64 // of the queues; now, unless a test gives it another before workers run
	hops    *nexthop.Table
	spec    *Spec
	snap    atomic.Pointer[Snapshot]
	workers []*Worker
	queues  [][]*memport.Queue // by worker and port
	punts   []*ring.Packets
	inject  []*ring.Packets
	loads   []*sched.Load
	// templates are of all workers
	templates *persist.Table
	taps      *Taps
	rows      bool // backends are in rows where they can be
	// released: the rig's end has been checked already
	released bool
}

type rigOption func(*rigConfig)

type rigConfig struct {
	workers, queues, capacity int
	tap                       bool
	lanMTU                    int
	former                    *rig
	vlan                      *VLAN
	rss                       *rss.Spread
}

func withWorkers(n, queues int) rigOption {
	return func(c *rigConfig) { c.workers, c.queues = n, queues }
}
func withCapacity(n int) rigOption { return func(c *rigConfig) { c.capacity = n } }

// withVLAN makes lan a VLAN on wan.
func withVLAN(outer, inner uint16) rigOption {
	return func(c *rigConfig) { c.vlan = &VLAN{Parent: wan, Outer: outer, Inner: inner} }
}

// withRSS makes the ports' devices tell how they spread.
func withRSS(s *rss.Spread) rigOption { return func(c *rigConfig) { c.rss = s } }
func withTAP() rigOption              { return func(c *rigConfig) { c.tap = true } }
func withLanMTU(n int) rigOption      { return func(c *rigConfig) { c.lanMTU = n } }

// withMemoryOf uses the large tables of a rig that is done with.
func withMemoryOf(r *rig) rigOption { return func(c *rigConfig) { c.former = r } }

// rigService is a VIP's service in the rig.
type rigService struct {
	vip    string     // with port
	more   []string   // VIPs with ports besides that
	nets   []Endpoint // and prefixes or ranges of ports
	proto  uint8
	mode   Mode
	peers  []string // backends with port; .11 and .12 of the family and the service's port if nil
	full   rigFull  // of fullnat
	tunnel TunnelSpec
	clamp  bool // besides tun, which always does
	once   bool // one-packet scheduling
}

// rigFull is what a fullnat service has besides; .20 of either family and all ports from 1024 on if it is zero.
type rigFull struct {
	locals      []string
	first, last uint16
	tell        ClientAddress
}

func (r *rig) hop(port uint8, addr string, mac [6]byte) nexthop.ID {
	a := netip.MustParseAddr(addr)
	id, err := r.hops.Ensure(nexthop.Key{Addr: AddrOf(a), Port: port, V6: a.Is6()})
	if err != nil {
		r.t.Fatal(err)
	}
	if mac != [6]byte{} {
		r.hops.Set(id, mac, nexthop.Reachable)
	}
	return id
}

func newRig(t testing.TB, services []rigService, opts ...rigOption) *rig {
	t.Helper()
	c := rigConfig{workers: 1, queues: 0, capacity: 1024, lanMTU: 1500}
	for _, o := range opts {
		o(&c)
	}
	if c.queues == 0 {
		c.queues = c.workers
	}
	r := &rig{t: t, now: 1e9, rows: len(t.Name())%2 == 0} // half of the tests have backends in rows
	if c.former != nil {
		r.pool, r.hops = c.former.pool, c.former.hops
	} else {
		r.pool, r.hops = &memport.Pool{}, nexthop.NewTable()
	}
	r.clock = func() uint64 { return r.now }
	r.spec = &Spec{
		Generation: 1,
		Ports: []PortSpec{
			{Addresses: prefixes("203.0.113.2/24", "2001:db8::2/64"), MTU: 1500},
			{Addresses: prefixes("10.0.0.1/24", "fd00::1/64"), MTU: c.lanMTU},
		},
		Gateways: []GatewaySpec{
			{Port: wan, Hop: r.hop(wan, "203.0.113.1", gwMAC)},
			{Port: wan, Hop: r.hop(wan, "2001:db8::1", gwMAC), V6: true},
		},
		Timeouts: []conn.Timeouts{conn.NewTimeouts(900_000, 120_000, 300_000, 900_000)},
	}
	for _, s := range services {
		r.addService(s)
	}
	r.publish()
	ports := []PortInfo{
		{MAC: wanMAC, MTU: 1500, Own4: AddrOf(netip.MustParseAddr("203.0.113.2")), Own6: AddrOf(netip.MustParseAddr("2001:db8::2")), HasTAP: c.tap, Queues: c.queues},
		{MAC: lanMAC, MTU: c.lanMTU, Own4: AddrOf(netip.MustParseAddr("10.0.0.1")), Own6: AddrOf(netip.MustParseAddr("fd00::1")), HasTAP: c.tap, Queues: c.queues},
	}
	ports[lan].VLAN = c.vlan
	ports[wan].RSS, ports[lan].RSS = c.rss, c.rss
	handover := NewHandover(c.workers)
	templates, err := persist.New(1000, conn.Seed{7, 9})
	if err != nil {
		t.Fatal(err)
	}
	r.templates = templates
	for id := range c.workers {
		var qs []port.Queue
		var mine []*memport.Queue
		for range ports {
			q := memport.NewPartial(r.pool, func() uint64 { return r.clock() }, id < c.queues, id < c.queues)
			if len(qs) == lan && c.vlan != nil {
				q = mine[wan]
			}
			qs, mine = append(qs, q), append(mine, q)
		}
		punts, inject := ring.NewPackets(1<<16, nil), ring.NewPackets(1<<16, nil)
		w, err := NewWorker(Options{
			ID: id, Ports: ports, Queues: qs, Neighbors: r.hops, Snapshot: &r.snap, Handover: handover,
			Punts: punts, Inject: inject, MaxConnections: c.capacity, Seed: conn.Seed{7, 9},
			Templates: templates,
		})
		if err != nil {
			t.Fatal(err)
		}
		r.workers, r.queues = append(r.workers, w), append(r.queues, mine)
		r.punts, r.inject = append(r.punts, punts), append(r.inject, inject)
	}
	t.Cleanup(r.close)
	return r
}

func prefixes(s ...string) (out []netip.Prefix) {
	for _, p := range s {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func (r *rig) addService(s rigService) {
	vip := netip.MustParseAddrPort(s.vip)
	index := uint32(len(r.spec.Services))
	if s.peers == nil {
		for _, last := range []string{"11", "12"} {
			if vip.Addr().Is6() {
				s.peers = append(s.peers, fmt.Sprintf("[fd00::%s]:%d", last, vip.Port()))
			} else {
				s.peers = append(s.peers, fmt.Sprintf("10.0.0.%s:%d", last, vip.Port()))
			}
		}
	}
	var servers []sched.Server
	wide := len(s.more)+len(s.nets) > 0
	svc := ServiceSpec{Name: fmt.Sprint("s", index), Addresses: []Endpoint{endpointAtPort(vip)}, Proto: s.proto, Mode: s.mode, OnePacket: s.once}
	loads := make([]sched.Load, len(s.peers))
	for i, p := range s.peers {
		addr := netip.MustParseAddrPort(p)
		mac := [][6]byte{rs1MAC, rs2MAC}[i%2]
		load := &loads[i]
		r.loads = append(r.loads, load)
		src := netip.MustParseAddr("10.0.0.1")
		if addr.Addr().Is6() {
			src = netip.MustParseAddr("fd00::1")
		}
		svc.Backends = append(svc.Backends, uint32(len(r.spec.Backends)))
		r.spec.Backends = append(r.spec.Backends, BackendSpec{
			Gen: uint32(len(r.spec.Backends)) + 1, Service: index, Address: addr, Accepts: true,
			Hop: r.hop(lan, addr.Addr().String(), mac), Port: lan, Clamp: s.mode == TUN || s.clamp, Source: src, Load: load, Tunnel: s.tunnel,
			Wide: wide || addr.Port() == 0,
		})
		servers = append(servers, sched.Server{Address: p, Weight: 1, Load: load})
	}
	if s.mode == FullNAT {
		svc.Full = r.fullSpec(&s.full)
	}
	for _, m := range s.more {
		svc.Addresses = append(svc.Addresses, endpointAtPort(netip.MustParseAddrPort(m)))
	}
	svc.Addresses = append(svc.Addresses, s.nets...)
	svc.Sched = &roundRobin{n: len(servers)}
	r.spec.Services = append(r.spec.Services, svc)
}

func (r *rig) fullSpec(f *rigFull) *FullSpec {
	if f.locals == nil {
		f.locals = []string{"10.0.0.20", "fd00::20"}
	}
	if f.last == 0 {
		f.first, f.last = 1024, 65535
	}
	out := &FullSpec{FirstPort: f.first, LastPort: f.last, Tell: f.tell}
	for _, l := range f.locals {
		a := netip.MustParseAddr(l)
		i := slices.Index(r.spec.Locals, a)
		if i < 0 {
			i = len(r.spec.Locals)
			r.spec.Locals = append(r.spec.Locals, a)
		}
		out.Locals = append(out.Locals, uint32(i))
	}
	return out
}

func endpointAtPort(a netip.AddrPort) Endpoint {
	return Endpoint{netip.PrefixFrom(a.Addr(), a.Addr().BitLen()), a.Port(), a.Port()}
}

// roundRobin keeps the rig's choices independent of package sched.
type roundRobin struct{ n int }

func (*roundRobin) IgnoresKey() {}

func (s *roundRobin) Pick(_ *sched.Key, st *sched.State) int {
	if s.n == 0 {
		return -1
	}
	i := int(st.Pos) % s.n
	st.Pos++
	return i
}

func (r *rig) publish() {
	build := NewSnapshot
	if r.rows {
		build = buildRows
	}
	snap, err := build(r.spec)
	if err != nil {
		r.t.Fatal(err)
	}
	r.snap.Store(snap)
	r.spec.Generation++
}

// replaceBackend puts another backend in the place of the first one.
func (r *rig) replaceBackend() {
	r.spec.Backends[0].Gen = 99
	r.spec.Backends[0].Load = new(sched.Load)
}

// sentFrame is a frame that left Weir.
type sentFrame struct {
	port int
	data []byte
}

// rounds is how often a test goes through what one goroutine does alone. The race detector has nothing to find there and
// makes it ten times as slow; without it the test is whole.
func rounds(n int) int {
	if raceDetector {
		return n / 10
	}
	return n
}

// sameFrames spares a comparison that looks at every byte by reflection.
func sameFrames(a, b []sentFrame) bool {
	return slices.EqualFunc(a, b, func(a, b sentFrame) bool { return a.port == b.port && bytes.Equal(a.data, b.data) })
}

// send lets a frame arrive on a port at worker 0 and returns what leaves.
func (r *rig) send(port int, frame []byte) []sentFrame { return r.sendTo(0, port, frame, 0) }

func (r *rig) sendTo(worker, port int, frame []byte, flags uint16) []sentFrame {
	r.t.Helper()
	if err := r.queues[worker][port].Put(frame, flags); err != nil {
		r.t.Fatal(err)
	}
	return r.run()
}

// run lets all workers poll until nothing moves any more.
func (r *rig) run() (out []sentFrame) {
	for quiet := 0; quiet < 2; quiet++ {
		for i, w := range r.workers {
			if w.Poll() > 0 {
				quiet = 0
			}
			for p, q := range r.queues[i] {
				for _, f := range q.Take() {
					out = append(out, sentFrame{p, f})
				}
			}
		}
	}
	return out
}

// setMTU changes a port's MTU under the workers.
func (r *rig) setMTU(port, mtu int) {
	for _, w := range r.workers {
		w.ports[port].mtu = mtu
		w.hot.build(w)
	}
}

func (r *rig) advance(ms uint64) { r.now += ms * 1e6 }

// reasons sums the reasons counted so far over all workers.
func (r *rig) reasons() map[string]uint64 {
	m := map[string]uint64{}
	for _, w := range r.workers {
		c := w.Counters()
		for i, n := range c.Reasons {
			if n > 0 {
				m[reason.Reason(i).String()] += n
			}
		}
	}
	return m
}

// punted takes what the slow path was given.
func (r *rig) punted() (out []ring.Meta) {
	buf := make([]byte, 1<<14)
	for _, p := range r.punts {
		for {
			var m ring.Meta
			if _, ok := p.Pop(&m, buf); !ok {
				break
			}
			out = append(out, m)
		}
	}
	return out
}

// close checks that the counters and the backends' loads are right and that no buffer has leaked.
func (r *rig) close() {
	if r.released {
		return
	}
	r.run()
	r.endWaiting()
	var in, out, own, lost uint64
	for _, w := range r.workers {
		c := w.Counters()
		in, out, own = in+c.In, out+c.Out, own+c.Own
		for r, n := range c.Reasons {
			if !reason.Reason(r).Answer() {
				lost += n
			}
		}
		if at := atPorts(w); at != c.Reasons {
			r.t.Errorf("the ports' reasons %v are not the worker's, %v", at, c.Reasons)
		}
		if c.Reasons[reason.Unset] != 0 {
			r.t.Errorf("%d packets were dropped without a reason", c.Reasons[reason.Unset])
		}
	}
	if in != out+lost-own {
		r.t.Errorf("in %d ≠ out %d + dropped and punted %d - own %d", in, out, lost, own)
	}
	r.checkLoads()
	r.checkTemplates()
	r.release()
}

// endWaiting lets the time of waiting fragments run out.
func (r *rig) endWaiting() {
	for _, w := range r.workers {
		if w.datagrams.waiting > 0 {
			r.advance(firstWithin)
		}
		for w.datagrams.waiting > 0 {
			r.run()
		}
	}
}

// atPorts sums what a worker has counted at its ports.
func atPorts(w *Worker) (sum Reasons) {
	for p := range maxPorts {
		for i, n := range w.PortReasons(p) {
			sum[i] += n
		}
	}
	return sum
}

// checkLoads compares the backends' loads with the connections that there are.
func (r *rig) checkLoads() {
	active, inactive := make([]int32, len(r.spec.Backends)), make([]int32, len(r.spec.Backends))
	for _, w := range r.workers {
		w.Dump(func(e *conn.Entry) bool {
			if r.spec.Backends[e.Backend].Gen != e.Gen {
				return true
			}
			if e.Flags&conn.Active != 0 {
				active[e.Backend]++
			} else {
				inactive[e.Backend]++
			}
			return true
		})
	}
	r.checkLocalPorts()
	for i, b := range r.spec.Backends {
		if a, n := b.Load.Active.Load(), b.Load.Inactive.Load(); a != active[i] || n != inactive[i] {
			r.t.Errorf("backend %s: %d active and %d inactive connections are counted, there are %d and %d", b.Address, a, n, active[i], inactive[i])
		}
	}
}

// checkLocalPorts compares the counts of ports in use with the connections that there are.
func (r *rig) checkLocalPorts() {
	for id, w := range r.workers {
		want := map[uint32]uint64{}
		w.Dump(func(e *conn.Entry) bool {
			if e.Flags&conn.Full != 0 {
				want[e.LocalIndex()]++
			}
			return true
		})
		for i := range r.spec.Locals {
			if got := w.LocalPorts(uint32(i)); got != want[uint32(i)] {
				r.t.Errorf("worker %d counts %d ports of %s in use, there are %d", id, got, r.spec.Locals[i], want[uint32(i)])
			}
		}
	}
}

// checkTemplates compares what templates control with the connections that hold them.
func (r *rig) checkTemplates() {
	held, holding := 0, 0
	r.templates.Dump(conn.Tick(r.now/1e6), func(t persist.Template) bool { held += t.Held; return true })
	for _, w := range r.workers {
		w.Dump(func(e *conn.Entry) bool {
			if w.holds[w.table.Index(w.table.Find(ptr(e.Key())).Entry)]&heldTemplate != 0 {
				holding++
			}
			return true
		})
	}
	if held != holding {
		r.t.Errorf("templates control %d connections, %d connections hold one", held, holding)
	}
}

func ptr[T any](v T) *T { return &v }

// release closes everything, whatever is still under way, and checks that no buffer has leaked.
func (r *rig) release() {
	r.released = true
	for _, w := range r.workers {
		if err := w.Close(); err != nil {
			r.t.Error(err)
		}
	}
	if err := r.templates.Close(); err != nil {
		r.t.Error(err)
	}
	for _, qs := range r.queues {
		for _, q := range qs {
			q.Exchange(0)
			q.Drain()
			if err := q.Err(); err != nil {
				r.t.Error(err)
			}
		}
	}
	if n := r.pool.InUse(); n != 0 {
		r.t.Errorf("%d buffers leaked", n)
	}
}
