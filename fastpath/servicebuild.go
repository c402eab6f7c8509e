package fastpath

import (
	"cmp"
	"net/netip"
	"slices"
)

// serviceBuilder makes a serviceTable.
type serviceBuilder struct {
	t    *serviceTable
	nets map[netKey]*netBuild
}

type netKey struct {
	prefix netip.Prefix
	proto  uint8
}

// netBuild is a prefix and the ranges of ports that services have there.
type netBuild struct {
	ranges []portRange
	at     map[[2]uint16]int // of first and last port in ranges
}

type portRange struct {
	first, last uint16
	to          target
}

func newServiceTable(services []ServiceSpec) *serviceTable {
	n := 0
	for i := range services {
		n += len(services[i].Addresses)
	}
	b := &serviceBuilder{t: &serviceTable{hosts: newEndpointTable(n), sources: newEndpointTable(0)}, nets: map[netKey]*netBuild{}}
	for i := range services {
		if s := &services[i]; !s.unused() {
			b.add(s, uint32(i)+1)
		}
	}
	b.build()
	return b.t
}

func (b *serviceBuilder) add(s *ServiceSpec, to target) {
	for i := range s.Addresses {
		e := &s.Addresses[i]
		if e.single() {
			b.put(b.t.hosts.ref(endpointOf(e.Prefix.Addr(), e.First, s.Proto)), s, e, to)
			continue
		}
		k := netKey{e.Prefix, s.Proto}
		n := b.nets[k]
		if n == nil {
			n = &netBuild{at: map[[2]uint16]int{}}
			b.nets[k] = n
		}
		i, ok := n.at[[2]uint16{e.First, e.Last}]
		if !ok {
			i = len(n.ranges)
			n.at[[2]uint16{e.First, e.Last}] = i
			n.ranges = append(n.ranges, portRange{first: e.First, last: e.Last})
		}
		b.put(&n.ranges[i].to, s, e, to)
	}
}

// put makes an endpoint lead to a service too.
func (b *serviceBuilder) put(at *target, s *ServiceSpec, e *Endpoint, to target) {
	if len(s.Sources) == 0 && len(s.Ingress) == 0 {
		if *at&isFork != 0 {
			b.t.forks[*at&^isFork].rest = to
		} else {
			*at = to
		}
		return
	}
	if *at&isFork == 0 {
		b.t.forks = append(b.t.forks, fork{rest: *at})
		*at = isFork | uint32(len(b.t.forks)-1)
	}
	f := &b.t.forks[*at&^isFork]
	f.byPort = f.byPort || len(s.Ingress) > 0
	sources := s.Sources
	if len(sources) == 0 {
		sources = []netip.Prefix{netip.PrefixFrom(e.Prefix.Addr(), 0)}
	}
	for _, p := range sources {
		if p.Addr().Is6() != e.Prefix.Addr().Is6() {
			continue
		}
		src := addrOfPrefix(p)
		f.lens = withLength(f.lens, uint8(p.Bits()))
		if len(s.Ingress) == 0 {
			*b.t.sources.ref(src.masked(uint8(p.Bits()), sourceOf(*at)|anyPort<<forkPort)) = to
		}
		for _, in := range s.Ingress {
			*b.t.sources.ref(src.masked(uint8(p.Bits()), sourceOf(*at)|uint64(in)<<forkPort)) = to
		}
	}
}

// build makes the table of prefixes.
func (b *serviceBuilder) build() {
	b.t.nets = newEndpointTable(len(b.nets))
	for k, n := range b.nets {
		e := addrOfPrefix(k.prefix)
		b.t.ranges = append(b.t.ranges, n.spans(b.t.forks))
		*b.t.nets.ref(e.masked(uint8(k.prefix.Bits()), uint64(k.proto)<<16)) = uint32(len(b.t.ranges))
		addLength(&b.t.lens, k.prefix)
	}
}

// addLength notes the length of a prefix, the longest first.
func addLength(lens *[2][]uint8, p netip.Prefix) {
	l := &lens[0]
	if p.Addr().Is6() {
		l = &lens[1]
	}
	*l = withLength(*l, uint8(p.Bits()))
}

func withLength(list []uint8, n uint8) []uint8 {
	at, found := slices.BinarySearchFunc(list, n, func(a, b uint8) int { return cmp.Compare(b, a) })
	if found {
		return list
	}
	return slices.Insert(list, at, n)
}

// spans lays the ranges of a prefix side by side: of two that share ports, one is within the other and takes them. What a
// fork leaves goes to the range around it.
func (n *netBuild) spans(forks []fork) (out []portSpan) {
	slices.SortStableFunc(n.ranges, func(a, b portRange) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(b.last, a.last))
	})
	emit := func(first uint16, to target) {
		if len(out) > 0 && out[len(out)-1].first == first {
			out = out[:len(out)-1]
		}
		out = append(out, portSpan{first, to})
	}
	var around []portRange // the ranges that hold the last one, the narrowest last
	close := func(upTo int) {
		for len(around) > 0 && int(around[len(around)-1].last) < upTo {
			last := around[len(around)-1].last
			around = around[:len(around)-1]
			outer := target(0)
			if len(around) > 0 {
				outer = around[len(around)-1].to
			}
			if last < 65535 {
				emit(last+1, outer)
			}
		}
	}
	for _, r := range n.ranges {
		close(int(r.first))
		if r.to&isFork != 0 && forks[r.to&^isFork].rest == 0 && len(around) > 0 {
			forks[r.to&^isFork].rest = around[len(around)-1].to
		}
		around = append(around, r)
		emit(r.first, r.to)
	}
	close(1 << 16)
	return out
}
