package nexthop

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
)

func key(i int) Key {
	k := Key{Port: uint8(i % 3), V6: i%2 == 1}
	k.Addr[0], k.Addr[1], k.Addr[2] = byte(i>>16), byte(i>>8), byte(i)
	if k.V6 {
		k.Addr[15] = 1
	}
	return k
}

func ensure(t *testing.T, tab *Table, k Key) ID {
	t.Helper()
	id, err := tab.Ensure(k)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestTheTableAgainstAMap(t *testing.T) {
	tab := NewTable()
	r := rand.New(rand.NewPCG(1, 2))
	oracle := map[Key]ID{}
	var live []Key
	for range 20_000 {
		k := key(r.IntN(5000))
		switch r.IntN(5) {
		case 0, 1:
			id := ensure(t, tab, k)
			if was, known := oracle[k]; known && was != id {
				t.Fatalf("%+v changed from record %d to %d", k, was, id)
			} else if !known {
				oracle[k] = id
				live = append(live, k)
				if h := tab.Load(id); h.Usable() || h.Port() != k.Port {
					t.Fatalf("a new record is %x", h)
				}
			}
			if tab.Key(id) != k {
				t.Fatalf("record %d stands for %+v, want %+v", id, tab.Key(id), k)
			}
		case 2:
			if len(live) < 2000 {
				continue
			}
			var gone []ID
			for range 1 + r.IntN(50) {
				i := r.IntN(len(live))
				if id, ok := oracle[live[i]]; ok {
					gone = append(gone, id, id) // twice does no harm
					delete(oracle, live[i])
				}
				live[i] = live[len(live)-1]
				live = live[:len(live)-1]
			}
			tab.Remove(append(gone, 0)...)
		default:
			if got := tab.Lookup(&k); got != oracle[k] {
				t.Fatalf("Lookup gave record %d, want %d", got, oracle[k])
			}
		}
		if tab.Len() != len(oracle) {
			t.Fatalf("Len %d, want %d", tab.Len(), len(oracle))
		}
	}
	ids := map[ID]bool{}
	for k, id := range oracle {
		if tab.Lookup(&k) != id || ids[id] {
			t.Fatalf("record %d of %+v is lost or somebody else's too", id, k)
		}
		ids[id] = true
	}
}

func TestTheSameAddressOnAnotherPortOrOfAnotherFamilyIsAnother(t *testing.T) {
	tab := NewTable()
	k := Key{Addr: Addr{10, 0, 0, 1}, Port: 1}
	other, six := k, k
	other.Port, six.V6 = 2, true
	a, b, c := ensure(t, tab, k), ensure(t, tab, other), ensure(t, tab, six)
	if a == b || b == c || a == c || a == 0 || b == 0 || c == 0 {
		t.Errorf("records %d, %d, %d", a, b, c)
	}
}

func TestAHopCarriesTheMACAndThePort(t *testing.T) {
	tab := NewTable()
	mac := [6]byte{0x02, 0x34, 0x56, 0x78, 0x9a, 0xfe}
	id := ensure(t, tab, Key{Addr: Addr{10}, Port: 200})
	tab.Set(id, mac, Reachable)
	h := tab.Load(id)
	if !h.Usable() || h.MAC() != mac || h.Port() != 200 || uint64(h)&(1<<48-1) != 0xfe9a78563402 {
		t.Errorf("%x", h)
	}
	if tab.Set(id, mac, Unresolved); tab.Load(id).Usable() || tab.Load(id).Port() != 200 {
		t.Errorf("unresolved: %x", tab.Load(id))
	}
	if tab.Remove(id); tab.Load(id) != 0 {
		t.Errorf("removed: %x", tab.Load(id))
	}
	for _, id := range []ID{0, MaxRecords, ^ID(0)} {
		if tab.Load(id).Usable() {
			t.Errorf("record %d is usable", id)
		}
	}
}

func TestUseIsNotedOnce(t *testing.T) {
	tab := NewTable()
	id := ensure(t, tab, Key{Addr: Addr{10}})
	if tab.TakeUsed(id) {
		t.Error("used before anybody did")
	}
	tab.Touch(id)
	tab.Touch(id)
	if !tab.TakeUsed(id) || tab.TakeUsed(id) {
		t.Error("the mark was not there, or stayed")
	}
}

func TestAFullTableSaysSoAndRecordsFreedLongestAgoComeFirst(t *testing.T) {
	tab := NewTable()
	for i := range MaxRecords - 1 {
		ensure(t, tab, key(i))
	}
	if _, err := tab.Ensure(key(MaxRecords)); !errors.Is(err, ErrFull) {
		t.Fatalf("error %v, want ErrFull", err)
	}
	for _, i := range []int{7, 3, 5} {
		k := key(i)
		tab.Remove(tab.Lookup(&k))
	}
	for i, was := range []int{7, 3, 5} {
		if id := ensure(t, tab, key(MaxRecords+i)); id != ID(was+1) { // 0 is no record
			t.Errorf("record %d was used again, want %d", id, was+1)
		}
	}
	if _, err := tab.Ensure(key(0)); err != nil {
		t.Errorf("a known neighbour was refused by a full table: %v", err)
	}
}

func TestAFreedRecordRestsWhileThereAreNewOnes(t *testing.T) {
	tab := NewTable()
	freed := map[ID]bool{}
	for i := range 3000 {
		freed[ensure(t, tab, key(i))] = true
	}
	var ids []ID
	for id := range freed {
		ids = append(ids, id)
	}
	tab.Remove(ids...)
	for i := range 3000 {
		if id := ensure(t, tab, key(10_000+i)); freed[id] {
			t.Fatalf("record %d was used again at once", id)
		}
	}
}

func TestAMissIsAskedFor(t *testing.T) {
	tab := NewTable()
	mac := [6]byte{2, 0, 0, 0, 0, 9}
	var asked []Key
	tab.OnMiss = func(k Key) (ID, bool) {
		asked = append(asked, k)
		id, err := tab.Ensure(k)
		tab.Set(id, mac, Reachable)
		return id, err == nil
	}
	k := key(4)
	for range 2 {
		if h := tab.Load(tab.Lookup(&k)); h.MAC() != mac {
			t.Errorf("%x", h)
		}
	}
	if len(asked) != 1 || asked[0] != k {
		t.Errorf("asked for %v", asked)
	}
}

// TestReadersBesideTheWriter looks up neighbours that stay while others come and go.
func TestReadersBesideTheWriter(t *testing.T) {
	tab := NewTable()
	const stay = 300
	mac := func(i int) [6]byte { return [6]byte{2, 0, 0, 0, byte(i >> 8), byte(i)} }
	for i := range stay {
		tab.Set(ensure(t, tab, key(i)), mac(i), Reachable)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for n := range 2 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := n; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				k := key(i % stay)
				id := tab.Lookup(&k)
				if h := tab.Load(id); h.MAC() != mac(i%stay) {
					t.Errorf("neighbour %d: record %d, %x", i%stay, id, h)
					return
				}
				tab.Touch(id)
				runtime.Gosched()
			}
		}()
	}
	for round := range 60 {
		var ids []ID
		for i := range 100 {
			ids = append(ids, ensure(t, tab, key(10_000+100*round+i)))
		}
		tab.Remove(ids...)
		tab.TakeUsed(ID(1 + round))
		runtime.Gosched()
	}
	close(stop)
	wg.Wait()
}
