package lvs

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Marked is what a firewall mark stands for: the addresses, ports and protocol of the packets that get it.
type Marked struct {
	Endpoints []Endpoint
	Protocol  string
}

// ParseMark reads MARK=ADDRESS:PORT[,ADDRESS:PORT…]/PROTOCOL.
func ParseMark(text string) (mark int, m Marked, err error) {
	number, rest, _ := strings.Cut(text, "=")
	i := strings.LastIndex(rest, "/")
	if mark, err = strconv.Atoi(number); err != nil || i < 0 || !slices.Contains([]string{"tcp", "udp", "sctp"}, rest[i+1:]) {
		return 0, m, fmt.Errorf("%q must be MARK=ADDRESS:PORT/PROTOCOL, such as 1=203.0.113.10:80,203.0.113.10:443/tcp", text)
	}
	m.Protocol = rest[i+1:]
	for _, e := range strings.Split(rest[:i], ",") {
		a, err := netip.ParseAddrPort(e)
		if err != nil {
			return 0, m, fmt.Errorf("%q is no address and port: write for example 203.0.113.10:80 or [2001:db8::10]:80", e)
		}
		m.Endpoints = append(m.Endpoints, Endpoint{netip.PrefixFrom(a.Addr(), a.Addr().BitLen()), int(a.Port())})
	}
	return mark, m, nil
}

// Resolve puts in what firewall marks stand for, finds each service's mode, encapsulation and check among its backends',
// and notes what does not fit into one service.
func (s *Setup) Resolve(marks map[int]Marked) {
	for _, v := range s.Services {
		s.resolveMarks(v, marks)
		s.resolveMode(v)
		s.resolvePorts(v)
		s.resolveChecks(v)
		if s.newestFirst {
			slices.Reverse(v.Backends)
		}
		if len(v.Backends) == 0 {
			s.note(v.Place, Ignored, "the service has no server, so clients are refused until one is added")
		}
		if len(v.Endpoints) > 0 && v.Endpoints[0].Port == 0 && v.Persistence == 0 {
			s.note(v.Place, Missing, "a service of all ports needs persistence: give it a persistence section, or a range of ports")
		}
	}
	s.sortNotes()
}

// sortNotes brings the notes into the order of the lines.
func (s *Setup) sortNotes() {
	slices.SortStableFunc(s.Notes, func(a, b Note) int {
		if a.Place.File != b.Place.File {
			return strings.Compare(a.Place.File, b.Place.File)
		}
		return a.Place.Line - b.Place.Line
	})
}

func (s *Setup) resolveMarks(v *Service, marks map[int]Marked) {
	for _, n := range v.Marks {
		m, ok := marks[n]
		switch {
		case !ok:
			s.note(v.Place, Missing, "firewall mark %d: Weir has no marks, but several addresses in one service: give --mark %d=ADDRESS:PORT,…/PROTOCOL with what your firewall marks", n, n)
		case v.Protocol != "" && v.Protocol != m.Protocol:
			s.note(v.Place, Missing, "firewall mark %d is for %s, the service for %s: a service has one protocol", n, m.Protocol, v.Protocol)
		default:
			v.Protocol = m.Protocol
			v.Endpoints = append(slices.Clip(v.Endpoints), m.Endpoints...)
		}
	}
}

// resolveMode makes the first server's way that of the service.
func (s *Setup) resolveMode(v *Service) {
	for i := range v.Backends {
		b := &v.Backends[i]
		if b.Mode == "" {
			b.Mode, b.Tunnel = v.Mode, v.Tunnel
		}
		if b.Mode == "" {
			b.Mode = "nat"
		}
	}
	if len(v.Backends) == 0 {
		if v.Mode == "" {
			v.Mode = "nat"
		}
		return
	}
	v.Mode, v.Tunnel = v.Backends[0].Mode, v.Backends[0].Tunnel
	for i := range v.Backends {
		if b := &v.Backends[i]; b.Mode != v.Mode || b.Tunnel != v.Tunnel {
			s.note(b.Place, Missing, "%s is reached in another way than the servers before it: Weir has one mode and one tunnel a service, here %s", b.Address, v.Mode)
		}
	}
}

// resolvePorts has each check go to the port of its server, as in LVS, where the configuration does not tell Weir that port:
// where packets keep theirs.
func (s *Setup) resolvePorts(v *Service) {
	for i := range v.Backends {
		b := &v.Backends[i]
		port := b.Address.Port()
		if port == 0 || v.Mode == "nat" || len(v.Endpoints) == 1 && v.Endpoints[0].Port == int(port) {
			continue
		}
		if len(v.Endpoints) == 1 && v.Endpoints[0].Port != 0 {
			s.note(b.Place, Changed, "%s: in %s packets keep the service's port, in LVS as in Weir; port %d is only checked", b.Address, v.Mode, port)
		}
		for j := range b.Checks {
			b.Checks[j].toPort(int(port))
		}
	}
}

// toPort gives a check a port, unless it has one, or needs none.
func (c *Check) toPort(port int) {
	for _, k := range c.Keys {
		if k.Name == "port" || k.Name == "type" && (k.Value == "ping" || k.Value == "exec") {
			return
		}
	}
	c.Keys = slices.Insert(c.Keys, 1, Key{"port", strconv.Itoa(port)})
}

// resolveChecks leaves one check at the first backend: the service's.
func (s *Setup) resolveChecks(v *Service) {
	for i := range v.Backends {
		b := &v.Backends[i]
		for _, c := range b.Checks[min(1, len(b.Checks)):] {
			s.note(c.Place, Missing, "%s: a second check: Weir's services have one", c.Keys[0].Value)
		}
		if i == 0 {
			continue
		}
		switch first := v.Backends[0].Checks; {
		case len(first) == 0 && len(b.Checks) == 0:
		case len(first) == 0:
			s.note(b.Checks[0].Place, Missing, "%s is checked, the server before it is not: Weir checks all of a service's backends alike; this check is left out", b.Address)
		case len(b.Checks) == 0:
			s.note(b.Place, Changed, "%s had no check: it is checked as the others of the service", b.Address)
		case !slices.Equal(first[0].Keys, b.Checks[0].Keys):
			s.note(b.Checks[0].Place, Missing, "this check is not that of line %d: Weir checks all of a service's backends alike, as there", first[0].Place.Line)
		}
	}
}

// Names are the services' names: unique, and from what LVS knows them by.
func (s *Setup) Names() []string {
	names, seen := make([]string, len(s.Services)), map[string]int{}
	for i, v := range s.Services {
		name := "mark"
		if len(v.Endpoints) > 0 {
			e := v.Endpoints[0]
			name = strings.Trim(strings.ReplaceAll(e.Prefix.Addr().String(), ":", "-"), "-")
			if e.Port != 0 {
				name += "-" + strconv.Itoa(e.Port)
			}
			name = v.Protocol + "-" + name
		} else if len(v.Marks) > 0 {
			name = "mark-" + strconv.Itoa(v.Marks[0])
		}
		seen[name]++
		if n := seen[name]; n > 1 {
			name += "-" + strconv.Itoa(n)
		}
		names[i] = name
	}
	return names
}
