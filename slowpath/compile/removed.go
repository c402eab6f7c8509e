package compile

import (
	"time"

	"github.com/weirlb/weir/conf"
	"github.com/weirlb/weir/fastpath"
)

// A backend that is taken out of a service keeps its place until its last connection has ended, so that what becomes of
// those is the service's choice. If it comes back in time, it has its place again, and its connections.

// Removed are the places of a service's removed backends that still have connections.
func (c *Compiler) Removed(s *conf.Service) []*Place {
	if p := c.services[s.Name]; p != nil {
		return p.removed
	}
	return nil
}

// remove marks places as those of removed backends from a generation on, unless they are already, and gives up those without
// connections: what a worker opens there at this very moment is lost with them, which must not be if it is counted for the
// service's limits.
func (c *Compiler) remove(list []*Place, counted bool, gone uint64) []*Place {
	var out []*Place
	for _, p := range list {
		switch {
		case p.removedIn != 0:
			out = append(out, p)
		case p.Load.Total() == 0 && !counted:
			c.giveUpPlace(p.Index, gone)
		default:
			marked := *p // what the last snapshot has stays as it is until the commit
			marked.removedIn = gone
			out = append(out, &marked)
		}
	}
	return out
}

// settleRemoved gives up the places of removed backends without connections: no worker that knows them as configured, and so
// could open one, is left.
func (c *Compiler) settleRemoved(p *ServicePlace, acked, gone uint64) {
	var left []*Place
	for _, b := range p.removed {
		if b.removedIn <= acked && b.Load.Total() == 0 {
			c.giveUpPlace(b.Index, gone)
		} else {
			left = append(left, b)
		}
	}
	p.removed = left
	c.removed = append(c.removed, left...)
}

// ended reports whether a removed backend has lost its last connection, so that its place can be given up.
func (c *Compiler) ended() bool {
	for _, p := range c.removed {
		if p.Load.Total() == 0 {
			return true
		}
	}
	return false
}

// Due is when to compile again because a backend that starts slowly is to get more, or a removed one has no connection
// left; zero if there is none such.
func (c *Compiler) Due() time.Time {
	if c.ended() {
		return c.now
	}
	return c.due
}

var departures = map[conf.OnRemove]fastpath.Departure{
	conf.OnRemoveReset: fastpath.Resets, conf.OnRemoveReschedule: fastpath.Reschedules,
}

// addRemoved puts removed backends into their places. To one that no way leads to any more it is as if it never had been
// there.
func (c *Compiler) addRemoved(b *fastpath.Builder) {
	for i := range c.cfg.Services {
		s := &c.cfg.Services[i]
		for _, p := range c.services[s.Name].removed {
			r, err := c.route(c.cfg, p.address.Addr(), s.Mode == conf.TUN)
			if err != nil {
				b.Vacate(p.Index)
				continue
			}
			r.shared = c.servers.Shared(p.address)
			out := c.specOf(s)
			out.place(s, p, &r)
			out.Departure = departures[s.OnRemove]
			b.SetBackend(p.Index, &out.BackendSpec)
		}
	}
}
