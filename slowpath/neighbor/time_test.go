package neighbor

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/reason"
)

const (
	askServer4   = "lan: ff:ff:ff:ff:ff:ff arp who-has 10.0.0.11 tell 10.0.0.1"
	probeServer4 = "lan: 02:00:00:00:02:01 arp who-has 10.0.0.11 tell 10.0.0.1"
)

func TestWantedNeighborIsAskedForBySecondsThenEveryFailedTime(t *testing.T) {
	r := withVIPs(t)
	r.resolve(lan, server4)
	r.expectSent()
	r.pass(0)
	r.expectSent(askServer4)
	r.expectState(lan, server4, "incomplete")
	r.pass(RetryInterval - 1)
	r.expectSent()
	r.pass(1)
	r.expectSent(askServer4)
	r.pass(RetryInterval)
	r.expectSent(askServer4)
	r.pass(RetryInterval)
	r.expectSent()
	r.expectState(lan, server4, "failed")
	for range 3 {
		r.pass(FailedTime)
		r.expectSent(askServer4)
		r.expectState(lan, server4, "failed")
	}
	r.handle(lan, isAt(lan, server4, serverMAC))
	r.expectMAC(lan, server4, serverMAC)
	r.expectState(lan, server4, "reachable")
}

func TestSolicitations(t *testing.T) {
	bare := []Link{{Name: "wan", MAC: wanMAC}, {Name: "lan", MAC: lanMAC}}
	cases := []struct {
		name   string
		links  []Link
		port   int
		target netip.Addr
		want   string
	}{
		{"IPv4", nil, wan, gateway4, "wan: ff:ff:ff:ff:ff:ff arp who-has 203.0.113.1 tell 203.0.113.2"},
		{"IPv4 off the port's networks", nil, wan, ip("192.0.2.1"), "wan: ff:ff:ff:ff:ff:ff arp who-has 192.0.2.1 tell 203.0.113.2"},
		{"IPv4 on a port without any", bare, wan, gateway4, "wan: ff:ff:ff:ff:ff:ff arp who-has 203.0.113.1 tell 0.0.0.0"},
		{
			"IPv6", nil, lan, ip("fd00::abcd:1234"),
			"lan: 33:33:ff:cd:12:34 fd00::1>ff02::1:ffcd:1234 ns fd00::abcd:1234 source 02:00:00:00:00:03",
		},
		{
			"IPv6 off the port's networks", nil, lan, ip("2001:db8:9::1"),
			"lan: 33:33:ff:00:00:01 fd00::1>ff02::1:ff00:1 ns 2001:db8:9::1 source 02:00:00:00:00:03",
		},
		{
			"IPv6 on a port without any", bare, lan, server6,
			"lan: 33:33:ff:00:00:11 fe80::ff:fe00:3>ff02::1:ff00:11 ns fd00::11 source 02:00:00:00:00:03",
		},
		{
			"link-local gateway", nil, wan, gateway6,
			"wan: 33:33:ff:00:00:01 fe80::ff:fe00:2>ff02::1:ff00:1 ns fe80::1 source 02:00:00:00:00:02",
		},
		{
			"link-local gateway with a zone", nil, wan, ip("fe80::1%eth0"),
			"wan: 33:33:ff:00:00:01 fe80::ff:fe00:2>ff02::1:ff00:1 ns fe80::1 source 02:00:00:00:00:02",
		},
		{
			"link-local gateway and a configured link-local address",
			[]Link{{Name: "wan", MAC: wanMAC, Addresses: []netip.Prefix{
				netip.MustParsePrefix("2001:db8::2/64"), netip.MustParsePrefix("fe80::2/64"),
			}}},
			wan, gateway6,
			"wan: 33:33:ff:00:00:01 fe80::2>ff02::1:ff00:1 ns fe80::1 source 02:00:00:00:00:02",
		},
		{"mapped IPv4", nil, wan, ip("::ffff:203.0.113.1"), "wan: ff:ff:ff:ff:ff:ff arp who-has 203.0.113.1 tell 203.0.113.2"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			if c.links != nil {
				r.table = New(r.hops, c.links, r)
			}
			r.resolve(c.port, c.target)
			r.pass(0)
			r.expectSent(c.want)
		})
	}
}

// While a neighbour in use answers, its MAC is never out of date and never out of use.
func TestNeighborInUseIsRefreshedBeforeItExpires(t *testing.T) {
	r := withVIPs(t)
	r.resolve(lan, server4)
	r.pass(0)
	r.handle(lan, isAt(lan, server4, serverMAC))
	r.take()
	confirmed, probes := r.now, 0
	for r.now.Before(confirmed.Add(10 * time.Minute)) {
		r.pass(100 * time.Millisecond)
		r.expectState(lan, server4, "reachable")
		r.expectMAC(lan, server4, serverMAC)
		for _, frame := range r.take() {
			if frame != probeServer4 {
				t.Fatalf("sent %s", frame)
			}
			probes++
			r.handle(lan, isAt(lan, server4, serverMAC))
		}
	}
	if probes < 20 || probes > 34 {
		t.Errorf("%d probes in 10 minutes", probes)
	}
}

func TestProbesAreUnicastThenBroadcastThenItFails(t *testing.T) {
	r := withVIPs(t)
	r.resolve(lan, server4)
	r.pass(0)
	r.handle(lan, isAt(lan, server4, serverMAC))
	r.take()
	silent := r.now
	r.pass(ReachableTime * 6 / 10)
	r.expectSent()
	var want []string
	for i := range 2 * MaxTries {
		for len(r.sent) == i {
			r.pass(10 * time.Millisecond)
			r.expectMAC(lan, server4, serverMAC)
		}
		want = append(want, probeServer4)
		if i >= MaxTries {
			want[i] = askServer4
		}
	}
	r.pass(RetryInterval)
	r.expectSent(want...)
	r.expectState(lan, server4, "failed")
	r.expectMAC(lan, server4, noMAC)
	if took := r.now.Sub(silent); took > ReachableTime*9/10+2*MaxTries*RetryInterval+RetryInterval {
		t.Errorf("given up after %v", took)
	}
}

func TestUnconfirmedNeighborIsStaleAfterReachableTime(t *testing.T) {
	r := withVIPs(t)
	// One whose probing begins so late that it has not failed when the time is over.
	server := server4
	id := r.resolve(lan, server)
	for r.entry(id).refreshAfter() < ReachableTime-2*time.Second-RetryInterval {
		server = server.Next()
		id = r.resolve(lan, server)
	}
	r.pass(0)
	r.handle(lan, isAt(lan, server, serverMAC))
	r.pass(ReachableTime - 1)
	r.expectState(lan, server, "reachable")
	r.pass(RetryInterval)
	r.expectState(lan, server, "stale")
	r.expectMAC(lan, server, serverMAC)
	r.handle(lan, isAt(lan, server, serverMAC))
	r.expectState(lan, server, "reachable")
}

// A client's neighbour entry lives as long as packets go there, without anybody wanting it.
func TestUseKeepsALearnedNeighborFresh(t *testing.T) {
	r := withVIPs(t)
	r.await(wan, client4, "hello")
	r.handle(wan, isAt(wan, client4, clientMAC))
	r.take()
	probes := 0
	for range 600 {
		r.touch(wan, client4)
		r.pass(time.Second)
		for _, frame := range r.take() {
			if frame != "wan: 02:00:00:00:03:01 arp who-has 203.0.113.77 tell 203.0.113.2" {
				t.Fatalf("sent %s", frame)
			}
			probes++
			r.handle(wan, isAt(wan, client4, clientMAC))
		}
	}
	r.expectMAC(wan, client4, clientMAC)
	if probes < 20 {
		t.Errorf("%d probes in 10 minutes", probes)
	}
}

func TestUnusedNeighborIsNotProbedAndForgotten(t *testing.T) {
	r := withVIPs(t)
	r.await(wan, client4, "hello")
	r.handle(wan, isAt(wan, client4, clientMAC))
	r.take()
	r.pass(ReachableTime)
	r.expectState(wan, client4, "stale")
	r.pass(IdleTime - ReachableTime - UseInterval)
	r.expectMAC(wan, client4, clientMAC)
	r.pass(2 * UseInterval)
	r.expectState(wan, client4, "")
	r.expectSent()
	if r.hops.Len() != 0 {
		t.Errorf("%d records are left", r.hops.Len())
	}
	if next := r.table.Next(); !next.IsZero() {
		t.Errorf("there is nothing to do, but Next is %v", next)
	}
}

func TestStaleNeighborInUseAgainIsProbed(t *testing.T) {
	r := withVIPs(t)
	r.handle(wan, whoHas(vip4, clientMAC, client4))
	r.pass(time.Minute)
	r.take()
	r.touch(wan, client4)
	r.pass(UseInterval)
	r.expectSent("wan: 02:00:00:00:03:01 arp who-has 203.0.113.77 tell 203.0.113.2")
	r.handle(wan, isAt(wan, client4, clientMAC))
	r.expectState(wan, client4, "reachable")
}

func TestLearnedNeighborThatFailedIsForgotten(t *testing.T) {
	r := withVIPs(t)
	r.await(wan, client4, "hello")
	r.pass(MaxTries * RetryInterval)
	r.expectState(wan, client4, "failed")
	r.expectDrops(reason.NeighborUnresolved, 1)
	r.pass(FailedTime)
	r.expectState(wan, client4, "")
}

func TestReleasedNeighborAges(t *testing.T) {
	r := withVIPs(t)
	r.resolve(lan, server4)
	r.handle(lan, isAt(lan, server4, serverMAC))
	first := r.resolve(lan, server6)
	epoch := r.table.Mark()
	if again := r.resolve(lan, server6); again != first {
		t.Errorf("the record was %d and is %d", first, again)
	}
	r.table.Release(epoch)
	r.expectMAC(lan, server4, serverMAC)
	r.pass(IdleTime + time.Minute)
	r.expectState(lan, server4, "")
	r.expectState(lan, server6, "failed")
}

func TestReleaseKeepsWhatIsStillWanted(t *testing.T) {
	r := withVIPs(t)
	r.resolve(lan, server4)
	r.table.Release(r.table.Mark() - 1)
	r.pass(IdleTime + time.Minute)
	r.expectState(lan, server4, "failed")
}

// An address that fails while nobody wants it starts anew when it is wanted.
func TestWantingAFailedNeighborAsksForItSoon(t *testing.T) {
	r := withVIPs(t)
	r.await(lan, server4, "hello")
	r.pass(MaxTries * RetryInterval)
	r.expectState(lan, server4, "failed")
	r.take()
	r.resolve(lan, server4)
	r.pass(RetryInterval)
	r.expectSent(askServer4)
}

func TestAddressesNobodyCanHaveAreRefused(t *testing.T) {
	r := withVIPs(t)
	for _, a := range []netip.Addr{
		{}, ip("0.0.0.0"), ip("::"), ip("224.0.0.1"), ip("ff02::1"), ip("127.0.0.1"), ip("::1"), ip("255.255.255.255"),
	} {
		_, err := r.table.Resolve(r.now, wan, a)
		if err == nil || !strings.Contains(err.Error(), "wan") {
			t.Errorf("%s: %v", a, err)
		}
		r.await(wan, a, "lost")
	}
	r.table.Await(r.now, wan, client4, make([]byte, ethLen-1))
	r.expectDrops(reason.NeighborUnresolved, 9)
	r.pass(time.Minute)
	r.expectSent()
}

// The owner of the table may be late, and a capture's clock may leap or go back.
func TestClockLeapsAreNoStorm(t *testing.T) {
	r := withVIPs(t)
	r.resolve(lan, server4)
	r.pass(0)
	r.take()
	r.now = r.now.Add(24 * time.Hour)
	r.table.Tick(r.now)
	r.expectSent(askServer4)
	later := r.now
	r.now = r.now.Add(-48 * time.Hour)
	if next := r.table.Tick(r.now); next.Before(later) {
		t.Errorf("the clock went back, and Next with it: %v", next)
	}
	r.expectSent()
	r.handle(lan, isAt(lan, server4, serverMAC))
	r.now = later
	r.expectState(lan, server4, "reachable")
}

func TestWorkersFindWhatWasResolved(t *testing.T) {
	r := withVIPs(t)
	id := r.resolve(lan, server4)
	if r.hops.Load(id).Usable() || int(r.hops.Load(id).Port()) != lan {
		t.Errorf("before the answer: %x", r.hops.Load(id))
	}
	r.handle(lan, isAt(lan, server4, serverMAC))
	if h := r.hops.Load(id); !h.Usable() || h.MAC() != serverMAC {
		t.Errorf("after the answer: %x", h)
	}
	k := nexthop.Key{Port: lan, Addr: nexthop.Addr{10, 0, 0, 11}}
	if got := r.hops.Lookup(&k); got != id {
		t.Errorf("found %d, want %d", got, id)
	}
}
