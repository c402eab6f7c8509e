package fastpath

import (
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/sched"
)

func TestBackendsAreCountedInIPPackets(t *testing.T) {
	for _, f := range families {
		for mode, replies := range map[Mode]uint64{NAT: 1, TUN: 0, DR: 0} {
			peer := netipPort(f.rs1, 80)
			r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: mode, peers: []string{peer}}})
			p := pk{from: f.client, to: f.vip, udp: true, payload: 3, pad: 20}
			r.send(wan, p.frame(t))
			p.payload = 100
			r.send(wan, p.frame(t))
			p.ttl, p.payload = 1, 50
			if mode != DR { // not forwarded, so not counted
				r.send(wan, p.frame(t))
			}
			r.send(lan, pk{from: peer, to: f.client, udp: true, payload: 7, srcMAC: rs1MAC, dstMAC: lanMAC, pad: 9}.frame(t))
			header := map[bool]uint64{false: 28, true: 48}[f.v6]
			want := BackendCounters{PacketsIn: 2, BytesIn: 2*header + 103, PacketsOut: replies, BytesOut: replies * (header + 7), NewConns: 1}
			if got := r.workers[0].BackendCounters(0); got != want {
				t.Errorf("%s, mode %d: %+v, want %+v", f.name, mode, got, want)
			}
		}
	}
}

// recorder is a scheduler that notes whom it is asked about.
type recorder struct{ keys []sched.Key }

func (r *recorder) Pick(k *sched.Key, _ *sched.State) int {
	r.keys = append(r.keys, *k)
	return 0
}

func TestSchedulersAreToldTheWholeTupleAndTheTime(t *testing.T) {
	r := newRig(t, []rigService{{vip: families[0].vip, proto: packet.ProtoUDP, mode: NAT}, {vip: families[1].vip, proto: packet.ProtoUDP, mode: NAT}})
	var rec recorder
	r.spec.Services[0].Sched, r.spec.Services[1].Sched = &rec, &rec
	r.publish()
	var want []sched.Key
	for _, i := range []int{1, 0, 1} { // nothing of a longer address may stay
		f := families[i]
		p := pk{from: netipPort(f.client, uint16(40000+len(want))), to: f.vip, udp: true}
		one(t, r.send(wan, p.frame(t)), lan)
		want = append(want, sched.Key{
			Src: AddrOf(netipAddr(f.client)), Dst: AddrOf(netipAddr(f.vip)), SrcPort: uint16(40000 + len(want)), DstPort: 80, V6: f.v6,
			Now: uint32(r.now / nsPerTick),
		})
	}
	if len(rec.keys) != 3 || rec.keys[0] != want[0] || rec.keys[1] != want[1] || rec.keys[2] != want[2] {
		t.Errorf("asked about %+v, want %+v", rec.keys, want)
	}
}

func TestASchedulersNonsenseIsNoBackend(t *testing.T) {
	for _, n := range []int{-1, 2, 1 << 30} {
		r := newRig(t, tcp4())
		r.spec.Services[0].Sched = constant(n)
		r.spec.Services[0].OnEmpty = AnswerDrop
		r.publish()
		if got := r.backendOf(pk{from: client4, to: vip4, flags: "S"}); got != "" || r.reasons()["no_backend"] != 1 {
			t.Errorf("%d: %q, reasons %v", n, got, r.reasons())
		}
	}
}

type constant int

func (c constant) Pick(*sched.Key, *sched.State) int { return int(c) }
