package fastpath

import (
	"net/netip"
	"unsafe"

	"github.com/weirlb/weir/fastpath/conn"
	"github.com/weirlb/weir/fastpath/nexthop"
	"github.com/weirlb/weir/fastpath/packet"
	"github.com/weirlb/weir/sched"
)

// Spec describes a snapshot in the terms of the configuration. The caller has validated it.
type Spec struct {
	Generation uint64
	Ports      []PortSpec
	Gateways   []GatewaySpec
	Services   []ServiceSpec // by index; one without a scheduler that is not Same is an unused place
	Backends   []BackendSpec // by index; one with generation 0 is an unused place
	// Base is a snapshot whose backends stay unless they are set or their places vacated, and so do its services that are
	// Same. Ports, and timeouts as far as the base has them, are the same. nil: there is none.
	Base *Snapshot
	// Rest says that the base's services that are not given stay, and its addresses and timeouts, too. Ports and Locals are
	// those of the base.
	Rest     bool
	Locals   []netip.Addr    // local addresses of fullnat services, by index; one that is not valid is an unused place
	Timeouts []conn.Timeouts // at least one
}

// PortSpec is a port, by index.
type PortSpec struct {
	Addresses []netip.Prefix // own addresses, unmasked
	MTU       int
}

// GatewaySpec is a way to everything that is not on a connected network.
type GatewaySpec struct {
	Port uint8
	Hop  nexthop.ID
	V6   bool
}

// ServiceSpec is a virtual service.
type ServiceSpec struct {
	// Gen tells the service from those that had its index before: what schedulers keep of them is not its own.
	Gen       uint32
	Name      string
	Addresses []Endpoint
	// Sources and Ingress are what packets that begin a connection must come from, and the ports that they must come in
	// by; none: any.
	Sources  []netip.Prefix // masked
	Ingress  []uint8
	Proto    uint8
	Mode     Mode
	Sched    sched.Scheduler
	Backends []uint32
	Timeouts uint16    // index in the spec's
	Full     *FullSpec // of one in FullNAT
	Probed   bool      // health checks go through it: its backends answer them from its address

	Persist *PersistenceSpec
	OnEmpty Answer
	Limits  *LimitSpec
	// OnePacket schedules every packet for itself. In NAT such a service has one address and port.
	OnePacket bool
	// Sloppy lets a connection begin with any packet that does not end one.
	Sloppy bool
	// Same says that the service is what it is in the base, and all its backends: of what is above, only what its packets
	// are known by is looked at.
	Same bool
}

// unused reports a place without a service.
func (s *ServiceSpec) unused() bool { return s.Sched == nil && !s.Same }

// BackendSpec is a real server.
type BackendSpec struct {
	Gen     uint32
	Service uint32
	Address netip.AddrPort // with port 0, packets keep their port in NAT
	Accepts bool
	Hop     nexthop.ID
	Port    uint8 // egress
	DF      DFPolicy
	Clamp   bool
	Source  netip.Addr // TUN: source of the outer header, of the backend's family
	Tunnel  TunnelSpec // TUN
	Load    *sched.Load
	// Wide says that the service's packets may be for several addresses or ports, now or by connections that are left
	// from before. It can be false only if the service has one of each.
	Wide bool
	// Quiescent: it takes no new connections only because its weight is 0.
	Quiescent bool
	Departure Departure
	// Shared is what Servers says of the address, in NAT.
	Shared bool
}

// AddrOf is an address as the packet path compares it.
func AddrOf(a netip.Addr) (out nexthop.Addr) {
	if a.Is4() {
		b := a.As4()
		copy(out[:], b[:])
	} else {
		out = a.As16()
	}
	return out
}

func (snap *Snapshot) addService(i uint32, v *ServiceSpec, s *Spec) (err error) {
	snap.Services[i] = Service{
		Name: v.Name, gen: v.Gen, Mode: v.Mode, Sched: v.Sched, keyless: sched.Keyless(v.Sched), binds: sched.Binds(v.Sched), Backends: v.Backends,
		persist: newPersistence(v.Persist), limits: newLimits(v.Limits), once: newOnePacket(v), OnEmpty: v.OnEmpty, sloppy: v.Sloppy, Probed: v.Probed,
	}
	svc := &snap.Services[i]
	svc.usual = svc.persist == nil && svc.limits == nil && svc.once == nil
	if v.Full != nil {
		if svc.full, err = s.fullNAT(v.Full); err != nil {
			return err
		}
		svc.usual = svc.usual && (v.Full.Tell == TellNone || v.Proto != packet.ProtoTCP)
	}
	return nil
}

// addVIPs notes a service's addresses, and appends to hosts those that are no prefixes.
func (snap *Snapshot) addVIPs(v *ServiceSpec, hosts []netip.Addr) []netip.Addr {
	for i := range v.Addresses {
		p := v.Addresses[i].Prefix
		if !p.IsSingleIP() {
			*snap.vipNets.table.ref(addrOfPrefix(p).masked(uint8(p.Bits()), 0)) = 1
			addLength(&snap.vipNets.lens, p)
			continue
		}
		if at := snap.locals.ref(endpointOf(p.Addr(), 0, 0)); *at&localVIP == 0 {
			*at |= localVIP
			hosts = append(hosts, p.Addr())
		}
	}
	return hosts
}

// addBackend makes a backend; others at other places may be made at the same time.
func (bl *Builder) addBackend(i uint32, b *BackendSpec) {
	svc := &bl.spec.Services[b.Service]
	out := bl.place(i)
	out.build(b, svc.recipe(), bl.spec.Ports[b.Port].MTU)
	if b.Departure != Stays {
		out.Gen = 0
		bl.depart(departed{i, b.Gen, b.Departure})
	}
	if svc.Mode == TUN {
		bl.addTunnel(out, b)
	}
}

// recipe is what of a service is in its backends.
type recipe struct {
	mode     Mode
	proto    uint8
	timeouts uint16
	vip      Endpoint // the first one
}

func (s *ServiceSpec) recipe() recipe {
	r := recipe{mode: s.Mode, proto: s.Proto, timeouts: s.Timeouts}
	if len(s.Addresses) > 0 {
		r.vip = s.Addresses[0]
	}
	return r
}

// build makes a backend, behind a port with an MTU, in a plain tunnel if in any.
func (out *Backend) build(b *BackendSpec, svc recipe, mtu int) {
	addr := AddrOf(b.Address.Addr())
	*out = Backend{
		Mode: svc.mode, V6: b.Address.Addr().Is6(), Accepts: b.Accepts, quiescent: b.Quiescent, Clamp: b.Clamp,
		Gen: b.Gen, Service: b.Service, Hop: b.Hop, Load: b.Load, timeouts: uint32(svc.timeouts) * uint32(unsafe.Sizeof(conn.Timeouts{})),
		peer: conn.Peer{
			Addr: *(*[2]uint64)(unsafe.Pointer(&addr)), Gen: b.Gen, Port: packet.Swap16(b.Address.Port()), V6: b.Address.Addr().Is6(),
		},
	}
	switch svc.mode {
	case TUN:
		out.buildOuter(b, addr)
		mtu -= int(out.Hdr)
	case FullNAT:
		out.wide = true
	case NAT:
		if b.Wide || svc.proto == packet.ProtoSCTP {
			out.wide = true
			break
		}
		vip := AddrOf(svc.vip.Prefix.Addr())
		out.ToL3 = packet.Replace(unsafe.Pointer(&vip), unsafe.Pointer(&addr), len(addr))
		out.ToL4 = out.ToL3.Plus(packet.Replace16(packet.Swap16(svc.vip.First), out.peer.Port))
	}
	out.shared = svc.mode == NAT && (b.Shared || out.wide)
	out.toL3TTL, out.fromL3TTL = out.ToL3.Plus(packet.TTLDelta), out.ToL3.Neg().Plus(packet.TTLDelta)
	out.minTTLBack = 1
	switch {
	case out.wide:
		out.minTTL, out.minTTLBack = 255, 255
	case svc.mode != DR:
		out.minTTL = 1
	}
	out.fromL4 = out.ToL4.Neg()
	out.MTU, out.maxEnd = uint16(mtu), uint16(mtu+packet.EthLen)
}

// outerTTL is the TTL and hop limit of outer headers (RFC 2003 section 3.1 leaves it to the sender).
const outerTTL = 64

func (out *Backend) buildOuter(b *BackendSpec, addr nexthop.Addr) {
	switch b.DF {
	case DFCopy:
		out.copyDF = packet.IP4DontFragment
	case DFSet:
		out.setDF = packet.IP4DontFragment
	}
	src := AddrOf(b.Source)
	h := out.Outer[:]
	out.Hdr = uint16(b.Tunnel.Overhead(out.V6))
	if out.V6 {
		out.wrap = wrapIP6
		h[0] = 6 << 4
		h[packet.IP6HopLimit] = outerTTL
		copy(h[packet.IP6Src:], src[:])
		copy(h[packet.IP6Dst:], addr[:])
		return
	}
	h[0] = 4<<4 | packet.IP4Len/4
	h[packet.IP4TTL] = outerTTL
	copy(h[packet.IP4Src:], src[:4])
	copy(h[packet.IP4Dst:], addr[:4])
	out.OuterSum = uint32(packet.Fold(packet.Sum(unsafe.Pointer(&out.Outer), packet.IP4Len, 0)))
}

// local returns what the address at p is to us; 0: nothing.
func (snap *Snapshot) local(p unsafe.Pointer, v6 bool) uint32 {
	flags := snap.locals.get(endpointAt(p, v6, 0, 0))
	if flags == 0 && snap.vipNets.has(p, v6) {
		return localVIP
	}
	return flags
}
