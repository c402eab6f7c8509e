package fastpath

// markShared finds the real servers in NAT whose replies may belong to one of several connections: those that several
// services have, or one service with several addresses. Of services with different protocols, too: that costs them a look
// per connection.
func (snap *Snapshot) markShared() {
	seen := firsts{backends: snap.Backends, slots: make([]uint32, 1<<10)}
	keeping := false // ports: such a server may answer from any
	for i := range snap.Backends {
		b := &snap.Backends[i]
		if b.Mode != NAT {
			continue
		}
		b.shared = b.wide
		keeping = keeping || b.peer.Port == 0
		if first := seen.add(uint32(i)); first != b {
			b.shared, first.shared = true, true
		}
	}
	if !keeping {
		return
	}
	for i := range snap.Backends {
		b := &snap.Backends[i]
		if b.Mode == NAT && !b.shared && b.peer.Port != 0 {
			any := *b
			any.peer.Port = 0
			b.shared = seen.find(&any) != 0
		}
	}
}

// firsts is the first backend of every real server: open addressing, at most half full.
type firsts struct {
	backends []Backend
	slots    []uint32 // index + 1; 0: free
	used     int
}

// serverHash tells real servers apart.
func (b *Backend) serverHash() uint64 {
	h := (b.peer.Addr[0] ^ b.peer.Addr[1]*0xff51afd7ed558ccd ^ uint64(b.peer.Port)<<40) * 0x9e3779b97f4a7c15
	return h ^ h>>29
}

func (b *Backend) sameServer(o *Backend) bool {
	return b.peer.Addr == o.peer.Addr && b.peer.Port == o.peer.Port && b.V6 == o.V6
}

// find returns where a real server stands or would stand: 0 if it is not there.
func (f *firsts) find(b *Backend) uint32 { return f.slots[f.place(b)] }

func (f *firsts) place(b *Backend) uint64 {
	mask := uint64(len(f.slots) - 1)
	for i := b.serverHash() & mask; ; i = (i + 1) & mask {
		if s := f.slots[i]; s == 0 || f.backends[s-1].sameServer(b) {
			return i
		}
	}
}

// add returns the first backend with the real server of one: itself, if it is new.
func (f *firsts) add(i uint32) *Backend {
	b := &f.backends[i]
	at := f.place(b)
	if s := f.slots[at]; s != 0 {
		return &f.backends[s-1]
	}
	f.slots[at] = i + 1
	if f.used++; 2*f.used > len(f.slots) {
		old := f.slots
		f.slots = make([]uint32, 2*len(old))
		for _, s := range old {
			if s != 0 {
				f.slots[f.place(&f.backends[s-1])] = s
			}
		}
	}
	return b
}
