package node

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/weirlb/weir/fastpath/reason"
)

func TestWhatTheKernelGets(t *testing.T) {
	linkLocal := netip.MustParseAddr("fe80::ff:fe00:2")
	ping := func(to netip.Addr) []gopacket.SerializableLayer {
		return []gopacket.SerializableLayer{
			ethernet(wanMAC, clientMAC, false), ip4(client, to, layers.IPProtocolICMPv4),
			&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0)}, gopacket.Payload("ping"),
		}
	}
	ping6 := func(to netip.Addr) []gopacket.SerializableLayer {
		ip := ip6(client6, to, 64)
		icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(128, 0)}
		_ = icmp.SetNetworkLayerForChecksum(ip)
		return []gopacket.SerializableLayer{ethernet(wanMAC, clientMAC, true), ip, icmp, &layers.ICMPv6Echo{}}
	}
	mdns := ip4(client, netip.MustParseAddr("224.0.0.251"), layers.IPProtocolUDP)
	udp := &layers.UDP{SrcPort: 5353, DstPort: 5353}
	_ = udp.SetNetworkLayerForChecksum(mdns)
	const na = layers.ICMPv6TypeNeighborAdvertisement
	for _, c := range []struct {
		name  string
		port  int
		frame []gopacket.SerializableLayer
		want  string
	}{
		{"TCP to its address", wan, syn(40000, netip.AddrPortFrom(wanOwn, 22)), "wan: 00:00:02 tcp 203.0.113.9:40000 > 203.0.113.2:22"},
		{"ping", wan, ping(wanOwn), "wan: 00:00:02 Payload 203.0.113.9 > 203.0.113.2"},
		{"IPv6 ping", wan, ping6(netip.MustParseAddr("2001:db8::2")), "wan: 00:00:02 ICMPv6Echo 2001:db8::9 > 2001:db8::2"},
		{"IPv6 ping of the link-local address", wan, ping6(linkLocal), "wan: 00:00:02 ICMPv6Echo 2001:db8::9 > fe80::ff:fe00:2"},
		{"multicast", wan, []gopacket.SerializableLayer{ethernet([6]byte{1, 0, 0x5e, 0, 0, 0xfb}, clientMAC, false), mdns, udp}, "wan: 00:00:fb udp 203.0.113.9:5353 > 224.0.0.251:5353"},
		{"ARP reply", wan, isAt(client, clientMAC, wanOwn, wanMAC), "wan: 00:00:02 arp 203.0.113.9 is-at 00:00:09"},
		{"gratuitous ARP", wan, whoHas(client, clientMAC, client), "wan: ff:ff:ff arp who-has 203.0.113.9 tell 203.0.113.9"},
		{"advertisement", wan, nd(na, wanMAC, clientMAC, client6, linkLocal, client6), "wan: 00:00:02 na 2001:db8::9"},

		{"TCP to the VIP", wan, vipSyn(40000), ""},
		{"ping of the VIP", wan, ping(vip), ""},
		{"ARP request", wan, whoHas(wanOwn, clientMAC, client), ""},
		{"lie about its address", wan, isAt(wanOwn, clientMAC, wanOwn, wanMAC), ""},
		{"ARP reply on a port without TAP", lan, isAt(server, serverMAC, lanOwn, lanMAC), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, 1, web(one))
			r.send(c.port, c.frame...)
			if got := strings.Join(r.kernel, ", "); got != c.want {
				t.Errorf("the kernel got %q, want %q", got, c.want)
			}
			r.expectDrops(reason.TapFull, 0)
		})
	}
}

func TestKernelThatTakesNothingIsCounted(t *testing.T) {
	r := newRig(t, 1)
	r.deaf = true
	r.send(wan, syn(40000, netip.AddrPortFrom(wanOwn, 22))...)
	r.send(wan, isAt(client, clientMAC, wanOwn, wanMAC)...)
	r.expectDrops(reason.TapFull, 2)
}

func TestKernelsFramesLeaveAsTheyAre(t *testing.T) {
	r := newRig(t, 2)
	r.node.FromKernel(wan, frame(whoHas(client, wanMAC, wanOwn)...))
	r.node.FromKernel(lan, frame(whoHas(server, lanMAC, lanOwn)...))
	r.expect("sent", r.run(), "wan: ff:ff:ff arp who-has 203.0.113.9 tell 203.0.113.2", "lan: ff:ff:ff arp who-has 10.0.0.11 tell 10.0.0.1")
}

func TestFramesThatDoNotFitTheQueueToAWorkerAreCounted(t *testing.T) {
	r := newRig(t, 1)
	const size = 1500
	most := injectBytes / size
	for range most + 10 {
		r.node.FromKernel(wan, make([]byte, size))
	}
	// Each takes a little more than its bytes.
	if n := r.node.Drops()[reason.InjectFull]; n < 10 || n > 40 {
		t.Errorf("%d dropped", n)
	}
	if got := r.run(); len(got) < most-30 {
		t.Errorf("%d left", len(got))
	}
}

// The kernel's readers, one for each port, send while the slow path does.
func TestManySendAtOnce(t *testing.T) {
	r := newRig(t, 1)
	const senders, each = 4, 100
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for range each {
				r.node.FromKernel(wan, frame(whoHas(client, wanMAC, wanOwn)...))
			}
		})
	}
	total := 0
	for deadline := time.Now().Add(10 * time.Second); total < senders*each && time.Now().Before(deadline); {
		total += len(r.run())
	}
	wg.Wait()
	if total != senders*each {
		t.Errorf("%d frames left", total)
	}
}
