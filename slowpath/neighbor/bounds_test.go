package neighbor

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/reason"
)

// quiet counts frames instead of describing them.
type quiet struct {
	sent  int
	drops map[reason.Reason]int
}

func (q *quiet) Send(int, []byte)                     { q.sent++ }
func (q *quiet) Drop(_ int, why reason.Reason, n int) { q.drops[why] += n }

// crowd is a table on links with room for many stations.
func crowd(t *testing.T) (*Table, *quiet, *nexthop.Table) {
	t.Helper()
	hops, out := nexthop.NewTable(), &quiet{drops: map[reason.Reason]int{}}
	table := New(hops, []Link{{Name: "wan", MAC: wanMAC, Addresses: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.1/8"), netip.MustParsePrefix("2001:db8::2/64"),
	}}}, out)
	table.SetLocal(start, []netip.Addr{vip4})
	t.Cleanup(func() { checkInvariants(t, table) })
	return table, out, hops
}

var start = time.Unix(1_800_000_000, 0)

// nth is the n-th station of 10/8 after its first thousands.
func nth(n int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 0x0a01_0000+uint32(n))
	return netip.AddrFrom4(b)
}

func TestStrangersThatAskAreBounded(t *testing.T) {
	table, out, hops := crowd(t)
	for i := range MaxLearned + 1000 {
		table.Handle(start, wan, whoHas(vip4, clientMAC, nth(i)))
	}
	if hops.Len() != MaxLearned {
		t.Errorf("%d are known", hops.Len())
	}
	if table.known(wan, nth(0)) == nil || table.known(wan, nth(MaxLearned)) != nil {
		t.Error("a late stranger has displaced an early one")
	}
	if out.sent != MaxLearned+1000 {
		t.Errorf("%d answers", out.sent)
	}
}

// Packets for new neighbours displace those that nobody uses, not those in use.
func TestNewNeighborsDisplaceUnusedOnes(t *testing.T) {
	table, _, hops := crowd(t)
	for i := range MaxLearned {
		table.Handle(start, wan, whoHas(vip4, clientMAC, nth(i)))
	}
	const busy = 10
	for i := range busy {
		hops.Touch(table.known(wan, nth(i)).id)
	}
	wanted, err := table.Resolve(start, wan, nth(MaxLearned))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 * evictions {
		table.Await(start, wan, nth(MaxLearned+1+i), datagram(wanMAC, "hello"))
	}
	for i := range busy {
		if table.known(wan, nth(i)) == nil {
			t.Errorf("%s was in use and is gone", nth(i))
		}
	}
	if table.known(wan, nth(busy)) != nil {
		t.Errorf("%s was not in use and is still there", nth(busy))
	}
	if e := table.known(wan, nth(MaxLearned)); e == nil || e.id != wanted {
		t.Error("a wanted neighbour is gone")
	}
	if hops.Len() > MaxLearned+1 {
		t.Errorf("%d are known", hops.Len())
	}
}

func TestPacketsOfDisplacedNeighborsAreCounted(t *testing.T) {
	table, out, _ := crowd(t)
	for i := range MaxLearned + 1 {
		table.Await(start, wan, nth(i), datagram(wanMAC, "hello"))
	}
	if got := out.drops[reason.NeighborUnresolved]; got != evictions {
		t.Errorf("%d dropped, want %d", got, evictions)
	}
}

func TestWaitingBytesAreBounded(t *testing.T) {
	table, out, _ := crowd(t)
	const size = 9000
	frame := datagram(wanMAC, string(make([]byte, size-ethLen)))
	fits := MaxQueuedBytes / size
	for i := range fits + 10 {
		table.Await(start, wan, nth(i), frame)
	}
	if got := out.drops[reason.NeighborQueueFull]; got != 10 {
		t.Errorf("%d dropped, want 10", got)
	}
	table.Handle(start, wan, arp(wanMAC, arpReply, clientMAC, nth(0), wanMAC, ip("10.0.0.1")))
	table.Await(start, wan, nth(fits+10), frame)
	if got := out.drops[reason.NeighborQueueFull]; got != 10 {
		t.Errorf("%d dropped after one was sent, want 10", got)
	}
}

// A Tick sends a bounded number of frames, and the rest comes soon.
func TestManyFramesAreSpread(t *testing.T) {
	table, out, _ := crowd(t)
	for i := range 3 * TickBurst {
		if _, err := table.Resolve(start, wan, nth(i)); err != nil {
			t.Fatal(err)
		}
	}
	now := start
	for total := 0; total < 3*TickBurst; {
		out.sent = 0
		next := table.Tick(now)
		if out.sent == 0 || out.sent > TickBurst {
			t.Fatalf("%d frames in a Tick", out.sent)
		}
		total += out.sent
		out.sent = 0
		if again := table.Tick(now); out.sent > 0 || again != next {
			t.Fatalf("%d more frames at the same time", out.sent)
		}
		if next.Sub(now) < TickPause {
			t.Fatalf("the next is due after %v", next.Sub(now))
		}
		now = now.Add(TickPause)
	}
	if now.Sub(start) > 4*TickPause {
		t.Errorf("took %v", now.Sub(start))
	}
}

func TestFullTableIsAnErrorAndLearnedNeighborsGiveWay(t *testing.T) {
	table, out, hops := crowd(t)
	const others = 100
	for i := range others {
		table.Handle(start, wan, whoHas(vip4, clientMAC, nth(i)))
	}
	var err error
	n := 0
	for ; err == nil; n++ {
		_, err = table.Resolve(start, wan, nth(others+n))
	}
	if !errors.Is(err, nexthop.ErrFull) || n-1 != nexthop.MaxRecords-1 {
		t.Errorf("after %d: %v", n-1, err)
	}
	if hops.Len() != nexthop.MaxRecords-1 || table.learned.Len() != 0 {
		t.Errorf("%d records, %d learned", hops.Len(), table.learned.Len())
	}
	if err := table.SetStatic(start, []Static{{wan, nth(1 << 20), clientMAC}}); !errors.Is(err, nexthop.ErrFull) {
		t.Errorf("static: %v", err)
	}
	table.Handle(start, wan, whoHas(vip4, clientMAC, nth(1<<20)))
	table.Await(start, wan, nth(1<<20), datagram(wanMAC, "lost"))
	if out.drops[reason.NeighborUnresolved] != 1 {
		t.Errorf("dropped %v", out.drops)
	}
	table.MakeUp(func(int, netip.Addr) [6]byte { return clientMAC })
	k, err := table.keyOf(wan, nth(1<<20))
	if id := hops.Lookup(&k); id != 0 || err != nil {
		t.Errorf("a record was found in a full table: %d, %v", id, err)
	}
}

// When everybody is in use there is no room, for the moment.
func TestCrowdInUseIsNotDisplaced(t *testing.T) {
	table, out, hops := crowd(t)
	for i := range MaxLearned {
		table.Handle(start, wan, whoHas(vip4, clientMAC, nth(i)))
		hops.Touch(table.known(wan, nth(i)).id)
	}
	table.Await(start, wan, nth(MaxLearned), datagram(wanMAC, "lost"))
	if out.drops[reason.NeighborUnresolved] != 1 || hops.Len() != MaxLearned {
		t.Errorf("dropped %v, %d known", out.drops, hops.Len())
	}
}

// Packets from invented addresses make replies to them, and each asks for somebody who is not there.
func TestInventedAddressesMakeNoStormOfQuestions(t *testing.T) {
	table, out, _ := crowd(t)
	table.Tick(start) // announcements
	out.sent = 0
	const strangers = 4 * AskBurst
	for i := range strangers {
		table.Await(start, wan, nth(i), datagram(wanMAC, "hello"))
	}
	if out.sent != AskBurst {
		t.Errorf("%d questions at once, want %d", out.sent, AskBurst)
	}
	// Who is configured is asked for all the same.
	out.sent = 0
	if _, err := table.Resolve(start, wan, nth(strangers)); err != nil {
		t.Fatal(err)
	}
	table.Tick(start)
	if out.sent != 1 {
		t.Errorf("%d questions for a wanted neighbour", out.sent)
	}
	for second := 1; second <= 3; second++ {
		out.sent = 0
		for now := start.Add(time.Duration(second-1) * time.Second); now.Before(start.Add(time.Duration(second) * time.Second)); now = now.Add(TickPause) {
			table.Tick(now)
		}
		if limit := AskRate + 10; out.sent > limit || out.sent < AskRate/2 {
			t.Errorf("%d questions in second %d, want at most %d", out.sent, second, limit)
		}
	}
	for i := range strangers {
		if table.known(wan, nth(i)).tries == 0 {
			t.Fatalf("%s was never asked for", nth(i))
		}
	}
}
