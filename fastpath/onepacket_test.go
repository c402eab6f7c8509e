package fastpath

import (
	"fmt"
	"testing"
)

func TestWithOnePacketEveryPacketIsScheduledAndAnswersComeFromTheVIP(t *testing.T) {
	for _, f := range families {
		for _, mode := range []Mode{NAT, TUN, DR} {
			r := newRig(t, []rigService{{vip: f.vip, proto: proto(true), mode: mode}}, withWorkers(2, 2))
			r.spec.Services[0].OnePacket = true
			r.persistent(PersistenceSpec{Timeout: 1000, Mask4: 32, Mask6: 128})
			r.spec.Services[0].Persist = nil
			load := r.limit(LimitSpec{Connections: 1})
			p := pk{from: f.client, to: f.vip, udp: true, payload: 20}
			macs := map[string]int{}
			for range 6 {
				out := r.send(wan, p.frame(t))
				if len(out) != 1 || out[0].port != lan {
					t.Fatalf("%s: %d frames left, %v", f.name, len(out), r.reasons())
				}
				macs[mac([6]byte(out[0].data))]++
				if mode != TUN {
					look(t, out[0].data)
				}
			}
			if macs[mac(rs1MAC)] != 3 || macs[mac(rs2MAC)] != 3 {
				t.Errorf("%s, mode %d: they went to %v", f.name, mode, macs)
			}
			if n := r.loads[0].Total() + r.loads[1].Total(); n != 0 || len(r.states()) != 0 || load.Connections() != 0 {
				t.Errorf("%d connections are counted, %v are there", n, r.states())
			}
			if mode != NAT {
				continue
			}
			for i, from := range []string{"11", "12"} {
				rs := map[bool]string{false: "10.0.0." + from + ":80", true: "[fd00::" + from + "]:80"}[f.v6]
				answer := pk{from: rs, to: f.client, udp: true, payload: 30, srcMAC: [][6]byte{rs1MAC, rs2MAC}[i], dstMAC: lanMAC}
				s := one(t, r.send(lan, answer.frame(t)), wan)
				if s.src.String() != f.vip || s.dst.String() != f.client || s.ttl != 63 {
					t.Errorf("the answer is %s", &s)
				}
				answer.from = fmt.Sprint(netipAddr(rs), ":81")
				if f.v6 {
					answer.from = fmt.Sprintf("[%s]:81", netipAddr(rs))
				}
				if out := r.send(lan, answer.frame(t)); len(out) != 0 || r.reasons()["foreign"] == 0 {
					t.Errorf("what comes from another port went out: %v", r.reasons())
				}
			}
		}
	}
}

func TestOnePacketAllocatesNothing(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		vip := map[bool]string{false: vip4, true: "[2001:db8::10]:80"}[v6]
		r := newRig(t, []rigService{{vip: vip, proto: proto(true), mode: NAT}})
		r.spec.Services[0].OnePacket = true
		r.publish()
		w := newTreadmillWorker(t, r, newTreadmill(v6, 5000, netipAddr(vip)), 400)
		if n := testing.AllocsPerRun(200, func() { w.Poll() }); n != 0 || w.Counters().Live != 0 {
			t.Errorf("IPv6 %v: %v allocations a round, %d connections", v6, n, w.Counters().Live)
		}
	}
}
