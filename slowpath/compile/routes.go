package compile

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/fastpath/nexthop"
)

// route is how a backend is reached: the port, the record of the next hop, and for tun the source of the outer header.
type route struct {
	hop    nexthop.ID
	port   uint8
	source netip.Addr
	shared bool // what fastpath.Servers says of the backend
}

// routes are those of all backends. Services that have their backends from one group share them.
type routes struct {
	of    map[routeKey][]route
	reals map[routeKey][]fastpath.Real // what rows are made of
	sorry map[*conf.Backend]route
	alike map[[2]*route]bool // what was compared of two lists
}

// routeKey is a list of backends, by its first, and whether they are reached by tunnels.
type routeKey struct {
	first  *conf.Backend
	count  int
	tunnel bool
}

func routesKey(s *conf.Service) routeKey {
	if len(s.Backends) == 0 {
		return routeKey{}
	}
	return routeKey{&s.Backends[0], len(s.Backends), s.Mode == conf.TUN}
}

// sameRoutes reports whether a service's backends, which are those of a service of the last configuration, are reached as
// they were.
func (c *Compiler) sameRoutes(s *conf.Service, last *Compiler, was *conf.Service) bool {
	if s.Sorry != nil && c.routes.sorry[s.Sorry] != last.routes.sorry[was.Sorry] {
		return false
	}
	a, b := c.routes.of[routesKey(s)], last.routes.of[routesKey(was)]
	if len(a) == 0 || len(a) != len(b) {
		return len(a) == len(b)
	}
	k := [2]*route{&a[0], &b[0]}
	same, known := c.routes.alike[k]
	if !known {
		same = slices.Equal(a, b)
		c.routes.alike[k] = same
	}
	return same
}

// findRoutes finds the ways to all backends, and has their next hops resolved.
func (c *Compiler) findRoutes(cfg *conf.Config) (routes, error) {
	r := routes{of: map[routeKey][]route{}, reals: map[routeKey][]fastpath.Real{}, sorry: map[*conf.Backend]route{}, alike: map[[2]*route]bool{}}
	lists, in := map[routeKey][]conf.Backend{}, map[routeKey]int{} // how many services in nat have a list
	for i := range cfg.Services {
		s := &cfg.Services[i]
		k := routesKey(s)
		if _, ok := r.of[k]; !ok {
			list, err := c.routesTo(cfg, s, s.Backends)
			if err != nil {
				return r, fmt.Errorf("service %s: %w", s.Name, err)
			}
			r.of[k], lists[k] = list, s.Backends
		}
		if s.Sorry != nil {
			list, err := c.routesTo(cfg, s, []conf.Backend{*s.Sorry})
			if err != nil {
				return r, fmt.Errorf("service %s: %w", s.Name, err)
			}
			r.sorry[s.Sorry] = list[0]
		}
		if s.Mode == conf.NAT && len(s.Backends) > 0 {
			in[k]++
		}
	}
	c.countServers(cfg, lists, in)
	for k, list := range lists {
		ways := r.of[k]
		for i := range list {
			ways[i].shared = c.servers.Shared(list[i].Address)
		}
		r.reals[k] = realsOf(cfg, list, ways)
	}
	for b, way := range r.sorry {
		way.shared = c.servers.Shared(b.Address)
		r.sorry[b] = way
	}
	return r, nil
}

func realsOf(cfg *conf.Config, list []conf.Backend, ways []route) []fastpath.Real {
	out := make([]fastpath.Real, len(list))
	for i := range out {
		b, w := &list[i], &ways[i]
		out[i] = fastpath.Real{
			Address: b.Address, Source: w.source, Hop: w.hop, MTU: uint16(cfg.Ports[w.port].MTU), Accepts: b.Weight > 0, Shared: w.shared,
		}
	}
	return out
}

// countServers counts the backends in nat, those of a group once for all services that have it, and removed ones as well.
func (c *Compiler) countServers(cfg *conf.Config, lists map[routeKey][]conf.Backend, in map[routeKey]int) {
	c.servers = fastpath.Servers{}
	for k, list := range lists {
		if n := in[k]; n > 0 {
			for i := range list {
				c.servers.Add(list[i].Address, n)
			}
		}
	}
	for i := range cfg.Services {
		s := &cfg.Services[i]
		if s.Mode != conf.NAT {
			continue
		}
		if s.Sorry != nil {
			c.servers.Add(s.Sorry.Address, 1)
		}
		for _, p := range c.services[s.Name].removed {
			c.servers.Add(p.address, 1)
		}
	}
}

func (c *Compiler) routesTo(cfg *conf.Config, s *conf.Service, backends []conf.Backend) ([]route, error) {
	out := make([]route, len(backends))
	for i := range backends {
		var err error
		if out[i], err = c.route(cfg, backends[i].Address.Addr(), s.Mode == conf.TUN); err != nil {
			return nil, fmt.Errorf("backend %s: %w", backends[i].Address, err)
		}
	}
	return out, nil
}

// route finds the port and next hop of a backend, and for tun the source of the outer header.
func (c *Compiler) route(cfg *conf.Config, addr netip.Addr, tunnel bool) (r route, err error) {
	port, via, ok := Way(cfg, addr)
	if !ok {
		return r, fmt.Errorf("no port's network and no gateway leads to it")
	}
	r.port = uint8(port)
	if r.hop, err = c.neighbors.Resolve(port, via); err != nil {
		return r, fmt.Errorf("next hop %s on port %s: %w", via, cfg.Ports[port].Name, err)
	}
	if !tunnel {
		return r, nil
	}
	if r.source, ok = SourceFor(&cfg.Ports[port], addr, via); !ok {
		return r, fmt.Errorf("port %s has no address of its family to send the tunnel from", cfg.Ports[port].Name)
	}
	return r, nil
}
