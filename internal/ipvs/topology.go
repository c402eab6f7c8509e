package ipvs

import "net/netip"

// The balancer of all scenarios stands between two networks: clients are behind a router on wan, backends are
// neighbours on lan, and the VIPs are routed to the balancer.
//
//	clients ── router ── wan [balancer] lan ── backends

// Network is what a balancer stands in: its ports, the addresses it answers for, and the stations around it.
type Network struct {
	Ports     []Port
	VIPs      []netip.Prefix
	Neighbors []Neighbor
}

// Port is one of the balancer's ports.
type Port struct {
	Name      string
	MAC       [6]byte
	Addresses []netip.Prefix
	Gateways  []netip.Addr // to what is on no port's network
	MTU       int
}

// Neighbor is a station on a port's network.
type Neighbor struct {
	Port    string
	Address netip.Addr
	MAC     [6]byte
}

const mtu = 1500

// Ports are the balancer's, Wan first.
var Ports = []Port{
	{"wan", [6]byte{2, 0, 0, 0, 1, 1}, prefixes("192.0.2.1/24", "2001:db8:1::1/64"), Routers, mtu},
	{"lan", [6]byte{2, 0, 0, 0, 2, 1}, prefixes("10.0.0.1/24", "2001:db8:2::1/64"), nil, mtu},
}

// Around is the network of all scenarios.
func Around() Network {
	n := Network{Ports: Ports, Neighbors: Neighbors()}
	for _, a := range VIPs() {
		n.VIPs = append(n.VIPs, netip.PrefixFrom(a, a.BitLen()))
	}
	return n
}

// Names of Ports.
const (
	Wan = "wan"
	Lan = "lan"
)

// Router is the way to all clients.
var (
	RouterMAC = [6]byte{2, 0, 0, 0, 1, 0xfe}
	Routers   = []netip.Addr{netip.MustParseAddr("192.0.2.254"), netip.MustParseAddr("2001:db8:1::fe")}
)

// VIPs are the addresses that services may have.
func VIPs() []netip.Addr {
	all := []netip.Addr{vip4, vip6}
	for i := range 10 {
		all = append(all, furtherVIP(i, false), furtherVIP(i, true))
	}
	return all
}

func furtherVIP(i int, v6 bool) netip.Addr {
	if v6 {
		return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, 15, 14: byte(i), 15: 0x20})
	}
	return netip.AddrFrom4([4]byte{203, 0, 113, byte(20 + i)})
}

var (
	vip4 = netip.MustParseAddr("203.0.113.10")
	vip6 = netip.MustParseAddr("2001:db8:f::10")
)

// NumBackends is how many backends there are on lan.
const NumBackends = 80

// BackendAddr is the address of a backend, from 0, of an IP version.
func BackendAddr(i int, v6 bool) netip.Addr {
	if v6 {
		return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, 2, 15: byte(0x11 + i)})
	}
	return netip.AddrFrom4([4]byte{10, 0, 0, byte(11 + i)})
}

// BackendMAC is its MAC.
func BackendMAC(i int) [6]byte { return [6]byte{2, 0, 0, 0, 2, byte(0x11 + i)} }

// client is the address of a client, all of them far apart so that hashes have something to do.
func client(i int, v6 bool) netip.Addr {
	x := uint32(i)*2654435761 + 12345
	if v6 {
		return netip.AddrFrom16([16]byte{0x2a, 0x01, byte(x >> 24), byte(x >> 16), byte(x >> 8), byte(x), 0, byte(i), 14: byte(i >> 8), 15: byte(i + 1)})
	}
	return netip.AddrFrom4([4]byte{100, byte(64 + x>>24%64), byte(x >> 16), byte(1 + x>>8%254)})
}

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, t := range texts {
		out = append(out, netip.MustParsePrefix(t))
	}
	return out
}
