package node

import (
	"net/netip"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/slowpath/compile"
	"github.com/weirlb/weir/slowpath/neighbor"
)

func static(cfg *conf.Config) []neighbor.Static {
	var out []neighbor.Static
	for _, s := range cfg.Neighbors {
		if i, ok := cfg.PortIndex(s.Port); ok {
			out = append(out, neighbor.Static{Port: i, Address: s.Address, MAC: s.MAC})
		}
	}
	return out
}

// answered are the addresses, besides the ports' own, and the prefixes that Weir answers ARP and ND for: VIPs, local
// addresses and sources of tunnels.
func answered(cfg *conf.Config) (hosts []netip.Addr, nets []netip.Prefix) {
	seen := map[netip.Prefix]bool{}
	for i := range cfg.Services {
		for _, e := range cfg.Services[i].Addresses {
			switch {
			case seen[e.Prefix]:
				continue
			case e.Host():
				hosts = append(hosts, e.Prefix.Addr())
			default:
				nets = append(nets, e.Prefix)
			}
			seen[e.Prefix] = true
		}
		for _, a := range cfg.Services[i].Tunnel.Sources {
			if p := netip.PrefixFrom(a, a.BitLen()); !seen[p] {
				hosts = append(hosts, a)
				seen[p] = true
			}
		}
	}
	return append(hosts, compile.Locals(cfg)...), nets
}
