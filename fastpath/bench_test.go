package fastpath

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/persist"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/ring"
)

// treadmill is a port that serves UDP packets of random flows for ever: a template in which only the
// client's address and port change. Its own cost is about 5 ns a packet.
type treadmill struct {
	b        port.Burst
	bufs     [port.BurstSize][256]byte
	template []byte
	replies  *replies // besides the clients' packets, if not nil
	flows    []uint64 // client address and port
	next     int
	v6       bool
	now      uint64
	step     uint64 // nanoseconds from one burst to the next
	idle     bool   // no packet comes
}

func newTreadmill(v6 bool, flows int, vip netip.Addr) *treadmill {
	tm := &treadmill{v6: v6, step: 1000, flows: make([]uint64, flows)}
	hl := packet.IP4Len
	if v6 {
		hl = packet.IP6Len
	}
	f := make([]byte, max(60, packet.EthLen+hl+packet.UDPLen+2))
	copy(f, wanMAC[:])
	copy(f[6:], gwMAC[:])
	ip := f[14:]
	if v6 {
		f[12], f[13] = 0x86, 0xdd
		ip[0], ip[5], ip[6], ip[7] = 0x60, 10, 17, 64
		copy(ip[8:], netip.MustParseAddr("2001:db8:c::").AsSlice())
		copy(ip[24:], vip.AsSlice())
	} else {
		f[12], f[13] = 8, 0
		ip[0], ip[3], ip[8], ip[9] = 0x45, 30, 64, 17
		copy(ip[12:], []byte{198, 18, 0, 0})
		copy(ip[16:], vip.AsSlice())
	}
	l4 := ip[hl:]
	binary.BigEndian.PutUint16(l4[2:], 80)
	l4[5], l4[6], l4[7] = 10, 0x12, 0x34
	tm.template = f
	for i := range tm.flows {
		tm.flows[i] = uint64(i)
	}
	r := rand.New(rand.NewPCG(1, 2))
	r.Shuffle(flows, func(i, j int) { tm.flows[i], tm.flows[j] = tm.flows[j], tm.flows[i] })
	return tm
}

// keep leaves only flows whose clients are to be kept.
func (q *treadmill) keep(client func(netip.AddrPort) bool) {
	addr, at := q.template[26:30], 2
	if q.v6 {
		addr, at = q.template[22:38], 12
	}
	q.flows = slices.DeleteFunc(q.flows, func(flow uint64) bool {
		a := slices.Clone(addr)
		binary.NativeEndian.PutUint16(a[at:], uint16(flow>>14))
		ip, _ := netip.AddrFromSlice(a)
		return !client(netip.AddrPortFrom(ip, packet.Swap16(uint16(flow&0x3fff)+1024)))
	})
}

func (q *treadmill) Burst() *port.Burst { return &q.b }
func (q *treadmill) HasRX() bool        { return true }
func (q *treadmill) HasTX() bool        { return true }

func (q *treadmill) Exchange(limit int) {
	q.b.NTX, q.b.NFree = 0, 0
	q.now += q.step
	q.b.Now = q.now
	if q.idle {
		limit = 0
	}
	q.b.NRX = uint32(limit)
	if q.replies != nil {
		q.mix(limit)
		return
	}
	addr, l4 := 26+2, 34
	if q.v6 {
		addr, l4 = 22+12, 54
	}
	for i := range limit {
		buf := &q.bufs[i]
		copy(buf[port.Headroom:], q.template)
		flow := q.flows[q.next]
		if q.next++; q.next == len(q.flows) {
			q.next = 0
		}
		p := unsafe.Pointer(&buf[port.Headroom])
		packet.Store16(p, uintptr(addr), uint16(flow>>14))
		packet.Store16(p, uintptr(l4), uint16(flow&0x3fff)+1024)
		q.b.RX[i] = port.Frame{Data: p, Len: uint32(len(q.template)), Room: port.Headroom, Tail: 40}
	}
}

type sink struct{ b port.Burst }

func (q *sink) Burst() *port.Burst { return &q.b }
func (q *sink) HasRX() bool        { return false }
func (q *sink) HasTX() bool        { return true }
func (q *sink) Exchange(int)       { q.b.NTX, q.b.NRX, q.b.NFree = 0, 0, 0 }

// newTreadmillWorker makes a worker that receives from a treadmill and sends into nothing.
func newTreadmillWorker(t testing.TB, r *rig, tm *treadmill, capacity int) *Worker {
	return newTreadmillWorkers(t, r, []*treadmill{tm}, capacity)[0]
}

// newTreadmillWorkers makes one for each treadmill.
func newTreadmillWorkers(t testing.TB, r *rig, tms []*treadmill, capacity int) (all []*Worker) {
	templates, err := persist.New(1000, conn.Seed{7, 9})
	if err != nil {
		t.Fatal(err)
	}
	handover := NewHandover(len(tms))
	for id, tm := range tms {
		w, err := NewWorker(Options{
			ID:        id,
			Ports:     []PortInfo{{MAC: wanMAC, MTU: 1500, Queues: len(tms)}, {MAC: lanMAC, MTU: 1500, Queues: len(tms)}},
			Queues:    []port.Queue{tm, &sink{}},
			Neighbors: r.hops, Snapshot: &r.snap, Handover: handover,
			Punts: ring.NewPackets(4096, nil), Inject: ring.NewPackets(4096, nil),
			MaxConnections: capacity, Seed: conn.Seed{7, 9}, Templates: templates,
		})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, w)
	}
	t.Cleanup(func() {
		for _, w := range all {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := templates.Close(); err != nil {
			t.Error(err)
		}
		for _, l := range r.loads { // the rig does not know these workers' connections
			l.Active.Store(0)
			l.Inactive.Store(0)
		}
	})
	return all
}

func benchWorker(b *testing.B, mode Mode, v6 bool, flows int) {
	vip := "203.0.113.10:80"
	if v6 {
		vip = "[2001:db8::10]:80"
	}
	r := newRig(b, []rigService{{vip: vip, proto: packet.ProtoUDP, mode: mode, full: fullFor(flows)}})
	w := newTreadmillWorker(b, r, newTreadmill(v6, flows, netip.MustParseAddrPort(vip).Addr()), flows*5/4+64)
	for range flows/port.BurstSize + 1 {
		w.Poll()
	}
	b.ResetTimer()
	for i := 0; i < b.N; i += port.BurstSize {
		w.Poll()
	}
	b.StopTimer()
	if c := w.Counters(); c.In != c.Out || w.table.Len() != flows {
		b.Fatalf("in %d, out %d, %d connections: %v", c.In, c.Out, w.table.Len(), c.Reasons)
	}
}

// fullFor gives fullnat enough local addresses for so many connections to two backends: they take a quarter of the ports at most.
func fullFor(flows int) (f rigFull) {
	v4, v6 := netip.MustParseAddr("10.0.1.0"), netip.MustParseAddr("fd00::1:0")
	for range flows>>15 + 1 {
		f.locals = append(f.locals, v4.String(), v6.String())
		v4, v6 = v4.Next(), v6.Next()
	}
	return f
}

func BenchmarkWorker(b *testing.B) {
	for _, mode := range []struct {
		name string
		mode Mode
	}{{"nat", NAT}, {"tun", TUN}, {"dr", DR}, {"fullnat", FullNAT}} {
		for _, v6 := range []bool{false, true} {
			for _, flows := range []int{256, 64 << 10, 1 << 20} {
				b.Run(fmt.Sprintf("%s/v6=%t/flows=%d", mode.name, v6, flows), func(b *testing.B) {
					benchWorker(b, mode.mode, v6, flows)
				})
			}
		}
	}
}

// BenchmarkTwoWorkers is BenchmarkWorker with two, which take turns on one core: what it costs to have a second one, and to
// hand every packet over to it; but for what it costs to get lines from another core's cache.
func BenchmarkTwoWorkers(b *testing.B) {
	for _, moved := range []bool{false, true} {
		for _, v6 := range []bool{false, true} {
			b.Run(fmt.Sprintf("moved=%t/v6=%t", moved, v6), func(b *testing.B) { benchTwoWorkers(b, moved, v6) })
		}
	}
}

func benchTwoWorkers(b *testing.B, moved, v6 bool) {
	const flows = 256
	vip := "203.0.113.10:80"
	if v6 {
		vip = "[2001:db8::10]:80"
	}
	r := newRig(b, []rigService{{vip: vip, proto: packet.ProtoUDP, mode: NAT}})
	tms := make([]*treadmill, 2)
	for id := range tms {
		tms[id] = newTreadmill(v6, flows, netip.MustParseAddrPort(vip).Addr())
		tms[id].keep(func(client netip.AddrPort) bool { return Owner(client, len(tms)) == id != moved })
	}
	all := newTreadmillWorkers(b, r, tms, flows*5/4+64)
	poll := func(n int) {
		for i := 0; i < n; i += len(all) * port.BurstSize {
			for _, w := range all {
				w.Poll()
			}
		}
	}
	poll(2 * flows)
	b.ResetTimer()
	poll(b.N)
	b.StopTimer()
	for id, w := range all {
		if c := w.Counters(); c.HandedOver != 0 != moved || moved && c.HandedOver != c.In || w.table.Len() != len(tms[id^1].flows) && moved {
			b.Fatalf("worker %d: in %d, out %d, %d handed over, %d connections: %v", id, c.In, c.Out, c.HandedOver, w.table.Len(), c.Reasons)
		}
	}
}

// BenchmarkNewConnections lets every packet begin a connection, 5 million a second by the worker's clock with 8 M flows,
// fewer in proportion with fewer. They end after less than half a second unless the sweep is late, so as many end as
// begin.
func BenchmarkNewConnections(b *testing.B) {
	for _, mode := range []struct {
		name string
		mode Mode
	}{{"nat", NAT}, {"tun", TUN}, {"dr", DR}, {"fullnat", FullNAT}} {
		for _, v6 := range []bool{false, true} {
			for _, flows := range []int{64 << 10, 8 << 20} {
				b.Run(fmt.Sprintf("%s/v6=%t/flows=%d", mode.name, v6, flows), func(b *testing.B) { benchNew(b, mode.mode, v6, flows) })
			}
		}
	}
}

func benchNew(b *testing.B, mode Mode, v6 bool, flows int) {
	vip := "203.0.113.10:80"
	if v6 {
		vip = "[2001:db8::10]:80"
	}
	r := newRig(b, []rigService{{vip: vip, proto: packet.ProtoUDP, mode: mode, full: fullFor(flows)}})
	r.spec.Timeouts = []conn.Timeouts{conn.NewTimeouts(400, 400, 400, 400)}
	r.publish()
	tm := newTreadmill(v6, flows, netip.MustParseAddrPort(vip).Addr())
	tm.step = uint64(1e9 * port.BurstSize / 5e6 * (8 << 20) / float64(flows))
	w := newTreadmillWorker(b, r, tm, flows)
	for range 2 * flows / port.BurstSize {
		w.Poll()
	}
	b.ResetTimer()
	for i := 0; i < b.N; i += port.BurstSize {
		w.Poll()
	}
	b.StopTimer()
	if c := w.Counters(); c.In != c.Out || c.NewConns != c.In || c.Evicted != 0 || c.Expired < c.NewConns/2 {
		b.Fatalf("in %d, out %d, %d new, %d expired, %d evicted", c.In, c.Out, c.NewConns, c.Expired, c.Evicted)
	}
}
