package conn

import "unsafe"

// Peek finds a packet's connection without being the table's worker, as Dump does and with its caveats: one that is
// made, moved or ended at that moment may be missed. It returns a copy, and whether the packet is a reply. peers and
// locals are where the indices of backends and local addresses lead.
func (t *Table) Peek(k *Key, peers Peers, locals []Local) (e Entry, reply, ok bool) {
	view := Table{peers: peers, locals: locals} // Check's: the table's own belong to its worker
	h := t.KeyHome(k)
	for _, at := range []uint32{h.bucket(), t.other(h.bucket(), h.tag())} {
		b := t.buckets[at]
		lo, hi := b.match(h.tag())
		for i, some := first(lo, hi); some; i, some = first(lo, hi) {
			lo, hi = rest(lo, hi)
			s := b.slots[i]
			if s == 0 || int(s.entry()) >= len(t.entries) {
				continue
			}
			e = t.entries[s.entry()]
			if view.Check(Ref{&e, s.Reply()}, k) {
				return e, s.Reply(), true
			}
		}
	}
	return Entry{}, false, false
}

// Key is a connection's own tuple, that of the client's packets. It points into the entry.
func (e *Entry) Key() Key {
	return Key{Addrs: unsafe.Pointer(&e.Addrs), Ports: e.Ports, Proto: e.Proto, V6: e.Flags&V6 != 0}
}
