package main

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/conf/lvs"
	"github.com/weirlb/weir/internal/ipvs"
	"github.com/weirlb/weir/slowpath/replay"
)

// mostAddresses is how many a port of Weir has at most.
const mostAddresses = 32

// surroundings makes up the port that neither the file nor the capture tells of: it has an address in the network of every real
// server, a /24 or /64, so that all of them are neighbours, and a gateway to everybody else.
func surroundings(s *lvs.Setup, packets []*packet) (p lvs.Port, err error) {
	taken := map[netip.Addr]bool{}
	var servers []netip.Addr
	families := map[bool]bool{} // by whether it is IPv6
	for _, v := range s.Services {
		for _, e := range v.Endpoints {
			taken[e.Prefix.Addr()] = true
			families[e.Prefix.Addr().Is6()] = true
		}
		for _, b := range v.Backends {
			taken[b.Address.Addr()] = true
			servers = append(servers, b.Address.Addr())
		}
	}
	for _, c := range packets {
		taken[c.view.src], taken[c.view.dst] = true, true
		families[c.view.v6] = true
	}
	var nets []netip.Prefix
	for _, a := range servers {
		if n := around(a); !slices.Contains(nets, n) {
			nets = append(nets, n)
		}
	}
	for _, v6 := range []bool{false, true} {
		if families[v6] && !slices.ContainsFunc(nets, func(n netip.Prefix) bool { return n.Addr().Is6() == v6 }) {
			nets = append(nets, empty(taken, v6))
		}
	}
	if len(nets) > mostAddresses {
		return p, fmt.Errorf("the real servers are in %d networks of a /24 or /64, and a port has at most %d addresses: give --address, with networks that hold them, and --gateway", len(nets), mostAddresses)
	}
	hasGateway := map[bool]bool{}
	for _, n := range nets {
		own, err := free(n, taken)
		if err != nil {
			return p, err
		}
		p.Addresses = append(p.Addresses, netip.PrefixFrom(own, n.Bits()).String())
		if v6 := n.Addr().Is6(); !hasGateway[v6] {
			gateway, err := free(n, taken)
			if err != nil {
				return p, err
			}
			hasGateway[v6] = true
			p.Gateways = append(p.Gateways, gateway.String())
		}
	}
	return p, nil
}

// around is the network that an address is taken to be in.
func around(a netip.Addr) netip.Prefix {
	return netip.PrefixFrom(a, map[bool]int{false: 24, true: 64}[a.Is6()]).Masked()
}

// empty is a network that has none of these addresses: one for documentation, if possible.
func empty(taken map[netip.Addr]bool, v6 bool) netip.Prefix {
	n := netip.MustParsePrefix("192.0.2.0/24")
	if v6 {
		n = netip.MustParsePrefix("2001:db8:fffe::/64")
	}
	for inUse(n, taken) {
		b := n.Addr().AsSlice()
		for i := n.Bits()/8 - 1; ; i-- { // the next one; there are more of them than a capture has packets
			if b[i]++; b[i] != 0 {
				break
			}
		}
		a, _ := netip.AddrFromSlice(b)
		n = netip.PrefixFrom(a, n.Bits())
	}
	return n
}

func inUse(n netip.Prefix, taken map[netip.Addr]bool) bool {
	for a := range taken {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// free takes a host's address of a network that nobody has.
func free(n netip.Prefix, taken map[netip.Addr]bool) (netip.Addr, error) {
	a := n.Addr().Next()
	for ; n.Contains(a.Next()); a = a.Next() { // the last one is IPv4's broadcast address
		if !taken[a] {
			taken[a] = true
			return a, nil
		}
	}
	return a, fmt.Errorf("%s has no address left for the director or its gateway: give --address and --gateway", n)
}

// network is what a configuration has around Weir in a replay of these packets, for the kernel to have it too.
func network(cfg *conf.Config, packets []*packet) (n ipvs.Network) {
	addrs := map[netip.Addr]bool{}
	own := map[netip.Addr]bool{}
	for i := range cfg.Ports {
		p := &cfg.Ports[i]
		n.Ports = append(n.Ports, ipvs.Port{Name: p.Name, MAC: replay.PortMAC(cfg, i), Addresses: p.Addresses, Gateways: p.Gateways, MTU: p.MTU})
		for _, a := range p.Addresses {
			own[a.Addr()] = true
		}
		for _, g := range p.Gateways {
			addrs[g] = true
		}
	}
	for i := range cfg.Services {
		for _, e := range cfg.Services[i].Addresses {
			if !slices.Contains(n.VIPs, e.Prefix) {
				n.VIPs = append(n.VIPs, e.Prefix)
			}
		}
		for _, b := range cfg.Services[i].Backends {
			addrs[b.Address.Addr()] = true
		}
	}
	for _, c := range packets {
		addrs[c.view.src], addrs[c.view.dst] = true, true
	}
	for _, a := range slices.SortedFunc(maps.Keys(addrs), netip.Addr.Compare) {
		vip := slices.ContainsFunc(n.VIPs, func(p netip.Prefix) bool { return p.Contains(a) })
		if i, ok := onLink(cfg, a); ok && !own[a] && !vip {
			n.Neighbors = append(n.Neighbors, ipvs.Neighbor{Port: cfg.Ports[i].Name, Address: a, MAC: station(cfg, i, a)})
		}
	}
	return n
}

// onLink finds the port with a network that an address is in.
func onLink(cfg *conf.Config, a netip.Addr) (port int, ok bool) {
	for i := range cfg.Ports {
		for _, n := range cfg.Ports[i].Addresses {
			if n.Contains(a) {
				return i, true
			}
		}
	}
	return 0, false
}

// way is the MAC of the station that leads to an address: its own, or a gateway's.
func way(cfg *conf.Config, a netip.Addr) (mac [6]byte, ok bool) {
	if i, ok := onLink(cfg, a); ok {
		return station(cfg, i, a), true
	}
	for i := range cfg.Ports {
		for _, g := range cfg.Ports[i].Gateways {
			if g.Is6() == a.Is6() {
				return station(cfg, i, g), true
			}
		}
	}
	return mac, false
}

// station is the MAC of an address on a port's network.
func station(cfg *conf.Config, port int, a netip.Addr) [6]byte {
	for _, n := range cfg.Neighbors {
		if n.Port == cfg.Ports[port].Name && n.Address == a {
			return n.MAC
		}
	}
	return replay.StationMAC(cfg, port, a)
}
