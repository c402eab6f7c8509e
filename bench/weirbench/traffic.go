package main

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
)

// What the traffic, Weir's configuration and bench/source/source.c agree on. Connection i belongs to a client of its
// own and to service i mod services, which has one backend: so it is known, without asking Weir, what the replies of a
// nat connection look like.
const (
	services    = 16
	vipPort     = 7000 // of service 0; the others follow
	backendPort = 8000 // of the backend of service 0, in nat
	clientBits  = 24   // of an index that are in the client's address; up to 15 more are in its port
	firstPort   = 1024

	etherLen = 14
	frameLen = 64 // bytes of a frame in memory, without its FCS
)

var (
	weirMAC   = [6]byte{2, 0, 0, 0, 0, 2}
	routerMAC = [6]byte{2, 0, 0, 0, 0, 1}
)

// backendMAC is the MAC of service k's backend.
func backendMAC(k int) [6]byte { return [6]byte{2, 0, 0, 0, 1, byte(k)} }

// family is an IP version's addresses.
type family struct {
	name        string
	v6          bool
	vip         netip.Addr
	own, router netip.Addr
	network     int // bits
	backend0    netip.Addr
	client0     netip.Addr
	locals      netip.Prefix // of fullnat: enough for 8 M connections of all services
	header      int          // bytes of the IP header
}

var families = []*family{
	{
		name: "v4", vip: netip.MustParseAddr("203.0.113.10"), own: netip.MustParseAddr("192.0.2.1"),
		router: netip.MustParseAddr("192.0.2.254"), network: 24, backend0: netip.MustParseAddr("192.0.2.16"),
		client0: netip.MustParseAddr("10.0.0.0"), header: 20, locals: netip.MustParsePrefix("198.51.100.16/28"),
	},
	{
		name: "v6", v6: true, vip: netip.MustParseAddr("2001:db8::10"), own: netip.MustParseAddr("2001:db8:2::1"),
		router: netip.MustParseAddr("2001:db8:2::fe"), network: 64, backend0: netip.MustParseAddr("2001:db8:2::1000"),
		client0: netip.MustParseAddr("2001:db8:c::"), header: 40, locals: netip.MustParsePrefix("2001:db8:2::2000/124"),
	},
}

// plus adds n to the last 32 bits of an address.
func plus(a netip.Addr, n uint32) netip.Addr {
	b := a.AsSlice()
	tail := b[len(b)-4:]
	binary.BigEndian.PutUint32(tail, binary.BigEndian.Uint32(tail)+n)
	out, _ := netip.AddrFromSlice(b)
	return out
}

// backend is where service k's backend listens: in tun and dr at the service's port.
func (f *family) backend(k int, nat bool) netip.AddrPort {
	port := vipPort + k
	if nat {
		port = backendPort + k
	}
	return netip.AddrPortFrom(plus(f.backend0, uint32(k)), uint16(port))
}

// client is the client's side of connection i. No two are alike for i below 2^39.
func (f *family) client(i uint64) netip.AddrPort {
	a := uint32(i & (1<<clientBits - 1))
	spread := a * 0x9e3779b1 >> 17 // 15 bits
	port := firstPort + uint16(uint32(i>>clientBits)^spread)
	return netip.AddrPortFrom(plus(f.client0, a), port)
}

// packet is one of a connection's packets.
type packet struct {
	flow  uint64
	reply bool // from the backend to the client
	size  int  // bytes of the frame; 0: frameLen
}

// frame appends a packet as it arrives at Weir: UDP, with right checksums.
func (f *family) frame(out []byte, p packet) []byte {
	k := int(p.flow % services)
	size := p.size
	if size == 0 {
		size = frameLen
	}
	client, server := f.client(p.flow), netip.AddrPortFrom(f.vip, uint16(vipPort+k))
	from := routerMAC
	src, dst := client, server
	if p.reply {
		src, dst, from = f.backend(k, true), client, backendMAC(k)
	}
	start := len(out)
	out = append(append(out, weirMAC[:]...), from[:]...)
	out = append(out, make([]byte, size-12)...)
	b := out[start:]
	ip, l4 := b[etherLen:], b[etherLen+f.header:]
	if f.v6 {
		binary.BigEndian.PutUint16(b[12:], 0x86dd)
		ip[0], ip[6], ip[7] = 0x60, 17, 64
		binary.BigEndian.PutUint16(ip[4:], uint16(len(l4)))
	} else {
		binary.BigEndian.PutUint16(b[12:], 0x0800)
		ip[0], ip[8], ip[9] = 0x45, 64, 17
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	}
	addrs := ip[f.header-2*len(f.vip.AsSlice()) : f.header]
	copy(addrs, src.Addr().AsSlice())
	copy(addrs[len(addrs)/2:], dst.Addr().AsSlice())
	if !f.v6 {
		binary.BigEndian.PutUint16(ip[10:], ^fold(sum(ip[:f.header])))
	}
	binary.BigEndian.PutUint16(l4, src.Port())
	binary.BigEndian.PutUint16(l4[2:], dst.Port())
	binary.BigEndian.PutUint16(l4[4:], uint16(len(l4)))
	c := ^fold(sum(addrs) + sum(l4) + 17 + uint32(len(l4)))
	if c == 0 {
		c = 0xffff // 0 would mean that there is none (RFC 768)
	}
	binary.BigEndian.PutUint16(l4[6:], c)
	return out
}

// sum is the ones' complement sum of 16-bit words, before folding; 1518 bytes cannot overflow it.
func sum(b []byte) (s uint32) {
	for ; len(b) > 1; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return uint16(s)
}

// imix is the simple Internet mix: 7 small, 4 middle and 1 large frame of 12, here without FCS.
var imix = [12]int{frameLen, 590, frameLen, frameLen, 590, frameLen, 1514, frameLen, 590, frameLen, frameLen, 590}

// leastPackets keeps a short sequence from being learnt by heart by the processor.
const leastPackets = 1024

// sequence is the packets of flows connections, all equally often and in random order: with both, the replies as well.
// Only flows that keep accepts are in it.
func sequence(flows int, both, mixed bool, keep func(flow uint64) bool) []packet {
	var out []packet
	for len(out) < leastPackets {
		before := len(out)
		for i, n := uint64(0), 0; n < flows; i++ {
			if keep != nil && !keep(i) {
				continue
			}
			n++
			p := packet{flow: i}
			if mixed {
				p.size = imix[len(out)%len(imix)]
			}
			out = append(out, p)
			if both {
				p.reply = true
				out = append(out, p)
			}
		}
		if len(out) == before {
			break
		}
	}
	r := rand.New(rand.NewPCG(uint64(flows), 1))
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}
