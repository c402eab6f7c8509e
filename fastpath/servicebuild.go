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
	b := &serviceBuilder{t: &serviceTable{hosts: newEndpointTable(n)}, nets: map[netKey]*netBuild{}}
	for i := range services {
		if s := &services[i]; s.Sched != nil {
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
			*b.t.hosts.ref(endpointOf(e.Prefix.Addr(), e.First, s.Proto)) = to
			continue
		}
		k := netKey{e.Prefix, s.Proto}
		n := b.nets[k]
		if n == nil {
			n = new(netBuild)
			b.nets[k] = n
		}
		n.ranges = append(n.ranges, portRange{e.First, e.Last, to})
	}
}

// build makes the table of prefixes.
func (b *serviceBuilder) build() {
	b.t.nets = newEndpointTable(len(b.nets))
	for k, n := range b.nets {
		e := addrOfPrefix(k.prefix)
		b.t.ranges = append(b.t.ranges, n.spans())
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
	at, found := slices.BinarySearchFunc(*l, uint8(p.Bits()), func(a, b uint8) int { return cmp.Compare(b, a) })
	if !found {
		*l = slices.Insert(*l, at, uint8(p.Bits()))
	}
}

// spans lays the ranges of a prefix side by side: of two that share ports, one is within the other and takes them.
func (n *netBuild) spans() (out []portSpan) {
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
		around = append(around, r)
		emit(r.first, r.to)
	}
	close(1 << 16)
	return out
}
