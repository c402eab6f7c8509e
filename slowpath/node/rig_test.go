package node

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"go.uber.org/goleak"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/memport"
	"github.com/weirlb/weir/fastpath/port"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/slowpath/compile"
	"github.com/weirlb/weir/slowpath/neighbor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	wan = 0
	lan = 1
)

var (
	wanMAC    = [6]byte{2, 0, 0, 0, 0, 2}
	lanMAC    = [6]byte{2, 0, 0, 0, 1, 1}
	clientMAC = [6]byte{2, 0, 0, 0, 0, 9}
	serverMAC = [6]byte{2, 0, 0, 0, 1, 11}
	spareMAC  = [6]byte{2, 0, 0, 0, 1, 12}
	everybody = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	noMAC     [6]byte

	vip     = netip.MustParseAddr("203.0.113.10")
	vip6    = netip.MustParseAddr("2001:db8::10")
	client  = netip.MustParseAddr("203.0.113.9")
	client6 = netip.MustParseAddr("2001:db8::9")
	server  = netip.MustParseAddr("10.0.0.11")
	wanOwn  = netip.MustParseAddr("203.0.113.2")
	lanOwn  = netip.MustParseAddr("10.0.0.1")
)

// rig is a node on two ports in memory, with a clock of its own and a kernel that keeps what it gets.
//
//	client 203.0.113.9 ── wan 203.0.113.2 ── Weir ── lan 10.0.0.1 ── 10.0.0.11 server
type rig struct {
	t         *testing.T
	now       time.Time
	node      *Node
	pool      *memport.Pool
	queues    [][]*memport.Queue // by worker and port
	kernel    []string           // what it got
	deaf      bool               // the kernel takes nothing
	bells     int
	conflicts []string
}

// ToKernel implements Kernel.
func (r *rig) ToKernel(port int, frame []byte) bool {
	if !r.deaf {
		r.kernel = append(r.kernel, ports[port]+": "+describe(frame))
	}
	return !r.deaf
}

var ports = []string{"wan", "lan"}

func configured(services ...conf.Service) *conf.Config {
	prefixes := func(list ...string) (out []netip.Prefix) {
		for _, s := range list {
			out = append(out, netip.MustParsePrefix(s))
		}
		return out
	}
	second := time.Second
	return &conf.Config{
		Dataplane: conf.Dataplane{MaxConnections: 1024, Timeouts: conf.Timeouts{TCP: 900 * second, TCPFin: 120 * second, UDP: 300 * second}},
		Ports: []conf.Port{
			{Name: "wan", MTU: 1500, TAP: "weir0", Addresses: prefixes("fe80::2/64", "203.0.113.2/24", "2001:db8::2/64")},
			{Name: "lan", MTU: 1500, Addresses: prefixes("10.0.0.1/24", "fd00::1/64")},
		},
		Services: services,
	}
}

// web is a service with servers on the lan.
func web(servers ...string) conf.Service {
	s := conf.Service{Name: "web", Addresses: []conf.Endpoint{conf.EndpointOf(netip.AddrPortFrom(vip, 80))}, Protocol: conf.TCP, Mode: conf.NAT, Scheduler: "rr"}
	for _, b := range servers {
		s.Backends = append(s.Backends, conf.Backend{Address: netip.MustParseAddrPort(b), Weight: 1})
	}
	return s
}

func up(_ *conf.Service, b *conf.Backend) compile.Status {
	return compile.Status{Up: !b.Down, Weight: b.Weight}
}

// newRig is a node whose announcements are over.
func newRig(t *testing.T, workers int, services ...conf.Service) *rig {
	t.Helper()
	r := start(t, workers, services...)
	r.pass(neighbor.AnnounceCount * neighbor.AnnounceInterval)
	r.run()
	return r
}

func start(t *testing.T, workers int, services ...conf.Service) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Unix(1_800_000_000, 0), pool: &memport.Pool{}}
	queues := make([][]port.Queue, workers)
	for w := range queues {
		var mine []*memport.Queue
		for range ports {
			q := memport.New(r.pool, func() uint64 { return uint64(r.now.UnixNano()) })
			mine, queues[w] = append(mine, q), append(queues[w], q)
		}
		r.queues = append(r.queues, mine)
	}
	var err error
	r.node, err = New(Options{
		Config: configured(services...), Queues: queues, Kernel: r, Seed: conn.Seed{1, 1}, Bell: func() { r.bells++ },
		Ports: []Port{{MAC: wanMAC, Queues: workers, HasTAP: true}, {MAC: lanMAC, Queues: workers}},
		OnConflict: func(port int, addr netip.Addr, mac [6]byte) {
			r.conflicts = append(r.conflicts, fmt.Sprint(ports[port], " ", addr, " ", net.HardwareAddr(mac[:])))
		},
	}, r.now, up)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	return r
}

// close checks that no buffer has leaked and that nothing was lost without a reason.
func (r *rig) close() {
	if n := r.node.Drops()[reason.Unset]; n > 0 {
		r.t.Errorf("the slow path has lost %d packets without a reason", n)
	}
	if err := r.node.Close(); err != nil {
		r.t.Error(err)
	}
	for _, mine := range r.queues {
		for _, q := range mine {
			q.Exchange(0)
			q.Drain()
		}
	}
	if n := r.pool.InUse(); n > 0 {
		r.t.Errorf("%d buffers leaked", n)
	}
}

// run lets everybody work until nothing moves any more, and returns what has left, in words.
func (r *rig) run() (sent []string) {
	for quiet := 0; quiet < 3; quiet++ {
		for i, w := range r.node.Workers() {
			if w.Poll() > 0 {
				quiet = 0
			}
			for p, q := range r.queues[i] {
				for _, f := range q.Take() {
					sent = append(sent, ports[p]+": "+describe(f))
				}
			}
		}
		if r.node.HandlePunts(r.now) > 0 {
			quiet = 0
		}
	}
	return sent
}

// put lets a frame arrive at worker 0.
func (r *rig) put(port int, l ...gopacket.SerializableLayer) {
	r.t.Helper()
	if err := r.queues[0][port].Put(frame(l...), 0); err != nil {
		r.t.Fatal(err)
	}
}

// send lets a frame arrive and returns what leaves.
func (r *rig) send(port int, l ...gopacket.SerializableLayer) []string {
	r.t.Helper()
	r.put(port, l...)
	return r.run()
}

// pass lets time go by, with a Tick whenever the node asks for one.
func (r *rig) pass(d time.Duration) {
	r.t.Helper()
	end := r.now.Add(d)
	for {
		next := r.node.Tick(r.now)
		if next.IsZero() || next.After(end) {
			r.now = end
			return
		}
		r.now = later(r.now, next)
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (r *rig) apply(services ...conf.Service) {
	r.t.Helper()
	if err := r.node.Apply(r.now, configured(services...), up); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) expect(what string, got []string, want ...string) {
	r.t.Helper()
	if !slices.Equal(got, want) {
		r.t.Errorf("%s\n  %s\nwant\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func (r *rig) expectDrops(why reason.Reason, want uint64) {
	r.t.Helper()
	if got := r.node.Drops()[why]; got != want {
		r.t.Errorf("%d dropped as %s, want %d", got, why, want)
	}
}

// resolve makes the server a neighbour.
func (r *rig) resolve() {
	r.t.Helper()
	r.run()
	r.send(lan, isAt(server, serverMAC, lanOwn, lanMAC)...)
}

func frame(l ...gopacket.SerializableLayer) []byte {
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, l...); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func arp(to [6]byte, op uint16, sha [6]byte, spa netip.Addr, tha [6]byte, tpa netip.Addr) []gopacket.SerializableLayer {
	return []gopacket.SerializableLayer{
		&layers.Ethernet{SrcMAC: sha[:], DstMAC: to[:], EthernetType: layers.EthernetTypeARP},
		&layers.ARP{
			AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
			Operation: op, SourceHwAddress: sha[:], SourceProtAddress: spa.AsSlice(),
			DstHwAddress: tha[:], DstProtAddress: tpa.AsSlice(),
		},
	}
}

func whoHas(a netip.Addr, sha [6]byte, tell netip.Addr) []gopacket.SerializableLayer {
	return arp(everybody, layers.ARPRequest, sha, tell, noMAC, a)
}

func isAt(a netip.Addr, sha [6]byte, to netip.Addr, mac [6]byte) []gopacket.SerializableLayer {
	return arp(mac, layers.ARPReply, sha, a, mac, to)
}

func ethernet(to, from [6]byte, v6 bool) *layers.Ethernet {
	kind := layers.EthernetTypeIPv4
	if v6 {
		kind = layers.EthernetTypeIPv6
	}
	return &layers.Ethernet{SrcMAC: from[:], DstMAC: to[:], EthernetType: kind}
}

func ip4(src, dst netip.Addr, proto layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
}

func ip6(src, dst netip.Addr, hops uint8) *layers.IPv6 {
	return &layers.IPv6{Version: 6, HopLimit: hops, NextHeader: layers.IPProtocolICMPv6, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
}

// syn is a client's first packet to a port of an address.
func syn(from uint16, to netip.AddrPort) []gopacket.SerializableLayer {
	ip := ip4(client, to.Addr(), layers.IPProtocolTCP)
	tcp := &layers.TCP{SrcPort: layers.TCPPort(from), DstPort: layers.TCPPort(to.Port()), SYN: true, Window: 1000}
	_ = tcp.SetNetworkLayerForChecksum(ip)
	return []gopacket.SerializableLayer{ethernet(wanMAC, clientMAC, false), ip, tcp}
}

func vipSyn(from uint16) []gopacket.SerializableLayer { return syn(from, netip.AddrPortFrom(vip, 80)) }

// nd is a neighbour solicitation or advertisement with the sender's MAC.
func nd(kind uint8, to, from [6]byte, src, dst, target netip.Addr) []gopacket.SerializableLayer {
	ip := ip6(src, dst, 255)
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(kind, 0)}
	_ = icmp.SetNetworkLayerForChecksum(ip)
	if kind == layers.ICMPv6TypeNeighborSolicitation {
		return []gopacket.SerializableLayer{ethernet(to, from, true), ip, icmp, &layers.ICMPv6NeighborSolicitation{
			TargetAddress: target.AsSlice(), Options: layers.ICMPv6Options{{Type: layers.ICMPv6OptSourceAddress, Data: from[:]}},
		}}
	}
	return []gopacket.SerializableLayer{ethernet(to, from, true), ip, icmp, &layers.ICMPv6NeighborAdvertisement{
		Flags: 0x60, TargetAddress: target.AsSlice(), Options: layers.ICMPv6Options{{Type: layers.ICMPv6OptTargetAddress, Data: from[:]}},
	}}
}

// describe is a frame in words: the destination MAC's end, and what it is.
func describe(b []byte) string {
	p := gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Default)
	eth, ok := p.LinkLayer().(*layers.Ethernet)
	if !ok {
		return "garbage"
	}
	to := eth.DstMAC.String()[9:] + " "
	if a, ok := p.Layer(layers.LayerTypeARP).(*layers.ARP); ok {
		spa, tpa := net.IP(a.SourceProtAddress), net.IP(a.DstProtAddress)
		if a.Operation == layers.ARPReply {
			return to + fmt.Sprintf("arp %s is-at %s", spa, net.HardwareAddr(a.SourceHwAddress).String()[9:])
		}
		return to + fmt.Sprintf("arp who-has %s tell %s", tpa, spa)
	}
	if na, ok := p.Layer(layers.LayerTypeICMPv6NeighborAdvertisement).(*layers.ICMPv6NeighborAdvertisement); ok {
		return to + "na " + na.TargetAddress.String()
	}
	if ns, ok := p.Layer(layers.LayerTypeICMPv6NeighborSolicitation).(*layers.ICMPv6NeighborSolicitation); ok {
		return to + "ns " + ns.TargetAddress.String()
	}
	if p.NetworkLayer() == nil {
		return to + string(b[14:])
	}
	src, dst := p.NetworkLayer().NetworkFlow().Endpoints()
	switch l := p.TransportLayer().(type) {
	case *layers.TCP:
		return to + fmt.Sprintf("tcp %s:%d > %s:%d", src, l.SrcPort, dst, l.DstPort)
	case *layers.UDP:
		return to + fmt.Sprintf("udp %s:%d > %s:%d", src, l.SrcPort, dst, l.DstPort)
	}
	return to + fmt.Sprintf("%s %s > %s", p.Layers()[len(p.Layers())-1].LayerType(), src, dst)
}
