package compile

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath/nexthop"
)

// route is how a backend is reached: the port, the record of the next hop, and for tun the source of the outer header.
type route struct {
	hop    nexthop.ID
	port   uint8
	source netip.Addr
}

// routes are those of all backends. Services that have their backends from one group share them.
type routes struct {
	of    map[routeKey][]route
	sorry map[*conf.Backend][]route
	list  [][]route // in the order of the services
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

// same reports whether all backends are reached as they were, by the routes of the same configuration.
func (r *routes) same(o *routes) bool {
	return slices.EqualFunc(r.list, o.list, func(a, b []route) bool { return slices.Equal(a, b) })
}

// findRoutes finds the ways to all backends, and has their next hops resolved.
func (c *Compiler) findRoutes(cfg *conf.Config) (routes, error) {
	r := routes{of: map[routeKey][]route{}, sorry: map[*conf.Backend][]route{}}
	for i := range cfg.Services {
		s := &cfg.Services[i]
		k := routesKey(s)
		if _, ok := r.of[k]; !ok {
			list, err := c.routesTo(cfg, s, s.Backends)
			if err != nil {
				return r, fmt.Errorf("service %s: %w", s.Name, err)
			}
			r.of[k], r.list = list, append(r.list, list)
		}
		if s.Sorry != nil {
			list, err := c.routesTo(cfg, s, []conf.Backend{*s.Sorry})
			if err != nil {
				return r, fmt.Errorf("service %s: %w", s.Name, err)
			}
			r.sorry[s.Sorry], r.list = list, append(r.list, list)
		}
	}
	return r, nil
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
