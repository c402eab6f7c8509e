package conn

import (
	"math/rand/v2"
	"testing"
)

// fill makes a full table whose connections f prepares, by number.
func fill(t *testing.T, capacity int, f func(i int, e *Entry)) *Table {
	t.Helper()
	tab := crowded(t, capacity)
	r := rand.New(rand.NewPCG(1, 9))
	for i := range capacity {
		p := randomTuple(r)
		e := insert(tab, p.key(), nil)
		if e == nil {
			t.Fatal("no room")
		}
		e.Expires = 1_000_000
		f(i, e)
	}
	return tab
}

func TestVictimsGoInTheOrderOfTheirWorth(t *testing.T) {
	const now = 1000
	// From the least worthy on; the last ones never go.
	kinds := []struct {
		name  string
		state State
		flags Flags
		ends  Tick
		keep  bool
	}{
		{name: "expired, though established", state: Established, ends: now},
		{name: "closed", state: Closed},
		{name: "in TIME_WAIT", state: TimeWait},
		{name: "half open, ends first", state: SynRecv, ends: now + 1},
		{name: "half open", state: SynRecv},
		{name: "one UDP packet", state: UDPFlow},
		{name: "closing", state: FinWait},
		{name: "established", state: Established, keep: true},
		{name: "UDP with an answer", state: UDPFlow, flags: Replied, keep: true},
		{name: "UDP with more packets", state: UDPFlow, flags: Several, keep: true},
	}
	var tab *Table
	byEntry := map[*Entry]int{}
	tab = fill(t, len(kinds), func(i int, e *Entry) {
		k := len(kinds) - 1 - i // the worthiest first, so that order of place is not what decides
		e.State, e.Flags = kinds[k].state, e.Flags|kinds[k].flags
		if kinds[k].ends != 0 {
			e.Expires = kinds[k].ends
		}
		byEntry[e] = k
	})
	for k := range kinds {
		v := tab.Victim(now)
		if kinds[k].keep {
			if v != nil {
				t.Fatalf("%q had to go", kinds[byEntry[v]].name)
			}
			break
		}
		if v == nil || byEntry[v] != k {
			t.Fatalf("%d (%v) has to go, want %q", byEntry[v], v, kinds[k].name)
		}
		tab.Delete(v)
	}
}

func TestEveryClosingStateMayGo(t *testing.T) {
	for s, want := range map[State]bool{
		None: true, SynSent: true, SynRecv: true, FinWait: true, TimeWait: true, Closed: true, CloseWait: true, LastAck: true,
		SCTPInit1: true, SCTPCookieSent: true, SCTPCookieEchoed: true, SCTPShutdownSent: true, SCTPShutdownAckSent: true, SCTPRejected: true,
		SCTPClosed: true, Established: false, SCTPEstablished: false,
	} {
		tab := fill(t, 3, func(_ int, e *Entry) { e.State = s })
		if got := tab.Victim(0) != nil; got != want {
			t.Errorf("%s: may go %t, want %t", s, got, want)
		}
	}
}

func TestAVictimIsLookedForUnderTheHandAndFoundInTheEnd(t *testing.T) {
	const capacity = 1000
	var halfOpen *Entry
	tab := fill(t, capacity, func(i int, e *Entry) {
		e.State = Established
		if i == 777 {
			e.State, halfOpen = SynRecv, e
		}
	})
	for turn := 0; ; turn++ {
		v := tab.Victim(0)
		if v == halfOpen {
			return
		}
		if v != nil {
			t.Fatal("an established connection had to go")
		}
		if turn > capacity/evictLook+1 {
			t.Fatal("the half-open connection was never found")
		}
	}
}

func TestAnEmptyTableHasNoVictim(t *testing.T) {
	tab := crowded(t, 5)
	if tab.Victim(1) != nil {
		t.Error("there is one")
	}
}
