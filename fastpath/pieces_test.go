package fastpath

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// reassemble puts the pieces of an IPv4 packet together again, as a host would, and returns its payload.
func reassemble(t *testing.T, pieces []seen, mtu int) []byte {
	t.Helper()
	var payload []byte
	for i, s := range pieces {
		field := binary.BigEndian.Uint16(s.ip[6:])
		if len(s.ip) > mtu || int(field&0x1fff)*8 != len(payload) || field&0x2000 != 0 != (i < len(pieces)-1) || field&0xc000 != 0 {
			t.Errorf("piece %d: %d bytes, fragment field %04x at %d", i, len(s.ip), field, len(payload))
		}
		if first := pieces[0]; s.src.Addr() != first.src.Addr() || s.dst.Addr() != first.dst.Addr() || s.ttl != first.ttl ||
			!bytes.Equal(s.ip[4:6], first.ip[4:6]) || s.proto != first.proto {
			t.Errorf("piece %d is another packet's: %s, the first %s", i, &s, &first)
		}
		payload = append(payload, s.l4...)
	}
	return payload
}

func looks(t *testing.T, out []sentFrame, port int) (all []seen) {
	t.Helper()
	for _, o := range out {
		if o.port != port {
			t.Fatalf("a piece left on port %d, want %d", o.port, port)
		}
		all = append(all, look(t, o.data))
	}
	return all
}

func TestNATCutsUpWhatIsTooLargeForTheWay(t *testing.T) {
	r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: NAT, peers: []string{"10.0.0.11:8080"}}}, withLanMTU(1300))
	for _, payload := range []int{1273, 1274, 1471, 1472} {
		out := r.send(wan, pk{from: client4, to: vip4, udp: true, payload: payload, options: 8, pad: 5}.frame(t))
		if len(out) != 2 {
			t.Fatalf("%d frames for %d bytes", len(out), payload)
		}
		want := pk{from: client4, to: "10.0.0.11:8080", udp: true, payload: payload}.frame(t)[34:]
		if got := reassemble(t, looks(t, out, lan), 1300); !bytes.Equal(got, want) {
			t.Errorf("%d bytes: the pieces do not make the packet", payload)
		}
	}
}

// A SYN may carry data (RFC 7413), and what begins a later piece may look like a header with an MSS.
func TestTheMSSIsLoweredInTheFirstPieceOnly(t *testing.T) {
	r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoTCP, mode: TUN, peers: []string{"10.0.0.11:80"}}})
	in := pk{from: client4, to: vip4, flags: "S", mss: 1460, payload: 1500}.frame(t)
	const second = 34 + 1456 // the tunnel leaves 1480 bytes, 1456 of them in whole units for the payload
	copy(in[second+12:], []byte{15 << 4})
	copy(in[second+20:], []byte{2, 4, 0xff, 0xff})
	setSums(in)
	var got []byte
	for _, s := range looks(t, r.send(wan, in), lan) {
		inner := s.inner(t)
		got = append(got, inner.l4...)
	}
	want := append([]byte(nil), in[34:]...)
	binary.BigEndian.PutUint16(want[22:], 1440)
	copy(want[16:18], got[16:18]) // whose change other tests check
	if !bytes.Equal(got, want) {
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				t.Fatalf("%d bytes, of which byte %d is %02x; want %d, %02x", len(got), i, got[i], len(want), want[i])
			}
		}
		t.Fatalf("%d bytes, want %d", len(got), len(want))
	}
}

func TestRepliesAreCutUpToo(t *testing.T) {
	r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: NAT, peers: []string{"10.0.0.11:8080"}}})
	one(t, r.send(wan, pk{from: client4, to: vip4, udp: true}.frame(t)), lan)
	r.setMTU(wan, 1280)
	reply := pk{from: "10.0.0.11:8080", to: client4, udp: true, payload: 1472, srcMAC: rs1MAC, dstMAC: lanMAC}
	want := pk{from: vip4, to: client4, udp: true, payload: 1472}.frame(t)[34:]
	if got := reassemble(t, looks(t, r.send(lan, reply.frame(t)), wan), 1280); !bytes.Equal(got, want) {
		t.Error("the pieces do not make the packet")
	}
	reply.df = true
	s := one(t, r.send(lan, reply.frame(t)), lan)
	if s.l4[0] != 3 || s.l4[1] != 4 || binary.BigEndian.Uint32(s.l4[4:]) != 1280 || s.dst.Addr().String() != "10.0.0.11" {
		t.Errorf("with DF: %s type %d code %d MTU %d", &s, s.l4[0], s.l4[1], binary.BigEndian.Uint32(s.l4[4:]))
	}
}

func TestIPv6IsNeverCutUp(t *testing.T) {
	r := newRig(t, []rigService{{vip: "[2001:db8::10]:80", proto: packet.ProtoUDP, mode: NAT}}, withLanMTU(1300))
	s := one(t, r.send(wan, pk{from: "[2001:db8:c::7]:9", to: "[2001:db8::10]:80", udp: true, payload: 1300}.frame(t)), wan)
	if s.l4[0] != 2 || binary.BigEndian.Uint32(s.l4[4:]) != 1300 || r.reasons()["too_big"] != 1 {
		t.Errorf("type %d, MTU %d, reasons %v", s.l4[0], binary.BigEndian.Uint32(s.l4[4:]), r.reasons())
	}
}

func TestOptionsOfTheFirstFragmentOnlyStayThere(t *testing.T) {
	const nop = 1
	for name, c := range map[string]struct{ options, later []byte }{
		"record route":             {[]byte{7, 7, 4, 0, 0, 0, 0, 0}, bytes.Repeat([]byte{nop}, 7)},
		"security and record":      {[]byte{130, 4, 1, 2, 7, 3, 4, nop}, []byte{130, 4, 1, 2, nop, nop, nop, nop}},
		"no-operations":            {[]byte{nop, nop, 148, 4, 0, 0, nop, nop}, []byte{nop, nop, 148, 4, 0, 0, nop, nop}},
		"an option beyond the end": {[]byte{7, 3, 4, nop, 7, 200, 4, 4}, []byte{nop, nop, nop, nop, 7, 200, 4, 4}},
		"an option of no length":   {[]byte{7, 0, 4, 4}, []byte{7, 0, 4, 4}},
		"an option cut at its end": {[]byte{nop, nop, nop, 7}, []byte{nop, nop, nop, 7}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: NAT}}, withLanMTU(1300))
			in := pk{from: client4, to: vip4, udp: true, payload: 1400, options: len(c.options)}.frame(t)
			copy(in[34:], c.options)
			setSums(in)
			all := looks(t, r.send(wan, in), lan) // which checks the headers' checksums
			if len(all) != 2 {
				t.Fatalf("%d frames", len(all))
			}
			if got := all[0].ip[20:]; !bytes.HasPrefix(got, c.options) {
				t.Errorf("first: %x", got[:len(c.options)])
			}
			if got := all[1].ip[20:]; !bytes.HasPrefix(got, c.later) {
				t.Errorf("second: %x, want %x", got[:len(c.options)], c.later)
			}
		})
	}
}

func TestPiecesOfADamagedHeaderAreDamaged(t *testing.T) {
	r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: NAT}}, withLanMTU(1300))
	in := pk{from: client4, to: vip4, udp: true, payload: 1400}.frame(t)
	in[15] ^= 4 // the TOS
	out := r.send(wan, in)
	if len(out) != 2 {
		t.Fatalf("%d frames", len(out))
	}
	for i, o := range out {
		if sum16(o.data[14:34]) == 0 {
			t.Errorf("piece %d passes for sound", i)
		}
	}
}

func TestBuffersOfHalfTheFragmentsComeBack(t *testing.T) {
	in := pk{from: client4, to: vip4, udp: true, payload: 1472}.frame(t)
	for name, spoil := range map[string]func(r *rig, b *port.Burst){
		"the second is missing": func(r *rig, b *port.Burst) {
			for ; b.NSpare > 1; b.NSpare-- {
				b.Free[b.NFree] = b.Spare[b.NSpare-1].Buf
				b.NFree++
			}
			r.pool.Limit = 1
		},
		"the second is too short": func(_ *rig, b *port.Burst) { b.Spare[b.NSpare-2].Tail = 100 },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: TUN}}, withLanMTU(600))
			r.run() // fills the spares
			if err := r.queues[0][wan].Put(in, 0); err != nil {
				t.Fatal(err)
			}
			spoil(r, r.queues[0][wan].Burst())
			if out := r.run(); len(out) != 0 || r.reasons()["no_buffer"] != 1 {
				t.Errorf("%d frames left, reasons %v", len(out), r.reasons())
			}
		})
	}
}

func TestFragmentsNeedBuffers(t *testing.T) {
	r := newRig(t, []rigService{{vip: vip4, proto: packet.ProtoUDP, mode: TUN}})
	r.run() // fills the spares
	for p := range r.queues[0] {
		b := r.queues[0][p].Burst()
		for b.NSpare > 0 {
			b.NSpare--
			b.Free[b.NFree] = b.Spare[b.NSpare].Buf
			b.NFree++
		}
	}
	in := pk{from: client4, to: vip4, udp: true, payload: 1472}.frame(t)
	if err := r.queues[0][wan].Put(in, 0); err != nil {
		t.Fatal(err)
	}
	r.pool.Limit = 1
	if out := r.run(); len(out) != 0 || r.reasons()["no_buffer"] != 1 {
		t.Errorf("%d frames, reasons %v", len(out), r.reasons())
	}
	r.pool.Limit = 0
	if out := r.send(wan, in); len(out) != 2 {
		t.Errorf("%d frames with buffers", len(out))
	}
}
