package neighbor

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/slowpath/view"
)

// The first packet to a client waits for its MAC; the next ones don't.
func TestFirstPacketsWaitForTheAnswer(t *testing.T) {
	r := withVIPs(t)
	r.await(wan, client4, "one")
	r.await(wan, client4, "two")
	r.expectSent("wan: ff:ff:ff:ff:ff:ff arp who-has 203.0.113.77 tell 203.0.113.2")
	r.pass(time.Millisecond)
	r.handle(wan, isAt(wan, client4, clientMAC))
	r.await(wan, client4, "three")
	r.expectSent("wan: 02:00:00:00:03:01 one", "wan: 02:00:00:00:03:01 two", "wan: 02:00:00:00:03:01 three")
}

func TestFirstPacketsWaitForTheAdvertisement(t *testing.T) {
	r := withVIPs(t)
	r.await(wan, client6, "one")
	r.expectSent("wan: 33:33:ff:00:00:77 2001:db8::2>ff02::1:ff00:77 ns 2001:db8::77 source 02:00:00:00:00:02")
	r.handle(wan, answer(wan, client6, clientMAC).frame())
	r.expectSent("wan: 02:00:00:00:03:01 one")
}

// A real server is replaced by another machine with its address. It announces itself, and at that moment
// packets go to it.
func TestReplacedServerTakesOverWithItsGratuitousARP(t *testing.T) {
	r := withVIPs(t)
	r.resolve(lan, server4)
	r.handle(lan, isAt(lan, server4, serverMAC))
	r.pass(10 * time.Second)
	r.take()
	r.handle(lan, gratuitous(server4, spareMAC))
	r.expectMAC(lan, server4, spareMAC)
	// It is verified, and if that was a lie, the truth comes out.
	r.pass(0)
	r.expectSent("lan: 02:00:00:00:02:02 arp who-has 10.0.0.11 tell 10.0.0.1")
	r.handle(lan, isAt(lan, server4, spareMAC))
	r.expectState(lan, server4, "reachable")
}

// The new machine says nothing. Traffic goes to the old MAC until the probes there fail, then the
// broadcast finds the new one; there is no moment without a MAC.
func TestReplacedServerThatIsSilentIsFoundByProbing(t *testing.T) {
	r := withVIPs(t)
	r.resolve(lan, server4)
	r.pass(0)
	r.handle(lan, isAt(lan, server4, serverMAC))
	r.take()
	for start := r.now; r.mac(lan, server4) != show(spareMAC); {
		if r.now.Sub(start) > ReachableTime+MaxTries*RetryInterval {
			t.Fatal("not found")
		}
		r.pass(100 * time.Millisecond)
		for _, frame := range r.take() {
			if frame == askServer4 {
				r.handle(lan, isAt(lan, server4, spareMAC))
			}
		}
		if r.mac(lan, server4) == "" {
			t.Fatal("no MAC for a while")
		}
	}
}

func TestLieAboutAServerIsFoundOut(t *testing.T) {
	r := withVIPs(t)
	r.resolve(lan, server4)
	r.handle(lan, isAt(lan, server4, serverMAC))
	r.pass(10 * time.Second)
	r.take()
	r.handle(lan, gratuitous(server4, spareMAC))
	for range 2 * MaxTries {
		r.pass(RetryInterval)
		for _, frame := range r.take() {
			if frame == askServer4 || frame == probeServer4 {
				r.handle(lan, isAt(lan, server4, serverMAC))
			}
		}
	}
	r.expectMAC(lan, server4, serverMAC)
	r.expectState(lan, server4, "reachable")
}

// The routers' address moves to the standby, which announces it.
func TestRouterFailover(t *testing.T) {
	r := withVIPs(t)
	v4, v6 := r.resolve(wan, gateway4), r.resolve(wan, gateway6)
	r.pass(0)
	r.handle(wan, isAt(wan, gateway4, gatewayA))
	m := answer(wan, gateway6, gatewayA)
	m.dst = r.table.links[wan].linkLocal
	r.handle(wan, m.frame())
	r.take()
	r.handle(wan, arp(broadcastMAC, arpReply, gatewayB, gateway4, broadcastMAC, gateway4))
	r.handle(wan, unsolicited(gateway6, gatewayB).frame())
	for _, id := range []nexthop.ID{v4, v6} {
		if h := r.hops.Load(id); !h.Usable() || h.MAC() != gatewayB {
			t.Errorf("the workers use %x", h)
		}
	}
	r.pass(RetryInterval)
	r.expectSent(
		"wan: 02:00:00:00:01:0b arp who-has 203.0.113.1 tell 203.0.113.2",
		"wan: 02:00:00:00:01:0b fe80::ff:fe00:2>fe80::1 ns fe80::1 source 02:00:00:00:00:02",
	)
}

// Two machines claim one address again and again: they make Weir ask, but not more than once a second.
func TestFlappingNeighborDoesNotMakeAStorm(t *testing.T) {
	r := withVIPs(t)
	r.resolve(lan, server4)
	r.handle(lan, isAt(lan, server4, serverMAC))
	r.take()
	for range 500 {
		r.handle(lan, gratuitous(server4, spareMAC))
		r.handle(lan, gratuitous(server4, serverMAC))
		r.pass(10 * time.Millisecond)
	}
	if n := len(r.take()); n > 6 {
		t.Errorf("%d solicitations in 5 s", n)
	}
}

func TestPacketsForADeadNeighborAreDroppedAndCounted(t *testing.T) {
	r := withVIPs(t)
	for i := range 5 {
		r.await(lan, server4, fmt.Sprint(i))
	}
	r.expectSent(askServer4)
	r.pass(MaxTries*RetryInterval - 1)
	r.expectDrops(reason.NeighborUnresolved, 0)
	r.pass(1)
	r.expectDrops(reason.NeighborUnresolved, 5)
	r.take()
	// Now that it is known to be dead, nothing waits and nobody is asked.
	r.await(lan, server4, "late")
	r.expectDrops(reason.NeighborUnresolved, 6)
	r.expectSent()
	// Later it is given another chance.
	r.pass(FailedTime)
	r.await(lan, server4, "again")
	r.expectSent(askServer4)
	r.handle(lan, isAt(lan, server4, serverMAC))
	r.expectSent("lan: 02:00:00:00:02:01 again")
}

func TestServerThatComesBackIsUsedAtOnce(t *testing.T) {
	r := withVIPs(t)
	r.resolve(lan, server4)
	r.pass(time.Minute)
	r.expectState(lan, server4, "failed")
	r.handle(lan, whoHas(ip("10.0.0.9"), serverMAC, server4))
	r.expectMAC(lan, server4, serverMAC)
}

func TestNewestPacketsWait(t *testing.T) {
	r := withVIPs(t)
	for i := range MaxQueued + 3 {
		r.await(wan, client4, fmt.Sprint(i))
	}
	r.expectDrops(reason.NeighborQueueFull, 3)
	r.take()
	r.handle(wan, isAt(wan, client4, clientMAC))
	var want []string
	for i := range MaxQueued {
		want = append(want, fmt.Sprintf("wan: 02:00:00:00:03:01 %d", i+3))
	}
	r.expectSent(want...)
}

// The caller of Await uses its buffer again.
func TestWaitingPacketsAreCopies(t *testing.T) {
	r := withVIPs(t)
	frame := datagram(wanMAC, "first")
	r.table.Await(r.now, wan, client4, frame)
	copy(frame[ethLen:], "XXXXX")
	r.take()
	r.handle(wan, isAt(wan, client4, clientMAC))
	r.expectSent("wan: 02:00:00:00:03:01 first")
}

func TestStaticNeighborsNeedNoNetwork(t *testing.T) {
	r := withVIPs(t)
	list := []Static{{wan, gateway4, gatewayA}, {lan, server6, serverMAC}}
	if err := r.table.SetStatic(r.now, list); err != nil {
		t.Fatal(err)
	}
	id := r.resolve(wan, gateway4)
	r.await(lan, server6, "hello")
	r.expectSent("lan: 02:00:00:00:02:01 hello")
	r.pass(time.Hour)
	r.expectSent()
	if h := r.hops.Load(id); !h.Usable() || h.MAC() != gatewayA {
		t.Errorf("the workers use %x", h)
	}
	for _, frame := range [][]byte{gratuitous(gateway4, gatewayB), isAt(wan, gateway4, gatewayB), whoHas(vip4, gatewayB, gateway4)} {
		r.handle(wan, frame)
	}
	r.expectMAC(wan, gateway4, gatewayA)
}

func TestReloadReplacesStaticNeighbors(t *testing.T) {
	r := withVIPs(t)
	set := func(list ...Static) {
		t.Helper()
		if err := r.table.SetStatic(r.now, list); err != nil {
			t.Fatal(err)
		}
	}
	r.await(lan, server4, "waits")
	set(Static{wan, gateway4, gatewayA}, Static{lan, server4, serverMAC})
	r.expectSent(askServer4, "lan: 02:00:00:00:02:01 waits")
	set(Static{wan, gateway4, gatewayA}, Static{lan, server4, serverMAC})
	r.expectSent()
	r.resolve(lan, server4)
	set(Static{wan, gateway4, gatewayB})
	r.expectMAC(wan, gateway4, gatewayB)
	// It keeps its MAC, but must answer for it now.
	r.expectMAC(lan, server4, serverMAC)
	r.expectState(lan, server4, "stale")
	r.pass(RetryInterval)
	r.expectSent(probeServer4)
	set()
	r.pass(IdleTime + time.Minute)
	r.expectState(wan, gateway4, "")
}

func TestImpossibleStaticNeighborChangesNothing(t *testing.T) {
	good := Static{wan, gateway4, gatewayA}
	for name, bad := range map[string]Static{
		"no such port":      {7, gateway4, gatewayB},
		"multicast address": {wan, ip("224.0.0.1"), gatewayB},
		"group MAC":         {wan, gateway4, [6]byte{1, 0, 0, 0, 0, 1}},
		"no MAC":            {wan, gateway4, noMAC},
	} {
		t.Run(name, func(t *testing.T) {
			r := withVIPs(t)
			if err := r.table.SetStatic(r.now, []Static{good}); err != nil {
				t.Fatal(err)
			}
			if err := r.table.SetStatic(r.now, []Static{{wan, client4, clientMAC}, bad}); err == nil {
				t.Error("no error")
			}
			r.expectMAC(wan, gateway4, gatewayA)
			r.expectState(wan, client4, "")
		})
	}
}

// Replay: there is no network, and the answers to ARP are the only frames of the table's own.
func TestMadeUpNeighbors(t *testing.T) {
	r := newRig(t)
	r.table.MakeUp(func(port int, a netip.Addr) [6]byte {
		b := a.As16()
		return [6]byte{2, 0xff, byte(port), b[13], b[14], b[15]}
	})
	r.table.SetLocal(r.now, []netip.Addr{vip4})
	if err := r.table.SetStatic(r.now, []Static{{wan, gateway4, gatewayA}}); err != nil {
		t.Fatal(err)
	}
	id := r.resolve(lan, server4)
	r.resolve(wan, gateway4)
	if h := r.hops.Load(id); !h.Usable() || h.MAC() != [6]byte{2, 0xff, 1, 0, 0, 11} {
		t.Errorf("the workers use %x for the server", h)
	}
	// A worker looks a client up that nobody has ever heard of.
	r.expectMAC(wan, client4, [6]byte{2, 0xff, 0, 0, 113, 77})
	r.expectMAC(wan, gateway4, gatewayA)
	// What the capture says changes nothing.
	r.handle(wan, gratuitous(client4, clientMAC))
	r.handle(wan, whoHas(vip4, gatewayB, ip("203.0.113.99")))
	r.expectSent("wan: 02:00:00:00:01:0b arp 203.0.113.10 is-at 02:00:00:00:00:02 to 203.0.113.99 02:00:00:00:01:0b")
	r.expectMAC(wan, client4, [6]byte{2, 0xff, 0, 0, 113, 77})
	r.expectMAC(wan, ip("203.0.113.99"), [6]byte{2, 0xff, 0, 0, 113, 99})
	// Who asks is answered where it asks from, whether it says its MAC or not.
	r.expectMAC(wan, client6, [6]byte{2, 0xff, 0, 0, 0, 0x77})
	r.table.SetLocal(r.now, []netip.Addr{vip4, vip6})
	r.handle(wan, nd{kind: ndSolicitation, from: clientMAC, to: wanMAC, src: client6, dst: vip6, target: vip6}.frame())
	r.expectSent("wan: 02:00:00:00:03:01 2001:db8::10>2001:db8::77 na 2001:db8::10 solicited override target 02:00:00:00:00:02")
	// Without a static entry the gateway's MAC is made up, too.
	if err := r.table.SetStatic(r.now, nil); err != nil {
		t.Fatal(err)
	}
	r.expectMAC(wan, gateway4, [6]byte{2, 0xff, 0, 0, 113, 1})
}

func TestSnapshotIsWhatShowNeighborsTells(t *testing.T) {
	r := withVIPs(t)
	if err := r.table.SetStatic(r.now, []Static{{wan, gateway4, gatewayA}}); err != nil {
		t.Fatal(err)
	}
	r.resolve(lan, server6)
	r.resolve(lan, server4)
	r.handle(lan, isAt(lan, server4, serverMAC))
	r.now = r.now.Add(1500 * time.Millisecond)
	r.await(wan, client4, "one")
	r.await(wan, client4, "two")
	want := []view.Neighbor{
		{Port: "wan", Address: "203.0.113.1", MAC: "02:00:00:00:01:0a", State: "static", Age: 1.5},
		{Port: "wan", Address: "203.0.113.77", State: "incomplete", Queued: 2},
		{Port: "lan", Address: "10.0.0.11", MAC: "02:00:00:00:02:01", State: "reachable", Age: 1.5},
		{Port: "lan", Address: "fd00::11", State: "incomplete", Age: 1.5},
	}
	got := r.table.Snapshot(r.now)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

// Replay depends on it: the same calls give the same frames in the same order.
func TestSameCallsGiveTheSameFrames(t *testing.T) {
	run := func() string {
		r := withVIPs(t)
		for i := range 200 {
			r.resolve(lan, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
			r.await(wan, netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), "hello")
		}
		r.table.Release(r.table.Mark())
		r.pass(10 * time.Minute)
		return fmt.Sprint(r.take())
	}
	if run() != run() {
		t.Error("two runs differ")
	}
}
