package node

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/gopacket/layers"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/slowpath/neighbor"
	"github.com/weirlb/weir/slowpath/view"
)

const one = "10.0.0.11:8080"

func TestARPForAVIPIsAnswered(t *testing.T) {
	r := newRig(t, 1, web(one))
	r.expect("sent", r.send(wan, whoHas(vip, clientMAC, client)...), "wan: 00:00:09 arp 203.0.113.10 is-at 00:00:02")
	r.expect("sent", r.send(lan, whoHas(vip, serverMAC, server)...), "lan: 00:01:0b arp 203.0.113.10 is-at 00:01:01")
	r.expect("sent", r.send(wan, whoHas(wanOwn, clientMAC, client)...), "wan: 00:00:09 arp 203.0.113.2 is-at 00:00:02")
	r.expect("sent", r.send(wan, whoHas(client, serverMAC, netip.MustParseAddr("203.0.113.8"))...))
}

func TestSolicitationForAVIPIsAnswered(t *testing.T) {
	s := web("[fd00::11]:8080")
	s.Addresses = []conf.Endpoint{conf.EndpointOf(netip.AddrPortFrom(vip6, 80))}
	r := newRig(t, 1, s)
	group := netip.MustParseAddr("ff02::1:ff00:10")
	ns := nd(layers.ICMPv6TypeNeighborSolicitation, [6]byte{0x33, 0x33, 0xff, 0, 0, 0x10}, clientMAC, client6, group, vip6)
	r.expect("sent", r.send(wan, ns...), "wan: 00:00:09 na 2001:db8::10")
}

func TestPacketsWaitForTheirNeighbor(t *testing.T) {
	r := start(t, 1, web(one))
	var want []string
	for i := range 3 {
		r.put(wan, vipSyn(uint16(40000+i))...)
		want = append(want, fmt.Sprintf("lan: 00:01:0b tcp 203.0.113.9:%d > 10.0.0.11:8080", 40000+i))
	}
	r.expect("sent", r.run(), "lan: ff:ff:ff arp who-has 10.0.0.11 tell 10.0.0.1")
	r.expect("sent after the answer", r.send(lan, isAt(server, serverMAC, lanOwn, lanMAC)...), want...)
	// From now on the worker knows.
	r.expect("sent", r.send(wan, vipSyn(50000)...), "lan: 00:01:0b tcp 203.0.113.9:50000 > 10.0.0.11:8080")
}

// The reply's way back needs a neighbour, too: the client, if it is on the link.
func TestReplyWaitsForTheClientsMAC(t *testing.T) {
	r := newRig(t, 1, web(one))
	r.resolve()
	r.send(wan, vipSyn(40000)...)
	ip := ip4(server, client, layers.IPProtocolTCP)
	tcp := &layers.TCP{SrcPort: 8080, DstPort: 40000, SYN: true, ACK: true}
	_ = tcp.SetNetworkLayerForChecksum(ip)
	r.expect("sent", r.send(lan, ethernet(lanMAC, serverMAC, false), ip, tcp), "wan: ff:ff:ff arp who-has 203.0.113.9 tell 203.0.113.2")
	r.expect("sent", r.send(wan, isAt(client, clientMAC, wanOwn, wanMAC)...), "wan: 00:00:09 tcp 203.0.113.10:80 > 203.0.113.9:40000")
}

func TestTooManyWaitingPacketsAreCounted(t *testing.T) {
	r := start(t, 1, web(one))
	for i := range neighbor.MaxQueued + 3 {
		r.put(wan, vipSyn(uint16(40000+i))...)
	}
	r.run()
	r.expectDrops(reason.NeighborQueueFull, 3)
	if got := r.send(lan, isAt(server, serverMAC, lanOwn, lanMAC)...); len(got) != neighbor.MaxQueued {
		t.Errorf("%d packets left, want %d", len(got), neighbor.MaxQueued)
	}
}

func TestPacketsForADeadNeighborAreCounted(t *testing.T) {
	r := start(t, 1, web(one))
	r.send(wan, vipSyn(40000)...)
	r.expectDrops(reason.NeighborUnresolved, 0)
	r.pass(neighbor.MaxTries * neighbor.RetryInterval)
	r.expectDrops(reason.NeighborUnresolved, 1)
	r.send(wan, vipSyn(40001)...)
	// The slow path has nothing to do with this one any more.
	r.expectDrops(reason.NeighborUnresolved, 1)
	c := r.node.Workers()[0].Counters()
	if c.Reasons[reason.NeighborUnresolved] != 1 || c.Reasons[reason.PuntNeighbor] != 1 {
		t.Errorf("the worker dropped %d and punted %d", c.Reasons[reason.NeighborUnresolved], c.Reasons[reason.PuntNeighbor])
	}
	r.pass(neighbor.FailedTime)
	r.send(lan, isAt(server, serverMAC, lanOwn, lanMAC)...)
	r.expect("sent", r.send(wan, vipSyn(40001)...), "lan: 00:01:0b tcp 203.0.113.9:40001 > 10.0.0.11:8080")
}

// Within the second that the gratuitous ARP arrives.
func TestServerThatMovesIsFollowed(t *testing.T) {
	r := newRig(t, 1, web(one))
	r.resolve()
	r.expect("sent", r.send(wan, vipSyn(40000)...), "lan: 00:01:0b tcp 203.0.113.9:40000 > 10.0.0.11:8080")
	r.send(lan, whoHas(server, spareMAC, server)...)
	r.expect("sent", r.send(wan, vipSyn(40000)...), "lan: 00:01:0c tcp 203.0.113.9:40000 > 10.0.0.11:8080")
}

func TestVIPsAreAnnouncedAtTheStartAndWhenTheyCome(t *testing.T) {
	announced := func(list []string) (n int) {
		for _, s := range list {
			if s == "wan: ff:ff:ff arp who-has 203.0.113.10 tell 203.0.113.10" {
				n++
			}
		}
		return n
	}
	r := start(t, 1, web(one))
	r.pass(0)
	if got := r.run(); announced(got) != 1 {
		t.Errorf("at the start: sent %q", got)
	}
	r.pass(neighbor.AnnounceCount * neighbor.AnnounceInterval)
	r.run()
	r.apply()
	r.pass(0)
	r.expect("sent for a VIP that is gone", r.send(wan, whoHas(vip, clientMAC, client)...))
	r.apply(web(one))
	r.pass(0)
	if got := r.run(); announced(got) != 1 {
		t.Errorf("after a reload: sent %q", got)
	}
}

func TestOtherStationWithAVIPIsReported(t *testing.T) {
	r := newRig(t, 1, web(one))
	r.send(wan, whoHas(vip, spareMAC, vip)...)
	r.expect("reported", r.conflicts, "wan 203.0.113.10 02:00:00:00:01:0c")
	r.expectDrops(reason.SpoofedSource, 1)
}

func TestStaticNeighborsComeFromTheConfiguration(t *testing.T) {
	r := newRig(t, 1, web(one))
	cfg := configured(web(one))
	cfg.Neighbors = []conf.Neighbor{{Port: "lan", Address: server, MAC: serverMAC}}
	if err := r.node.Apply(r.now, cfg, up); err != nil {
		t.Fatal(err)
	}
	r.expect("sent", r.send(wan, vipSyn(40000)...), "lan: 00:01:0b tcp 203.0.113.9:40000 > 10.0.0.11:8080")
}

// A server's neighbour is kept while a worker may still send to it, and forgotten some time after.
func TestNeighborsOfRemovedServersAreForgotten(t *testing.T) {
	r := newRig(t, 1, web(one))
	r.resolve()
	known := func() bool {
		return slices.ContainsFunc(r.node.NeighborViews(), func(n view.Neighbor) bool { return n.Address == server.String() })
	}
	r.apply()
	r.pass(2 * neighbor.IdleTime) // the worker has not taken over the new configuration
	if !known() {
		t.Error("forgotten while a worker may need it")
	}
	r.run()
	r.pass(2 * neighbor.IdleTime)
	if known() {
		t.Error("not forgotten")
	}
}
