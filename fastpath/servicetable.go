package fastpath

import (
	"net/netip"
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/packet"
)

// Endpoint is where a service is reached: an address, or every address of a prefix, and the ports from First to Last;
// 0 to 65535 are all.
type Endpoint struct {
	Prefix      netip.Prefix // masked
	First, Last uint16
}

// single reports whether the endpoint is one address and port.
func (e *Endpoint) single() bool { return e.Prefix.IsSingleIP() && e.First == e.Last }

// serviceTable finds the service of a packet that belongs to no connection. It goes from the most specific to the
// least: a single address and port; then, for every length of a prefix that there is, the longest first, the narrowest
// range of ports. However many services there are, that is one look, and one more and a search of one prefix's ranges
// for each length; none of them if the first one is enough. Where services have a match, each range may be followed by
// the next one around it, and takes a look or two for every length of the sources' prefixes.
type serviceTable struct {
	hosts  *endpointTable // single address and port, protocol → target
	nets   *endpointTable // prefix, protocol → index + 1 in ranges
	lens   [2][]uint8     // of the prefixes of IPv4 and IPv6 in nets, the longest first
	ranges [][]portSpan

	forks   []fork
	sources *endpointTable // sources and ports of ingress, by fork → service's index + 1
}

// A target is where a lookup has come to: 0, a service's index + 1, or with the bit isFork the index of a fork.
type target = uint32

const isFork target = 1 << 31

// fork is where services have the same addresses and ports, and are told apart by what their packets come from.
type fork struct {
	lens   []uint8 // of the sources' prefixes, the longest first; 0: any source
	byPort bool    // some are for certain ports of ingress only
	rest   target  // for packets that are none of theirs
}

// anyPort stands for every port of ingress.
const anyPort = 1 << 8

// portSpan is where a range of ports begins, and whose the ports from there to the next one are.
type portSpan struct {
	first uint16
	to    target
}

// masks are what is left of an address, as loaded, by the length of a prefix.
var masks4, masks6 = func() (m4 [33]uint64, m6 [129][2]uint64) {
	for i := range m6 {
		m := prefixMask(i)
		m6[i] = *(*[2]uint64)(unsafe.Pointer(&m))
		if i < len(m4) {
			m4[i] = uint64(packet.Load32(unsafe.Pointer(&m), 0))
		}
	}
	return m4, m6
}()

// masked is the endpoint that stands for the prefix of some length that an address is in; more tells such apart.
func (e endpoint) masked(n uint8, more uint64) endpoint {
	const length = 48 // bits of the rest that are not the address's: port, protocol, family
	if e.rest&endpointV6 != 0 {
		m := &masks6[n]
		return endpoint{e.lo & m[0], e.hi & m[1], e.rest&endpointV6 | more | uint64(n)<<length}
	}
	return endpoint{e.lo & masks4[n], 0, more | uint64(n)<<length}
}

// find looks up the service of a packet by its tuple and the port that it came in by: its index + 1, 0 if there is none.
func (t *serviceTable) find(k *conn.Key, in uint8) uint32 {
	e := endpointAt(destination(k.Addrs, k.V6), k.V6, uint16(k.Ports>>16), k.Proto)
	to := t.hosts.get(e)
	if to&isFork != 0 {
		to = t.choose(to, k, in)
	}
	if to != 0 {
		return to
	}
	return t.findNet(e, k, in)
}

// choose goes on from a fork.
func (t *serviceTable) choose(to target, k *conn.Key, in uint8) target {
	for to&isFork != 0 {
		f := &t.forks[to&^isFork]
		at := sourceOf(to)
		src := endpointAt(k.Addrs, k.V6, 0, 0)
		for _, n := range f.lens {
			if f.byPort {
				if s := t.sources.get(src.masked(n, at|uint64(in)<<forkPort)); s != 0 {
					return s
				}
			}
			if s := t.sources.get(src.masked(n, at|anyPort<<forkPort)); s != 0 {
				return s
			}
		}
		to = f.rest
	}
	return to
}

// forkPort is where a port of ingress is in the rest of an endpoint in sources, besides the fork in the lower half.
const forkPort = 33

func sourceOf(to target) uint64 { return uint64(to &^ isFork) }

// findNet is find for what is no single address and port.
func (t *serviceTable) findNet(e endpoint, k *conn.Key, in uint8) uint32 {
	f := 0
	if k.V6 {
		f = 1
	}
	for _, n := range t.lens[f] {
		at := t.nets.get(e.masked(n, uint64(k.Proto)<<16))
		if at == 0 {
			continue
		}
		to := portOf(t.ranges[at-1], packet.Swap16(uint16(k.Ports>>16)))
		if to&isFork != 0 {
			to = t.choose(to, k, in)
		}
		if to != 0 {
			return to
		}
	}
	return 0
}

// portOf finds the span that a port is in.
func portOf(spans []portSpan, port uint16) target {
	low, high := 0, len(spans) // the last one that does not begin after the port is below high
	for low < high {
		if middle := int(uint(low+high) / 2); spans[middle].first <= port {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low == 0 {
		return 0
	}
	return spans[low-1].to
}

// netSet is a set of prefixes. Immutable once the snapshot it is part of is published.
type netSet struct {
	table *endpointTable
	lens  [2][]uint8 // of IPv4 and IPv6, the longest first
}

// has reports whether the address at p is in one of the prefixes.
func (s *netSet) has(p unsafe.Pointer, v6 bool) bool {
	f := 0
	if v6 {
		f = 1
	}
	if len(s.lens[f]) == 0 {
		return false
	}
	e := endpointAt(p, v6, 0, 0)
	for _, n := range s.lens[f] {
		if s.table.get(e.masked(n, 0)) != 0 {
			return true
		}
	}
	return false
}

// has4 is has for an IPv4 address as loaded.
func (s *netSet) has4(a uint32) bool {
	return len(s.lens[0]) > 0 && s.has(unsafe.Pointer(&a), false)
}

// addrOfPrefix is the endpoint that a prefix's addresses are masked to.
func addrOfPrefix(p netip.Prefix) endpoint {
	addr := AddrOf(p.Addr())
	return endpointAt(unsafe.Pointer(&addr), p.Addr().Is6(), 0, 0)
}
