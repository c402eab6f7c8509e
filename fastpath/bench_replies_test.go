package fastpath

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"unsafe"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// What a treadmill of both sides has in the two highest bits of a flow: what kind of packet it is.
const (
	isReply = 1 << 63 // the backend's
	isV6    = 1 << 62
)

// replies make a treadmill serve packets of both sides, and of both families.
type replies struct {
	kinds [4]struct {
		template       [64]byte
		addrAt, portAt uintptr // where the client's address and port are in it
	}
}

// add makes the packets of a client of one family and of its backend from one of the client's.
func (r *replies) add(template []byte, v6 bool, backend netip.AddrPort) {
	to, back := &r.kinds[0], &r.kinds[isReply>>62]
	addrs, n := 26, 4
	if v6 {
		to, back = &r.kinds[isV6>>62], &r.kinds[(isReply|isV6)>>62]
		addrs, n = 22, 16
	}
	copy(to.template[:], template)
	copy(back.template[:], template)
	copy(back.template[addrs:], backend.Addr().AsSlice())
	copy(back.template[addrs+n:], to.template[addrs:][:n])
	binary.BigEndian.PutUint16(back.template[addrs+2*n:], backend.Port())
	to.addrAt, to.portAt = uintptr(addrs+n-2), uintptr(addrs+2*n)
	if v6 {
		to.addrAt = uintptr(addrs + n - 4)
	}
	back.addrAt, back.portAt = to.addrAt+uintptr(n), to.portAt+2
}

// mix is Exchange for packets of both sides. There is no branch in it that could be mispredicted.
func (q *treadmill) mix(limit int) {
	for i := range limit {
		flow := q.flows[q.next]
		if q.next++; q.next == len(q.flows) {
			q.next = 0
		}
		k, buf := &q.replies.kinds[flow>>62], &q.bufs[i]
		*(*[64]byte)(buf[port.Headroom:]) = k.template
		p := unsafe.Pointer(&buf[port.Headroom])
		packet.Store16(p, k.addrAt, uint16(flow>>14))
		packet.Store16(p, k.portAt, uint16(flow&0x3fff)+1024)
		q.b.RX[i] = port.Frame{Data: p, Len: 64, Room: port.Headroom, Tail: 40}
	}
}

// BenchmarkReplies is BenchmarkWorker in nat with as many packets from the backend as from the clients, of one family or both. Nobody can
// predict, or learn by heart, what the next one is.
func BenchmarkReplies(b *testing.B) {
	for _, families := range [][]bool{{false}, {true}, {false, true}} {
		for _, flows := range []int{256, 64 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("v6=%v/flows=%d", families, flows), func(b *testing.B) { benchReplies(b, families, flows) })
		}
	}
}

func benchReplies(b *testing.B, families []bool, flows int) {
	w := newRepliesWorker(b, families, flows)
	b.ResetTimer()
	for i := 0; i < b.N; i += port.BurstSize {
		w.Poll()
	}
	b.StopTimer()
	c, back := w.Counters(), w.BackendCounters(0).PacketsOut+w.BackendCounters(1).PacketsOut
	if c.In != c.Out || w.table.Len() != flows || back < uint64(b.N)/3 {
		b.Fatalf("in %d, out %d, %d of them replies, %d connections: %v", c.In, c.Out, back, w.table.Len(), c.Reasons)
	}
}

// newRepliesWorker makes a worker with so many connections, that receives packets of both sides of them.
func newRepliesWorker(t testing.TB, families []bool, flows int) *Worker {
	const never = 1 << 17 // packets in a row that no processor learns by heart
	vips, backends := [2]string{"203.0.113.10:80", "[2001:db8::10]:80"}, [2]string{"10.0.0.11:80", "[fd00::11]:80"}
	var services []rigService
	for i, vip := range vips {
		services = append(services, rigService{vip: vip, proto: packet.ProtoUDP, mode: NAT, peers: backends[i : i+1]})
	}
	r := newRig(t, services)
	both := &replies{}
	var first, all []uint64
	tm := newTreadmill(false, flows/len(families), netip.MustParseAddrPort(vips[0]).Addr())
	for _, v6 := range families {
		family, mark := 0, uint64(0)
		if v6 {
			family, mark = 1, isV6
		}
		of := newTreadmill(v6, flows/len(families), netip.MustParseAddrPort(vips[family]).Addr())
		both.add(of.template, v6, netip.MustParseAddrPort(backends[family]))
		for _, flow := range of.flows {
			first = append(first, flow|mark)
			all = append(all, flow|mark, flow|mark|isReply)
		}
	}
	w := newTreadmillWorker(t, r, tm, flows*5/4+64)
	poll := func(flows []uint64) {
		tm.flows, tm.next = flows, 0
		for range len(flows) / port.BurstSize {
			w.Poll()
		}
	}
	tm.replies = both
	poll(first)
	shuffled := slices.Clone(all)
	for len(shuffled) < never {
		shuffled = append(shuffled, all...)
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	rnd.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	poll(shuffled)
	return w
}
