package fastpath

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A packet is the same behind Weir whether its rewriting was prepared or not.
func TestServicesWithSeveralVIPsRewriteAsThoseWithOne(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for _, udp := range []bool{false, true} {
			one, several := kind{mode: NAT, v6: v6, udp: udp}, kind{mode: NAT, v6: v6, udp: udp, wide: manyVIPs}
			t.Run(one.String(), func(t *testing.T) {
				a, b := one.established(t), several.established(t)
				r := rand.New(rand.NewPCG(35, 36))
				for i := range 300 {
					p, in := one.packet(r, one.far(a))
					f := p.frame(t)
					if got, want := b.send(in, f), a.send(in, f); !sameFrames(got, want) {
						t.Fatalf("packet %d, %+v: %s", i, p, cmp.Diff(want, got, cmp.AllowUnexported(sentFrame{})))
					}
				}
			})
		}
	}
}

func TestRepliesComeFromTheVIPThatTheClientChose(t *testing.T) {
	r := newRig(t, []rigService{{
		vip: "203.0.113.10:80", more: []string{"203.0.113.11:80", "203.0.113.10:443"}, proto: proto(false), mode: NAT, peers: []string{"10.0.0.11:0"},
	}})
	for i, vip := range []string{"203.0.113.10:80", "203.0.113.11:80", "203.0.113.10:443"} {
		client := netip.AddrPortFrom(netip.MustParseAddr("198.51.100.7"), uint16(40000+i)).String()
		port := netip.MustParseAddrPort(vip).Port()
		s := one(t, r.send(wan, pk{from: client, to: vip, flags: "S"}.frame(t)), lan)
		backend := netip.AddrPortFrom(netip.MustParseAddr("10.0.0.11"), port).String()
		if s.dst.String() != backend {
			t.Errorf("%s leads to %s, want %s", vip, s.dst, backend)
		}
		s = one(t, r.send(lan, pk{from: backend, to: client, flags: "SA", srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t)), wan)
		if s.src.String() != vip {
			t.Errorf("the reply comes from %s, want %s", s.src, vip)
		}
	}
	if n := r.workers[0].Counters().Live; n != 3 {
		t.Errorf("%d connections", n)
	}
}

// The backend cannot tell the two connections apart, so the later one has its replies.
func TestOneClientPortAtTwoVIPsOfABackend(t *testing.T) {
	r := newRig(t, []rigService{{
		vip: "203.0.113.10:80", more: []string{"203.0.113.11:80"}, proto: proto(false), mode: NAT, peers: []string{"10.0.0.11:8080"},
	}})
	const client = "198.51.100.7:40000"
	for _, vip := range []string{"203.0.113.10:80", "203.0.113.11:80"} {
		one(t, r.send(wan, pk{from: client, to: vip, flags: "S"}.frame(t)), lan)
	}
	s := one(t, r.send(lan, pk{from: "10.0.0.11:8080", to: client, flags: "SA", srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t)), wan)
	if s.src.String() != "203.0.113.11:80" || r.workers[0].Counters().Live != 1 {
		t.Errorf("from %s, %d connections", s.src, r.workers[0].Counters().Live)
	}
}

func TestErrorsAboutConnectionsThatKeepTheirPort(t *testing.T) {
	for _, f := range families {
		backend := netip.AddrPortFrom(netipAddr(f.rs1), 80).String()
		r := newRig(t, []rigService{{vip: f.vip, proto: proto(true), mode: NAT, peers: []string{netip.AddrPortFrom(netipAddr(f.rs1), 0).String()}}})
		sent := r.send(wan, pk{from: f.client, to: f.vip, udp: true, payload: 40}.frame(t))
		one(t, sent, lan)
		reply := pk{from: f.vip, to: f.client, udp: true, payload: 40}.frame(t)
		in := icmpFrame(netipAddr(f.client).String(), netipAddr(f.vip).String(), errorKind(f.v6), 3, quoteOf(reply, 20), gwMAC, wanMAC, 60)
		s := one(t, r.send(wan, in), lan)
		checkQuote(t, s.l4[8:], backend, f.client, 20, pk{from: backend, to: f.client, udp: true, payload: 40}.frame(t))
		in = icmpFrame(netipAddr(f.rs1).String(), netipAddr(f.client).String(), errorKind(f.v6), 3, quoteOf(sent[0].data, 20), rs1MAC, lanMAC, 60)
		s = one(t, r.send(lan, in), wan)
		checkQuote(t, s.l4[8:], f.client, f.vip, 20, pk{from: f.client, to: f.vip, udp: true, payload: 40}.frame(t))
		if s.src.Addr() != netipAddr(f.vip) {
			t.Errorf("the error comes from %s", s.src)
		}
	}
}

// Pieces are cut after the rewriting.
func TestFragmentsOfAServiceWithSeveralVIPs(t *testing.T) {
	var got [][]sentFrame
	for _, more := range [][]string{nil, {"203.0.113.11:81"}} {
		r := newRig(t, []rigService{{vip: "203.0.113.10:80", more: more, proto: proto(true), mode: NAT, peers: []string{"10.0.0.11:8080"}}}, withLanMTU(1280))
		got = append(got, r.send(wan, pk{from: "198.51.100.7:40000", to: "203.0.113.10:80", udp: true, payload: 1400}.frame(t)))
	}
	if len(got[0]) != 2 || len(got[1]) != 2 || !bytes.Equal(got[0][0].data, got[1][0].data) || !bytes.Equal(got[0][1].data, got[1][1].data) {
		t.Errorf("- one VIP, + several: %s", cmp.Diff(got[0], got[1], cmp.AllowUnexported(sentFrame{})))
	}
}

func TestFragmentsThatArriveForAServiceWithSeveralVIPs(t *testing.T) {
	for _, k := range []kind{{mode: NAT, udp: true}, {mode: NAT, udp: true, v6: true}} {
		client, vip, backend := k.addrs()
		wide := k
		wide.wide = manyVIPs
		a, b := k.established(t), wide.established(t)
		for in, p := range map[int]pk{
			wan: {from: client, to: vip, udp: true, payload: 3000},
			lan: {from: backend, to: client, udp: true, payload: 3000, srcMAC: rs1MAC, dstMAC: lanMAC},
		} {
			for _, f := range cutUp(p.frame(t), 1000, 77) {
				if got, want := b.send(in, f), a.send(in, f); len(want) != 1 || !sameFrames(got, want) {
					t.Errorf("%s, from port %d: %s", k, in, cmp.Diff(want, got, cmp.AllowUnexported(sentFrame{})))
				}
			}
		}
	}
}
