package node

import (
	"net/netip"

	"github.com/weirlb/weir/conf"
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

// vips are the addresses of services, and their prefixes.
func vips(cfg *conf.Config) (hosts []netip.Addr, nets []netip.Prefix) {
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
	}
	return hosts, nets
}
