package neighbor

import (
	"cmp"
	"container/list"
	"hash/fnv"
	"net"
	"net/netip"
	"time"

	"github.com/weirlb/weir/fastpath/nexthop"
)

// state of an entry. In the first two the MAC is not known.
type state uint8

const (
	incomplete state = iota // asked for, and packets may wait
	failed                  // did not answer: packets are dropped
	reachable               // answered within ReachableTime
	stale                   // believed, but not confirmed lately
	static                  // said by the configuration or made up
)

var stateNames = [...]string{
	incomplete: "incomplete", failed: "failed", reachable: "reachable", stale: "stale", static: "static",
}

func (s state) String() string { return stateNames[s] }

// entry is one neighbour.
type entry struct {
	key   nexthop.Key
	addr  netip.Addr
	id    nexthop.ID
	order uint64 // of creation

	state      state
	mac        [6]byte
	wanted     uint64 // epoch of the last Resolve; 0: not wanted
	configured bool   // static by SetStatic
	// since is when the MAC was last confirmed or learned, or in the other states when they began.
	since time.Time
	used  time.Time // when it was last seen in use
	asked time.Time // when it was last solicited
	tries int       // solicitations since the last answer; 0: not being asked or probed

	queue  [][]byte // frames that lack only the MAC, the oldest first
	due    time.Time
	timer  int           // index in timers, or noTimer
	recent *list.Element // in Table.learned, or nil
}

func byAge(a, b *entry) int { return cmp.Compare(a.order, b.order) }

// usable reports whether the MAC may be written into frames.
func (e *entry) usable() bool { return e.state >= reachable }

// refreshAfter is how long after an answer the neighbour is probed if it is in use.
func (e *entry) refreshAfter() time.Duration {
	h := fnv.New32a()
	_, _ = h.Write(e.key.Addr[:])
	_, _ = h.Write([]byte{e.key.Port})
	share := time.Duration(60 + h.Sum32()%31)
	return ReachableTime * share / 100
}

func addrOf(k nexthop.Key) netip.Addr {
	if k.V6 {
		return netip.AddrFrom16(k.Addr)
	}
	return netip.AddrFrom4([4]byte(k.Addr[:4]))
}

var broadcast4 = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// oneStation reports whether an address can be one station's on a link.
func oneStation(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() && a != broadcast4
}

// plausible reports whether an address may be the sender of a frame from another station.
func plausible(a netip.Addr) bool { return oneStation(a) || a.IsUnspecified() }

// unicast reports whether a MAC can be one station's.
func unicast(mac [6]byte) bool { return mac[0]&1 == 0 && mac != [6]byte{} }

func show(mac [6]byte) string { return net.HardwareAddr(mac[:]).String() }
