package filter

import (
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// frames are of every kind that expressions tell apart.
func frames(t testing.TB) (all [][]byte) {
	t.Helper()
	add := func(l ...gopacket.SerializableLayer) {
		b := gopacket.NewSerializeBuffer()
		if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, l...); err != nil {
			t.Fatal(err)
		}
		all = append(all, append([]byte(nil), b.Bytes()...))
	}
	eth := func(kind layers.EthernetType, last byte) *layers.Ethernet {
		return &layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 0, last}, DstMAC: []byte{2, 0, 0, 0, 1, last + 1}, EthernetType: kind}
	}
	ip4 := func(p layers.IPProtocol, src, dst byte) *layers.IPv4 {
		return &layers.IPv4{Version: 4, TTL: 9, Protocol: p, SrcIP: []byte{10, 0, src, src}, DstIP: []byte{192, 0, 2, dst}}
	}
	ip6 := func(p layers.IPProtocol, src, dst byte) *layers.IPv6 {
		a, b := make([]byte, 16), make([]byte, 16)
		copy(a, []byte{0x20, 1, 0xd, 0xb8, src})
		copy(b, []byte{0x20, 1, 0xd, 0xb8})
		a[15], b[15] = src, dst
		return &layers.IPv6{Version: 6, HopLimit: 9, NextHeader: p, SrcIP: a, DstIP: b}
	}
	for i := byte(1); i < 4; i++ {
		size := gopacket.Payload(make([]byte, 100*int(i)))
		for _, port := range []uint16{80, 443, 8080, 53} {
			tcp := &layers.TCP{SrcPort: layers.TCPPort(port), DstPort: layers.TCPPort(1000 * uint16(i)), SYN: i < 3, ACK: i > 1, FIN: i == 3, DataOffset: 5}
			udp := &layers.UDP{SrcPort: layers.UDPPort(1000 * uint16(i)), DstPort: layers.UDPPort(port)}
			sctp := &layers.SCTP{SrcPort: layers.SCTPPort(port), DstPort: layers.SCTPPort(port)}
			add(eth(layers.EthernetTypeIPv4, i), ip4(layers.IPProtocolTCP, i, i+1), tcp, size)
			add(eth(layers.EthernetTypeIPv4, i), ip4(layers.IPProtocolUDP, i, i+1), udp, size)
			add(eth(layers.EthernetTypeIPv4, i), ip4(layers.IPProtocolSCTP, i, i+1), sctp, size)
			add(eth(layers.EthernetTypeIPv6, i), ip6(layers.IPProtocolUDP, i, i+1), udp, size)
			add(eth(layers.EthernetTypeIPv6, i), ip6(layers.IPProtocolTCP, i, i+1), tcp)
		}
		later := ip4(layers.IPProtocolUDP, i, i+1)
		later.FragOffset = 100
		add(eth(layers.EthernetTypeIPv4, i), later, size)
		options := ip4(layers.IPProtocolUDP, i, i+1)
		options.Options = []layers.IPv4Option{{OptionType: 1}, {OptionType: 1}, {OptionType: 1}, {OptionType: 1}}
		add(eth(layers.EthernetTypeIPv4, i), options, &layers.UDP{SrcPort: 80, DstPort: 80}, size)
		add(eth(layers.EthernetTypeIPv4, i), ip4(layers.IPProtocolICMPv4, i, i+1), &layers.ICMPv4{TypeCode: 8 << 8}, size)
		add(eth(layers.EthernetTypeIPv6, i), ip6(layers.IPProtocolICMPv6, i, i+1), size)
		add(eth(layers.EthernetTypeIPv4, i), ip4(layers.IPProtocolGRE, i, i+1), size)
		add(eth(layers.EthernetTypeARP, i), &layers.ARP{
			AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: 1,
			SourceHwAddress: []byte{2, 0, 0, 0, 0, i}, SourceProtAddress: []byte{10, 0, i, i}, DstHwAddress: make([]byte, 6), DstProtAddress: []byte{192, 0, 2, i + 1},
		})
		add(eth(layers.EthernetTypeLLC, i), size)
		all = append(all, make([]byte, 15*i)) // less than 14 bytes tcpdump takes for nothing, not even for its opposite
	}
	return all
}

// same are expressions that tcpdump takes, too.
var same = []string{
	"", "ip", "ip6", "arp", "tcp", "udp", "sctp", "icmp", "icmp6", "not ip", "! tcp",
	"host 10.0.1.1", "src host 10.0.1.1", "dst host 192.0.2.2", "src or dst host 10.0.2.2", "src and dst host 10.0.2.2",
	"ip host 10.0.1.1", "arp host 10.0.1.1", "src 10.0.1.1", "src or dst 10.0.1.1 or 10.0.2.2", "host 2001:db8:100::1", "ip6 host 2001:db8::2", "dst host 2001:db8::3",
	"net 10.0.0.0/8", "net 10.0.2.0/23", "src net 10.0.2.0/23", "dst net 192.0.2.0/31", "net 0.0.0.0/0", "net 2001:db8:200::/40",
	"port 80", "src port 80", "dst port 80", "tcp port 80", "udp port 80", "sctp port 80", "tcp src port 443", "src and dst port 80",
	"portrange 80-443", "udp dst portrange 1000-9000", "portrange 443-80",
	"proto 47", "ip proto 47", "ip6 proto 17", `ip proto \tcp`, "proto 132",
	"ether host 02:00:00:00:00:01", "ether src 02:00:00:00:00:02", "ether dst host 02:00:00:00:01:02",
	"less 200", "greater 200",
	"tcp port 80 and host 10.0.1.1", "tcp && port 80 || udp", "udp or tcp and port 80", "not (udp or tcp) and ip", "not udp and not tcp",
	"port 80 or 443", "port 80 or 443 and host 10.0.1.1 or 10.0.2.2", "host 10.0.1.1 or port (53 or 8080)", "not port 80 or 53",
	"dst port (80 or 443)", "ip and (src 10.0.1.1 or dst 192.0.2.3) and not (tcp or udp port 53)",
	"ip and tcp[tcpflags] & tcp-syn != 0", "ip and tcp[tcpflags] == tcp-syn", "ip and tcp[13] & (tcp-syn|tcp-ack) = tcp-syn | tcp-ack",
	"ip and tcp[tcpflags] & (tcp-fin|tcp-rst) == 0", "ip and tcp[tcpflags] & 0x12 == 18",
}

func matches(t testing.TB, text string) (out string) {
	t.Helper()
	p, err := Parse(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	for _, f := range frames(t) {
		if p.Match(f, len(f)) {
			out += "1"
		} else {
			out += "0"
		}
	}
	return out
}

func TestErrorsSayWhereAndWhatIsExpected(t *testing.T) {
	for text, want := range map[string]string{
		"port":                           "number",
		"port http":                      `0 to 65535, after portrange two joined by -, at character 6, found "http"`,
		"port 70000":                     "65535",
		"host example.org":               "names are not resolved",
		"host 10.0.0.0/8":                `"net" takes a network`,
		"net 10.0.0.1":                   "10.0.0.0/8",
		"net 10.0.0.1/8":                 "it is 10.0.0.0/8",
		"10.0.0.1":                       "expected a keyword",
		"tcp or 80":                      "expected a keyword",
		"src 10.0.0.0/8":                 `"net" takes a network`,
		"host fe80::1%eth0":              "address",
		"tcp host 10.0.0.1":              "tcp has ports, not addresses",
		"ip6 host 10.0.0.1":              "not of ip6",
		"ip port 80":                     "ip has no ports",
		"tcp port 80 udp":                `expected "and" or "or" at character 13, found "udp"`,
		"tcp and":                        "at the end of the expression",
		"(tcp":                           `expected ")"`,
		"tcp)":                           `expected "and" or "or"`,
		"tcp[0]":                         "tcpflags",
		"tcp[tcpflags] & tcp-syn|2 == 2": "parentheses",
		"tcp[tcpflags] < 2":              `the sign '<' at character 15`,
		"ether host 10.0.0.1":            "MAC",
		"ether":                          `"host"`,
		"less":                           "bytes",
		"and":                            "keyword",
		"proto 300":                      "0 to 255",
		strings.Repeat("(", 5000):        "4096",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

func TestExtensionHeadersAreFollowed(t *testing.T) {
	f := make([]byte, 14+40+8+8+8)
	f[12], f[13] = 0x86, 0xdd
	f[14], f[20] = 0x60, 0
	f[54] = 44                // hop-by-hop, then a fragment header
	f[62], f[65] = 17, 1      // the first fragment
	f[70], f[71] = 0x1f, 0x90 // from port 8080
	p, err := Parse("ip6 and udp and src port 8080")
	if err != nil {
		t.Fatal(err)
	}
	if !p.Match(f, len(f)) {
		t.Error("the first fragment does not match")
	}
	f[64] = 1
	if p.Match(f, len(f)) {
		t.Error("a later fragment has ports")
	}
}

func TestMatchingAllocatesNothing(t *testing.T) {
	p, err := Parse("tcp port 80 or net 10.0.0.0/9 and not host 2001:db8::1")
	if err != nil {
		t.Fatal(err)
	}
	all := frames(t)
	if n := testing.AllocsPerRun(10, func() {
		for _, f := range all {
			p.Match(f, len(f))
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzParse: nothing that is written panics or leads round in circles, on any frame.
func FuzzParse(f *testing.F) {
	for _, text := range same {
		f.Add(text, frames(f)[0])
	}
	f.Fuzz(func(t *testing.T, text string, frame []byte) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		for i := range p.tests {
			if c := &p.tests[i]; c.then >= i || c.otherwise >= i {
				t.Fatalf("test %d leads to %d and %d", i, c.then, c.otherwise)
			}
		}
		q, err := Parse("not (" + text + ")")
		if strings.TrimSpace(text) == "" || len(text) > maxLength-6 {
			return
		}
		if err != nil {
			t.Fatalf("its opposite: %v", err)
		}
		if p.Match(frame, len(frame)) == q.Match(frame, len(frame)) {
			t.Fatalf("%q and its opposite say the same", text)
		}
	})
}
