package fastpath

import (
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/fastpath/ring"
)

// probeMAC is where the kernel believes a VIP to be.
var probeMAC = [6]byte{2, 0x57, 0x45, 0x49, 0x52, 0x50}

func TestAProbeTakesTheWayOfAClientsPacketToOneBackend(t *testing.T) {
	for _, f := range families {
		own := map[bool]string{false: "10.0.0.1:40000", true: "[fd00::1]:40000"}[f.v6]
		for _, mode := range []Mode{TUN, DR} {
			r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoTCP, mode: mode}})
			r.spec.Backends[1].Accepts = false // it is down
			r.publish()
			in := pk{from: own, to: f.vip, flags: "S", srcMAC: lanMAC, dstMAC: probeMAC}
			r.inject[0].Push(&ring.Meta{Port: lan, Backend: 1, Gen: r.spec.Backends[1].Gen}, in.frame(t))
			s := one(t, r.run(), lan)
			if s.dstMAC != mac(rs2MAC) {
				t.Errorf("%s, mode %d: sent to %s, want %s", f.name, mode, s.dstMAC, mac(rs2MAC))
			}
			if mode == TUN {
				s = s.inner(t)
			}
			if s.src.String() != own || s.dst.String() != f.vip {
				t.Errorf("%s, mode %d: %s", f.name, mode, &s)
			}
			if c := r.workers[0].Counters(); c.Live != 0 || c.Own != 1 || r.workers[0].BackendCounters(1).PacketsIn != 0 {
				t.Errorf("%s, mode %d: %d connections, %d packets of Weir's own", f.name, mode, c.Live, c.Own)
			}
		}
	}
}

func TestTheAnswerToAProbeIsForTheKernelAndNobodyElseMayUseTheVIP(t *testing.T) {
	for _, f := range families {
		r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoTCP, mode: DR}}, withTAP())
		own := map[bool]string{false: "10.0.0.1:40000", true: "[fd00::1]:40000"}[f.v6]
		answer := pk{from: f.vip, to: own, flags: "SA", srcMAC: rs1MAC, dstMAC: lanMAC}
		r.send(lan, answer.frame(t))
		if r.reasons()["spoofed_source"] != 1 {
			t.Errorf("%s: without checks through the service: %v", f.name, r.reasons())
		}
		r.spec.Services[0].Probed = true
		r.publish()
		r.send(lan, answer.frame(t))
		if got := r.punted(); len(got) != 1 || got[0].Reason != reason.PuntLocal {
			t.Errorf("%s: punted %v", f.name, got)
		}
		udp := answer
		udp.udp, udp.flags = true, ""
		r.send(lan, udp.frame(t))
		if got := r.punted(); len(got) != 1 || got[0].Reason != reason.PuntLocal {
			t.Errorf("%s: of another protocol than the service: punted %v", f.name, got)
		}
		answer.from = netipPort(f.vip, 81)
		r.send(lan, answer.frame(t))
		answer.from, answer.to, answer.flags = f.vip, f.vip, "S"
		r.send(lan, answer.frame(t))
		if r.reasons()["spoofed_source"] != 3 {
			t.Errorf("%s: what is no answer: %v", f.name, r.reasons())
		}
	}
}

func TestWhatIsNoProbeIsDroppedForItsReason(t *testing.T) {
	good := pk{from: "10.0.0.1:40000", to: vip4, flags: "S", srcMAC: lanMAC, dstMAC: probeMAC}
	udp := good
	udp.udp, udp.df, udp.payload = true, true, 1470
	ping := good.frame(t)
	ping[23] = packet.ProtoICMP
	cut := good.frame(t)
	cut[20] = 0x20 // more fragments
	for name, c := range map[string]struct {
		mode   Mode
		meta   ring.Meta
		frame  []byte
		reason string
	}{
		"of a backend that is gone": {TUN, ring.Meta{Gen: 99}, good.frame(t), "probe_ended"},
		"of a backend beyond all":   {TUN, ring.Meta{Backend: 1 << 19, Gen: 1}, good.frame(t), "probe_ended"},
		"of a service in nat":       {NAT, ring.Meta{Gen: 1}, good.frame(t), "probe_ended"},
		"too big for the tunnel":    {TUN, ring.Meta{Gen: 1}, udp.frame(t), "too_big"},
		"a fragment":                {TUN, ring.Meta{Gen: 1}, cut, "bad_fragment"},
		"ICMP":                      {DR, ring.Meta{Gen: 1}, ping, "unsupported_protocol"},
		"a wrong header":            {DR, ring.Meta{Gen: 1}, append(good.frame(t)[:14], make([]byte, 40)...), "bad_ip_version"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoTCP, mode: c.mode}})
			c.meta.Port = lan
			r.inject[0].Push(&c.meta, c.frame)
			if out := r.run(); len(out) != 0 || r.reasons()[c.reason] != 1 {
				t.Errorf("%d frames left; reasons %v, want %s", len(out), r.reasons(), c.reason)
			}
		})
	}
}
