package fastpath

import (
	"maps"
	"net/netip"
	"slices"
	"unsafe"

	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/fastpath/port"
)

// Encap is what a tunnel puts between the outer IP header and the packet.
type Encap uint8

// The encapsulations.
const (
	IPIP  Encap = iota // nothing
	GUE                // UDP and the header of variant 0 (draft-ietf-intarea-gue), as Linux has it
	GRE                // RFC 2784, with a key RFC 2890
	VXLAN              // UDP, RFC 7348's header and an Ethernet header
)

// TunnelSpec describes the tunnel to a backend in TUN. The zero value is plain IP in IP.
type TunnelSpec struct {
	Encap    Encap
	Port     uint16  // GUE, VXLAN: of UDP, at the backend
	Key      uint32  // GRE; 0: none
	VNI      uint32  // VXLAN
	MAC      [6]byte // VXLAN: of the backend's interface inside
	Checksum bool    // GRE, GUE, VXLAN: cover the whole packet with a checksum
	// Sources are the addresses of the backend's family of which a flow has one; none: BackendSpec.Source.
	Sources []netip.Addr
}

// Lengths of what encapsulations put behind the outer IP header.
const (
	gueLen   = packet.UDPLen + 4
	greLen   = 4
	greField = 4 // checksum, key: each
	vxlanLen = packet.UDPLen + 8 + packet.EthLen
)

// Overhead is the length of all headers in front of a packet in a tunnel.
func (t *TunnelSpec) Overhead(v6 bool) int {
	n := packet.IP4Len
	if v6 {
		n = packet.IP6Len
	}
	switch t.Encap {
	case GUE:
		n += gueLen
	case GRE:
		n += greLen
		if t.Checksum {
			n += greField
		}
		if t.Key != 0 {
			n += greField
		}
	case VXLAN:
		n += vxlanLen
	}
	return n
}

// tunnel is a TunnelSpec as workers use it.
type tunnel struct {
	encap    Encap
	checksum bool
	v6       bool // of the outer header
	size     uint8
	// head is what stands behind the outer IP header, as far as it is the same in all packets.
	head    [vxlanLen]byte
	sources []nexthop.Addr
}

// tunnelKey is what a tunnel is built of.
type tunnelKey struct {
	encap    Encap
	checksum bool
	v6       bool
	port     uint16
	key, vni uint32
	mac      [6]byte
	source   nexthop.Addr // of VXLAN, whose inner MAC follows from it
	sources  string
}

// Plain reports whether there is nothing but an outer header, always with the same addresses.
func (t *TunnelSpec) Plain() bool { return t.Encap == IPIP && len(t.Sources) == 0 }

// addTunnel finds how a backend's packets are wrapped in a tunnel that is not plain.
func (bl *Builder) addTunnel(out *Backend, b *BackendSpec) {
	t := &b.Tunnel
	if t.Plain() {
		return
	}
	made := t.build(out.V6, AddrOf(b.Source))
	if t.Encap == IPIP && len(made.sources) == 0 {
		return
	}
	k := tunnelKey{encap: t.Encap, checksum: t.Checksum, v6: out.V6, port: t.Port, key: t.Key, vni: t.VNI, mac: t.MAC}
	if t.Encap == VXLAN {
		k.source = AddrOf(b.Source)
	}
	for _, a := range made.sources {
		k.sources += string(a[:])
	}
	bl.mu.Lock()
	defer bl.mu.Unlock()
	out.wrap, out.tunnel = wrapMore, bl.tunnelOf(k, made, t)
}

// tunnelOf is the index of a tunnel in the snapshot, where each stands once.
func (bl *Builder) tunnelOf(k tunnelKey, made *tunnel, t *TunnelSpec) uint32 {
	snap := bl.snap
	if i, ok := snap.tunnelAt[k]; ok {
		return i
	}
	if !bl.tunnels { // the base's are for others, too
		bl.tunnels = true
		snap.tunnels, snap.tunnelPorts = slices.Clip(snap.tunnels), slices.Clip(snap.tunnelPorts)
		snap.tunnelAt, snap.tunnelSources = cloned(snap.tunnelAt), cloned(snap.tunnelSources)
	}
	i := uint32(len(snap.tunnels))
	snap.tunnels, snap.tunnelAt[k] = append(snap.tunnels, *made), i
	for _, a := range t.Sources {
		snap.tunnelSources[a] = true
	}
	if p := (tunnelPort{packet.Swap16(t.Port), t.Encap}); (t.Encap == GUE || t.Encap == VXLAN) && !slices.Contains(snap.tunnelPorts, p) {
		snap.tunnelPorts = append(snap.tunnelPorts, p)
	}
	return i
}

func cloned[K comparable, V any](m map[K]V) map[K]V {
	out := make(map[K]V, len(m)+1)
	maps.Copy(out, m)
	return out
}

// wrapping is how a backend's packets get their outer header.
type wrapping uint8

const (
	wrapIP4  wrapping = iota // in IPv4, nothing between, one source
	wrapIP6                  // in IPv6
	wrapMore                 // by Snapshot.tunnels
)

// Where fields lie in head.
const (
	gueProto  = packet.UDPLen + 1
	greProto  = 2
	greSum    = 4
	vxlanVNI  = packet.UDPLen + 4
	vxlanEth  = packet.UDPLen + 8
	vxlanType = vxlanEth + packet.EthTypeOff
)

// build prepares a tunnel's headers from one of Weir's addresses.
func (t *TunnelSpec) build(v6 bool, source nexthop.Addr) *tunnel {
	out := &tunnel{encap: t.Encap, checksum: t.Checksum, v6: v6}
	out.size = uint8(t.Overhead(v6) - (&TunnelSpec{}).Overhead(v6))
	h := unsafe.Pointer(&out.head)
	switch t.Encap {
	case GUE:
		packet.Store16(h, packet.PortsOff+2, packet.Swap16(t.Port))
	case GRE:
		var flags uint16
		key := uintptr(greLen)
		if t.Checksum {
			flags |= 0x8000
			key += greField
		}
		if t.Key != 0 {
			flags |= 0x2000
			packet.Store32(h, key, packet.Swap32(t.Key))
		}
		packet.Store16(h, 0, packet.Swap16(flags))
	case VXLAN:
		packet.Store16(h, packet.PortsOff+2, packet.Swap16(t.Port))
		packet.Store8(h, packet.UDPLen, 0x08) // the VNI is valid
		packet.Store32(h, vxlanVNI, packet.Swap32(t.VNI<<8))
		copy(out.head[vxlanEth:], t.MAC[:])
		// Inside, Weir has a MAC that follows from its address, locally administered.
		last := source[:4]
		if v6 {
			last = source[12:]
		}
		copy(out.head[vxlanEth+packet.EthSrc:], append([]byte{0x02, 0}, last...))
	}
	for _, a := range t.Sources {
		if a.Is6() == v6 {
			out.sources = append(out.sources, AddrOf(a))
		}
	}
	return out
}

// proto is what the outer IP header says of the rest.
func (t *tunnel) proto(v6 bool) uint8 {
	switch t.encap {
	case GRE:
		return packet.ProtoGRE
	case GUE, VXLAN:
		return packet.ProtoUDP
	}
	return innerProto(v6)
}

// wrapMore writes the headers of any encapsulation in front of the inner packet of size bytes, into the room that was made
// for them.
func (w *Worker) wrapMore(f *port.Frame, inner unsafe.Pointer, v6 bool, size uint16, b *Backend, hash uint32) {
	t := &w.snap.tunnels[b.tunnel]
	outer := unsafe.Add(f.Data, packet.EthLen)
	between := unsafe.Add(inner, -int(t.size))
	size += uint16(t.size)
	if t.v6 {
		packet.Store16(f.Data, packet.EthTypeOff, packet.EtherIPv6)
		outer6(outer, inner, v6, size, b, hash)
		packet.Store8(outer, packet.IP6Next, t.proto(v6))
	} else {
		packet.Store16(f.Data, packet.EthTypeOff, packet.EtherIPv4)
		w.outer4(outer, inner, v6, size, t.proto(v6), b)
	}
	if n := uint64(len(t.sources)); n > 0 {
		t.setSource(outer, &t.sources[uint64(hash)*n>>32])
	}
	copy(packet.Bytes(between, uint32(t.size)), t.head[:t.size])
	switch t.encap {
	case GUE:
		packet.Store8(between, gueProto, innerProto(v6))
		t.setUDP(outer, between, size, hash)
	case GRE:
		packet.Store16(between, greProto, etherOf(v6))
		if t.checksum {
			packet.Store16(between, greSum, ^packet.Fold(packet.Sum(between, int(size), 0)))
		}
	case VXLAN:
		packet.Store16(between, vxlanType, etherOf(v6))
		t.setUDP(outer, between, size, hash)
	}
}

// setSource writes another source into an outer header.
func (t *tunnel) setSource(outer unsafe.Pointer, a *nexthop.Addr) {
	if t.v6 {
		*(*nexthop.Addr)(unsafe.Add(outer, packet.IP6Src)) = *a
		return
	}
	d := packet.Replace(unsafe.Add(outer, packet.IP4Src), unsafe.Pointer(a), 4)
	packet.Store32(outer, packet.IP4Src, packet.Load32(unsafe.Pointer(a), 0))
	packet.Store16(outer, packet.IP4Checksum, d.Update(packet.Load16(outer, packet.IP4Checksum)))
}

// setUDP fills in a UDP header of size bytes with all behind it. The source port is of the ephemeral range (RFC 6335
// section 6) and the flow's, so that the receiver spreads tunnelled flows over its queues.
func (t *tunnel) setUDP(outer, udp unsafe.Pointer, size uint16, hash uint32) {
	packet.Store16(udp, packet.PortsOff, packet.Swap16(0xc000|uint16(hash>>18)))
	packet.Store16(udp, packet.UDPLength, packet.Swap16(size))
	if !t.checksum {
		return
	}
	off := uintptr(packet.IP4Src)
	if t.v6 {
		off = packet.IP6Src
	}
	sum := ^packet.Fold(packet.Sum(udp, int(size), packet.PseudoHeader(unsafe.Add(outer, off), t.v6, packet.ProtoUDP, int(size))))
	if sum == 0 {
		sum = 0xffff
	}
	packet.Store16(udp, packet.UDPChecksum, sum)
}

func etherOf(v6 bool) uint16 {
	if v6 {
		return packet.EtherIPv6
	}
	return packet.EtherIPv4
}

// tunnelPort is a UDP port that one of Weir's tunnels leads to.
type tunnelPort struct {
	port  uint16 // as loaded
	encap Encap
}

// inside finds the packet in one that Weir may have put into a tunnel, q, of whose quote the bytes up to end are there: its
// offset in the frame and its family.
func (snap *Snapshot) inside(f *port.Frame, q *quote, end int) (off int, v6, ok bool) {
	off = int(uintptr(q.l4) - uintptr(f.Data))
	switch q.proto {
	case packet.ProtoIPIP, packet.ProtoIPv6:
		return off, q.proto == packet.ProtoIPv6, true
	case packet.ProtoGRE:
		return insideGRE(f, off, end)
	case packet.ProtoUDP:
	default:
		return 0, false, false
	}
	for _, p := range snap.tunnelPorts {
		if p.port != uint16(q.ports>>16) {
			continue
		}
		if p.encap == GUE && end-off >= gueLen {
			switch packet.Load8(q.l4, gueProto) {
			case packet.ProtoIPIP:
				return off + gueLen, false, true
			case packet.ProtoIPv6:
				return off + gueLen, true, true
			}
		} else if p.encap == VXLAN && end-off >= vxlanLen {
			ether := packet.Load16(q.l4, vxlanType)
			return off + vxlanLen, ether == packet.EtherIPv6, ether == packet.EtherIPv4 || ether == packet.EtherIPv6
		}
	}
	return 0, false, false
}

func insideGRE(f *port.Frame, off, end int) (at int, v6, ok bool) {
	flags, ether := packet.Swap16(packet.Load16(f.Data, uintptr(off))), packet.Load16(f.Data, uintptr(off+greProto))
	if flags&0x5fff != 0 || ether != packet.EtherIPv4 && ether != packet.EtherIPv6 {
		return 0, false, false
	}
	at = off + greLen
	for _, field := range []uint16{0x8000, 0x2000} {
		if flags&field != 0 {
			at += greField
		}
	}
	return at, ether == packet.EtherIPv6, at <= end
}
