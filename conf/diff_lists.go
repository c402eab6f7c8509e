package conf

import (
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"
)

// pairs matches the entries of two lists: those of the second in their order, then what only the first has. A number of
// -1 stands for none.
func pairs[T any, K comparable](a, b []T, id func(*T) K, each func(i, j int)) {
	at := make(map[K]int, len(a))
	for i := range a {
		at[id(&a[i])] = i
	}
	for j := range b {
		k := id(&b[j])
		i, ok := at[k]
		if !ok {
			i = -1
		}
		delete(at, k)
		each(i, j)
	}
	for i := range a {
		if j, ok := at[id(&a[i])]; ok && j == i {
			each(i, -1)
		}
	}
}

func (d *differ) serviceLists(p subject, a, b value) {
	old, now := d.old.Services, d.now.Services
	pairs(old, now, identity(old, now), func(i, j int) {
		p := p
		switch {
		case i < 0:
			p.of, p.service = "service "+now[j].Name, now[j].Name
			d.add(p, '+', "", "", now[j].describe())
		case j < 0:
			p.of, p.service = "service "+old[i].Name, old[i].Name
			d.add(p, '-', "", old[i].describe(), "")
		default:
			p = subject{of: "service " + now[j].Name, path: "services[].", service: now[j].Name}
			d.services = [2]*Service{&old[i], &now[j]}
			d.addresses(p)
			diffSection(d, p, serviceFields, a.item(i), b.item(j), "address", "addresses")
		}
	})
}

// identity is what services of two lists are matched by: the name, or that of the service that one goes on from.
func identity(old, now []Service) func(*Service) string {
	former := map[string]string{}
	for i, j := range Former(old, now) {
		if j >= 0 {
			former[now[i].Name] = old[j].Name
		}
	}
	own := map[*Service]bool{}
	for i := range now {
		own[&now[i]] = true
	}
	return func(s *Service) string {
		if was, ok := former[s.Name]; ok && own[s] {
			return was
		}
		return s.Name
	}
}

// addresses compares where a service is reached, which can be written in two ways.
func (d *differ) addresses(p subject) {
	old, now := d.services[0].Addresses, d.services[1].Addresses
	if len(old) == 1 && len(now) == 1 && old[0] != now[0] {
		d.add(p, '~', "address", old[0].String(), now[0].String())
		return
	}
	pairs(old, now, func(e *Endpoint) Endpoint { return *e }, func(i, j int) {
		at := subject{path: p.path + "addresses.", service: p.service}
		switch {
		case i < 0:
			at.of = "address " + p.service + " " + now[j].String()
			d.add(at, '+', "", "", "")
		case j < 0:
			at.of = "address " + p.service + " " + old[i].String()
			d.add(at, '-', "", "", "")
		}
	})
}

func (s *Service) describe() string {
	return fmt.Sprintf("%s %s, %s, %s", s.Protocol, s.Where(), s.Mode, Counted(len(s.Backends), "backend"))
}

func (d *differ) backendLists(p subject, a, b value) {
	service := d.services[1].Name
	old, now := d.services[0].Backends, d.services[1].Backends
	before := len(d.out)
	pairs(old, now, func(b *Backend) netip.AddrPort { return b.Address }, func(i, j int) {
		p := subject{path: p.path, service: service}
		if j >= 0 {
			p.backend = now[j].Address
		} else {
			p.backend = old[i].Address
		}
		p.of = fmt.Sprintf("backend %s %s", service, p.backend)
		switch {
		case i < 0:
			d.add(p, '+', "", "", now[j].describe())
		case j < 0:
			d.add(p, '-', "", old[i].describe(), "")
		case !reflect.DeepEqual(old[i].unplaced(), now[j].unplaced()):
			diffSection(d, subject{of: p.of, path: "services[].backends[].", service: service, backend: p.backend}, backendFields,
				a.item(i), b.item(j), "address")
		}
	})
	if len(d.out) == before && !slices.EqualFunc(old, now, func(a, b Backend) bool { return a.Address == b.Address }) {
		d.add(subject{of: "service " + service, path: p.path, service: service}, '~', "order of the backends", "", "")
	}
}

// unplaced is a backend wherever it stands in its file.
func (b Backend) unplaced() Backend {
	b.Line = 0
	return b
}

func (b *Backend) describe() string {
	text := fmt.Sprintf("weight %d", b.Weight)
	switch {
	case b.Down:
		text += ", down"
	case b.Maintenance:
		text += ", maintenance"
	}
	return text
}

// groupLists compares groups of backends, each as if it were a service with nothing else.
func (d *differ) groupLists(p subject, a, b value) {
	old, now := d.old.BackendGroups, d.now.BackendGroups
	pairs(old, now, func(g *BackendGroup) string { return g.Name }, func(i, j int) {
		p := p
		switch {
		case i < 0:
			p.of = "backend group " + now[j].Name
			d.add(p, '+', "", "", Counted(len(now[j].Backends), "backend"))
		case j < 0:
			p.of = "backend group " + old[i].Name
			d.add(p, '-', "", Counted(len(old[i].Backends), "backend"), "")
		default:
			d.services = [2]*Service{{Name: "of group " + old[i].Name, Backends: old[i].Backends}, {Name: "of group " + now[j].Name, Backends: now[j].Backends}}
			before := len(d.out)
			d.backendLists(subject{path: "backend_groups[].backends"}, a.item(i).field("backends"), b.item(j).field("backends"))
			for k := range d.out[before:] {
				d.out[before+k].Service = ""
			}
		}
	})
}

func (d *differ) portLists(p subject, a, b value) {
	old, now := d.old.Ports, d.now.Ports
	pairs(old, now, func(p *Port) string { return p.Name }, func(i, j int) {
		p := p
		switch {
		case i < 0:
			p.of = "port " + now[j].Name
			d.add(p, '+', "", "", now[j].Device)
		case j < 0:
			p.of = "port " + old[i].Name
			d.add(p, '-', "", old[i].Device, "")
		default:
			diffSection(d, subject{of: "port " + now[j].Name, path: "ports[]."}, portFields, a.item(i), b.item(j))
		}
	})
	if len(old) == len(now) && !slices.EqualFunc(old, now, func(a, b Port) bool { return a.Name == b.Name }) {
		d.add(subject{path: p.path}, '~', "order of the ports", "", "")
	}
}

func (d *differ) neighborLists(p subject, _, _ value) {
	pairs(d.old.Neighbors, d.now.Neighbors, func(n *Neighbor) Neighbor { return *n }, func(i, j int) {
		p := p
		switch {
		case i < 0:
			n := &d.now.Neighbors[j]
			p.of = fmt.Sprintf("neighbor %s on %s", n.Address, n.Port)
			d.add(p, '+', "", "", net.HardwareAddr(n.MAC[:]).String())
		case j < 0:
			n := &d.old.Neighbors[i]
			p.of = fmt.Sprintf("neighbor %s on %s", n.Address, n.Port)
			d.add(p, '-', "", net.HardwareAddr(n.MAC[:]).String(), "")
		}
	})
}
