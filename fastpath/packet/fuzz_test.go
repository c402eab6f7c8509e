package packet

import (
	"runtime/debug"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/weirlb/weir/fastpath/reason"
)

// FuzzParse gives Parse any frame, placed so that reading past its end is fatal. What it finds must lie within the
// frame, and where gopacket finds TCP, UDP or SCTP, too, it must be the same.
func FuzzParse(f *testing.F) {
	fragment := []byte{ProtoUDP, 0, 0, 1, 0, 0, 0, 1}
	cut := func(frame []byte) []byte { return with(frame, EthLen+IP4Frag, 0x20) }
	for _, seed := range [][]byte{
		ip4(ProtoTCP, tcp(SYN, 0)), ip4(ProtoUDP, udp(3), 7, 7, 4, 0, 0, 0, 0, 0), ip4(ProtoICMP, make([]byte, 8)),
		ip6(ProtoTCP, tcp(ACK, 1)), ip6(ProtoHopByHop, ext(ProtoRouting, 1), ext(ProtoUDP, 2), udp(1)),
		ip6(ProtoFragment, fragment, udp(0)), cut(ip4(ProtoTCP, tcp(SYN, 4))), cut(ip4(ProtoUDP, udp(8))), cut(ip4(ProtoICMP, make([]byte, 8))),
		with(ip4(ProtoTCP, tcp(SYN, 4)), EthLen+IP4Frag+1, 9), ip6(ProtoDestOpts, ext(ProtoICMP6, 1), make([]byte, 8)),
		ip4(ProtoSCTP, sctp(chunk(1, 16))), ip4(ProtoSCTP, sctp(chunk(10, 5), chunk(6, 0))), ip6(ProtoDestOpts, ext(ProtoSCTP, 1), sctp(chunk(0, 13))),
		eth(0x0806, make([]byte, 28)), with(ip4(ProtoUDP, udp(0)), 12, 0x81, 13, 0), nil,
	} {
		f.Add(seed)
	}
	g := newGuard(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		debug.SetPanicOnFault(true)
		if len(frame) > len(g.mem) {
			return
		}
		var inf Info
		b := g.put(frame)
		Parse(at(b), uint32(len(b)), asWord(ownMAC), &inf)
		switch {
		case inf.Kind > ARP:
			t.Fatalf("kind %d", inf.Kind)
		case inf.Kind == Bad && (inf.Fault == reason.Unset || inf.Fault >= reason.Count):
			t.Fatalf("bad for the reason %d", inf.Fault)
		case inf.Kind == Bad, inf.Kind == ARP:
			return
		case int(inf.End) > len(frame) || inf.L4 > inf.End || inf.L4 < EthLen+IP4Len:
			t.Fatalf("%+v in a frame of %d bytes", inf, len(frame))
		}
		if inf.Kind == Fragment4 || inf.Kind == Fragment6 {
			p := inf.Piece(at(b))
			if inf.Fault != reason.Unset || p.From >= p.To || p.To > maxDatagram || inf.Frag >= inf.L4 || p.To-p.From < uint32(inf.End-inf.L4) {
				t.Fatalf("%+v of %+v", p, inf)
			}
		}
		if inf.Kind == Flow4 || inf.Kind == Flow6 {
			if inf.Fault != reason.Unset {
				t.Fatalf("a flow with a fault: %+v", inf)
			}
			compare(t, frame, &inf)
		}
	})
}

// compare looks at a flow's packet with gopacket.
func compare(t *testing.T, frame []byte, inf *Info) {
	p := gopacket.NewPacket(frame[:inf.End], layers.LayerTypeEthernet, gopacket.NoCopy)
	at := 0
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.TCP:
			flags := frame[at+TCPFlags]
			if inf.Proto != ProtoTCP || int(inf.L4) != at || inf.TCPFlags != flags || l.SYN != (inf.TCPFlags&SYN != 0) {
				t.Errorf("gopacket: TCP at %d with flags %02x; Parse: %+v", at, flags, inf)
			}
			return
		case *layers.UDP:
			if inf.Proto != ProtoUDP || int(inf.L4) != at {
				t.Errorf("gopacket: UDP at %d; Parse: %+v", at, inf)
			}
			return
		case *layers.SCTP:
			if inf.Proto != ProtoSCTP || int(inf.L4) != at || inf.Chunk != frame[at+SCTPLen] && inf.Chunk != ChunkAbort {
				t.Errorf("gopacket: SCTP at %d; Parse: %+v", at, inf)
			}
			return
		}
		at += len(l.LayerContents())
	}
}
