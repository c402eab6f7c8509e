package fastpath

import (
	"net/netip"
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/sched"
)

// Mode is how packets reach a service's backends.
type Mode uint8

// The modes. Zero is none.
const (
	NAT Mode = iota + 1
	TUN
	DR
	FullNAT
)

// MaxBackends and MaxServices bound the indices of a snapshot: the workers' counters have a fixed place
// for each, in memory that is only mapped when it is used.
const (
	MaxBackends = 1 << 24
	MaxServices = 1 << 17
	// MaxTimeouts bounds the tables of idle times.
	MaxTimeouts = 1 << 16
)

// Snapshot is the configuration as the workers use it. It is immutable once published; the
// garbage collector frees it when no worker holds it any more.
type Snapshot struct {
	// Generation grows with every publication.
	Generation uint64
	Backends   Backends
	// Locals are the local addresses of fullnat services, by the index that connections keep.
	Locals   []conn.Local
	Services []Service // a service keeps its index while it is configured
	Routes   Routes
	// Timeouts are the tables of idle times, each once: Backend.timeouts says which. The first is that of services
	// without any of their own.
	Timeouts []conn.Timeouts

	services *serviceTable
	probes   *serviceTable  // of the services that are checked through themselves, whatever they match
	locals   *endpointTable // address → local flags
	vips     *addrSet       // the addresses of services
	fulls    *addrSet       // local addresses; nil: none
	never    *addrSet       // what no packet may be from: all single addresses above, ports' own, networks' broadcast addresses
	vipNets  netSet         // their prefixes
	taps     *Taps          // nil while there is no capture
	departed []departed     // by index
	// onceBackends are those of services with one-packet scheduling in NAT: address and port → index + 1; nil: none.
	onceBackends *endpointTable
	// tunnels are those of backends with wrapMore, each once, tunnelAt tells where, tunnelPorts where they lead by UDP, and
	// tunnelSources where from, if from several addresses.
	tunnels       []tunnel
	tunnelAt      map[tunnelKey]uint32
	tunnelPorts   []tunnelPort
	tunnelSources map[netip.Addr]bool
}

// Service is a virtual service.
type Service struct {
	Name string
	Mode Mode
	// Sched picks among Backends, which lists the snapshot's indices in the scheduler's order.
	Sched    sched.Scheduler
	keyless  bool // Sched needs no key
	binds    bool // Sched gives a client no other backend than its own
	Backends []uint32
	full     *fullNAT // of one in FullNAT
	persist  *persistence
	limits   *limits
	once     *onePacket // of one with one-packet scheduling
	sloppy   bool       // a connection may begin with a packet that is not its first
	usual    bool       // see usual.go
	OnEmpty  Answer     // what clients are told when no backend takes their connections
	Probed   bool       // its backends answer health checks from its address
	gen      uint32     // tells it from those that had its index before
}

// Backend is one real server of one service. What every packet needs comes first, within 64 bytes.
type Backend struct {
	peer conn.Peer // where conn looks for it
	// Gen is the peer's, or 0 if its connections are to end.
	Gen uint32
	Hop nexthop.ID
	// maxEnd is the end of a frame with the largest packet.
	maxEnd uint16
	// ToL3 and ToL4 change a checksum as the client's packet is rewritten from the VIP to the backend:
	// ToL3 by the address, ToL4 by address and port.
	ToL3, ToL4 packet.Delta
	// The same with the TTL lowered as well, and all that for the way back.
	toL3TTL, fromL3TTL, fromL4 packet.Delta
	Mode                       Mode
	V6                         bool  // of the backend's address
	minTTL                     uint8 // a TTL that is not above this goes no further
	shared                     bool  // NAT: another connection may have the same reply's tuple
	// minTTLBack is minTTL for the backend's packets. Both are larger than any TTL in a wide backend, whose packets so
	// leave the steady way for steadyWide.
	minTTLBack uint8
	wrap       wrapping // TUN
	wide       bool     // FullNAT, or NAT: what changes in a packet depends on its connection, see BackendSpec.Wide, or, in SCTP, on the packet
	Accepts    bool     // takes new connections: up and with a weight
	timeouts   uint32   // where the backend's are in the snapshot's, in bytes
	Load       *sched.Load

	Service uint32 // index
	// MTU is the largest IP packet that may be sent this way; in TUN without the outer header.
	MTU uint16
	Hdr uint16 // TUN: length of all that is put in front of a packet
	// TUN: what of an IPv4 packet's fragment field is in the outer one, and what is always.
	copyDF, setDF uint16
	quiescent     bool // takes none because its weight is 0; else it is down, if it takes none
	Clamp         bool // lower the MSS of SYNs, in TUN to what fits MTU
	// Outer is TUN's outer header with addresses, version and TTL filled in, zeros elsewhere; for IPv4,
	// OuterSum is the sum of its words, the changing ones being 0.
	Outer    [40]byte
	OuterSum uint32
	tunnel   uint32 // TUN with wrapMore: index in the snapshot's
}

var _ [0 - (unsafe.Offsetof(Backend{}.Service) - 64)]struct{}

// backendSize is a Backend's size, a power of two: its place in the snapshot is found with a shift.
const backendSize = 128

var _ [backendSize - unsafe.Sizeof(Backend{})]struct{}
var _ [unsafe.Sizeof(Backend{}) - backendSize]struct{}

// Peer is where the backend's index leads.
func (b *Backend) Peer() *conn.Peer { return &b.peer }

// DFPolicy is what becomes of the don't-fragment bit in a tunnel's IPv4 outer header.
type DFPolicy uint8

// The policies.
const (
	DFCopy DFPolicy = iota // as inside; set if the inner packet is IPv6
	DFSet
	DFClear
)

// What an address of ours is: flags of the locals table; the low byte is the port + 1 of an own address.
const (
	localVIP  uint32 = 1 << 8
	localOwn  uint32 = 1 << 9
	localFull uint32 = 1 << 10
)

func ownPort(flags uint32) uint8 { return uint8(flags) - 1 }
