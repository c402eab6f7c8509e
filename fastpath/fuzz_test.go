package fastpath

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/weirlb/weir/fastpath/packet"
)

// row puts frames in a row as FuzzWorker takes them.
func row(frames ...[]byte) (out []byte) {
	for i, b := range frames {
		out = append(out, byte(i&1))
		out = binary.BigEndian.AppendUint16(out, uint16(len(b)))
		out = append(out, b...)
	}
	return out
}

// fuzzSeeds are rows of frames that take every way through a worker.
func fuzzSeeds(f *testing.F) (seeds [][]byte) {
	options := append([]byte{60, 0}, make([]byte, 6)...)
	for _, v := range families {
		syn := pk{from: v.client, to: v.vip, flags: "S", mss: 1460}.frame(f)
		reply := pk{from: v.rs1, to: v.client, flags: "SA", srcMAC: rs1MAC, dstMAC: lanMAC}.frame(f)
		quoted := quoteOf(pk{from: v.vip, to: v.client, flags: "SA"}.frame(f), 20)
		toBackend := quoteOf(pk{from: v.client, to: v.rs1, flags: "S"}.frame(f), 20)
		vip, client := netipAddr(v.vip).String(), netipAddr(v.client).String()
		request, _ := echoKind(v.v6)
		kind, code := tooBigKind(v.v6)
		own, outerTo := map[bool]string{false: "10.0.0.1", true: "fd00::1"}[v.v6], netipAddr(v.rs1).AsSlice()
		// What a router says of the tunnel that the packet before it went into.
		tunnelled := pk{from: v.client, to: netipPort(v.vip, 81), udp: true, df: true}.frame(f)
		outer := pk{from: own + ":0", to: netipPort(v.rs1, 0), udp: true}
		if v.v6 {
			outer.from = "[" + own + "]:0"
		}
		header := ipOf(outer.frame(f))[:map[bool]int{false: 20, true: 40}[v.v6]]
		header[map[bool]int{false: 9, true: 6}[v.v6]] = map[bool]byte{false: 4, true: 41}[v.v6]
		copy(header[len(header)-len(outerTo):], outerTo)
		tooBig := icmpFrame(netipAddr(v.rs1).String(), own, kind, code, append([]byte{0, 0, 5, 0x40}, append(header, ipOf(tunnelled)...)...), rs1MAC, lanMAC, 64)
		seeds = append(seeds,
			row(syn, reply, icmpFrame(routers[v.v6], vip, errorKind(v.v6), 1, quoted, gwMAC, wanMAC, 60)),
			row(syn, icmpFrame(netipAddr(v.rs1).String(), client, errorKind(v.v6), 1, toBackend, rs1MAC, lanMAC, 60)),
			row(tunnelled, tooBig),
			row(pk{from: v.client, to: netipPort(v.vip, 81), udp: true, payload: 1400}.frame(f)),
			row(pk{from: v.client, to: netipPort(v.vip, 82), flags: "S", ttl: 1}.frame(f)),
			row(pk{from: v.client, to: netipPort(v.vip, 83), udp: true, pad: 9}.frame(f)),
			row(pk{from: v.client, to: netipPort(v.vip, 85), chunks: []uint8{1}, payload: 16}.frame(f),
				pk{from: netipPort(v.rs1, 3868), to: v.client, chunks: []uint8{2}, payload: 300, srcMAC: rs1MAC, dstMAC: lanMAC}.frame(f),
				pk{from: v.client, to: netipPort(v.vip, 85), chunks: []uint8{10, 6}}.frame(f),
				icmpFrame(netipAddr(v.rs1).String(), client, errorKind(v.v6), 1,
					quoteOf(pk{from: v.client, to: netipPort(v.rs1, 3868), chunks: []uint8{1}, payload: 16}.frame(f), 20), rs1MAC, lanMAC, 60)),
			row(pk{from: v.client, to: netipPort(v.vip, 86), chunks: []uint8{1}, payload: 1390}.frame(f)),
			row(icmpFrame(client, vip, request, 0, make([]byte, 12), gwMAC, wanMAC, 64)),
			row(cutUp(icmpFrame(client, vip, request, 0, make([]byte, 2000), gwMAC, wanMAC, 64), 800, 1)...))
		for port := uint16(81); port < 85; port++ {
			parts := cutUp(pk{from: v.client, to: netipPort(v.vip, port), udp: true, payload: 2600}.frame(f), 1384, 2)
			parts = append(parts, cutUp(pk{from: v.client, to: netipPort(v.vip, port), udp: true, payload: 700}.frame(f), 336, 3)...)
			// In rows every other frame comes in by the other port: let none of these.
			seeds = append(seeds, row(parts[1], nil, parts[0], nil, parts[2], nil, parts[4], nil, parts[3], nil, parts[1]))
		}
	}
	seeds = append(append(seeds, fullSeeds(f)...), partSeeds(f)...)
	six := families[1]
	return append(seeds, row(insert6(pk{from: six.client, to: six.vip, flags: "S"}.frame(f), make([]byte, 8), options)),
		row(pk{from: client4, to: vip4, flags: "S", options: 8, payload: 1400}.frame(f)))
}

// partSeeds are fragments that wait for the last one, that follow the first to a backend or into another identification, and ICMP
// errors about later ones.
func partSeeds(f *testing.F) (seeds [][]byte) {
	for _, v := range families {
		client := netipAddr(v.client).String()
		sctp := cutUp(pk{from: v.client, to: netipPort(v.vip, 85), chunks: []uint8{1}, payload: 3200}.frame(f), 1384, 7)
		back := cutUp(pk{from: netipPort(v.rs1, 3868), to: v.client, chunks: []uint8{2}, payload: 3200, srcMAC: rs1MAC, dstMAC: lanMAC}.frame(f), 1384, 8)
		left := cutUp(pk{from: v.client, to: netipPort(v.rs1, 3868), chunks: []uint8{1}, payload: 3200}.frame(f), 1384, 7)
		about := icmpFrame(netipAddr(v.rs1).String(), client, errorKind(v.v6), 1, quoteOf(left[1], 20), rs1MAC, lanMAC, 60)
		seeds = append(seeds, row(sctp[0], nil, sctp[1], about, sctp[2], about, nil, back[1], nil, back[0], nil, back[2]))
		for _, port := range []uint16{97, 98} {
			parts := cutUp(pk{from: v.client, to: netipPort(v.vip, port), udp: true, payload: 3200}.frame(f), 1384, 9)
			left := cutUp(pk{from: v.client, to: netipPort(v.rs1, 97), udp: true, payload: 3200}.frame(f), 1384, 9)
			answer := cutUp(pk{from: netipPort(v.rs1, 97), to: v.client, udp: true, payload: 3200, srcMAC: rs1MAC, dstMAC: lanMAC}.frame(f), 1384, 10)
			about := icmpFrame(netipAddr(v.rs1).String(), client, errorKind(v.v6), 1, quoteOf(left[1], 20), rs1MAC, lanMAC, 60)
			seeds = append(seeds, row(parts[0], nil, parts[1], about, parts[2], answer[0], nil, answer[1]))
		}
		seeds = append(seeds, row(cutUp(pk{from: v.client, to: v.vip, flags: "S", payload: 2000}.frame(f), 800, 11)[0]))
	}
	return seeds
}

// fullSeeds are beginnings of connections in fullnat, with what either side may answer: each local port is one worker's.
func fullSeeds(f *testing.F) (seeds [][]byte) {
	for i, v := range families {
		for port := uint16(90); port < 97; port++ {
			to, local := netipPort(v.rs1, 80), map[bool]string{false: "10.0.0.20", true: "fd00::20"}[v.v6]
			if port%2 == 1 || port == 96 {
				to, local = netipPort(families[1-i].rs1, 80), map[bool]string{false: "10.0.0.20", true: "fd00::20"}[!v.v6]
			}
			client := func(flags string, payload int) []byte {
				return pk{from: v.client, to: netipPort(v.vip, port), udp: port == 96, flags: flags, payload: payload}.frame(f)
			}
			frames := [][]byte{client("S", 0)}
			for _, flags := range []string{"SA", "A"} {
				for from := uint16(5000); from < 5002; from++ {
					at := netip.AddrPortFrom(netip.MustParseAddr(local), from).String()
					back := pk{from: to, to: at, udp: port == 96, flags: flags, payload: 90, srcMAC: rs1MAC, dstMAC: lanMAC}.frame(f)
					frames = append(frames, back, client("A", 0), back, client("A", 50))
				}
			}
			seeds = append(seeds, row(frames[:9]...), row(frames...))
		}
	}
	return seeds
}

// fuzzServices are services of every mode and both families.
func fuzzServices() (services []rigService) {
	for i, v := range families {
		crossed := families[1-i].rs1
		services = append(services,
			rigService{vip: v.vip, proto: packet.ProtoTCP, mode: NAT, peers: []string{v.rs1}},
			rigService{vip: netipPort(v.vip, 81), proto: packet.ProtoUDP, mode: TUN, peers: []string{netipPort(v.rs1, 81), "10.0.0.12:81"}},
			rigService{vip: netipPort(v.vip, 82), proto: packet.ProtoTCP, mode: TUN, peers: []string{"[fd00::12]:82"}},
			rigService{vip: netipPort(v.vip, 83), proto: packet.ProtoUDP, mode: DR},
			rigService{vip: netipPort(v.vip, 84), proto: packet.ProtoUDP, mode: NAT},
			rigService{vip: netipPort(v.vip, 85), proto: packet.ProtoSCTP, mode: NAT, peers: []string{netipPort(v.rs1, 3868)}},
			rigService{vip: netipPort(v.vip, 86), proto: packet.ProtoSCTP, mode: TUN},
			rigService{vip: netipPort(v.vip, 87), proto: packet.ProtoUDP, mode: TUN, tunnel: TunnelSpec{Encap: GUE, Port: 6080, Checksum: true}})
		for i, tell := range []ClientAddress{TellTOA, TellProxyV1, TellProxyV2} {
			for j, to := range []string{v.rs1, crossed} {
				services = append(services, rigService{
					vip: netipPort(v.vip, uint16(90+2*i+j)), proto: packet.ProtoTCP, mode: FullNAT, peers: []string{netipPort(to, 80)},
					full: rigFull{tell: tell, first: 5000, last: 5001},
				})
			}
		}
		services = append(services, rigService{
			vip: netipPort(v.vip, 96), proto: packet.ProtoUDP, mode: FullNAT, peers: []string{netipPort(crossed, 80)},
			full: rigFull{first: 5000, last: 5001},
		}, rigService{
			vip: netipPort(v.vip, 97), proto: packet.ProtoUDP, mode: NAT, once: true,
		}, rigService{
			vip: netipPort(v.vip, 98), proto: packet.ProtoUDP, mode: FullNAT, peers: []string{v.rs1, netipPort(crossed, 80)},
			full: rigFull{first: 5000, last: 5001},
		})
	}
	return services
}

// FuzzWorker sends any frames through two whole workers. Input is a row of frames, each after a byte that chooses the
// port, the worker, the device's flags and how far the clock moves, and a 16-bit length. What leaves must fit its port
// and, if what came in was sound, be sound. The rig checks at its end that every packet is accounted for, had a reason
// if it was lost, and that no buffer leaked.
func FuzzWorker(f *testing.F) {
	for _, s := range fuzzSeeds(f) {
		f.Add(s)
	}
	former := newRig(f, nil)
	former.close()
	f.Fuzz(func(t *testing.T, data []byte) {
		r := newRig(t, fuzzServices(), withWorkers(2, 2), withCapacity(16), withTAP(), withLanMTU(1400), withMemoryOf(former))
		sound := true
		for len(data) >= 3 {
			how, n := data[0], int(binary.BigEndian.Uint16(data[1:]))
			data = data[3:]
			n = min(n, len(data), 2048)
			r.advance(uint64(how>>4) * 1000)
			sound = sound && soundSums(data[:n])
			for _, out := range r.sendTo(int(how>>1&1), int(how&1), data[:n], uint16(how>>2&3)<<1) {
				checkSent(t, out, sound)
			}
			data = data[n:]
		}
		r.punted()
	})
}

// soundSums reports whether a frame's checksums are right, if it is one that Weir takes for whole.
func soundSums(frame []byte) bool {
	var inf packet.Info
	if len(frame) == 0 {
		return true
	}
	mac := wanMAC
	if len(frame) >= 6 && frame[4] == lanMAC[4] {
		mac = lanMAC
	}
	packet.Parse(at(frame), uint32(len(frame)), word(mac), &inf)
	switch inf.Kind {
	case packet.Flow4, packet.Flow6, packet.ICMP4, packet.ICMP6, packet.Fragment4, packet.Fragment6:
		return sumsRight(ipOf(frame))
	}
	return true // goes nowhere but to the kernel
}

// checkSent looks at a frame that left.
func checkSent(t *testing.T, out sentFrame, sound bool) {
	t.Helper()
	p := gopacket.NewPacket(out.data, layers.LayerTypeEthernet, gopacket.NoCopy)
	if p.NetworkLayer() == nil {
		t.Fatalf("no IP packet left: %x", out.data)
	}
	ip := ipOf(out.data)
	if mtu := [2]int{wan: 1500, lan: 1400}[out.port]; len(ip) > mtu || len(ip) > len(out.data)-14 {
		t.Fatalf("an IP packet of %d bytes left in a frame of %d on a port with MTU %d", len(ip), len(out.data), mtu)
	}
	if sound && !sumsRight(ip) {
		t.Fatalf("the checksums of a packet that left are wrong: %x", out.data)
	}
}
