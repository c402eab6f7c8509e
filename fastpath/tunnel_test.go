package fastpath

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
)

func TestTunnelTooBigIsAnsweredWithTheMTUThatFits(t *testing.T) {
	for _, f := range families {
		for peer, overhead := range map[string]int{"10.0.0.11:80": 20, "[fd00::11]:80": 40} {
			r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: TUN, peers: []string{peer}}})
			hl := map[bool]int{false: 28, true: 48}[f.v6]
			fits := pk{from: f.client, to: f.vip, udp: true, df: true, payload: 1500 - overhead - hl}
			one(t, r.send(wan, fits.frame(t)), lan)
			fits.payload++
			in := fits.frame(t)
			s := one(t, r.send(wan, in), wan)
			kind, code, mtu := s.l4[0], s.l4[1], binary.BigEndian.Uint32(s.l4[4:])
			if f.v6 && (kind != 2 || code != 0) || !f.v6 && (kind != 3 || code != 4) || mtu != uint32(1500-overhead) {
				t.Errorf("%s over %s: type %d code %d MTU %d", f.name, peer, kind, code, mtu)
			}
			if most := map[bool]int{false: 576, true: 1280}[f.v6]; len(s.ip) != most {
				t.Errorf("%s: the error has %d bytes, want %d", f.name, len(s.ip), most)
			}
		}
	}
}

func TestIPv4WithoutDFIsFragmentedIntoTheTunnel(t *testing.T) {
	for _, peer := range []string{"10.0.0.11:80", "[fd00::11]:80"} {
		r := newRig(t, []rigService{{vip: "203.0.113.10:80", proto: packet.ProtoUDP, mode: TUN, peers: []string{peer}}})
		in := pk{from: "198.51.100.7:9", to: "203.0.113.10:80", udp: true, payload: 1472}.frame(t)
		out := r.send(wan, in)
		if len(out) != 2 {
			t.Fatalf("%d frames, want 2", len(out))
		}
		var payload []byte
		for i, o := range out {
			s := look(t, o.data)
			if len(s.ip) > 1500 {
				t.Errorf("piece %d has %d bytes", i, len(s.ip))
			}
			in := s.inner(t)
			field := binary.BigEndian.Uint16(in.ip[6:])
			if int(field&0x1fff)*8 != len(payload) || field&0x2000 != 0 != (i == 0) || in.ttl != 63 {
				t.Errorf("piece %d: fragment field %04x at %d, TTL %d", i, field, len(payload), in.ttl)
			}
			payload = append(payload, in.l4...)
		}
		if !bytes.Equal(payload, in[34:]) {
			t.Error("the pieces do not make the packet")
		}
	}
}

func TestMSSAtAnOddPlaceAndAmongOtherOptions(t *testing.T) {
	for name, c := range map[string]struct{ options, want []byte }{
		"at an odd offset":           {[]byte{1, 2, 4, 0x05, 0xb4, 0, 0, 0}, []byte{1, 2, 4, 0x05, 0xa0, 0, 0, 0}},
		"after another option":       {[]byte{3, 3, 7, 1, 2, 4, 0x23, 0x00}, []byte{3, 3, 7, 1, 2, 4, 0x05, 0xa0}},
		"behind the end of the list": {[]byte{0, 0, 0, 0, 2, 4, 0x05, 0xb4}, nil},
		"of a wrong length":          {[]byte{2, 3, 0x05, 1, 1, 1, 1, 1}, nil},
		"cut off by the header":      {[]byte{1, 1, 1, 1, 1, 2, 4, 0x05}, nil},
		"an option of length 0":      {[]byte{9, 0, 2, 4, 0x05, 0xb4, 0, 0}, nil},
		"a kind without length":      {[]byte{1, 1, 1, 1, 1, 1, 1, 9}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoTCP, mode: TUN}})
			in := pk{from: client4, to: vip4, flags: "S", payload: len(c.options)}.frame(t)
			in[14+20+12] = byte(5+len(c.options)/4) << 4
			copy(in[14+40:], c.options)
			setSums(in)
			s := one(t, r.send(wan, in), lan)
			inner := s.inner(t) // which checks the checksum
			want := c.want
			if want == nil {
				want = c.options
			}
			if got := inner.l4[20:]; string(got) != string(want) {
				t.Errorf("options %x, want %x", got, want)
			}
		})
	}
}

func TestMSSOfASYNIsLoweredToWhatFitsTheTunnel(t *testing.T) {
	for _, f := range families {
		for peer, fits := range map[string]uint16{"10.0.0.11:80": 1480, "[fd00::11]:80": 1460} {
			r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoTCP, mode: TUN, peers: []string{peer}}})
			fits -= map[bool]uint16{false: 40, true: 60}[f.v6]
			for mss, want := range map[uint16]uint16{1460: fits, 536: 536, fits: fits, fits + 1: fits} {
				in := pk{from: f.client, to: f.vip, flags: "S", mss: mss}
				s := one(t, r.send(wan, in.frame(t)), lan)
				inner := s.inner(t)
				if got := binary.BigEndian.Uint16(inner.l4[22:]); got != want {
					t.Errorf("%s over %s: MSS %d became %d, want %d", f.name, peer, mss, got, want)
				}
			}
		}
	}
}

func TestTheOuterDontFragmentBitFollowsThePolicy(t *testing.T) {
	for _, c := range []struct {
		policy    DFPolicy
		v6, inner bool
		want      bool
	}{
		{DFCopy, false, false, false}, {DFCopy, false, true, true}, {DFCopy, true, false, true},
		{DFSet, false, false, true}, {DFSet, false, true, true}, {DFSet, true, false, true},
		{DFClear, false, false, false}, {DFClear, false, true, false}, {DFClear, true, false, false},
	} {
		f := families[map[bool]int{false: 0, true: 1}[c.v6]]
		r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: TUN, peers: []string{"10.0.0.11:80"}}})
		r.spec.Backends[0].DF = c.policy
		r.publish()
		var ids []uint16
		for range 3 {
			s := one(t, r.send(wan, pk{from: f.client, to: f.vip, udp: true, df: c.inner}.frame(t)), lan)
			if got := s.ip[6] == 0x40; got != c.want || s.ip[6]&^0x40 != 0 || s.ip[7] != 0 {
				t.Errorf("%+v: fragment field %x", c, s.ip[6:8])
			}
			ids = append(ids, binary.BigEndian.Uint16(s.ip[4:]))
		}
		// Only what may be cut up needs an ID, and one of its own (RFC 6864).
		if distinct := ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]; distinct == c.want {
			t.Errorf("%+v: IDs %v", c, ids)
		}
	}
}

func TestTheOuterFlowLabelIsTheFlows(t *testing.T) {
	for _, f := range families {
		r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoUDP, mode: TUN, peers: []string{"[fd00::11]:80"}}})
		label := func(p pk) uint32 {
			s := one(t, r.send(wan, p.frame(t)), lan)
			return binary.BigEndian.Uint32(s.ip) & 0xfffff
		}
		labels := map[uint32]bool{}
		for port := range uint16(20) {
			p := pk{from: netipPort(f.client, 1000+port), to: f.vip, udp: true, payload: int(port)}
			first := label(p)
			p.payload = 99
			if again := label(p); again != first {
				t.Errorf("%s: one flow has the labels %05x and %05x", f.name, first, again)
			}
			labels[first] = true
		}
		if len(labels) < 19 {
			t.Errorf("%s: 20 flows have %d labels", f.name, len(labels))
		}
		in := icmpFrame(routers[f.v6], netipAddr(f.vip).String(), errorKind(f.v6), 1, quoteOf(pk{from: f.vip, to: netipPort(f.client, 1000), udp: true}.frame(t), 8), gwMAC, wanMAC, 64)
		s := one(t, r.send(wan, in), lan)
		if want := label(pk{from: netipPort(f.client, 1000), to: f.vip, udp: true}); binary.BigEndian.Uint32(s.ip)&0xfffff != want {
			t.Errorf("%s: an ICMP error has another label than the flow it is about", f.name)
		}
	}
}
