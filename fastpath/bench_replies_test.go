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

// isReply marks the backend's packets among the flows of a treadmill.
const isReply = 1 << 63

// replies make a treadmill serve packets of both sides.
type replies struct {
	templates      [2][64]byte // a client's packet, its backend's
	addrAt, portAt [2]uintptr  // where the client's address and port are in them
}

// newReplies makes the backend's packet of a client's.
func newReplies(template []byte, v6 bool, backend netip.AddrPort) *replies {
	r := &replies{addrAt: [2]uintptr{28, 32}, portAt: [2]uintptr{34, 36}}
	addrs, n := 26, 4
	if v6 {
		r.addrAt, r.portAt = [2]uintptr{34, 50}, [2]uintptr{54, 56}
		addrs, n = 22, 16
	}
	copy(r.templates[0][:], template)
	copy(r.templates[1][:], template)
	to, back := r.templates[0][addrs:], r.templates[1][addrs:]
	copy(back, backend.Addr().AsSlice())
	copy(back[n:], to[:n])
	binary.BigEndian.PutUint16(back[2*n:], backend.Port())
	return r
}

// mix is Exchange for packets of both sides. There is no branch in it that could be mispredicted.
func (q *treadmill) mix(limit int) {
	for i := range limit {
		flow := q.flows[q.next]
		if q.next++; q.next == len(q.flows) {
			q.next = 0
		}
		side, buf := flow>>63, &q.bufs[i]
		*(*[64]byte)(buf[port.Headroom:]) = q.replies.templates[side]
		p := unsafe.Pointer(&buf[port.Headroom])
		packet.Store16(p, q.replies.addrAt[side], uint16(flow>>14))
		packet.Store16(p, q.replies.portAt[side], uint16(flow&0x3fff)+1024)
		q.b.RX[i] = port.Frame{Data: p, Len: uint32(len(q.template)), Room: port.Headroom, Tail: 40}
	}
}

// BenchmarkReplies is BenchmarkWorker in nat with as many packets from the backend as from the clients. Nobody can predict,
// or learn by heart, from which the next one is.
func BenchmarkReplies(b *testing.B) {
	for _, v6 := range []bool{false, true} {
		for _, flows := range []int{256, 64 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("v6=%t/flows=%d", v6, flows), func(b *testing.B) { benchReplies(b, v6, flows) })
		}
	}
}

func benchReplies(b *testing.B, v6 bool, flows int) {
	w := newRepliesWorker(b, v6, flows)
	b.ResetTimer()
	for i := 0; i < b.N; i += port.BurstSize {
		w.Poll()
	}
	b.StopTimer()
	c, d := w.Counters(), w.BackendCounters(0)
	if c.In != c.Out || w.table.Len() != flows || d.PacketsOut < uint64(b.N)/3 {
		b.Fatalf("in %d, out %d, %d of them replies, %d connections: %v", c.In, c.Out, d.PacketsOut, w.table.Len(), c.Reasons)
	}
}

// newRepliesWorker makes a worker with so many connections, that receives packets of both sides of them.
func newRepliesWorker(t testing.TB, v6 bool, flows int) *Worker {
	const never = 1 << 17 // packets in a row that no processor learns by heart
	vip, backend := "203.0.113.10:80", "10.0.0.11:80"
	if v6 {
		vip, backend = "[2001:db8::10]:80", "[fd00::11]:80"
	}
	r := newRig(t, []rigService{{vip: vip, proto: packet.ProtoUDP, mode: NAT, peers: []string{backend}}})
	tm := newTreadmill(v6, flows, netip.MustParseAddrPort(vip).Addr())
	w := newTreadmillWorker(t, r, tm, flows*5/4+64)
	for range flows / port.BurstSize {
		w.Poll()
	}
	both := slices.Clone(tm.flows)
	for _, flow := range tm.flows {
		both = append(both, flow|isReply)
	}
	tm.flows = nil
	for len(tm.flows) < max(len(both), never) {
		tm.flows = append(tm.flows, both...)
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	rnd.Shuffle(len(tm.flows), func(i, j int) { tm.flows[i], tm.flows[j] = tm.flows[j], tm.flows[i] })
	tm.replies, tm.next = newReplies(tm.template, v6, netip.MustParseAddrPort(backend)), 0
	for range len(both) / port.BurstSize {
		w.Poll()
	}
	return w
}
