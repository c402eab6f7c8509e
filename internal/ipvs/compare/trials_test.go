package main

import (
	"errors"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/weirlb/weir/internal/ipvs"
)

// clientAddr is that of a client, from 0.
func clientAddr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(7 + i)}), uint16(40000+i))
}

// marked has services by firewall marks, one for each packet, thresholds, and persistence over gaps in time; its frames have VLAN tags.
func marked() *trial {
	tr := &trial{name: "marked", args: []string{"--mark", "1=203.0.113.12:80,203.0.113.12:443/tcp", "--mark", "2=[2001:db8:f::12]:53/udp"}, services: `
-A -f 1 -s rr -p 50
-a -f 1 -r 10.0.0.21:0 -m -w 1
-a -f 1 -r 10.0.0.22:0 -m -w 1
-A -f 2 -6 -s wrr
-a -f 2 -6 -r [2001:db8:2::21]:0 -i -w 3
-a -f 2 -6 -r [2001:db8:2::22]:0 -i -w 1
-A -u 203.0.113.13:53 -s rr -o
-a -u 203.0.113.13:53 -r 10.0.0.11:53 -g -w 1
-a -u 203.0.113.13:53 -r 10.0.0.12:53 -g -w 1
-A -t 203.0.113.13:443 -s lc
-a -t 203.0.113.13:443 -r 10.0.0.11:443 -m -w 1 -x 2 -y 1
-a -t 203.0.113.13:443 -r 10.0.0.12:443 -m -w 0
--set 100 20 30
`}
	for round := range 3 {
		for i := range 3 {
			from := netip.AddrPortFrom(clientAddr(i).Addr(), uint16(30000+10*round+i))
			from6 := netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 9, 15: byte(i)}), from.Port())
			for _, p := range []ipvs.Packet{
				{Protocol: ipvs.TCP, From: from, To: addr("203.0.113.12:80"), Flags: "S"},
				{Protocol: ipvs.TCP, From: from, To: addr("203.0.113.12:443"), Flags: "S"},
				{Protocol: ipvs.UDP, From: from6, To: addr("[2001:db8:f::12]:53"), Payload: 20},
				{Protocol: ipvs.UDP, From: from, To: addr("203.0.113.13:53"), Payload: 20},
				{Protocol: ipvs.UDP, From: from, To: addr("203.0.113.13:53"), Payload: 20},
				{Protocol: ipvs.TCP, From: from, To: addr("203.0.113.13:443"), Flags: "S"},
			} {
				tr.raw(slices.Insert(p.Frame(router, director), 12, 0x81, 0, 0, 7))
			}
		}
		tr.wait([]time.Duration{40 * time.Second, 170 * time.Second, 0}[round])
	}
	return tr
}

func TestMarksThresholdsAndPersistenceOverTimeAreCompared(t *testing.T) {
	report, err := marked().compare(t)
	if err != nil {
		t.Errorf("%v\n%s", err, report)
	}
	for _, line := range []string{
		"note: 54 packets had VLAN tags, which were taken off",
		"both  to gateway: icmp 203.0.113.13 > 198.51.100.9 3/3 about tcp 198.51.100.9:30002 > 203.0.113.13:443 (backends_full)",
		"54 packets: 27 alike, 27 with wanted differences, 0 with unexpected ones",
	} {
		if !strings.Contains(report, line) {
			t.Errorf("%q is not in\n%s", line, report)
		}
	}
	if got, want := names(report), []string{"the-outer-flow-label", "the-outer-ttl", "the-ttl-in-dr"}; !slices.Equal(got, want) {
		t.Errorf("wanted differences are %q, want %q\n%s", got, want, report)
	}
}

// odd has fragments, in and out of order, errors about them and about other packets, and what no service is for.
func odd() *trial {
	tr := &trial{name: "odd", services: `
-A -u 203.0.113.10:53 -s rr
-a -u 203.0.113.10:53 -r 10.0.0.11:5353 -m -w 1
-A -u 203.0.113.10:54 -s rr
-a -u 203.0.113.10:54 -r 10.0.0.11:54 -i -w 1
-A -t 203.0.113.10:80 -s rr
-a -t 203.0.113.10:80 -r 10.0.0.11:8080 -m -w 1
-A -u 203.0.113.10:55 -s rr -o
-a -u 203.0.113.10:55 -r 10.0.0.11:5555 -m -w 1
-A --sctp-service 203.0.113.10:3868 -s rr
-a --sctp-service 203.0.113.10:3868 -r 10.0.0.11:3869 -m -w 1
`}
	for i, to := range []string{"203.0.113.10:53", "203.0.113.10:54"} {
		p := ipvs.Packet{Protocol: ipvs.UDP, From: clientAddr(i), To: addr(to), Payload: 900, ID: uint16(77 + i)}
		both := ipvs.Fragments(p.Frame(router, director), 400)
		tr.raw(both[0])
		tr.raw(both[1])
		p.From, p.ID = clientAddr(i+5), uint16(99+i)
		both = ipvs.Fragments(p.Frame(router, director), 400)
		tr.raw(both[1])
		tr.raw(both[0])
	}
	whole := ipvs.Packet{Protocol: ipvs.UDP, From: clientAddr(2), To: addr("203.0.113.10:54"), Payload: 1472}
	expired := ipvs.Packet{Protocol: ipvs.TCP, From: clientAddr(3), To: addr("203.0.113.10:80"), Flags: "S", TTL: 1}
	tr.add(whole, expired,
		ipvs.Packet{Protocol: ipvs.TCP, From: clientAddr(4), To: addr("203.0.113.10:80"), Flags: "SF"},
		ipvs.Packet{Protocol: ipvs.UDP, From: clientAddr(4), To: addr("203.0.113.10:99")},
		ipvs.Packet{Protocol: ipvs.UDP, From: addr("10.0.0.11:999"), To: clientAddr(4)},
		ipvs.Packet{Protocol: ipvs.UDP, From: clientAddr(4), To: addr("203.0.113.10:53"), NoChecksum: true},
		ipvs.Packet{Protocol: ipvs.UDP, From: clientAddr(5), To: addr("203.0.113.10:55"), Payload: 20},
		ipvs.Packet{Protocol: ipvs.UDP, From: addr("10.0.0.11:5555"), To: clientAddr(5), Payload: 20},
	)
	// What the real server says of the packet before, and of the second fragment of the first.
	tr.raw(complaint((&ipvs.Packet{Protocol: ipvs.UDP, From: clientAddr(5), To: addr("10.0.0.11:5555"), Payload: 20}).Frame(router, director)))
	tr.raw(complaint(ipvs.Fragments((&ipvs.Packet{Protocol: ipvs.UDP, From: clientAddr(0), To: addr("10.0.0.11:5353"), Payload: 900, ID: 77}).Frame(router, director), 400)[1]))
	for i := range 2 { // in order, and not
		p := ipvs.Packet{Protocol: ipvs.SCTP, From: clientAddr(6 + i), To: addr("203.0.113.10:3868"), Flags: "INIT" + strings.Repeat(" DATA", 30), ID: uint16(200 + i)}
		both := ipvs.Fragments(p.Frame(router, director), 400)
		tr.raw(both[i])
		tr.raw(both[1-i])
	}
	return tr
}

// complaint is an ICMP error from the host that a frame's IPv4 packet was for.
func complaint(frame []byte) []byte {
	ip := frame[14:]
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		&layers.Ethernet{SrcMAC: router[:], DstMAC: director[:], EthernetType: layers.EthernetTypeIPv4},
		&layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolICMPv4, SrcIP: ip[16:20], DstIP: ip[12:16]},
		&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 1)}, gopacket.Payload(ip[:min(len(ip), 48)]))
	if err != nil {
		panic(err)
	}
	return slices.Clone(buf.Bytes())
}

func TestWhatIsOddIsComparedAndNamed(t *testing.T) {
	report, err := odd().compare(t)
	if err != nil {
		t.Errorf("%v\n%s", err, report)
	}
	want := []string{"answers-in-one-packet-scheduling", "cut-up-before-the-tunnel", "errors-about-later-fragments", "errors-in-one-packet-scheduling", "flags-that-no-tcp-sends", "fragments-do-not-wait", "time-exceeded-comes-from-the-router", "udp-without-a-checksum",
		"what-is-for-no-service"}
	if got := names(report); !slices.Equal(got, want) {
		t.Errorf("wanted differences are %q, want %q\n%s", got, want, report)
	}
}

func TestALineThatIPVSDoesNotTakeIsNamed(t *testing.T) {
	err := faults("lvs.txt", []ipvs.Fault{{Line: 7, Said: "Service already exists"}, {Said: "open /proc/sys/net/ipv4/vs/x: no such file"}})
	if want := "lvs.txt:7: IPVS does not take this line: Service already exists\nIPVS: open /proc/sys/net/ipv4/vs/x: no such file"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestFlagsThatMakeNoSense(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "are needed",
		"--services a":                           "are needed",
		"--services a --in b c":                  `"c" is no flag`,
		"--services a --in b --show some":        "--show is",
		"--services a --in b --gateway 10.0.0.1": "goes with --address",
	} {
		var o options
		if err := o.parse(strings.Fields(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
	for _, text := range []string{"02:00", "x"} {
		if _, err := parseMAC(text); err == nil {
			t.Errorf("%s is taken for a MAC", text)
		}
	}
	if err := run([]string{"--services", "/nonexistent", "--in", "x"}, nil); err == nil || errors.Is(err, errDiffer) {
		t.Errorf("without a file: %v", err)
	}
}

func TestWantedDifferencesAreHeadings(t *testing.T) {
	text, err := os.ReadFile("../../../docs/differences-from-ipvs.md")
	if err != nil {
		t.Fatal(err)
	}
	headings := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(string(text), -1) {
		headings[strings.ReplaceAll(regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	names := []string{"fragments-do-not-wait"}
	for _, r := range eventRules {
		names = append(names, r.name)
	}
	for _, r := range slices.Concat(fieldRules, tunnelRules) {
		names = append(names, r.name)
	}
	for _, name := range names {
		if !headings[name] {
			t.Errorf("docs/differences-from-ipvs.md has no heading that leads to #%s", name)
		}
	}
}
