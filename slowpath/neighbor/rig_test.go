package neighbor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/reason"
)

// The ports of every test, and who is on their links.
const (
	wan = 0
	lan = 1
)

var (
	wanMAC    = [6]byte{2, 0, 0, 0, 0, 2}
	lanMAC    = [6]byte{2, 0, 0, 0, 0, 3}
	gatewayA  = [6]byte{2, 0, 0, 0, 1, 0xa}
	gatewayB  = [6]byte{2, 0, 0, 0, 1, 0xb}
	serverMAC = [6]byte{2, 0, 0, 0, 2, 1}
	spareMAC  = [6]byte{2, 0, 0, 0, 2, 2}
	clientMAC = [6]byte{2, 0, 0, 0, 3, 1}
	noMAC     [6]byte

	vip4     = ip("203.0.113.10")
	vip6     = ip("2001:db8::10")
	gateway4 = ip("203.0.113.1")
	gateway6 = ip("fe80::1")
	server4  = ip("10.0.0.11")
	server6  = ip("fd00::11")
	client4  = ip("203.0.113.77")
	client6  = ip("2001:db8::77")
)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func links() []Link {
	return []Link{
		{Name: "wan", MAC: wanMAC, Addresses: []netip.Prefix{
			netip.MustParsePrefix("203.0.113.2/24"), netip.MustParsePrefix("2001:db8::2/64"),
		}},
		{Name: "lan", MAC: lanMAC, Addresses: []netip.Prefix{
			netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("fd00::1/64"),
		}},
	}
}

// rig is a table with a clock, and a record of what it does.
type rig struct {
	t         *testing.T
	now       time.Time
	hops      *nexthop.Table
	table     *Table
	sent      []string
	drops     map[reason.Reason]int
	conflicts []string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Unix(1_800_000_000, 0), hops: nexthop.NewTable(), drops: map[reason.Reason]int{}}
	r.table = New(r.hops, links(), r)
	r.table.OnConflict = func(port int, addr netip.Addr, mac [6]byte) {
		r.conflicts = append(r.conflicts, fmt.Sprintf("%s %s %s", links()[port].Name, addr, show(mac)))
	}
	t.Cleanup(func() { checkInvariants(t, r.table) })
	return r
}

// withVIPs is a rig whose VIPs and addresses have been announced.
func withVIPs(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	r.table.SetLocal(r.now, []netip.Addr{vip4, vip6})
	r.pass(AnnounceCount * AnnounceInterval)
	r.sent = nil
	return r
}

func (r *rig) Send(port int, frame []byte) {
	if got, want := [6]byte(frame[6:12]), r.table.links[port].mac; got != want {
		r.t.Errorf("a frame on %s comes from %s", links()[port].Name, show(got))
	}
	r.sent = append(r.sent, links()[port].Name+": "+describe(r.t, frame))
}

func (r *rig) Drop(_ int, why reason.Reason, n int) { r.drops[why] += n }

// pass lets time go by, with a Tick whenever the table asks for one.
func (r *rig) pass(d time.Duration) {
	r.t.Helper()
	end := r.now.Add(d)
	for steps := 0; ; steps++ {
		next := r.table.Tick(r.now)
		if next.IsZero() || next.After(end) {
			r.now = end
			return
		}
		if steps > 1_000_000 {
			r.t.Fatalf("Tick asks to be called again and again at %v", next)
		}
		if next.After(r.now) {
			r.now = next
		}
	}
}

// take returns what was sent since the last call.
func (r *rig) take() []string {
	sent := r.sent
	r.sent = nil
	return sent
}

func (r *rig) expectSent(want ...string) {
	r.t.Helper()
	if got := r.take(); !slices.Equal(got, want) {
		r.t.Errorf("sent\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func (r *rig) expectDrops(why reason.Reason, want int) {
	r.t.Helper()
	if got := r.drops[why]; got != want {
		r.t.Errorf("%d dropped as %s, want %d", got, why, want)
	}
}

func (r *rig) resolve(port int, a netip.Addr) nexthop.ID {
	r.t.Helper()
	id, err := r.table.Resolve(r.now, port, a)
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

func (r *rig) handle(port int, frame []byte) { r.table.Handle(r.now, port, frame) }

// datagram is a frame that lacks the destination MAC.
func datagram(from [6]byte, payload string) []byte {
	return append(ethernet(noMAC, from, 0x0800, len(payload)), payload...)
}

func (r *rig) await(port int, a netip.Addr, payload string) {
	r.table.Await(r.now, port, a, datagram(r.table.links[port].mac, payload))
}

// mac is what workers write into frames for a neighbour; empty if they can't.
func (r *rig) mac(port int, a netip.Addr) string {
	r.t.Helper()
	k, err := r.table.keyOf(port, a)
	if err != nil {
		r.t.Fatal(err)
	}
	h := r.hops.Load(r.hops.Lookup(&k))
	if !h.Usable() {
		return ""
	}
	if int(h.Port()) != port {
		r.t.Errorf("%s is on port %d for the workers", a, h.Port())
	}
	return show(h.MAC())
}

func (r *rig) expectMAC(port int, a netip.Addr, want [6]byte) {
	r.t.Helper()
	text := show(want)
	if want == noMAC {
		text = ""
	}
	if got := r.mac(port, a); got != text {
		r.t.Errorf("%s has MAC %q, want %q", a, got, text)
	}
}

// state is a neighbour's in the words of weir show; empty if it is not known.
func (r *rig) state(port int, a netip.Addr) string {
	for _, n := range r.table.Snapshot(r.now) {
		if n.Port == links()[port].Name && n.Address == a.String() {
			return n.State
		}
	}
	return ""
}

func (r *rig) expectState(port int, a netip.Addr, want string) {
	r.t.Helper()
	if got := r.state(port, a); got != want {
		r.t.Errorf("%s is %q, want %q", a, got, want)
	}
}

func (r *rig) entry(id nexthop.ID) *entry { return r.table.entries[r.hops.Key(id)] }

// touch is a worker sending a packet to a neighbour.
func (r *rig) touch(port int, a netip.Addr) {
	r.t.Helper()
	k, err := r.table.keyOf(port, a)
	if err != nil {
		r.t.Fatal(err)
	}
	r.hops.Touch(r.hops.Lookup(&k))
}

// checkInvariants holds after any sequence of calls.
func checkInvariants(t testing.TB, table *Table) {
	t.Helper()
	queued, bounded := 0, 0
	for k, e := range table.entries {
		h := table.hops.Load(e.id)
		switch {
		case e.key != k || table.hops.Lookup(&k) != e.id || h.Port() != k.Port:
			t.Fatalf("%s: the workers know it as another", e.addr)
		case h.Failed() != (e.state == failed):
			t.Fatalf("%s is %s, for the workers failed: %v", e.addr, e.state, h.Failed())
		case h.Usable() != e.usable():
			t.Fatalf("%s is %s, for the workers usable: %v", e.addr, e.state, h.Usable())
		case e.usable() && (h.MAC() != e.mac || !unicast(e.mac)):
			t.Fatalf("%s has MAC %s, for the workers %s", e.addr, show(e.mac), show(h.MAC()))
		case e.usable() && len(e.queue) > 0 || len(e.queue) > MaxQueued:
			t.Fatalf("%s is %s, and %d packets wait", e.addr, e.state, len(e.queue))
		case (e.timer == noTimer) != (e.state == static):
			t.Fatalf("%s is %s with timer %d", e.addr, e.state, e.timer)
		case (e.recent == nil) != (e.wanted != 0 || e.configured):
			t.Fatalf("%s: wanted %d, configured %v, and bounded %v", e.addr, e.wanted, e.configured, e.recent != nil)
		}
		if e.timer != noTimer && table.timers[e.timer] != e {
			t.Fatalf("%s has another's timer", e.addr)
		}
		if e.recent != nil {
			bounded++
		}
		for _, f := range e.queue {
			queued += len(f)
		}
	}
	if queued != table.queued || queued > MaxQueuedBytes {
		t.Fatalf("%d bytes wait, counted %d", queued, table.queued)
	}
	if bounded != table.learned.Len() || bounded > MaxLearned {
		t.Fatalf("%d strangers are known, %d listed", bounded, table.learned.Len())
	}
	if len(table.entries)+len(table.removed) != table.hops.Len() {
		t.Fatalf("%d neighbours, and %d records", len(table.entries), table.hops.Len())
	}
	if len(table.defended) > len(table.vips)*len(table.links)+8*len(table.links) {
		t.Fatalf("%d addresses are remembered as defended", len(table.defended))
	}
}
