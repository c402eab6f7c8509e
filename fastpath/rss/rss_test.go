package rss

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/weirlb/weir/fastpath/packet"
)

// microsoft is the key of the vectors in "Verifying the RSS Hash Calculation".
var microsoft = []byte{
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
	0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
}

// input is what is hashed of a packet.
func input(src, dst netip.AddrPort) []byte {
	b := append(src.Addr().AsSlice(), dst.Addr().AsSlice()...)
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, src.Port()), dst.Port())
}

// slowly hashes bit by bit, as the definition does: the result is the sum of the 32 bits of the key that begin at each
// bit that is set.
func slowly(key, input []byte) (hash uint32) {
	bit := func(b []byte, i int) uint32 { return uint32(b[i/8]>>(7-i%8)) & 1 }
	for i := range len(input) * 8 {
		for j := range 32 {
			hash ^= bit(input, i) * bit(key, i+j) << (31 - j)
		}
	}
	return hash
}

func (p *Spread) hash(src, dst netip.AddrPort) uint32 {
	b := input(src, dst)
	n := len(b) - 4
	return p.Addrs(b[:n]) ^ p.Ports(binary.LittleEndian.Uint32(b[n:]), src.Addr().Is6())
}

func TestTheHashIsMicrosofts(t *testing.T) {
	p, err := New(Settings{Key: microsoft, Table: make([]uint16, 128), Ports: TCP4 | TCP6})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		src, dst     string
		ports, addrs uint32
	}{
		{"66.9.149.187:2794", "161.142.100.80:1766", 0x51ccc178, 0x323e8fc2},
		{"199.92.111.2:14230", "65.69.140.83:4739", 0xc626b0ea, 0xd718262a},
		{"24.19.198.95:12898", "12.22.207.184:38024", 0x5c2b394a, 0xd2d0a5de},
		{"38.27.205.30:48228", "209.142.163.6:2217", 0xafc7327f, 0x82989176},
		{"153.39.163.191:44251", "202.188.127.2:1303", 0x10e828a2, 0x5d1809c5},
		{"[3ffe:2501:200:1fff::7]:2794", "[3ffe:2501:200:3::1]:1766", 0x40207d3d, 0x2cc18cd5},
		{"[3ffe:501:8::260:97ff:fe40:efab]:14230", "[ff02::1]:4739", 0xdde51bbf, 0x0f0c461c},
		{"[3ffe:1900:4545:3:200:f8ff:fe21:67cf]:44251", "[fe80::200:f8ff:fe21:67cf]:38024", 0x02d1feef, 0x4b61e985},
	} {
		src, dst := netip.MustParseAddrPort(v.src), netip.MustParseAddrPort(v.dst)
		if got := p.hash(src, dst); got != v.ports {
			t.Errorf("%s to %s: %08x, want %08x", src, dst, got, v.ports)
		}
		b := input(src, dst)
		if got := p.Addrs(b[:len(b)-4]); got != v.addrs {
			t.Errorf("addresses %s to %s: %08x, want %08x", src, dst, got, v.addrs)
		}
	}
}

func TestTheHashIsThatOfItsDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	octets := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	for range 200 {
		key := octets(input4 + window + r.IntN(MaxKey-input4-window+1))
		p, err := New(Settings{Key: key, Table: []uint16{0}, Ports: TCP4 | UDP6})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := p.HashesPorts(true, packet.ProtoUDP), len(key) >= input6+window; got != want {
			t.Fatalf("a key of %d bytes hashes IPv6: %t", len(key), got)
		}
		for _, n := range []int{input4, input6} {
			if len(key) < n+window {
				continue
			}
			in := octets(n)
			got := p.Addrs(in[:n-4]) ^ p.Ports(binary.LittleEndian.Uint32(in[n-4:]), n == input6)
			if want := slowly(key, in); got != want {
				t.Fatalf("key % x, input % x: %08x, want %08x", key, in, got, want)
			}
		}
	}
}

func TestTheTableTellsTheQueue(t *testing.T) {
	table := []uint16{3, 1, 0, 1}
	p, err := New(Settings{Key: microsoft, Table: table, Ports: UDP4})
	if err != nil {
		t.Fatal(err)
	}
	for hash, want := range map[uint32]int{0: 3, 1: 1, 2: 0, 7: 1, 0xfffffffc: 3} {
		if got := p.Queue(hash); got != want {
			t.Errorf("hash %x: queue %d, want %d", hash, got, want)
		}
	}
	for queue := range 5 {
		if got := p.Reaches(queue); got != slices.Contains(table, uint16(queue)) {
			t.Errorf("queue %d is reached: %t", queue, got)
		}
	}
	if p.HashesPorts(false, packet.ProtoTCP) || p.HashesPorts(true, packet.ProtoUDP) || p.HashesPorts(false, 1) || !p.HashesPorts(false, packet.ProtoUDP) {
		t.Error("not the ports of UDP over IPv4 alone are hashed")
	}
}

func TestSettingsThatCannotBe(t *testing.T) {
	for _, s := range []Settings{
		{},
		{Key: microsoft, Ports: TCP4},
		{Key: microsoft, Table: make([]uint16, 100), Ports: TCP4},
		{Key: microsoft, Table: make([]uint16, 1024), Ports: TCP4},
		{Key: make([]byte, 40), Table: make([]uint16, 64), Ports: TCP4},
		{Key: make([]byte, 53), Table: make([]uint16, 64), Ports: TCP4},
		{Key: microsoft[:15], Table: make([]uint16, 64), Ports: TCP4},
		{Key: microsoft[:16], Table: make([]uint16, 64), Ports: TCP6},
		{Key: microsoft, Table: make([]uint16, 64)},
	} {
		if _, err := New(s); err == nil {
			t.Errorf("%d bytes of key, %d entries, kinds %b are taken", len(s.Key), len(s.Table), s.Ports)
		}
	}
}
