package conf

import "net/netip"

// BackendGroup is backends that several services have.
type BackendGroup struct {
	Name     string
	Backends []Backend
	Line     int // where it stands in the file
}

var groupFields = []field[BackendGroup]{
	required("pool", scalar("name", textual, "", func(g *BackendGroup, text string) error {
		return keep(&g.Name)(parseName(text, maxServiceName))
	})),
	required("[{address: 10.0.0.11:8080}]", list("backends", maxListed, backendFields, func(g *BackendGroup) *[]Backend {
		return &g.Backends
	})),
}

// takeGroups gives services the backends of their groups. They share them: ten thousand services with a thousand backends
// each are no more than those thousand.
func takeGroups(cfg *Config) {
	at := groupsByName(cfg)
	for i := range cfg.Services {
		s := &cfg.Services[i]
		if g, ok := at[s.BackendGroup]; ok && len(s.Backends) == 0 {
			s.Backends = cfg.BackendGroups[g].Backends
		}
	}
}

// groupsByName are the places of groups in the file, the first of each name.
func groupsByName(cfg *Config) map[string]int {
	at := make(map[string]int, len(cfg.BackendGroups))
	for i := range cfg.BackendGroups {
		name := cfg.BackendGroups[i].Name
		if _, ok := at[name]; !ok && name != "" {
			at[name] = i
		}
	}
	return at
}

// groupOf is the group that a service has its backends from: none where it wrongly has some of its own beside one.
func (c *checker) groupOf(i int) (group int, ok bool) {
	group, ok = c.groupAt[c.cfg.Services[i].BackendGroup]
	return group, ok && !c.service(i).field("backends").exists()
}

// groups checks the groups' names, and that services name groups that there are.
func (c *checker) groups() {
	names := first[string]{}
	var all []string
	for i := range c.cfg.BackendGroups {
		g := &c.cfg.BackendGroups[i]
		if j, ok := names.again(g.Name, i); ok && g.Name != "" {
			c.group(i).field("name").errorf("is the name of the group on line %d already: choose another", c.cfg.BackendGroups[j].Line)
		}
		all = append(all, g.Name)
	}
	for i := range c.cfg.Services {
		s := &c.cfg.Services[i]
		at := c.service(i).field("backend_group")
		_, known := c.groupAt[s.BackendGroup]
		switch {
		case !at.exists():
		case c.service(i).field("backends").exists():
			at.errorf("cannot be given together with backends: a service has either its own or a group's")
		case s.BackendGroup == "" || known: // its error is reported, or there is none
		case len(all) == 0:
			at.errorf("there is no group %s: list it under backend_groups", quote(s.BackendGroup))
		default:
			if n := near(s.BackendGroup, all); n != "" {
				at.errorf("there is no group %s: did you mean %s?", quote(s.BackendGroup), n)
				break
			}
			at.errorf("there is no group %s: the groups are %s", quote(s.BackendGroup), allOf(all))
		}
	}
}

func (c *checker) group(i int) value { return c.root.field("backend_groups").item(i) }

// backendAt is where the file has a backend of a service: in the service, or in its group.
func (c *checker) backendAt(i, j int) value {
	if g, ok := c.groupOf(i); ok {
		return c.group(g).field("backends").item(j)
	}
	return c.service(i).field("backends").item(j)
}

// use is what a group's backends depend on of a service that has them: all services with the same use share what was found
// out about them.
type use struct {
	group int
	mode  Mode
	port  uint16 // the service's only one
	one   bool   // there is only one
	whole bool
	v4    bool // the service has IPv4 addresses
	v6    bool
}

func useOf(s *Service, group int) use {
	u := use{group: group, mode: s.Mode, whole: s.whole()}
	u.port, u.one = s.Port()
	if s.Mode.rewrites() && u.one {
		u.port = 1 // whichever it is
	}
	for _, e := range s.Addresses {
		u.v6 = u.v6 || e.Prefix.Addr().Is6()
		u.v4 = u.v4 || e.Prefix.Addr().Is4()
	}
	return u
}

// withPort is a copy of backends that have the service's port where the mode leaves that as it is.
func (s *Service) withPort(all []Backend) []Backend {
	port, one := s.Port()
	if s.Mode.rewrites() || !one || !s.whole() {
		return all
	}
	out := make([]Backend, len(all))
	for i, b := range all {
		if b.Address.IsValid() && b.Address.Port() == 0 {
			b.Address = netip.AddrPortFrom(b.Address.Addr(), port)
		}
		out[i] = b
	}
	return out
}
