package compile

import (
	"net/netip"
	"sync"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/sched"
)

// row is the places of a service whose backends all came with it, into places that nobody had before, and have been up with
// the weight of the configuration ever since: nothing needs to be remembered of any but the load. Ten thousand services with
// a thousand backends each are ten thousand rows.
type row struct {
	index, gen uint32 // of the first; those of the others follow
	loads      []sched.Load
	service    *conf.Service
	wide       bool // all of them: see Place
}

// plain is how a backend of a row stands.
func plain(b *conf.Backend) standing { return standing{weight: int32(b.Weight), now: int32(b.Weight)} }

// staysPlain reports whether a backend with a status can be part of a row.
func staysPlain(b *conf.Backend, st Status) bool {
	return st.Up && st.Weight == b.Weight && b.UpperThreshold == 0
}

// Row tells which indices a service's destinations have as long as they need not be told apart. Nobody had them before.
func (c *Compiler) Row(s *conf.Service) (first, many uint32, ok bool) {
	if p := c.services[s.Name]; p != nil && p.row != nil {
		return p.row.index, uint32(len(p.row.loads)), true
	}
	return 0, 0, false
}

// places makes a service's places to be told apart.
func (p *ServicePlace) places() []*Place {
	if p.row != nil {
		p.backends, p.row = p.row.places(), nil
	}
	return p.backends
}

func (r *row) places() []*Place {
	all := make([]Place, len(r.loads))
	out := make([]*Place, len(r.loads))
	for i, b := range destinations(r.service) {
		all[i] = Place{
			Index: r.index + uint32(i), Gen: r.gen + uint32(i), Load: &r.loads[i], address: b.Address,
			wide: r.wide || b.Address.Port() == 0,
		}
		if b != r.service.Sorry {
			all[i].standing = plain(b)
		}
		out[i] = &all[i]
	}
	return out
}

// settler is a service all of whose backends are new, and what its places begin with.
type settler struct {
	at         *ServicePlace
	index, gen uint32
	many       int
}

// reserve gives a new service a row, to be made when there is a goroutine for it; false if there are indices that others had
// before.
func (c *Compiler) reserve(s *conf.Service, at *ServicePlace) bool {
	if len(c.bePlaces.free) > 0 {
		return false
	}
	n := len(s.Backends)
	if s.Sorry != nil {
		n++
	}
	c.settlers = append(c.settlers, settler{at, c.bePlaces.size, c.gens + 1, n})
	c.bePlaces.size += uint32(n)
	c.gens += uint32(n)
	return true
}

// settleNew makes the rows that were reserved.
func (c *Compiler) settleNew() {
	parts := c.sections()
	var all sync.WaitGroup
	for i := range parts {
		part := c.settlers[i*len(c.settlers)/parts : (i+1)*len(c.settlers)/parts]
		all.Go(func() {
			for j := range part {
				n := &part[j]
				n.at.row = &row{n.index, n.gen, make([]sched.Load, n.many), n.at.service, wider(n.at.service)}
			}
		})
	}
	all.Wait()
	c.settlers = nil
}

// staysRow reports whether a service's places can stay in a row, or be one.
func (c *section) staysRow(s *conf.Service, at *ServicePlace, sorry bool) bool {
	if at.row == nil || sorry {
		return false
	}
	for i := range s.Backends {
		if b := &s.Backends[i]; !staysPlain(b, c.status(s, b)) {
			return false
		}
	}
	return true
}

// placesOf are a service's places. Those of a row that is new have stood in no way before.
func (c *section) placesOf(at *ServicePlace) []*Place {
	fresh := at.row != nil && at.row.gen > c.known
	list := at.places()
	if fresh {
		for _, p := range list {
			p.standing = standing{}
		}
	}
	return list
}

// serversOf is servers for a row.
func (c *section) serversOf(s *conf.Service, r *row) []sched.Server {
	out := c.room(len(s.Backends))
	addresses := sched.ReadsAddresses(s.Scheduler)
	for i := range out {
		b := &s.Backends[i]
		out[i] = sched.Server{ID: r.gen + uint32(i), Weight: b.Weight, Last: b.Weight, Load: &r.loads[i]}
		if addresses {
			out[i].Address = b.Address.String()
		}
	}
	return out
}

// addRow is addBackends for a row.
func (c *section) addRow(s *conf.Service, r *row) []uint32 {
	like := c.specOf(s)
	like.Wide = r.wide
	if s.Mode == conf.TUN {
		like.Tunnel = tunnelTo(s, netip.Addr{})
	}
	list := make([]uint32, len(s.Backends))
	for i := range list {
		list[i] = r.index + uint32(i)
	}
	reals := c.routes.reals[routesKey(s)]
	if s.OnePacket || s.Mode == conf.TUN && !like.Tunnel.Plain() { // what is made of these is in tables of the snapshot
		c.addRealsOf(s, r, reals, like)
	} else {
		c.builder.SetRow(&fastpath.Row{First: r.index, Gen: r.gen, Reals: reals, Loads: r.loads[:len(reals)], Like: like.BackendSpec})
	}
	if n := uint32(len(s.Backends)); s.Sorry != nil {
		way := c.routes.sorry[s.Sorry]
		like.Gen, like.Address, like.Load, like.Wide = r.gen+n, s.Sorry.Address, &r.loads[n], r.wide || s.Sorry.Address.Port() == 0
		like.reach(s, &way)
		c.builder.SetBackend(r.index+n, &like.BackendSpec)
	}
	return list
}

// addRealsOf makes a row's backends one by one.
func (c *section) addRealsOf(s *conf.Service, r *row, reals []fastpath.Real, out backendSpec) {
	routes := c.routes.of[routesKey(s)]
	for i := range reals {
		b := &s.Backends[i]
		out.Gen, out.Address, out.Load, out.Wide = r.gen+uint32(i), b.Address, &r.loads[i], r.wide || b.Address.Port() == 0
		out.reach(s, &routes[i])
		out.Accepts, out.Quiescent = b.Weight > 0, b.Weight == 0
		c.builder.SetBackend(r.index+uint32(i), &out.BackendSpec)
	}
}
