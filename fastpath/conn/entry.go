package conn

import "unsafe"

// Tick is a time in milliseconds. It wraps after 49 days; compare with Before.
type Tick uint32

// Before reports whether t is earlier than u, for times less than 24 days apart.
func (t Tick) Before(u Tick) bool { return int32(t-u) < 0 }

// Flags of an Entry.
type Flags uint8

// The flags.
const (
	V6         Flags = 1 << iota // addresses are IPv6
	Reverse                      // also indexed under the reply's tuple (nat)
	OneWay                       // replies do not pass here: tun and dr
	Active                       // counted as active at the backend, otherwise as inactive
	Replied                      // a packet has come from the backend (nat)
	Several                      // UDP: more than one packet has come from the client; TCP: see Pending
	Full                         // fullnat: replies go to a local address of Weir's
	Unanswered                   // TCP: the first SYN had no answer in time, and that is counted
)

// Pending is a fullnat TCP connection whose client is still to be told to the backend. It shares Several's bit, which
// TCP has no use for: as no packet of a pending connection may take the steady way, and one of a UDP connection only
// with the bit, both are the same test.
const Pending = Several

// Entry is one connection, exactly one cache line. Addresses and ports are as in the packet that
// goes from the client to the VIP.
type Entry struct {
	// Addrs is source and destination address in a row: 8 bytes for IPv4 (zeros after), 32 for IPv6.
	// In a free entry the first word links to the next free one.
	Addrs   [4]uint64
	Ports   uint32 // source and destination port in a row, as loaded
	Proto   uint8  // 0 in a free entry
	Flags   Flags
	State   State
	Shift   uint8  // fullnat: by how much the backend's sequence numbers of the client's bytes are ahead of the client's
	Backend uint32 // index in the snapshot's backends
	Gen     uint32 // the backend's generation; another one there means ours is gone
	Expires Tick
	fwd     Home
	rev     Home
	Local   uint32 // fullnat: index of the local address << 16 | local port as loaded; nat: when it began, see fastpath.stamp
}

// Head is an entry's ports, protocol, flags and state in one word: bits 0-31, 32-39, 40-47 and 48-55. The rest is 0.
func (e *Entry) Head() uint64 { return *(*uint64)(unsafe.Pointer(&e.Ports)) }

// SetHead writes what Head reads. Shift becomes 0.
func (e *Entry) SetHead(head uint64) { *(*uint64)(unsafe.Pointer(&e.Ports)) = head }

var _ [32 - unsafe.Offsetof(Entry{}.Ports)]struct{}
var _ [unsafe.Offsetof(Entry{}.Ports) - 32]struct{}
var _ [38 - unsafe.Offsetof(Entry{}.State)]struct{}

// NoGen is the generation of no backend. The entry that a Slot of 0 names has it, and protocol 0.
const NoGen = 1<<32 - 1

// EntrySize is an entry's size in bytes.
const EntrySize = 64

var _ [EntrySize - unsafe.Sizeof(Entry{})]struct{}
var _ [unsafe.Sizeof(Entry{}) - EntrySize]struct{}

// Peer is where a backend index leads: what the reply's source must be. The table reads it to
// recognise replies; it is part of the snapshot.
type Peer struct {
	Addr [2]uint64 // as loaded; IPv4 in the low half of the first word, zeros elsewhere
	Gen  uint32
	Port uint16 // as loaded; 0: connections keep the port that the client sends to
	V6   bool
	_    uint8
}

// PortOf is the port of a connection at the peer, as loaded.
func (p *Peer) PortOf(e *Entry) uint16 {
	if p.Port == 0 {
		return uint16(e.Ports >> 16)
	}
	return p.Port
}

// Local is an address from which Weir itself talks to backends in fullnat, and to which they reply. It is part of the
// snapshot; a connection names it by its index.
type Local struct {
	Addr [2]uint64 // as in Peer
	V6   bool
	Used bool // false: no address has this index
}

// LocalPort is the port of Entry.Local, as loaded.
func (e *Entry) LocalPort() uint16 { return uint16(e.Local) }

// LocalIndex is the index of the address of Entry.Local.
func (e *Entry) LocalIndex() uint32 { return e.Local >> 16 }

// Key is a packet's 5-tuple: where its addresses lie, and its ports as loaded.
type Key struct {
	Addrs unsafe.Pointer // source and destination in a row, 8 or 32 bytes
	Ports uint32
	Proto uint8
	V6    bool
}
