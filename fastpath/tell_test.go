package fastpath

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"
)

// talk is a TCP connection through a fullnat service, of which a test plays both ends.
type talk struct {
	*rig
	t           *testing.T
	client, vip string
	backend     string
	local       string // as the backend sees the client, once it has got a packet
	header      []byte
}

var isn uint32 = 0xfffffff0 // the client's initial sequence number: what follows wraps

const bisn = 7000 // the backend's

func newTalk(t *testing.T, v6 bool, tell ClientAddress, opts ...rigOption) *talk {
	f := families[0]
	if v6 {
		f = families[1]
	}
	c := &talk{t: t, client: f.client, vip: f.vip, backend: f.rs1}
	c.rig = newRig(t, []rigService{{vip: f.vip, proto: proto(false), mode: FullNAT, peers: []string{f.rs1}, full: rigFull{tell: tell}}}, opts...)
	c.header = wantHeader(f.client, f.vip, tell)
	return c
}

// wantHeader is a PROXY header, written from the protocol's description.
func wantHeader(client, vip string, tell ClientAddress) []byte {
	from, to := netip.MustParseAddrPort(client), netip.MustParseAddrPort(vip)
	switch tell {
	case TellProxyV1:
		family := "TCP4"
		if from.Addr().Is6() {
			family = "TCP6"
		}
		return fmt.Appendf(nil, "PROXY %s %s %s %d %d\r\n", family, from.Addr(), to.Addr(), from.Port(), to.Port())
	case TellProxyV2:
		h := []byte{0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21, 0x11, 0, 12}
		if from.Addr().Is6() {
			h[13], h[15] = 0x21, 36
		}
		h = append(append(h, from.Addr().AsSlice()...), to.Addr().AsSlice()...)
		return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(h, from.Port()), to.Port())
	}
	return nil
}

// seg is a TCP segment as either end sees it.
type seg struct {
	flags    string
	seq, ack uint32
	data     string
	mss      uint16
	sack     []uint32
	nops     int
	toa      []byte
}

// fromClient sends a client's seg and returns what comes to the backend.
func (c *talk) fromClient(s seg) []seg { return c.through(s, false) }

// fromBackend sends a backend's seg and returns what comes to the client.
func (c *talk) fromBackend(s seg) []seg { return c.through(s, true) }

func (c *talk) through(s seg, reply bool) (got []seg) {
	c.t.Helper()
	p := pk{from: c.client, to: c.vip, flags: s.flags, df: true, tcp: s.fill}
	in, out := wan, lan
	if reply {
		p.from, p.to, p.srcMAC, p.dstMAC, in, out = c.backend, c.local, rs1MAC, lanMAC, lan, wan
	}
	p.body = []byte(s.data)
	p.pad = max(0, 46-40-len(s.data))
	for _, o := range c.send(in, p.frame(c.t)) {
		if o.port != out {
			c.t.Fatalf("a frame left on port %d", o.port)
		}
		l := look(c.t, o.data)
		if reply && (l.src.String() != c.vip || l.dst.String() != c.client) || !reply && l.dst.String() != c.backend {
			c.t.Errorf("%s", &l)
		}
		if !reply {
			c.local = l.src.String()
		}
		got = append(got, read(l.l4))
	}
	return got
}

func (s *seg) fill(c *layers.TCP) {
	c.Seq, c.Ack = s.seq, s.ack
	for range s.nops {
		c.Options = append(c.Options, layers.TCPOption{OptionType: layers.TCPOptionKindNop})
	}
	if s.mss != 0 {
		c.Options = append(c.Options, layers.TCPOption{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: binary.BigEndian.AppendUint16(nil, s.mss)})
	}
	if s.sack != nil {
		o := layers.TCPOption{OptionType: layers.TCPOptionKindSACK, OptionLength: uint8(2 + 4*len(s.sack))}
		for _, edge := range s.sack {
			o.OptionData = binary.BigEndian.AppendUint32(o.OptionData, edge)
		}
		c.Options = append(c.Options, o)
	}
}

// read takes a TCP segment apart.
func read(l4 []byte) (s seg) {
	for i, name := range "FSRPA" {
		if l4[13]>>i&1 != 0 && name != 'P' {
			s.flags += string(name)
		}
	}
	s.seq, s.ack = binary.BigEndian.Uint32(l4[4:]), binary.BigEndian.Uint32(l4[8:])
	if s.flags[0] == 'S' && l4[13]&16 == 0 {
		s.ack = 0
	}
	hl := int(l4[12]>>4) * 4
	s.data = string(l4[hl:])
	for o := l4[20:hl]; len(o) > 0 && o[0] != 0; {
		if o[0] == 1 {
			o, s.nops = o[1:], s.nops+1
			continue
		}
		switch v := o[2:o[1]]; o[0] {
		case 2:
			s.mss = binary.BigEndian.Uint16(v)
		case 5:
			for ; len(v) > 0; v = v[4:] {
				s.sack = append(s.sack, binary.BigEndian.Uint32(v))
			}
		case 254:
			s.toa = bytes.Clone(v)
		}
		o = o[o[1]:]
	}
	return s
}

func (c *talk) expect(what string, got []seg, want ...seg) {
	c.t.Helper()
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		c.t.Fatalf("%s:\ngot  %+v\nwant %+v", what, got, want)
	}
}

// shift is by how much the backend is ahead.
func (c *talk) shift() uint32 { return uint32(len(c.header)) }

// handshake goes as far as the client's ACK, which it returns as the backend gets it.
func (c *talk) handshake() []seg {
	c.t.Helper()
	c.expect("SYN", c.fromClient(seg{flags: "S", seq: isn}), seg{flags: "S", seq: isn})
	c.expect("SYN, ACK", c.fromBackend(seg{flags: "SA", seq: bisn, ack: isn + 1}), seg{flags: "SA", seq: bisn, ack: isn + 1})
	return c.fromClient(seg{flags: "A", seq: isn + 1, ack: bisn + 1})
}

func (c *talk) headerSegment() seg {
	return seg{flags: "A", seq: isn + 1, ack: bisn + 1, data: string(c.header)}
}

func eachProxy(t *testing.T, f func(t *testing.T, v6 bool, tell ClientAddress)) {
	for _, v6 := range []bool{false, true} {
		for _, tell := range []ClientAddress{TellProxyV1, TellProxyV2} {
			t.Run(fmt.Sprintf("v6=%t/version %d", v6, tell-TellProxyV1+1), func(t *testing.T) { f(t, v6, tell) })
		}
	}
}

func TestTheHandshakesACKBecomesThePROXYHeader(t *testing.T) {
	eachProxy(t, func(t *testing.T, v6 bool, tell ClientAddress) {
		c := newTalk(t, v6, tell)
		n := c.shift()
		c.expect("header", c.handshake(), c.headerSegment())
		// The backend speaks first, as in SMTP.
		c.expect("banner", c.fromBackend(seg{flags: "A", seq: bisn + 1, ack: isn + 1 + n, data: "220 hello"}),
			seg{flags: "A", seq: bisn + 1, ack: isn + 1, data: "220 hello"})
		c.expect("data", c.fromClient(seg{flags: "A", seq: isn + 1, ack: bisn + 10, data: "EHLO x"}),
			seg{flags: "A", seq: isn + 1 + n, ack: bisn + 10, data: "EHLO x"})
		c.expect("ACK", c.fromBackend(seg{flags: "A", seq: bisn + 10, ack: isn + 7 + n}), seg{flags: "A", seq: bisn + 10, ack: isn + 7})
		c.expect("FIN", c.fromClient(seg{flags: "FA", seq: isn + 7, ack: bisn + 10}), seg{flags: "FA", seq: isn + 7 + n, ack: bisn + 10})
		c.expect("FIN, ACK", c.fromBackend(seg{flags: "FA", seq: bisn + 10, ack: isn + 8 + n}), seg{flags: "FA", seq: bisn + 10, ack: isn + 8})
	})
}

// The client's request follows its ACK before the backend has said anything.
func TestDataRightAfterTheHandshakeGoesBehindThePROXYHeader(t *testing.T) {
	eachProxy(t, func(t *testing.T, v6 bool, tell ClientAddress) {
		c := newTalk(t, v6, tell)
		n := c.shift()
		c.expect("header", c.handshake(), c.headerSegment())
		c.expect("data", c.fromClient(seg{flags: "A", seq: isn + 1, ack: bisn + 1, data: "GET /"}),
			seg{flags: "A", seq: isn + 1 + n, ack: bisn + 1, data: "GET /"})
		c.expect("ACK of the header", c.fromBackend(seg{flags: "A", seq: bisn + 1, ack: isn + 1 + n}), seg{flags: "A", seq: bisn + 1, ack: isn + 1})
		c.expect("ACK of both", c.fromBackend(seg{flags: "A", seq: bisn + 1, ack: isn + 6 + n}), seg{flags: "A", seq: bisn + 1, ack: isn + 6})
	})
}

// The handshake's ACK brings data along, or it was lost and the data come first.
func TestDataWithTheHandshakesACKGetTheHeaderBeforeThem(t *testing.T) {
	eachProxy(t, func(t *testing.T, v6 bool, tell ClientAddress) {
		for _, flags := range []string{"A", "FA"} {
			c := newTalk(t, v6, tell)
			n := c.shift()
			c.fromClient(seg{flags: "S", seq: isn})
			c.fromBackend(seg{flags: "SA", seq: bisn, ack: isn + 1})
			c.expect("header, data", c.fromClient(seg{flags: flags, seq: isn + 1, ack: bisn + 1, data: "GET /"}),
				c.headerSegment(), seg{flags: flags, seq: isn + 1 + n, ack: bisn + 1, data: "GET /"})
		}
	})
}

// A lost header whose backend waits for the handshake's end: it repeats its SYN, ACK, the client its ACK.
func TestALostHeaderComesAgainWithTheHandshake(t *testing.T) {
	eachProxy(t, func(t *testing.T, v6 bool, tell ClientAddress) {
		c := newTalk(t, v6, tell)
		c.expect("header", c.handshake(), c.headerSegment())
		c.expect("ACK again, at once", c.fromClient(seg{flags: "A", seq: isn + 1, ack: bisn + 1}),
			seg{flags: "A", seq: isn + 1 + c.shift(), ack: bisn + 1})
		c.expect("SYN, ACK", c.fromBackend(seg{flags: "SA", seq: bisn, ack: isn + 1}), seg{flags: "SA", seq: bisn, ack: isn + 1})
		c.expect("header", c.fromClient(seg{flags: "A", seq: isn + 1, ack: bisn + 1}), c.headerSegment())
	})
}

// A lost header that data have overtaken: the backend tells what it lacks, the client repeats what it has sent.
func TestALostHeaderComesAgainBeforeTheClientsData(t *testing.T) {
	eachProxy(t, func(t *testing.T, v6 bool, tell ClientAddress) {
		c := newTalk(t, v6, tell)
		n := c.shift()
		c.handshake()
		data := seg{flags: "A", seq: isn + 1, ack: bisn + 1, data: "GET /"}
		behind := data
		behind.seq += n
		c.expect("data", c.fromClient(data), behind)
		c.expect("what is missing", c.fromBackend(seg{flags: "A", seq: bisn + 1, ack: isn + 1, sack: []uint32{isn + 1 + n, isn + 6 + n}}),
			seg{flags: "A", seq: bisn + 1, ack: isn + 1, sack: []uint32{isn + 1, isn + 6}})
		c.expect("data again", c.fromClient(data), c.headerSegment(), behind)
		c.expect("all is there", c.fromBackend(seg{flags: "A", seq: bisn + 1, ack: isn + 6 + n}), seg{flags: "A", seq: bisn + 1, ack: isn + 6})
		c.expect("data once more", c.fromClient(data), behind)
		// And if nothing has told of the loss, time does.
		c = newTalk(t, v6, tell)
		c.handshake()
		c.fromClient(data)
		c.advance(resendAfter)
		c.expect("data after a while", c.fromClient(data), c.headerSegment(), behind)
	})
}

func TestSACKBlocksAreThoseOfTheClientsBytes(t *testing.T) {
	eachProxy(t, func(t *testing.T, v6 bool, tell ClientAddress) {
		c := newTalk(t, v6, tell)
		n := c.shift()
		c.handshake()
		for nops := range 4 { // the option begins at any offset
			blocks := []uint32{isn + 100, isn + 200, isn + 300, isn + 400}
			shifted := []uint32{isn + 100 + n, isn + 200 + n, isn + 300 + n, isn + 400 + n}
			got := c.fromBackend(seg{flags: "A", seq: bisn + 1, ack: isn + 50 + n, sack: shifted, nops: nops})
			c.expect(fmt.Sprint("behind ", nops, " NOPs"), got, seg{flags: "A", seq: bisn + 1, ack: isn + 50, sack: blocks, nops: nops})
		}
	})
}

// Data that come with a SYN would come before the header.
func TestASYNsDataAreLeftToBeSentAgain(t *testing.T) {
	eachProxy(t, func(t *testing.T, v6 bool, tell ClientAddress) {
		c := newTalk(t, v6, tell)
		c.expect("SYN", c.fromClient(seg{flags: "S", seq: isn, data: "early bird"}), seg{flags: "S", seq: isn})
	})
}

// A client that gives up before it was told of, or after.
func TestResetsAreWhereTheBackendExpectsThem(t *testing.T) {
	eachProxy(t, func(t *testing.T, v6 bool, tell ClientAddress) {
		c := newTalk(t, v6, tell)
		c.fromClient(seg{flags: "S", seq: isn})
		c.fromBackend(seg{flags: "SA", seq: bisn, ack: isn + 1})
		c.expect("before the header", c.fromClient(seg{flags: "RA", seq: isn + 1, ack: bisn + 1}), seg{flags: "RA", seq: isn + 1, ack: bisn + 1})
		c = newTalk(t, v6, tell)
		c.handshake()
		c.expect("behind the header", c.fromClient(seg{flags: "RA", seq: isn + 1, ack: bisn + 1}), seg{flags: "RA", seq: isn + 1 + c.shift(), ack: bisn + 1})
		// The port is closed.
		c = newTalk(t, v6, tell)
		c.fromClient(seg{flags: "S", seq: isn})
		c.expect("refused", c.fromBackend(seg{flags: "RA", ack: isn + 1}), seg{flags: "RA", ack: isn + 1})
	})
}

func TestErrorsAboutShiftedPacketsAreAboutTheClientsBytes(t *testing.T) {
	eachProxy(t, func(t *testing.T, v6 bool, tell ClientAddress) {
		for _, quoted := range []int{8, 20, 100} {
			c := newTalk(t, v6, tell)
			c.handshake()
			p := pk{from: c.client, to: c.vip, flags: "A", payload: 200, tcp: (&seg{seq: isn + 1, ack: bisn + 1}).fill}
			sent := p.frame(t)
			out := c.send(wan, sent)
			s := one(t, out, lan)
			in := icmpFrame(netipAddr(c.backend).String(), s.src.Addr().String(), errorKind(v6), 3, quoteOf(out[0].data, quoted), rs1MAC, lanMAC, 64)
			s = one(t, c.send(lan, in), wan)
			checkQuote(t, s.l4[8:], c.client, c.vip, quoted, sent)
		}
	})
}

// TestErrorsAreAboutTheClientsBytesHoweverManyThereWere: more than half of all sequence numbers behind the first.
func TestErrorsAreAboutTheClientsBytesHoweverManyThereWere(t *testing.T) {
	eachProxy(t, func(t *testing.T, v6 bool, tell ClientAddress) {
		c := newTalk(t, v6, tell)
		c.handshake()
		c.fromBackend(seg{flags: "A", seq: bisn + 1, ack: isn + 1 + c.shift()})
		p := pk{from: c.client, to: c.vip, flags: "A", payload: 200, tcp: (&seg{seq: isn + 1<<31 + 5000, ack: bisn + 1}).fill}
		sent := p.frame(t)
		out := c.send(wan, sent)
		s := one(t, out, lan)
		in := icmpFrame(netipAddr(c.backend).String(), s.src.Addr().String(), errorKind(v6), 3, quoteOf(out[0].data, 20), rs1MAC, lanMAC, 64)
		s = one(t, c.send(lan, in), wan)
		checkQuote(t, s.l4[8:], c.client, c.vip, 20, sent)
	})
}

// TestTheHeaderIsNoFragment: the handshake's ACK is lost, and the client's data come in fragments.
func TestTheHeaderIsNoFragment(t *testing.T) {
	eachProxy(t, func(t *testing.T, v6 bool, tell ClientAddress) {
		c := newTalk(t, v6, tell)
		c.fromClient(seg{flags: "S", seq: isn})
		c.fromBackend(seg{flags: "SA", seq: bisn, ack: isn + 1})
		p := pk{from: c.client, to: c.vip, flags: "A", payload: 600, tcp: (&seg{seq: isn + 1, ack: bisn + 1, nops: 12}).fill}
		parts := cutUp(p.frame(t), 400, 5)
		out := c.send(wan, parts[0])
		if len(out) != 2 {
			t.Fatalf("%d frames left", len(out))
		}
		s := look(t, out[0].data)
		if got := read(s.l4); got.data != string(c.header) || got.seq != isn+1 || len(s.ip)-len(s.l4) != headerOf(v6) || s.ip[6]&0x20 != 0 && !v6 {
			t.Errorf("the header came as % x", s.ip)
		}
		if options := s.l4[20:32]; string(options) != strings.Repeat("\x01", 12) {
			t.Errorf("the options became % x", options)
		}
		if out = c.send(wan, parts[1]); len(out) != 1 {
			t.Errorf("%d frames left for the second fragment", len(out))
		}
	})
}

func TestTOAIsInTheFirstPackets(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		c := newTalk(t, v6, TellTOA)
		from := netip.MustParseAddrPort(c.client)
		toa := append(binary.BigEndian.AppendUint16(nil, from.Port()), from.Addr().AsSlice()...)
		less := uint16(len(toa) + 2)
		c.expect("SYN", c.fromClient(seg{flags: "S", seq: isn, mss: 1460}), seg{flags: "S", seq: isn, mss: 1460, toa: toa})
		c.expect("SYN, ACK", c.fromBackend(seg{flags: "SA", seq: bisn, ack: isn + 1, mss: 1460}), seg{flags: "SA", seq: bisn, ack: isn + 1, mss: 1460 - less})
		c.expect("ACK", c.fromClient(seg{flags: "A", seq: isn + 1, ack: bisn + 1}), seg{flags: "A", seq: isn + 1, ack: bisn + 1, toa: toa})
		c.expect("data", c.fromClient(seg{flags: "A", seq: isn + 1, ack: bisn + 1, data: "hello"}), seg{flags: "A", seq: isn + 1, ack: bisn + 1, data: "hello", toa: toa})
		c.expect("ACK of data", c.fromBackend(seg{flags: "A", seq: bisn + 1, ack: isn + 6}), seg{flags: "A", seq: bisn + 1, ack: isn + 6})
		c.expect("more data", c.fromClient(seg{flags: "A", seq: isn + 6, ack: bisn + 1, data: "world"}), seg{flags: "A", seq: isn + 6, ack: bisn + 1, data: "world"})
	}
}

func TestTOAIsBehindExtensionHeadersToo(t *testing.T) {
	c := newTalk(t, true, TellTOA)
	from := netip.MustParseAddrPort(c.client)
	syn := pk{from: c.client, to: c.vip, flags: "S"}.frame(t)
	out := c.send(wan, insert6(syn, append([]byte{60, 0}, make([]byte, 6)...)))
	if len(out) != 1 {
		t.Fatalf("%d frames left", len(out))
	}
	ip := ipOf(out[0].data)
	toa := append(binary.BigEndian.AppendUint16([]byte{254, 20}, from.Port()), from.Addr().AsSlice()...)
	if l4 := ip[48:]; !sumsRight(ip) || len(l4) < 40 || !bytes.Equal(l4[20:40], toa) {
		t.Errorf("% x", ip)
	}
}

func TestTOAIsLeftOutWhereThereIsNoRoom(t *testing.T) {
	c := newTalk(t, false, TellTOA)
	full := seg{flags: "S", seq: isn, sack: make([]uint32, 8), nops: 2} // 36 bytes
	c.expect("no room for an option", c.fromClient(full), full)
	c = newTalk(t, false, TellTOA)
	c.fromClient(seg{flags: "S", seq: isn})
	large := seg{flags: "A", seq: isn + 1, ack: bisn + 1, data: string(make([]byte, 1460))}
	c.expect("no room in the MTU", c.fromClient(large), large)
	c = newTalk(t, false, TellTOA)
	c.client = "198.51.100.7:63881" // its first bytes would be those of Fast Open's experiments
	c.expect("a SYN that would mean something else", c.fromClient(seg{flags: "S", seq: isn}), seg{flags: "S", seq: isn})
}
