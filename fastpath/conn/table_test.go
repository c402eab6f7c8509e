package conn

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"
)

type tuple struct {
	addrs [4]uint64
	ports uint32
	proto uint8
	v6    bool
}

func (p *tuple) key() *Key {
	return &Key{Addrs: unsafe.Pointer(&p.addrs), Ports: p.ports, Proto: p.proto, V6: p.v6}
}

func randomTuple(r *rand.Rand) tuple {
	p := tuple{ports: r.Uint32(), proto: 6 + 11*uint8(r.IntN(2)), v6: r.IntN(2) == 0}
	p.addrs[0] = r.Uint64()
	if p.v6 {
		p.addrs = [4]uint64{r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()}
	}
	return p
}

// testPeers are backends, IPv4 at even and IPv6 at odd indices.
var testPeers = []Peer{
	{Addr: [2]uint64{0x0b00000a}, Port: 0x901f, Gen: 1},
	{Addr: [2]uint64{0xfd, 0x0b << 56}, Port: 0x901f, Gen: 2, V6: true},
	{Addr: [2]uint64{0x0c00000a}, Port: 0x5000, Gen: 3},
	{Addr: [2]uint64{0xfd, 0x0c << 56}, Port: 0x5000, Gen: 3, V6: true},
}

// peersOf lays peers out as a snapshot does.
func peersOf(list []Peer) Peers {
	type record struct {
		Peer
		_ [PeerStride - unsafe.Sizeof(Peer{})]byte
	}
	chunks := []*[ChunkLen]record{{}}
	for i, p := range list {
		chunks[0][i].Peer = p
	}
	return NewPeers(chunks, uint32(len(list)), nil)
}

// testLocals are local addresses, of the families of testPeers; the last index is nobody's.
var testLocals = []Local{
	{Addr: [2]uint64{0x1400000a}, Used: true},
	{Addr: [2]uint64{0xfd, 0x14 << 56}, V6: true, Used: true},
	{Addr: [2]uint64{0x1500000a}},
}

// reply is the tuple of the packets that come back from a backend.
func (p *tuple) reply(peer uint32) tuple {
	b := &testPeers[peer]
	back := tuple{proto: p.proto, v6: p.v6, ports: uint32(b.Port) | p.ports<<16}
	if p.v6 {
		back.addrs = [4]uint64{b.Addr[0], b.Addr[1], p.addrs[0], p.addrs[1]}
	} else {
		back.addrs[0] = b.Addr[0] | p.addrs[0]<<32
	}
	return back
}

// fullReply is the same in fullnat, to a local address and port.
func fullReply(peer, local uint32, proto uint8) tuple {
	b, l := &testPeers[peer], &testLocals[local>>16]
	back := tuple{proto: proto, v6: b.V6, ports: uint32(b.Port) | local<<16}
	if b.V6 {
		back.addrs = [4]uint64{b.Addr[0], b.Addr[1], l.Addr[0], l.Addr[1]}
	} else {
		back.addrs[0] = b.Addr[0] | l.Addr[0]<<32
	}
	return back
}

// insert adds a connection under k and, if that is not nil, reply.
func insert(tab *Table, k, reply *Key) *Entry {
	var back Home
	if reply != nil {
		back = tab.KeyHome(reply)
	}
	return tab.Insert(k, tab.KeyHome(k), back)
}

const crowdedPercent = 85

// crowded makes a table whose index gets fuller than others', so that slots stand in second places and are moved.
func crowded(t testing.TB, capacity int) *Table {
	t.Helper()
	tab, err := newTable(capacity, bucketsFor(capacity, crowdedPercent), false, Seed{1, 2})
	return prepared(t, tab, err)
}

// ordinary makes a table as workers have it.
func ordinary(t testing.TB, capacity int) *Table {
	t.Helper()
	tab, err := New(capacity, false, Seed{1, 2})
	return prepared(t, tab, err)
}

func prepared(t testing.TB, tab *Table, err error) *Table {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tab.Close(); err != nil {
			t.Error(err)
		}
	})
	tab.SetPeers(peersOf(testPeers), testLocals)
	return tab
}

// oracle drives a table and a map with the same operations.
type oracle struct {
	t    *testing.T
	tab  *Table
	r    *rand.Rand
	byID map[*Entry]connection
	of   map[tuple]Ref // both directions
	keys []*Entry      // of byID, in any order
}

type connection struct {
	fwd, rev tuple
	twoWay   bool
}

func newOracle(t *testing.T, capacity int) *oracle {
	return &oracle{t: t, tab: crowded(t, capacity), r: rand.New(rand.NewPCG(3, 4)), byID: map[*Entry]connection{}, of: map[tuple]Ref{}}
}

// insert makes a connection as a worker does: a third each are nat's, fullnat's and one-way.
func (o *oracle) insert() {
	o.t.Helper()
	kind := o.r.IntN(3)
	c := connection{fwd: randomTuple(o.r), twoWay: kind > 0}
	peer := uint32(2 * o.r.IntN(2))
	if c.fwd.v6 {
		peer++
	}
	c.rev = c.fwd.reply(peer)
	var local uint32
	if kind == 2 {
		peer = uint32(o.r.IntN(4)) // of any family
		local = peer%2<<16 | uint32(uint16(o.r.Uint32()))
		if c.rev = fullReply(peer, local, c.fwd.proto); o.of[c.rev].Entry != nil {
			return // a worker does not choose a tuple that is taken
		}
	}
	var reply *Key
	if c.twoWay {
		reply = c.rev.key()
	}
	e := insert(o.tab, c.fwd.key(), reply)
	if e == nil {
		o.t.Fatalf("no room with %d of %d", o.tab.Len(), o.tab.Cap())
	}
	if _, used := o.byID[e]; used {
		o.t.Fatal("Insert gave an entry that is in use")
	}
	e.Backend, e.Gen, e.Local = peer, testPeers[peer].Gen, local
	if kind == 2 {
		e.Flags |= Full
	}
	o.byID[e] = c
	o.of[c.fwd] = Ref{e, false}
	if c.twoWay {
		o.of[c.rev] = Ref{e, true}
	}
	o.keys = append(o.keys, e)
}

func (o *oracle) delete(i int) {
	e := o.keys[i]
	c := o.byID[e]
	o.tab.Delete(e)
	delete(o.byID, e)
	delete(o.of, c.fwd)
	delete(o.of, c.rev)
	o.keys[i] = o.keys[len(o.keys)-1]
	o.keys = o.keys[:len(o.keys)-1]
	o.check(c.fwd)
	o.check(c.rev)
}

// guessOf is what a burst of one packet would guess.
func guessOf(tab *Table, k *Key) Ref {
	p := Probe{Home: tab.KeyHome(k)}
	tab.PrefetchIndex(&p, 1, 0)
	tab.Probe(&p, 1, 0)
	return tab.Ref(p.Guess)
}

// check looks a tuple up in every way there is.
func (o *oracle) check(p tuple) {
	o.t.Helper()
	o.peek(p)
	want, k := o.of[p], p.key()
	if got := o.tab.Find(k); got != want {
		o.t.Fatalf("found %v, want %v", got, want)
	}
	guess := guessOf(o.tab, k)
	if right := o.tab.Check(guess, k); right && guess != want {
		o.t.Fatalf("guessed %v and held it for right, want %v", guess, want)
	} else if !right && guess == want && want.Entry != nil {
		o.t.Fatal("guessed right, but did not believe it")
	}
}

// peek looks as somebody does who is not the table's worker.
func (o *oracle) peek(p tuple) {
	e, reply, ok := o.tab.Peek(p.key(), peersOf(testPeers), testLocals)
	want := o.of[p]
	if ok != (want.Entry != nil) || ok && (reply != want.Reply || e != *want.Entry) {
		o.t.Fatalf("%+v: a peek found %t, %+v, reply %t, want %+v", p, ok, e, reply, want)
	}
}

func (o *oracle) checkAll() {
	o.t.Helper()
	for p := range o.of {
		o.check(p)
	}
	if o.tab.Len() != len(o.byID) {
		o.t.Fatalf("Len %d, want %d", o.tab.Len(), len(o.byID))
	}
	checkIndex(o.t, o.tab)
}

// checkIndex counts what the buckets claim: every slot is a live entry's, stands in one of its two places, and is
// counted in its home's overflow if it stands in the other one.
func checkIndex(t *testing.T, tab *Table) {
	t.Helper()
	away := make([]int, len(tab.buckets))
	slots := 0
	for i := range tab.buckets {
		for j, tag := range tab.buckets[i].tags {
			s := tab.buckets[i].slots[j]
			if tag == 0 {
				if s != 0 {
					t.Fatalf("bucket %d keeps the slot %d of a deleted connection", i, j)
				}
				continue
			}
			slots++
			e := &tab.entries[s.entry()]
			h := tab.home(s)
			if e.Proto == 0 || s.Reply() && e.Flags&Reverse == 0 || h.tag() != tag {
				t.Fatalf("slot %d of bucket %d is not its entry's", j, i)
			}
			switch uint32(i) {
			case h.bucket():
			case tab.other(h.bucket(), tag):
				away[h.bucket()]++
			default:
				t.Fatalf("slot %d of bucket %d is in neither of its places", j, i)
			}
		}
	}
	for i, n := range away {
		if got := int(tab.buckets[i].overflow); got != n && got != 255 {
			t.Fatalf("bucket %d counts %d of its tuples elsewhere, there are %d", i, got, n)
		}
	}
	want := 0
	for i := range tab.entries {
		if tab.entries[i].Proto != 0 {
			want++
			if tab.entries[i].Flags&Reverse != 0 {
				want++
			}
		}
	}
	if slots != want {
		t.Fatalf("%d slots in the index, want %d", slots, want)
	}
}

func TestTableAgainstAMap(t *testing.T) {
	for _, capacity := range []int{1, 2, 13, 600, 20000} {
		t.Run(fmt.Sprint(capacity), func(t *testing.T) {
			o := newOracle(t, capacity)
			for range 5 * max(capacity, 1000) {
				switch n := o.r.IntN(20); {
				case n < 9 && len(o.keys) < capacity:
					o.insert()
				case n < 14 && len(o.keys) > 0:
					o.check(o.byID[o.keys[o.r.IntN(len(o.keys))]].fwd)
					o.check(o.byID[o.keys[o.r.IntN(len(o.keys))]].rev)
				case n < 16:
					o.check(randomTuple(o.r))
				case len(o.keys) > 0:
					o.delete(o.r.IntN(len(o.keys)))
				}
			}
			o.checkAll()
			for len(o.keys) > 0 {
				o.delete(0)
			}
			o.checkAll()
		})
	}
}

// TestAFullTableOfNATConnectionsStaysWhole keeps the index as full as it can get, which is where slots are moved.
func TestAFullTableOfNATConnectionsStaysWhole(t *testing.T) {
	const capacity = 20000
	o := newOracle(t, capacity)
	fill := func() {
		for len(o.keys) < capacity {
			c := connection{fwd: randomTuple(o.r), twoWay: true}
			c.rev = c.fwd.reply(0)
			if c.fwd.v6 {
				c.rev = c.fwd.reply(1)
			}
			e := insert(o.tab, c.fwd.key(), c.rev.key())
			if e == nil {
				t.Fatalf("no room with %d of %d", o.tab.Len(), capacity)
			}
			if c.fwd.v6 {
				e.Backend = 1
			}
			e.Gen = testPeers[e.Backend].Gen
			o.byID[e], o.of[c.fwd], o.of[c.rev] = c, Ref{e, false}, Ref{e, true}
			o.keys = append(o.keys, e)
		}
	}
	fill()
	if load := 100 * 2 * capacity / (slotsPerBucket * len(o.tab.buckets)); load < crowdedPercent-1 {
		t.Errorf("the index is %d %% full, want about %d", load, crowdedPercent)
	}
	o.checkAll()
	for range 20 {
		for range capacity / 10 {
			o.delete(o.r.IntN(len(o.keys)))
		}
		fill()
	}
	o.checkAll()
	if insert(o.tab, func() *Key { p := randomTuple(o.r); return p.key() }(), nil) != nil {
		t.Error("there was room for one more than the capacity")
	}
}

func TestAnIndexIsAsLargeAsItsLoadSays(t *testing.T) {
	for _, c := range []struct{ capacity, least, most int }{
		{capacity: 1000, least: 55, most: 60},
		{capacity: 1_000_000, least: 59, most: 60},
		{capacity: MaxCapacity, least: 60, most: 67},
	} {
		n := bucketsFor(c.capacity, loadPercent)
		if load := 100 * 2 * c.capacity / (slotsPerBucket * n); load < c.least || load > c.most {
			t.Errorf("%d connections fill %d buckets to %d %%, want %d to %d", c.capacity, n, load, c.least, c.most)
		}
		if Home(n-1)<<8>>8 != Home(n-1) {
			t.Errorf("the last of %d buckets has no place in a Home", n)
		}
	}
	if tab := ordinary(t, 1000); len(tab.buckets) != bucketsFor(1000, loadPercent) {
		t.Errorf("%d buckets for 1000 connections", len(tab.buckets))
	}
}

func TestRepliesAreOnlyThoseOfTheConnectionsBackend(t *testing.T) {
	tab := crowded(t, 10)
	for _, v6 := range []bool{false, true} {
		k := tuple{addrs: [4]uint64{0x0100007f_0a0a0a0a, 2, 3, 4}, ports: 0x5000_1234, proto: 6, v6: v6}
		if !v6 {
			k.addrs = [4]uint64{k.addrs[0]}
		}
		peer := map[bool]uint32{false: 0, true: 1}[v6]
		back := k.reply(peer)
		e := insert(tab, k.key(), back.key())
		e.Backend, e.Gen = peer, testPeers[peer].Gen
		if got := tab.Find(back.key()); got.Entry != e || !got.Reply {
			t.Fatalf("IPv6 %t: the reply is not found", v6)
		}
		for name, change := range map[string]func(*tuple){
			"from another port":   func(p *tuple) { p.ports ^= 1 },
			"to another port":     func(p *tuple) { p.ports ^= 1 << 16 },
			"another protocol":    func(p *tuple) { p.proto = 17 },
			"from another server": func(p *tuple) { p.addrs[0] ^= 1 },
			"to another client": func(p *tuple) {
				if v6 {
					p.addrs[3] ^= 1 << 63
				} else {
					p.addrs[0] ^= 1 << 63
				}
			},
			"the other family": func(p *tuple) { p.v6 = !p.v6 },
		} {
			p := back
			change(&p)
			if tab.Check(Ref{e, true}, p.key()) {
				t.Errorf("IPv6 %t, %s: held for a reply", v6, name)
			}
		}
		e.Gen++ // the place in the snapshot belongs to another backend now
		if tab.Check(Ref{e, true}, back.key()) {
			t.Errorf("IPv6 %t: a reply of the place's next backend was taken for the former's", v6)
		}
		e.Gen, e.Backend = 0, uint32(len(testPeers))
		if tab.Check(Ref{e, true}, back.key()) {
			t.Errorf("IPv6 %t: a reply from a backend that is no longer in the snapshot", v6)
		}
		tab.Delete(e)
	}
}

func TestFullNATRepliesAreOnlyThoseToTheLocalAddressAndPort(t *testing.T) {
	tab := crowded(t, 10)
	for local, peer := range []uint32{0, 1} {
		k := tuple{addrs: [4]uint64{0x0100007f_0a0a0a0a, 2, 3, 4}, ports: 0x5000_1234, proto: 6, v6: peer == 0} // of the other family
		if !k.v6 {
			k.addrs = [4]uint64{k.addrs[0]}
		}
		back := fullReply(peer, uint32(local)<<16|0x4321, 6)
		e := insert(tab, k.key(), back.key())
		e.Backend, e.Gen, e.Local = peer, testPeers[peer].Gen, uint32(local)<<16|0x4321
		e.Flags |= Full
		if got := tab.Find(back.key()); got.Entry != e || !got.Reply {
			t.Fatalf("local address %d: the reply is not found", local)
		}
		if got := tab.Find(k.key()); got.Entry != e || got.Reply {
			t.Fatalf("local address %d: the client's packet is not found", local)
		}
		for name, change := range map[string]func(*tuple){
			"from another port":   func(p *tuple) { p.ports ^= 1 },
			"to another port":     func(p *tuple) { p.ports ^= 1 << 16 },
			"another protocol":    func(p *tuple) { p.proto = 17 },
			"from another server": func(p *tuple) { p.addrs[0] ^= 1 },
			"to another address":  func(p *tuple) { p.addrs[0] ^= 1 << 63; p.addrs[2] ^= 1 },
			"the other family":    func(p *tuple) { p.v6 = !p.v6 },
		} {
			p := back
			change(&p)
			if tab.Check(Ref{e, true}, p.key()) {
				t.Errorf("local address %d, %s: held for a reply", local, name)
			}
		}
		e.Local = 2<<16 | e.Local&0xffff
		if tab.Check(Ref{e, true}, back.key()) {
			t.Errorf("local address %d: a reply to an address that is no longer in the snapshot", local)
		}
		tab.Delete(e)
	}
}

func TestTheFamiliesAreKeptApart(t *testing.T) {
	tab := crowded(t, 2)
	p := tuple{addrs: [4]uint64{0x0100007f_0a0a0a0a}, ports: 5, proto: 17}
	e := insert(tab, p.key(), nil)
	p.v6 = true // an IPv6 packet of the same bytes, and zeros
	if tab.Check(Ref{e, false}, p.key()) {
		t.Error("an IPv6 packet was taken for an IPv4 connection's")
	}
	tab.Delete(e)
	e = insert(tab, p.key(), nil)
	p.v6 = false
	if tab.Check(Ref{e, false}, p.key()) {
		t.Error("an IPv4 packet was taken for an IPv6 connection's")
	}
}

func TestAGuessIsCheckedAlsoWhenTheEntryIsGone(t *testing.T) {
	tab := crowded(t, 1)
	r := rand.New(rand.NewPCG(5, 6))
	old, next := randomTuple(r), randomTuple(r)
	e := insert(tab, old.key(), nil)
	guess := guessOf(tab, old.key())
	if !tab.Check(guess, old.key()) {
		t.Fatal("the guess is wrong")
	}
	tab.Delete(e)
	if tab.Check(guess, old.key()) {
		t.Error("a deleted connection was found")
	}
	if insert(tab, next.key(), nil) != e {
		t.Fatal("the entry was not used again")
	}
	if tab.Check(guess, old.key()) {
		t.Error("another connection was taken for the deleted one")
	}
}

func TestImpossibleCapacitiesAreErrors(t *testing.T) {
	for _, n := range []int{-1, 0, MaxCapacity + 1} {
		if _, err := New(n, false, Seed{}); err == nil {
			t.Errorf("a table for %d connections was made", n)
		}
	}
}
