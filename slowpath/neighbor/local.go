package neighbor

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/weirlb/weir/fastpath/packet"
)

// How Weir makes its own addresses known and defends them (RFC 5227 sections 2.3 and 2.4).
const (
	// AnnounceCount is how often an address is announced, AnnounceInterval apart: switches and neighbours
	// may miss one, right after a link came up.
	AnnounceCount    = 3
	AnnounceInterval = time.Second
	// DefendInterval is the least time between two announcements against a station that uses an address
	// of Weir's.
	DefendInterval = 10 * time.Second
	// MaxDefended bounds the addresses that are defended in that time.
	MaxDefended = 1024
)

// link is a port and Weir's own addresses there.
type link struct {
	name      string
	mac       [6]byte
	addresses []netip.Prefix
	// linkLocal follows from the MAC. It is the source of solicitations where there is no other.
	linkLocal netip.Addr
}

func newLink(l Link) link {
	return link{
		name: l.Name, mac: l.MAC, addresses: slices.Clone(l.Addresses),
		linkLocal: netip.AddrFrom16(packet.LinkLocal(l.MAC)),
	}
}

func (l *link) own(a netip.Addr) bool {
	return a == l.linkLocal || slices.ContainsFunc(l.addresses, func(p netip.Prefix) bool { return p.Addr() == a })
}

// onLink reports whether an address can be a station's on the port's link.
func (l *link) onLink(a netip.Addr) bool {
	return a.Is6() && a.IsLinkLocalUnicast() || slices.ContainsFunc(l.addresses, func(p netip.Prefix) bool { return p.Contains(a) })
}

// source is the own address to ask for a neighbour from: one of its network, or else any of its family.
// Without any, an IPv4 neighbour is asked from 0.0.0.0, as in an ARP probe, which hosts answer too.
func (l *link) source(neighbor netip.Addr) netip.Addr {
	v6 := neighbor.Is6()
	other := netip.IPv4Unspecified()
	if v6 {
		other = l.linkLocal
	}
	found := false
	for _, p := range l.addresses {
		if p.Contains(neighbor) {
			return p.Addr()
		}
		if !found && p.Addr().Is6() == v6 && !neighbor.IsLinkLocalUnicast() {
			other, found = p.Addr(), true
		}
	}
	return other
}

// solicit makes a frame that asks a station, or all, for the MAC of an address.
func (l *link) solicit(addr netip.Addr, to [6]byte) []byte {
	if addr.Is6() {
		return encodeSolicitation(l.mac, to, l.source(addr), addr)
	}
	return encodeARP(to, arpPacket{op: arpRequest, sha: l.mac, spa: l.source(addr), tpa: addr})
}

// announce makes a frame that tells everybody that an address is here.
func (l *link) announce(addr netip.Addr) []byte {
	if addr.Is6() {
		return encodeAdvertisement(l.mac, allNodesMAC, addr, allNodes, addr, false)
	}
	return encodeARP(broadcastMAC, arpPacket{op: arpRequest, sha: l.mac, spa: addr, tpa: addr})
}

// place is one of Weir's addresses on a port where it is answered for.
type place struct {
	port int
	addr netip.Addr
}

type announcement struct {
	place
	left int
	due  time.Time
}

// ours reports whether Weir answers for an address on a port: a VIP anywhere, an own address on its port.
func (t *Table) ours(port int, a netip.Addr) bool {
	return t.vips[a] || t.links[port].own(a) || t.vipNets.contain(a)
}

// nets is a set of prefixes.
type nets struct {
	of   map[netip.Prefix]bool
	bits [2][]int // the lengths there are, of IPv4 and IPv6
}

func newNets(list []netip.Prefix) (n nets) {
	n.of = make(map[netip.Prefix]bool, len(list))
	for _, p := range list {
		n.of[p.Masked()] = true
		bits := n.family(p.Addr())
		if !slices.Contains(*bits, p.Bits()) {
			*bits = append(*bits, p.Bits())
		}
	}
	return n
}

func (n *nets) family(a netip.Addr) *[]int {
	if a.Is6() {
		return &n.bits[1]
	}
	return &n.bits[0]
}

func (n *nets) contain(a netip.Addr) bool {
	return slices.ContainsFunc(*n.family(a), func(bits int) bool {
		p, err := a.Prefix(bits)
		return err == nil && n.of[p]
	})
}

// ourMAC tells frames of our own that came back, for example because two ports are on one link.
func (t *Table) ourMAC(mac [6]byte) bool {
	return slices.ContainsFunc(t.links, func(l link) bool { return l.mac == mac })
}

// SetLocal makes vips, and all of prefixes, the addresses that are answered for on every port. A new VIP is announced on the
// ports whose network holds it, or on all if none does; so are, the first time, the ports' own addresses. A prefix's are
// not: there may be more of them than any network would bear.
func (t *Table) SetLocal(now time.Time, vips []netip.Addr, prefixes ...netip.Prefix) {
	t.advance(now)
	t.vipNets = newNets(prefixes)
	t.vips = make(map[netip.Addr]bool, len(vips))
	for _, a := range vips {
		t.vips[a.Unmap().WithZone("")] = true
	}
	t.announceNew(vips)
}

// announceNew has everything announced that is ours and was not when it was last called.
func (t *Table) announceNew(vips []netip.Addr) {
	before := t.announced
	t.announced = map[place]bool{}
	add := func(port int, a netip.Addr) {
		p := place{port, a}
		if !oneStation(a) {
			return
		}
		if !before[p] && !t.announced[p] {
			t.announces = append(t.announces, announcement{p, AnnounceCount, t.now})
		}
		t.announced[p] = true
	}
	for port := range t.links {
		for _, p := range t.links[port].addresses {
			add(port, p.Addr())
		}
	}
	for _, a := range vips {
		a = a.Unmap().WithZone("")
		for _, port := range t.portsOf(a) {
			add(port, a)
		}
	}
	for p := range t.defended {
		if !t.ours(p.port, p.addr) {
			delete(t.defended, p)
		}
	}
	// New announcements are due now, older ones that wait for their repetition are not.
	slices.SortStableFunc(t.announces, func(a, b announcement) int { return a.due.Compare(b.due) })
}

func (t *Table) portsOf(a netip.Addr) []int {
	var holding, all []int
	for port := range t.links {
		all = append(all, port)
		if slices.ContainsFunc(t.links[port].addresses, func(p netip.Prefix) bool { return p.Contains(a) }) {
			holding = append(holding, port)
		}
	}
	if len(holding) > 0 {
		return holding
	}
	return all
}

// announceDue sends at most budget announcements and returns what is left of the budget.
func (t *Table) announceDue(budget int) int {
	for budget > 0 && len(t.announces) > 0 && !t.announces[0].due.After(t.now) {
		a := t.announces[0]
		t.announces = t.announces[1:]
		if !t.announced[a.place] {
			continue
		}
		t.out.Send(a.port, t.links[a.port].announce(a.addr))
		budget--
		if a.left--; a.left > 0 {
			a.due = t.now.Add(AnnounceInterval)
			t.announces = append(t.announces, a)
		}
	}
	return budget
}

// conflict handles another station's claim to an address of ours: it is defended once in a while, so that
// two stations that both defend do not flood the link.
func (t *Table) conflict(port int, addr netip.Addr, mac [6]byte) {
	p := place{port, addr}
	if last, ok := t.defended[p]; ok && t.now.Sub(last) < DefendInterval {
		return
	}
	if len(t.defended) >= MaxDefended {
		maps.DeleteFunc(t.defended, func(_ place, last time.Time) bool { return t.now.Sub(last) >= DefendInterval })
		if len(t.defended) >= MaxDefended {
			return
		}
	}
	t.defended[p] = t.now
	t.out.Send(port, t.links[port].announce(addr))
	if t.OnConflict != nil {
		t.OnConflict(port, addr, mac)
	}
}
