package fastpath

import (
	"net/netip"
	"testing"
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// BenchmarkRewrite is what a packet of a known connection costs from its entry to the transmit vector, with one packet
// in the cache: BenchmarkWorker has the whole way, and packages packet, conn and sched their stages.
func BenchmarkRewrite(b *testing.B) {
	for _, mode := range []struct {
		name string
		mode Mode
	}{{"nat", NAT}, {"tun", TUN}, {"dr", DR}, {"fullnat", FullNAT}} {
		for _, v6 := range []bool{false, true} {
			b.Run(mode.name+familyName(v6), func(b *testing.B) { benchRewrite(b, mode.mode, v6, (*Worker).convey) })
		}
	}
	for _, v6 := range []bool{false, true} {
		b.Run("nat-reply"+familyName(v6), func(b *testing.B) {
			benchRewrite(b, NAT, v6, func(w *Worker, f *port.Frame, it *item, e *conn.Entry, be *Backend) verdict {
				w.natFrom(f, it, e, be)
				return sent
			})
		})
	}
}

func familyName(v6 bool) string {
	if v6 {
		return "/v6"
	}
	return "/v4"
}

func benchRewrite(b *testing.B, mode Mode, v6 bool, rewrite func(*Worker, *port.Frame, *item, *conn.Entry, *Backend) verdict) {
	vip := "203.0.113.10:80"
	if v6 {
		vip = "[2001:db8::10]:80"
	}
	r := newRig(b, []rigService{{vip: vip, proto: packet.ProtoUDP, mode: mode}})
	tm := newTreadmill(v6, 1, netip.MustParseAddrPort(vip).Addr())
	w := newTreadmillWorker(b, r, tm, 1024)
	tm.Exchange(1)
	frame := tm.b.RX[0]
	var it item
	packet.Parse(frame.Data, frame.Len, w.ports[0].mac, &it.Info)
	if !it.flow() {
		b.Fatalf("the frame is no flow's: %v", it.Fault)
	}
	k := conn.Key{
		Addrs: unsafe.Add(frame.Data, addrsOff(v6)), Ports: packet.Load32(frame.Data, uintptr(it.L4)), Proto: it.Proto, V6: v6,
	}
	o := opening{}
	if mode == NAT || mode == FullNAT {
		o.Home = 1<<8 | 1 // anywhere
	}
	e := w.insert(&k, w.hasher.KeyHome(&k), w.snap.Backends.At(0), &o)
	if e == nil {
		b.Fatal("no connection was made")
	}
	var f port.Frame
	b.ReportAllocs()
	for b.Loop() {
		f = frame // a tunnel moves its start
		if rewrite(w, &f, &it, e, w.snap.Backends.At(0)) != sent {
			b.Fatal("the packet was not sent")
		}
		w.ports[1].b.NTX = 0
	}
}
