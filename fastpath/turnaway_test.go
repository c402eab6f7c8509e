package fastpath

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/weirlb/weir/fastpath/packet"
)

// empty leaves the rig's first service without a backend that takes connections.
func (r *rig) empty(answer Answer) {
	r.spec.Services[0].Sched, r.spec.Services[0].OnEmpty = &roundRobin{}, answer
	r.publish()
}

func TestAServiceWithoutBackendsAnswersAsItIsTold(t *testing.T) {
	for _, f := range families {
		for _, c := range []struct {
			udp    bool
			answer Answer
			want   string // nothing, icmp or reset
		}{
			{false, AnswerDrop, ""}, {true, AnswerDrop, ""}, {false, AnswerICMP, "icmp"}, {true, AnswerICMP, "icmp"},
			{false, AnswerReset, "reset"}, {true, AnswerReset, "icmp"},
		} {
			r := newRig(t, []rigService{{vip: f.vip, proto: proto(c.udp), mode: NAT}})
			r.empty(c.answer)
			out := r.send(wan, pk{from: f.client, to: f.vip, udp: c.udp, flags: "S", payload: 9}.frame(t))
			if n := r.reasons()["no_backend"]; n != 1 {
				t.Errorf("%s: %v", f.name, r.reasons())
			}
			if c.want == "" {
				if len(out) != 0 {
					t.Errorf("%s: %d frames left", f.name, len(out))
				}
				continue
			}
			s := one(t, out, wan)
			if s.src.Addr() != netipAddr(f.vip) || s.dst.Addr() != netipAddr(f.client) || mac([6]byte(out[0].data)) != mac(gwMAC) {
				t.Errorf("%s: the answer is %s", f.name, &s)
			}
			p := gopacket.NewPacket(out[0].data, layers.LayerTypeEthernet, gopacket.Default)
			switch {
			case c.want == "reset":
				expectReset(t, p, 0, 1000+1+9, true)
			case f.v6:
				if l := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6).TypeCode; l != layers.CreateICMPv6TypeCode(1, 4) {
					t.Errorf("%s: ICMP %s", f.name, l)
				}
			default:
				if l := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4).TypeCode; l != layers.CreateICMPv4TypeCode(3, 3) {
					t.Errorf("%s: ICMP %s", f.name, l)
				}
			}
		}
	}
}

// expectReset looks at a RST, which look has found to have the right checksums.
func expectReset(t *testing.T, p gopacket.Packet, seq, ack uint32, withACK bool) {
	t.Helper()
	tcp, ok := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
	if !ok || !tcp.RST || tcp.SYN || tcp.FIN || tcp.ACK != withACK || tcp.Seq != seq || tcp.Ack != ack || len(tcp.Payload) != 0 || len(tcp.Options) != 0 {
		t.Errorf("want a RST with sequence number %d and acknowledgement %d (%v), got %+v", seq, ack, withACK, tcp)
	}
}

// TestTheAnswerToASegmentIsTheStandards: RFC 9293 section 3.10.7.1, by the segments that can come.
func TestTheAnswerToASegmentIsTheStandards(t *testing.T) {
	const syn, fin, ack = packet.SYN, packet.FIN, packet.ACK
	for _, c := range []struct {
		flags    uint8
		length   uint32
		seq, ack uint32
		out      uint8
	}{
		{syn, 1, 0, 101, packet.RST | ack},
		{syn, 10, 0, 110, packet.RST | ack},
		{fin, 1, 0, 101, packet.RST | ack},
		{ack, 0, 7000, 0, packet.RST},
		{ack | fin, 1, 7000, 0, packet.RST},
		{ack | syn, 1, 7000, 0, packet.RST},
	} {
		s := segment{flags: c.flags, seq: 100, ack: 7000, length: c.length}
		if seq, ack, flags := s.reset(); seq != c.seq || ack != c.ack || flags != c.out {
			t.Errorf("%+v: %d, %d, %x", c, seq, ack, flags)
		}
	}
}

func TestResetsAnswerPacketsWithOptionsAndPadding(t *testing.T) {
	r := newRig(t, tcp4())
	r.empty(AnswerReset)
	out := r.send(wan, pk{from: client4, to: vip4, flags: "S", options: 8, payload: 3, mss: 1460, pad: 7}.frame(t))
	one(t, out, wan)
	expectReset(t, gopacket.NewPacket(out[0].data, layers.LayerTypeEthernet, gopacket.Default), 0, 1004, true)
	if n := binary.BigEndian.Uint16(out[0].data[16:]); n != 40 || len(out[0].data) != 54 {
		t.Errorf("%d bytes of IP in a frame of %d", n, len(out[0].data))
	}
}

// A SYN in fragments gets one answer: a RST that acknowledges all of it, as from a host that has put it together, or an ICMP error
// that quotes the first fragment, which waits for no other.
func TestARefusedSYNInFragmentsGetsOneAnswer(t *testing.T) {
	for _, f := range families {
		for answer, want := range map[Answer]map[string]uint64{
			AnswerReset: {"no_backend": 1, "fragment_orphan": 2}, AnswerICMP: {"no_backend": 1, "fragment_orphan": 2}, AnswerDrop: {"no_backend": 1, "fragment_orphan": 2},
		} {
			for _, order := range orders(3) {
				r := newRig(t, []rigService{{vip: f.vip, proto: packet.ProtoTCP, mode: NAT}}, withWorkers(2, 2))
				r.empty(answer)
				parts := cutUp(pk{from: f.client, to: f.vip, flags: "S", payload: 2001}.frame(t), 800, 3)
				out := sendParts(r, wan, parts, order)
				if got := r.reasons(); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s, answer %d, order %v: reasons %v", f.name, answer, order, got)
				}
				if answer == AnswerDrop {
					if len(out) != 0 {
						t.Errorf("%s: %d frames left", f.name, len(out))
					}
					continue
				}
				s := one(t, out, wan)
				if s.src.Addr() != netipAddr(f.vip) || s.dst.Addr() != netipAddr(f.client) {
					t.Errorf("%s: %s", f.name, &s)
				}
				if answer == AnswerReset {
					expectReset(t, gopacket.NewPacket(out[0].data, layers.LayerTypeEthernet, gopacket.Default), 0, 1000+1+2001, true)
				} else if quoted := ipOf(parts[0]); !bytes.Equal(s.l4[8:], quoted[:len(s.l4)-8]) {
					t.Errorf("%s: it quotes %x", f.name, s.l4[8:])
				}
			}
		}
	}
}

// Only where a RST may answer it does a SYN's first fragment wait.
func TestASYNInFragmentsWaitsOnlyWhereARSTMayAnswerIt(t *testing.T) {
	for answer, want := range map[Answer]int{AnswerICMP: 1, AnswerDrop: 1, AnswerReset: 0} {
		r := newRig(t, tcp4())
		r.spec.Services[0].OnEmpty = answer
		r.publish()
		parts := cutUp(pk{from: client4, to: vip4, flags: "S", payload: 2001}.frame(t), 800, 3)
		if n := len(r.send(wan, parts[0])); n != want {
			t.Errorf("answer %d: %d frames left, want %d", answer, n, want)
		}
		if out := sendParts(r, wan, parts, []int{1, 2}); len(out) != 3-want {
			t.Errorf("answer %d: %d frames left", answer, len(out))
		}
		// What is of an established connection never waits.
		if out := r.send(wan, cutUp(pk{from: client4, to: vip4, flags: "A", payload: 2001}.frame(t), 800, 4)[0]); len(out) != 1 {
			t.Errorf("answer %d: %d frames left", answer, len(out))
		}
	}
}

func TestFullBackendsAreNoBackends(t *testing.T) {
	r := newRig(t, tcp4())
	r.schedule("rr", 1, 0)
	for range 2 {
		r.send(wan, pk{from: client4, to: vip4, flags: "S"}.frame(t))
	}
	r.loads[0].SetThresholds(1, 0)
	r.send(wan, pk{from: "198.51.100.9:1", to: vip4, flags: "S"}.frame(t))
	s := one(t, r.send(wan, pk{from: "198.51.100.10:1", to: vip4, flags: "S"}.frame(t)), wan)
	if s.src.Addr() != netipAddr(vip4) {
		t.Errorf("the answer is %s", &s)
	}
}
