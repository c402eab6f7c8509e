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

// BenchmarkTags is what a VLAN costs a frame on the way out, from the sub-port's transmit vector to its parent's with the tags in
// the frame, and on the way in, from a tagged frame to one of the sub-port's.
func BenchmarkTags(b *testing.B) {
	for _, c := range []struct {
		name         string
		outer, inner uint16
	}{{"802.1Q", 100, 0}, {"QinQ", 200, 7}} {
		r := newRig(b, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: NAT}}, withVLAN(c.outer, c.inner))
		w, bufs := r.workers[0], [port.BurstSize][256]byte{}
		sub, parent := w.ports[lan].sub, w.ports[wan].b
		fill := func() {
			for i := range bufs {
				p := unsafe.Pointer(&bufs[i][port.Headroom])
				packet.Store16(p, packet.EthTypeOff, packet.EtherIPv4)
				sub.burst.TX[i] = port.Frame{Data: p, Len: 60, Room: port.Headroom, Tail: 40, Port: wan}
			}
			sub.burst.NTX = port.BurstSize
		}
		b.Run(c.name+"/out", func(b *testing.B) {
			for n := 0; n < b.N; n += port.BurstSize {
				fill()
				parent.NTX = 0
				w.flushSubPort(lan)
			}
		})
		b.Run(c.name+"/in", func(b *testing.B) {
			fill()
			parent.NTX = 0
			w.flushSubPort(lan)
			frames := [port.BurstSize]port.Frame(parent.TX[:port.BurstSize])
			for n := 0; n < b.N; n += port.BurstSize {
				for i := range frames {
					f := frames[i]
					f.Port = wan
					if !tagged(&f) || !w.untag(&f) {
						b.Fatal("the tags stay")
					}
					s := sub
					s.tag(&f) // for the next round
				}
			}
		})
		parent.NTX = 0
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
