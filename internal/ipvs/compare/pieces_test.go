package main

import (
	"bytes"
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/weirlb/weir/conf/lvs"
	"github.com/weirlb/weir/internal/ipvs"
	"github.com/weirlb/weir/slowpath/replay"
)

var udp4 = ipvs.Packet{Protocol: ipvs.UDP, From: addr("198.51.100.7:40000"), To: addr("203.0.113.10:53"), Payload: 20}

func viewOf(p ipvs.Packet) view { return look(p.Frame(router, director)[14:]) }

// wrapped puts a packet behind other layers.
func wrapped(t *testing.T, p ipvs.Packet, stack ...gopacket.SerializableLayer) view {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true}, append(stack, gopacket.Payload(p.Frame(router, director)[14:]))...)
	if err != nil {
		t.Fatal(err)
	}
	return look(bytes.Clone(buf.Bytes()))
}

func TestWhatAPacketSays(t *testing.T) {
	outer := func(p layers.IPProtocol) *layers.IPv4 {
		return &layers.IPv4{Version: 4, TTL: 64, Protocol: p, SrcIP: []byte{10, 0, 0, 1}, DstIP: []byte{10, 0, 0, 11}}
	}
	udp6 := ipvs.Packet{Protocol: ipvs.UDP, From: addr("[2001:db8:9::7]:40000"), To: addr("[2001:db8:f::10]:53"), Payload: 20}
	tcp := ipvs.Packet{Protocol: ipvs.TCP, From: udp4.From, To: addr("203.0.113.10:80"), Flags: "SA"}
	fragments := ipvs.Fragments((&ipvs.Packet{Protocol: ipvs.UDP, From: udp4.From, To: udp4.To, Payload: 100, ID: 5}).Frame(router, director), 64)
	for want, v := range map[string]view{
		"udp 198.51.100.7:40000 > 203.0.113.10:53":                                     viewOf(udp4),
		"udp [2001:db8:9::7]:40000 > [2001:db8:f::10]:53":                              viewOf(udp6),
		"tcp 198.51.100.7:40000 > 203.0.113.10:80 SA":                                  viewOf(tcp),
		"sctp 198.51.100.7:40000 > 203.0.113.10:80 INIT":                               viewOf(ipvs.Packet{Protocol: ipvs.SCTP, From: tcp.From, To: tcp.To, Flags: "INIT"}),
		"udp 198.51.100.7:40000 > 203.0.113.10:53 fragment 0x5 at 0":                   look(fragments[0][14:]),
		"udp 198.51.100.7 > 203.0.113.10 fragment 0x5 at 64":                           look(fragments[1][14:]),
		"ipip 10.0.0.1 > 10.0.0.11":                                                    wrapped(t, udp4, outer(layers.IPProtocolIPv4)),
		"icmp 10.0.0.1 > 10.0.0.11 3/3 about udp 198.51.100.7:40000 > 203.0.113.10:53": wrapped(t, udp4, outer(layers.IPProtocolICMPv4), &layers.ICMPv4{TypeCode: 0x0303}),
		"no IP packet": look([]byte{0x45, 0}),
	} {
		if got := v.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for name, v := range map[string]view{
		"ipip":              wrapped(t, udp4, outer(layers.IPProtocolIPv4)),
		"gre":               wrapped(t, udp4, outer(layers.IPProtocolGRE), &layers.GRE{Protocol: layers.EthernetTypeIPv4}),
		"gre with checksum": wrapped(t, udp4, outer(layers.IPProtocolGRE), &layers.GRE{Protocol: layers.EthernetTypeIPv4, ChecksumPresent: true}),
		"gue":               wrapped(t, udp4, outer(layers.IPProtocolUDP), &layers.UDP{SrcPort: 50000, DstPort: 6080}, gopacket.Payload{0, protoIPv4, 0, 0}),
		"gue with options":  wrapped(t, udp4, outer(layers.IPProtocolUDP), &layers.UDP{SrcPort: 50000, DstPort: 6080}, gopacket.Payload{1, protoIPv4, 0, 0, 1, 2, 3, 4}),
	} {
		in, ok := v.inner()
		if !ok || in.dst != udp4.To.Addr() || in.dport != 53 {
			t.Errorf("%s: the inner packet is %s", name, in)
		}
	}
	if in, ok := (&view{}).inner(); ok {
		t.Errorf("nothing has an inner packet, %s", in)
	}
}

func TestAnyBytesCanBeLookedAt(t *testing.T) {
	frames := [][]byte{modes().frames[0].frame, modes().frames[3].frame, odd().frames[1].frame}
	for _, f := range frames {
		for n := range f {
			for _, b := range []byte{0, 0x11, 0x3a, 0x2c, 0xff} {
				damaged := bytes.Clone(f[:n])
				if n > 14 {
					damaged[14+(n*7)%(n-14)] = b
				}
				v := look(damaged[min(14, n):])
				_, _ = v.inner()
				_, _ = v.quoted()
				_, _, _ = v.mss()
				_, _ = v.String(), v.right()
				_ = fields(damaged)
				_ = trimmed([]ipvs.Frame{{Data: damaged}})
			}
		}
	}
}

func TestChecksums(t *testing.T) {
	for _, proto := range []ipvs.Protocol{ipvs.TCP, ipvs.UDP, ipvs.SCTP} {
		for _, to := range []string{"203.0.113.10:53", "[2001:db8:f::10]:53"} {
			p := ipvs.Packet{Protocol: proto, From: udp4.From, To: addr(to), Flags: map[ipvs.Protocol]string{ipvs.TCP: "S", ipvs.SCTP: "INIT"}[proto], Payload: 21}
			if p.To.Addr().Is6() {
				p.From = addr("[2001:db8:9::7]:40000")
			}
			for _, p.Damaged = range []bool{false, true} {
				if v := viewOf(p); v.right() == p.Damaged {
					t.Errorf("%s, damaged %t: right %t", v, p.Damaged, v.right())
				}
			}
		}
	}
}

func TestFragmentsAreMetByWhatTheyMakeUp(t *testing.T) {
	p := ipvs.Packet{Protocol: ipvs.UDP, From: udp4.From, To: udp4.To, Payload: 900, ID: 5}
	frame := p.Frame(router, director)
	f := ipvs.Fragments(frame, 400)
	whole := received(parts([]ipvs.Frame{{Data: frame}}), udp4.To.Addr())
	for name, frames := range map[string][][]byte{"in order": {f[0], f[1]}, "out of order": {f[1], f[0]}, "one of them twice": {f[0], f[0], f[1]}} {
		var all []ipvs.Frame
		for _, f := range frames {
			all = append(all, ipvs.Frame{Data: f})
		}
		if got := received(parts(all), udp4.To.Addr()); !slices.Equal(got, whole) {
			t.Errorf("%s: %q, want %q", name, got, whole)
		}
	}
	if got := received(parts([]ipvs.Frame{{Data: f[0]}}), udp4.To.Addr()); len(got) != 0 {
		t.Errorf("half of a datagram is %q", got)
	}
}

func TestWhatOfACaptureIsPlayed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "in.pcap")
	o, err := replay.Create(file, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	frame := udp4.Frame(router, director)
	other := slices.Clone(frame)
	other[5] = 9
	multicast := ipvs.Packet{Protocol: ipvs.UDP, From: udp4.From, To: addr("224.0.0.5:1"), Payload: 4}
	for _, f := range [][]byte{
		frame, slices.Insert(slices.Clone(frame), 12, 0x88, 0xa8, 0, 1, 0x81, 0, 0, 2), other,
		append(slices.Clone(frame[:12]), 0x08, 0x06, 0, 1), append(slices.Clone(frame[:12]), 0x88, 0xcc, 0, 1), multicast.Frame(router, director),
		append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, frame[6:]...), frame[:10], frame[:20],
	} {
		err = errors.Join(err, o.Write(f, time.Unix(1e9, 0), 0))
	}
	if err := errors.Join(err, o.Close()); err != nil {
		t.Fatal(err)
	}
	p, err := read(file, director)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.packets) != 2 || p.packets[1].number != 2 || !bytes.Equal(p.packets[0].frame, p.packets[1].frame) || len(p.notes) != 1 {
		t.Errorf("%d packets, notes %q", len(p.packets), p.notes)
	}
	for why, want := range map[string]int{"ARP": 1, "of other protocols": 1, "multicast or broadcast": 2, "too short": 2, "to other stations": 1} {
		if p.skipped[why] != want {
			t.Errorf("%d packets %s, want %d: %v", p.skipped[why], why, want, p.skipped)
		}
	}
}

func TestNetworksAreMadeUpAroundServersAndClients(t *testing.T) {
	setup := &lvs.Setup{Services: []*lvs.Service{{
		Endpoints: []lvs.Endpoint{{Prefix: netip.MustParsePrefix("10.0.0.1/32"), Port: 80}},
		Backends:  []lvs.Backend{{Address: addr("10.0.0.3:80")}, {Address: addr("10.0.5.3:80")}},
	}}}
	packets := []*packet{{view: view{src: netip.MustParseAddr("10.0.0.2"), dst: netip.MustParseAddr("10.0.0.1")}},
		{view: view{v6: true, src: netip.MustParseAddr("2001:db8:fffe::7"), dst: netip.MustParseAddr("2001:db8::1")}}}
	p, err := surroundings(setup, packets)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"10.0.0.4/24", "10.0.5.1/24", "2001:db8:fffe:1::1/64"}; !slices.Equal(p.Addresses, want) {
		t.Errorf("addresses %q, want %q", p.Addresses, want)
	}
	if want := []string{"10.0.0.5", "2001:db8:fffe:1::2"}; !slices.Equal(p.Gateways, want) {
		t.Errorf("gateways %q, want %q", p.Gateways, want)
	}
	for i := range mostAddresses {
		setup.Services[0].Backends = append(setup.Services[0].Backends, lvs.Backend{Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i), 1}), 80)})
	}
	if _, err := surroundings(setup, packets); err == nil {
		t.Error("a port gets more addresses than it can have")
	}
}
