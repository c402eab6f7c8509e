package ipvs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

const document = "../../docs/differences-from-ipvs.md"

func TestEveryDifferenceIsExplained(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	headings := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(string(text), -1) {
		headings[anchor(m[1])] = true
	}
	for name := range differences {
		if !headings[name] {
			t.Errorf("%s has no heading that leads to #%s", document, name)
		}
		if _, ok := assertions[name]; !ok {
			t.Errorf("nothing asserts what the two do about %s", name)
		}
		delete(headings, name)
	}
	for name := range headings {
		t.Errorf("%s: there is no scenario for #%s", document, name)
	}
}

// anchor is what a heading is linked to by.
func anchor(heading string) string {
	return strings.ReplaceAll(regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}

// both is what each of the two sent, by packet.
type both struct{ linux, weir [][]Frame }

// assertions say what IPVS does, and what Weir.
var assertions = map[string]func(t *testing.T, b both){
	"the-ttl-in-dr": func(t *testing.T, b both) {
		equal(t, "TTL", ttl(b.linux[0]), 4, ttl(b.weir[0]), 5)
		equal(t, "with TTL 1", kind(b.linux[1]), "wan ICMP 11/0", kind(b.weir[1]), "lan TCP")
	},
	"the-outer-ttl": func(t *testing.T, b both) {
		equal(t, "outer TTL", ttl(b.linux[0]), 8, ttl(b.weir[0]), 64)
	},
	"the-outer-flow-label": func(t *testing.T, b both) {
		label := func(out []Frame) uint32 { return binary.BigEndian.Uint32(out[0].Data[14:]) & 0xfffff }
		equal(t, "same labels", label(b.linux[0]) == label(b.linux[2]), true, label(b.weir[0]) == label(b.weir[2]), false)
		if label(b.weir[0]) != label(b.weir[1]) {
			t.Error("Weir gives the packets of a connection different labels")
		}
	},
	"congestion-marks-in-tunnels": func(t *testing.T, b both) {
		tos := func(out []Frame) int { return int(out[0].Data[15]) }
		equal(t, "outer TOS", tos(b.linux[0]), 0xb8|2, tos(b.weir[0]), 0xb8|3)
	},
	"ipv6-in-ipv4-is-not-cut-up": func(t *testing.T, b both) {
		df := func(out []Frame) bool { return out[0].Data[20]&0x40 != 0 }
		equal(t, "DF", df(b.linux[0]), false, df(b.weir[0]), true)
	},
	"the-mss-in-tunnels": func(t *testing.T, b both) {
		mss := func(out []Frame) uint16 { return binary.BigEndian.Uint16(out[0].Data[14+20+20+20+2:]) }
		equal(t, "MSS", mss(b.linux[0]), 1460, mss(b.weir[0]), 1440)
	},
	"the-mtu-within-a-tunnel": func(t *testing.T, b both) {
		equal(t, "MTU told", tooBig(b.linux[2]), 1480, tooBig(b.weir[2]), 1380)
		equal(t, "the packet again", kind(b.linux[3]), "wan ICMP 3/4", kind(b.weir[3]), "lan TCP")
		equal(t, "MTU told then", tooBig(b.linux[3]), 1380, tooBig(b.weir[4]), 1380)
	},
	"the-port-that-gue-comes-from": func(t *testing.T, b both) {
		ports := func(all [][]Frame) (flows, lowest int) {
			seen := map[uint16]bool{}
			for i, out := range all {
				p := binary.BigEndian.Uint16(out[0].Data[14+20:])
				if i%2 == 1 && !seen[p] {
					t.Errorf("packets of connection %d have different ports", i/2)
				}
				seen[p] = true
			}
			return len(seen), int(slices.Min(slices.Collect(maps.Keys(seen))))
		}
		linux, from := ports(b.linux)
		weir, lowest := ports(b.weir)
		equal(t, "several ports", linux > 1, true, weir > 1, true)
		equal(t, "a port above 49151 only", from > 49151, false, lowest > 49151, true)
	},
	"flags-that-no-tcp-sends": func(t *testing.T, b both) {
		for n := 3; n < 5; n++ {
			equal(t, "frames", len(b.linux[n]), 1, len(b.weir[n]), 0)
		}
	},
	"a-syn-ack-begins-nothing": func(t *testing.T, b both) {
		for n := range 2 {
			equal(t, "sent", kind(b.linux[n]), "lan TCP", kind(b.weir[n]), "nothing")
		}
	},
	"headers-that-cannot-be": func(t *testing.T, b both) {
		equal(t, "sent", kind(b.linux[0]), "lan UDP", kind(b.weir[0]), "nothing")
	},
	"cut-up-before-the-tunnel": func(t *testing.T, b both) {
		offsets := func(out []Frame, ip int) (all []uint16) {
			for _, f := range out {
				all = append(all, binary.BigEndian.Uint16(f.Data[ip+6:])&0x1fff*8)
			}
			return all
		}
		const around, within = 14, 14 + 20
		if got := offsets(b.linux[0], around); !slices.Equal(got, []uint16{0, 1480}) {
			t.Errorf("IPVS's outer fragments begin at %d", got)
		}
		if got := offsets(b.weir[0], around); !slices.Equal(got, []uint16{0, 0}) {
			t.Errorf("Weir's outer packets begin at %d", got)
		}
		if got := offsets(b.weir[0], within); !slices.Equal(got, []uint16{0, 1456}) {
			t.Errorf("Weir's inner fragments begin at %d", got)
		}
	},
	"the-round-after-a-change-of-scheduler": func(t *testing.T, b both) {
		equal(t, "backends", picks(b.linux[4:]), "11 11 13 11 12 13", picks(b.weir[4:]), "11 12 13 11 11 13")
	},
	"recorded-routes": func(t *testing.T, b both) {
		route := func(out []Frame) string { return netip.AddrFrom4([4]byte(out[0].Data[14+20+3:])).String() }
		equal(t, "recorded address", route(b.linux[0]), "203.0.113.10", route(b.weir[0]), "0.0.0.0")
	},
	"checksums-in-quoted-packets": func(t *testing.T, b both) {
		// The client's SYN had the checksum that is right for its own addresses.
		sum := func(out []Frame) uint16 { return binary.BigEndian.Uint16(out[0].Data[14+20+8+20+16:]) }
		sent := binary.BigEndian.Uint16(b.sent(t, "checksums-in-quoted-packets")[14+20+16:])
		equal(t, "quoted checksum is the client's", sum(b.linux[1]) == sent, false, sum(b.weir[1]) == sent, true)
	},
	"icmpv6-errors-from-backends": func(t *testing.T, b both) {
		equal(t, "sent", kind(b.linux[1]), "nothing", kind(b.weir[1]), "wan ICMPv6 1/4")
	},
	"parameter-problems": func(t *testing.T, b both) {
		equal(t, "source", source(b.linux[1]), "10.0.0.11", source(b.weir[1]), vip4.String())
	},
	"time-exceeded-comes-from-the-router": func(t *testing.T, b both) {
		equal(t, "sent", kind(b.linux[0]), "wan ICMP 11/0", kind(b.weir[0]), "wan ICMP 11/0")
		equal(t, "source", source(b.linux[0]), vip4.String(), source(b.weir[0]), "192.0.2.1")
	},
	"packets-of-no-connection": func(t *testing.T, b both) {
		equal(t, "sent", kind(b.linux[0]), "wan TCP", kind(b.weir[0]), "nothing")
	},
	"what-is-for-no-service": func(t *testing.T, b both) {
		for n, want := range []string{"wan ICMP 3/3", "wan TCP", "wan UDP"} {
			equal(t, "sent", kind(b.linux[n]), want, kind(b.weir[n]), "nothing")
		}
		equal(t, "source of what is routed", source(b.linux[2]), "10.0.0.11", source(b.weir[2]), "nothing")
	},
	"persistence-that-a-connection-outlasted": func(t *testing.T, b both) {
		equal(t, "backends", picks(b.linux), "11 11 12", picks(b.weir), "11 11 11")
	},
	"udp-without-a-checksum": func(t *testing.T, b both) {
		none := func(out []Frame) bool { return binary.BigEndian.Uint16(out[0].Data[14+20+6:]) == 0 }
		equal(t, "no checksum", none(b.linux[0]), false, none(b.weir[0]), true)
	},
	"damaged-sctp-stays-damaged": func(t *testing.T, b both) {
		right := func(out []Frame) bool {
			l4 := bytes.Clone(out[0].Data[14+20:])
			sum := binary.LittleEndian.Uint32(l4[8:])
			clear(l4[8:12])
			return sum == crc32.Checksum(l4, crc32.MakeTable(crc32.Castagnoli))
		}
		equal(t, "checksum is right", right(b.linux[0]), true, right(b.weir[0]), false)
	},
	"errors-about-later-fragments": func(t *testing.T, b both) {
		expectTranslated(t, b.linux[2], b.weir[2])
	},
	"errors-in-one-packet-scheduling": func(t *testing.T, b both) {
		expectTranslated(t, b.linux[1], b.weir[1])
	},
	"a-threshold-that-is-lowered": func(t *testing.T, b both) {
		equal(t, "one more connection", kind(b.linux[2]), "lan UDP", kind(b.weir[2]), "wan ICMP 3/3")
		equal(t, "another one", kind(b.linux[3]), "wan ICMP 3/3", kind(b.weir[3]), "wan ICMP 3/3")
	},
	"connections-of-a-removed-backend": func(t *testing.T, b both) {
		equal(t, "while it was away", kind(b.linux[1]), "nothing", kind(b.weir[1]), "lan TCP")
		equal(t, "when it is there again", kind(b.linux[2]), "lan TCP", kind(b.weir[2]), "lan TCP")
	},
	"connections-of-a-removed-backend-that-end": func(t *testing.T, b both) {
		equal(t, "frames", len(b.linux[3]), 1, len(b.weir[3]), 2)
		if t.Failed() {
			return
		}
		equal(t, "to the client", kind(b.linux[3]), "wan TCP", kind(b.weir[3][1:]), "wan TCP")
		equal(t, "source", source(b.linux[3]), vip4.String(), source(b.weir[3][1:]), vip4.String())
		if k := kind(b.weir[3][:1]); k != "lan TCP" {
			t.Errorf("the backend gets %s from Weir, want a reset", k)
		}
	},
	"a-syn-to-a-drained-backend": func(t *testing.T, b both) {
		equal(t, "backends", picks(b.linux), "11 11", picks(b.weir), "11 12")
	},
	"a-syn-within-a-connection": func(t *testing.T, b both) {
		equal(t, "backend", picks(b.linux[3:]), "12", picks(b.weir[3:]), "11")
	},
	"ports-that-are-used-again": func(t *testing.T, b both) {
		equal(t, "backend", picks(b.linux[6:]), "11", picks(b.weir[6:]), "12")
	},
	"defence-against-floods": func(t *testing.T, b both) {
		lost := func(all [][]Frame) (n int) {
			for _, out := range all {
				n += 1 - len(out)
			}
			return n
		}
		equal(t, "lost", lost(b.linux), 4, lost(b.weir), 0)
	},
	"answers-in-one-packet-scheduling": func(t *testing.T, b both) {
		equal(t, "source", source(b.linux[1]), "10.0.0.11", source(b.weir[1]), vip4.String())
	},
	"wrr-after-an-edit-that-changes-nothing": func(t *testing.T, b both) {
		equal(t, "backends", picks(b.linux), "11 11", picks(b.weir), "11 12")
	},
	"lblc-obeys-thresholds": func(t *testing.T, b both) {
		equal(t, "backends", picks(b.linux), "11 11 11 11", picks(b.weir), "11 11 12 12")
	},
	"fragments-wait-two-seconds-for-their-first": func(t *testing.T, b both) {
		equal(t, "fragments in the end", len(b.linux[1]), 2, len(b.weir[1]), 1)
	},
	"datagrams-that-never-become-whole": func(t *testing.T, b both) {
		equal(t, "sent at once", kind(b.linux[0]), "nothing", kind(b.weir[0]), "lan")
		equal(t, "frames then", len(b.linux[1]), 2, len(b.weir[1]), 1)
		if t.Failed() {
			return
		}
		equal(t, "and with the next connection", kind(b.linux[1][:1]), "wan ICMP 11/1", kind(b.weir[1]), "lan UDP")
		equal(t, "whose backend", picks([][]Frame{b.linux[1][1:]}), "11", picks(b.weir[1:]), "12")
	},
	"tiny-first-fragments": func(t *testing.T, b both) {
		equal(t, "fragments", len(slices.Concat(b.linux[3:]...)), 2, len(slices.Concat(b.weir[3:]...)), 0)
	},
	"fragments-do-not-wait": func(t *testing.T, b both) {
		equal(t, "frames for the first", len(b.linux[0]), 0, len(b.weir[0]), 1)
		equal(t, "frames for the second", len(b.linux[1]), 2, len(b.weir[1]), 1)
		if !slices.EqualFunc(slices.Concat(b.linux...), slices.Concat(b.weir...), equalFrames) {
			t.Error("the fragments are not the same")
		}
	},
	"mh-leaves-nobody-out": func(t *testing.T, b both) {
		equal(t, "backends without a client", NumBackends-len(reached(b.linux)) > 10, true, NumBackends-len(reached(b.weir)) > 10, false)
	},
	"mh-tells-backends-of-another-ip-version-apart": func(t *testing.T, b both) {
		equal(t, "same picks", picks(b.linux) == picks(b.weir), false, true, true)
	},
}

// expectTranslated looks at an ICMP error from a backend that only Weir translates.
func expectTranslated(t *testing.T, linux, weir []Frame) {
	t.Helper()
	quoted := func(out []Frame) string {
		if len(out) != 1 {
			return "nothing"
		}
		return fmt.Sprint(net.IP(out[0].Data[14+20+8+16:][:4]))
	}
	backend, vip := BackendAddr(0, false).String(), vip4.String()
	equal(t, "source", source(linux), backend, source(weir), vip)
	equal(t, "quoted destination", quoted(linux), backend, quoted(weir), vip)
}

func equal[T comparable](t *testing.T, what string, linux, wantLinux, weir, wantWeir T) {
	t.Helper()
	if linux != wantLinux {
		t.Errorf("%s: IPVS has %v, want %v", what, linux, wantLinux)
	}
	if weir != wantWeir {
		t.Errorf("%s: Weir has %v, want %v", what, weir, wantWeir)
	}
}

func TestDifferences(t *testing.T) {
	for _, s := range Differences() {
		name := strings.TrimPrefix(s.Name, "difference/")
		t.Run(name, func(t *testing.T) {
			linux, weir := perform(t, &s)
			var b both
			for i := range linux {
				if linux[i].Table == nil {
					b.linux, b.weir = append(b.linux, linux[i].Out), append(b.weir, weir[i].Out)
				}
			}
			assertions[name](t, b)
			if t.Failed() {
				for i := range b.linux {
					for _, f := range b.linux[i] {
						t.Logf("packet %d: IPVS sent by %s\n%s", i, f.Port, Describe(f.Data))
					}
					for _, f := range b.weir[i] {
						t.Logf("packet %d: Weir sent by %s\n%s", i, f.Port, Describe(f.Data))
					}
				}
			}
		})
	}
}

// sent is the first packet of a scenario.
func (b both) sent(t *testing.T, name string) []byte {
	t.Helper()
	_, frame := differences[name]().s.Steps[0].Packet(&History{})
	return frame
}

// ttl is that of the outermost header of the first frame.
func ttl(out []Frame) int {
	if len(out) == 0 {
		return -1
	}
	return int(out[0].Data[14+8])
}

// kind is where the only frame went, and what is innermost in it.
func kind(out []Frame) string {
	if len(out) != 1 {
		return "nothing"
	}
	kind := out[0].Port
	for _, l := range gopacket.NewPacket(out[0].Data, layers.LayerTypeEthernet, gopacket.Default).Layers() {
		switch l := l.(type) {
		case *layers.TCP:
			kind += " TCP"
		case *layers.UDP:
			kind += " UDP"
		case *layers.ICMPv4:
			return kind + " ICMP " + slash(uint16(l.TypeCode))
		case *layers.ICMPv6:
			return kind + " ICMPv6 " + slash(uint16(l.TypeCode))
		}
	}
	return kind
}

func slash(typeCode uint16) string {
	return fmt.Sprintf("%d/%d", typeCode>>8, typeCode&0xff)
}

// tooBig is the MTU that the only frame, an ICMP error, tells.
func tooBig(out []Frame) int {
	if len(out) != 1 || !icmp(out[0].Data) {
		return -1
	}
	return int(binary.BigEndian.Uint16(out[0].Data[14+20+6:]))
}

// source is the outermost source address of the only frame.
func source(out []Frame) string {
	if len(out) != 1 {
		return "nothing"
	}
	src, _, _ := outer(out[0].Data)
	return src.String()
}

// picks is the last bytes of the backends' MACs, by packet.
func picks(all [][]Frame) string {
	var out []string
	for _, frames := range all {
		if len(frames) == 1 {
			out = append(out, fmt.Sprint(int(frames[0].Data[5])-0x11+11))
		}
	}
	return strings.Join(out, " ")
}

// reached is the backends that got packets.
func reached(all [][]Frame) map[byte]bool {
	m := map[byte]bool{}
	for _, frames := range all {
		if len(frames) == 1 {
			m[frames[0].Data[5]] = true
		}
	}
	return m
}

func TestNormalLeavesFramesThatAreNoIPPackets(t *testing.T) {
	p := Packet{Protocol: UDP, From: netip.MustParseAddrPort("198.51.100.7:40000"), To: netip.MustParseAddrPort("203.0.113.10:53")}
	in := p.Frame([6]byte{2}, [6]byte{4})
	for n := 14; n < 14+40; n++ {
		for _, version := range []byte{4, 6} {
			frame := append(make([]byte, 12), 8, 0)
			for len(frame) < n {
				frame = append(frame, version<<4)
			}
			if got := Normal(&Frame{Data: in}, []Frame{{Data: frame}}); len(got) != 1 || len(got[0].Data) != n {
				t.Errorf("of %d bytes, version %d: %x", n, version, got)
			}
		}
	}
}
