package fastpath

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/fastpath/ring"
)

// withTags puts bytes behind a frame's MACs.
func withTags(frame []byte, tags ...byte) []byte {
	return append(append(append([]byte{}, frame[:12]...), tags...), frame[12:]...)
}

var vlanCases = []struct {
	outer, inner uint16
	tags         []byte
}{
	{100, 0, []byte{0x81, 0, 0, 100}},
	{4094, 0, []byte{0x81, 0, 0x0f, 0xfe}},
	{200, 100, []byte{0x88, 0xa8, 0, 200, 0x81, 0, 0, 100}},
}

// oneTagged requires one frame with tags on the trunk, and returns it without.
func oneTagged(t testing.TB, out []sentFrame, tags []byte) seen {
	t.Helper()
	if len(out) != 1 || out[0].port != wan || !bytes.Equal(out[0].data[12:12+len(tags)], tags) {
		t.Fatalf("%d frames: %v", len(out), out)
	}
	return look(t, append(bytes.Clone(out[0].data[:12]), out[0].data[12+len(tags):]...))
}

// One port, clients untagged and backends in a VLAN: both directions in nat, the first packets and the steady ones, with
// one worker and with several, some of which send through another's queue.
func TestBackendsInAVLAN(t *testing.T) {
	for _, f := range families {
		for _, c := range vlanCases {
			for _, workers := range []int{1, 3} {
				for _, udp := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/%d.%d/%d workers/udp %t", f.name, c.outer, c.inner, workers, udp), func(t *testing.T) {
						r := newRig(t, []rigService{{vip: f.vip, proto: proto(udp), mode: NAT, peers: []string{f.rs1}}},
							withVLAN(c.outer, c.inner), withWorkers(workers, (workers+1)/2))
						for n := range uint16(9) {
							client := netipPort(f.client, 3000+n)
							for _, flags := range []string{"S", "A", "A"} {
								s := oneTagged(t, r.send(wan, pk{from: client, to: f.vip, udp: udp, flags: flags, payload: 99, pad: 3}.frame(t)), c.tags)
								if s.dst.String() != f.rs1 || s.srcMAC != mac(lanMAC) || s.dstMAC != mac(rs1MAC) {
									t.Fatalf("to the backend: %s", &s)
								}
								reply := pk{from: f.rs1, to: client, udp: udp, flags: flags + "A", payload: 77, srcMAC: rs1MAC, dstMAC: lanMAC}.frame(t)
								s = one(t, r.send(wan, withTags(reply, c.tags...)), wan)
								if s.src.String() != f.vip || s.dst.String() != client || s.srcMAC != mac(wanMAC) || s.dstMAC != mac(gwMAC) {
									t.Fatalf("to the client: %s", &s)
								}
							}
						}
						var traffic PortTraffic
						for _, w := range r.workers {
							p := w.PortTraffic(lan)
							traffic.PacketsIn, traffic.PacketsOut = traffic.PacketsIn+p.PacketsIn, traffic.PacketsOut+p.PacketsOut
							traffic.BytesIn += p.BytesIn
						}
						if traffic.PacketsIn != 27 || traffic.PacketsOut != 27 || traffic.BytesIn == 0 || len(r.reasons()) != 0 {
							t.Errorf("%+v, reasons %v", traffic, r.reasons())
						}
					})
				}
			}
		}
	}
}

// What carries a priority and no VLAN is as if it were untagged, on ports with sub-ports and without.
func TestPriorityTagsAreNone(t *testing.T) {
	for _, opts := range [][]rigOption{nil, {withVLAN(100, 0)}} {
		r := newRig(t, tcp4(), opts...)
		out := r.send(wan, withTags(pk{from: client4, to: vip4, flags: "S"}.frame(t), 0x81, 0, 0x60, 0))
		if len(out) != 1 || r.workers[0].Counters().NewConns != 1 {
			t.Errorf("%d frames, reasons %v", len(out), r.reasons())
		}
	}
	// So it is inside a VLAN.
	r := newRig(t, tcp4(), withVLAN(100, 0))
	r.send(wan, withTags(pk{from: client4, to: vip4, flags: "S", dstMAC: lanMAC}.frame(t), 0x81, 0, 0x60, 0, 0x81, 0, 0, 100))
	if r.workers[0].Counters().NewConns != 1 {
		t.Errorf("reasons %v", r.reasons())
	}
}

func TestTagsThatADeviceTakesOff(t *testing.T) {
	r := newRig(t, tcp4(), withVLAN(100, 0))
	frame := pk{from: client4, to: vip4, flags: "S", dstMAC: lanMAC}.frame(t)
	put := func(vid uint32, frame []byte) {
		if err := r.queues[0][wan].Put(frame, port.VLANStripped); err != nil {
			t.Fatal(err)
		}
		r.queues[0][wan].Last().Hash = vid
	}
	put(100|3<<13, frame)
	if out := r.run(); len(out) != 1 {
		t.Errorf("%d frames, reasons %v", len(out), r.reasons())
	}
	put(101, frame)
	if out := r.run(); len(out) != 0 || r.reasons()["unknown_vlan"] != 1 {
		t.Errorf("%d frames, reasons %v", len(out), r.reasons())
	}
}

func TestVLANsThatNobodyKnows(t *testing.T) {
	for name, c := range map[string]struct {
		inner  uint16
		to     [6]byte
		tags   []byte
		reason string
	}{
		"another VLAN":              {0, wanMAC, []byte{0x81, 0, 0, 101}, "unknown_vlan"},
		"one tag more":              {0, lanMAC, []byte{0x81, 0, 0, 100, 0x81, 0, 0, 7}, "unknown_vlan"},
		"one tag less":              {200, wanMAC, []byte{0x88, 0xa8, 0, 100}, "unknown_vlan"},
		"another inner one":         {200, wanMAC, []byte{0x88, 0xa8, 0, 100, 0x81, 0, 0, 201}, "unknown_vlan"},
		"a third tag":               {200, lanMAC, []byte{0x88, 0xa8, 0, 100, 0x81, 0, 0, 200, 0x81, 0, 0, 1}, "unknown_vlan"},
		"the wrong MAC of the VLAN": {0, lanMAC, nil, "wrong_mac"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, tcp4(), withVLAN(100, c.inner))
			syn := pk{from: client4, to: vip4, flags: "S", dstMAC: c.to}.frame(t)
			if out := r.send(wan, withTags(syn, c.tags...)); len(out) != 0 || r.reasons()[c.reason] != 1 {
				t.Errorf("%d frames, reasons %v", len(out), r.reasons())
			}
		})
	}
}

// ARP and pings, and what the slow path sends, are the sub-port's.
func TestTheSlowPathOfAVLAN(t *testing.T) {
	r := newRig(t, tcp4(), withVLAN(100, 0), withTAP())
	tags := []byte{0x81, 0, 0, 100}
	ping := icmpFrame("10.0.0.11", netipAddr(vip4).String(), 8, 0, []byte{0, 1, 0, 1, 5, 6}, rs1MAC, lanMAC, 64)
	if s := oneTagged(t, r.send(wan, withTags(ping, tags...)), tags); s.l4[0] != 0 || s.dst.Addr().String() != "10.0.0.11" {
		t.Errorf("ping: %s", &s)
	}
	r.send(wan, withTags(icmpFrame("10.0.0.11", "10.0.0.1", 8, 0, []byte{0, 1, 0, 1, 5, 6}, rs1MAC, lanMAC, 64), tags...))
	if got := r.punted(); len(got) != 1 || got[0].Port != lan || got[0].Len != uint32(len(ping)) {
		t.Errorf("punted %+v", got)
	}
	own := pk{from: "10.0.0.1:22", to: "10.0.0.11:1000", flags: "S", srcMAC: lanMAC, dstMAC: rs1MAC}.frame(t)
	r.inject[0].Push(&ring.Meta{Port: lan}, own)
	if s := oneTagged(t, r.run(), tags); s.dst.Addr().String() != "10.0.0.11" {
		t.Errorf("from the slow path: %s", &s)
	}
}

func TestTunnelsInAVLAN(t *testing.T) {
	tags := []byte{0x88, 0xa8, 0, 200, 0x81, 0, 0, 100}
	for _, spec := range tunnelSpecs {
		r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: TUN, peers: []string{"[fd00::11]:80"}, tunnel: spec}}, withVLAN(200, 100))
		for range 3 {
			s := oneTagged(t, r.send(wan, pk{from: client4, to: vip4, udp: true, payload: 1000}.frame(t)), tags)
			unwrap(t, &s, &spec)
		}
	}
}

func TestTagsOfCopies(t *testing.T) {
	frame := pk{from: client4, to: vip4, flags: "S"}.frame(t)
	for _, c := range vlanCases {
		v := VLAN{Outer: c.outer, Inner: c.inner}
		got := v.Tagged(frame)
		if !bytes.Equal(got, withTags(frame, c.tags...)) {
			t.Errorf("%x", got[:24])
		}
		if back, ok := v.Untagged(got); !ok || !bytes.Equal(back, frame) {
			t.Errorf("%x, %t", back, ok)
		}
		if _, ok := v.Untagged(frame); ok {
			t.Error("an untagged frame passes for tagged")
		}
	}
}

// arrive lets a frame of VLAN 100 arrive on the trunk at worker 0, with the tag in it or taken off by the device.
func (r *rig) arrive(frame []byte, stripped bool) {
	flags := uint16(0)
	if stripped {
		flags = port.VLANStripped
	} else {
		frame = withTags(frame, 0x81, 0, 0, 100)
	}
	if err := r.queues[0][wan].Put(frame, flags); err != nil {
		r.t.Fatal(err)
	}
	if stripped {
		r.queues[0][wan].Last().Hash = 100
	}
	r.workers[0].Poll()
}

func TestWhatIsLostOnTheWayToItsOwnerIsLostAtTheSubPort(t *testing.T) {
	for _, stripped := range []bool{false, true} {
		r := newRig(t, tcp4(), withWorkers(2, 2), withVLAN(100, 0))
		frame := pk{from: clientOf(t, "198.51.100.7", 1, 2).String(), to: vip4, flags: "S", dstMAC: lanMAC}.frame(t)
		const more = 10
		for range handoverSize + more {
			r.arrive(frame, stripped)
		}
		if n := r.workers[0].PortReasons(lan)[reason.HandoverFull]; n != more {
			t.Errorf("stripped %t: %d lost at the sub-port, want %d", stripped, n, more)
		}
		r.run()
		if n := r.workers[0].PortTraffic(lan).PacketsIn + r.workers[1].PortTraffic(lan).PacketsIn; n != handoverSize+more {
			t.Errorf("stripped %t: %d packets of the sub-port, want %d", stripped, n, handoverSize+more)
		}
	}
}

func TestATapKnowsWhosePacketsOfAVLANAre(t *testing.T) {
	for _, stripped := range []bool{false, true} {
		r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoTCP, mode: NAT, peers: []string{"10.0.0.11:80"}}}, withWorkers(2, 2), withVLAN(100, 0))
		mine, other := clientOf(t, "198.51.100.7", 0, 2).String(), clientOf(t, "198.51.100.7", 1, 2).String()
		tap := r.tap(TapOptions{Service: "s0"})
		r.arrive(pk{from: mine, to: vip4, flags: "S", dstMAC: lanMAC}.frame(t), stripped)
		expectCopies(t, tap, "0 wan in 0 unset s0 1 10.0.0.11:80 reply=false", "0 lan out 0 unset s0 1 10.0.0.11:80 reply=false")
		frame := pk{from: other, to: vip4, flags: "S", dstMAC: lanMAC}.frame(t)
		for range handoverSize + 1 {
			r.arrive(frame, stripped)
		}
		expectCopies(t, tap, "0 wan in 3 handover_full s0 1")
		for range 2 {
			r.workers[1].Poll()
		}
		if got := copies(tap)[0].tell(); got != "1 lan in 0 unset s0 1 10.0.0.11:80 reply=false" {
			t.Errorf("at its owner: %s", got)
		}
	}
}
