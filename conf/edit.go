package conf

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"

	yaml "go.yaml.in/yaml/v3"
)

// Edit is a change of one backend of one service.
type Edit struct {
	Service string
	Backend netip.AddrPort
	// Remove takes the backend out of the service. Otherwise it gets the weight, and is added first if it is not there.
	Remove bool
	Weight int
}

// Edited is what the configuration would be with some changes, which come one after the other, of its file: the entries
// concerned change, and all else in Text stays as somebody wrote it. The error is all that is wrong with what comes
// out, as Errors with its lines, or why the file cannot be changed so.
func (c *Config) Edited(edits []Edit) (*Config, error) {
	text, err := editText(c.File, c.Text, edits)
	if err != nil {
		return nil, err
	}
	now, err := Parse(c.File, text)
	if err != nil {
		return nil, err
	}
	want := c.with(edits)
	if !reflect.DeepEqual(want.comparable(), now.comparable()) {
		return nil, fmt.Errorf("%s: the backends are written in a way that cannot be changed without changing more than them: "+
			"write them out, without anchors and aliases", c.File)
	}
	return now, nil
}

// with is the configuration after some changes, as far as it goes without its text.
func (c *Config) with(edits []Edit) *Config {
	out := *c
	out.Services = slices.Clone(c.Services)
	for _, e := range edits {
		i := slices.IndexFunc(out.Services, func(s Service) bool { return s.Name == e.Service })
		if i < 0 {
			continue
		}
		s := &out.Services[i]
		s.Backends = slices.Clone(s.Backends)
		j := slices.IndexFunc(s.Backends, func(b Backend) bool { return b.Address == e.Backend })
		switch {
		case e.Remove && j >= 0:
			s.Backends = slices.Delete(s.Backends, j, j+1)
		case e.Remove:
		case j < 0:
			s.Backends = append(s.Backends, Backend{Address: e.Backend, Weight: e.Weight})
		default:
			s.Backends[j].Weight = e.Weight
		}
	}
	return &out
}

// comparable is the configuration without where things stand in its file.
func (c *Config) comparable() *Config {
	out := *c
	out.Text, out.Files, out.Warnings = nil, nil, nil
	out.Services = slices.Clone(c.Services)
	for i := range out.Services {
		s := &out.Services[i]
		s.Line = 0
		s.Backends = unplaced(s.Backends)
		if s.Sorry != nil {
			sorry := *s.Sorry
			sorry.Line = 0
			s.Sorry = &sorry
		}
	}
	out.BackendGroups = slices.Clone(c.BackendGroups)
	for i := range out.BackendGroups {
		g := &out.BackendGroups[i]
		g.Line, g.Backends = 0, unplaced(g.Backends)
	}
	return &out
}

// unplaced are backends wherever they stand in their file; nil if there are none.
func unplaced(list []Backend) []Backend {
	out := append([]Backend(nil), list...)
	for i := range out {
		out[i].Line = 0
	}
	return out
}

// splice puts text in the place of the bytes from begin to end.
type splice struct {
	begin, end int
	text       string
}

// editText changes the text of a configuration. Every round parses it and makes at most one change in each service.
func editText(file string, text []byte, edits []Edit) ([]byte, error) {
	left := slices.Clone(edits)
	for len(left) > 0 {
		ed, err := newEditor(file, text)
		if err != nil {
			return nil, err
		}
		var splices []splice
		touched := map[string]bool{}
		var later []Edit
		for _, e := range left {
			if touched[e.Service] {
				later = append(later, e)
				continue
			}
			touched[e.Service] = true
			s, done, err := ed.edit(e)
			if err != nil {
				return nil, err
			}
			splices = append(splices, s...)
			if !done {
				later = append(later, e)
			}
		}
		text = apply(text, splices)
		left = later
	}
	return text, nil
}

// apply makes changes that do not overlap.
func apply(text []byte, splices []splice) []byte {
	slices.SortFunc(splices, func(a, b splice) int { return a.begin - b.begin })
	var out bytes.Buffer
	at := 0
	for _, s := range splices {
		if s.begin < at {
			continue // two services share what is written there; Edited finds out
		}
		out.Write(text[at:s.begin])
		out.WriteString(s.text)
		at = s.end
	}
	out.Write(text[at:])
	return out.Bytes()
}

// editor finds the places in a text that a change is about.
type editor struct {
	file     string
	text     []byte
	lines    []int // where each begins
	newline  string
	services *yaml.Node
}

func newEditor(file string, text []byte) (*editor, error) {
	p := &problems{file: file}
	root := document(p, text)
	if err := p.found(); err != nil {
		return nil, err
	}
	ed := &editor{file: file, text: text, lines: []int{0}, newline: "\n"}
	for i, c := range text {
		if c == '\n' {
			ed.lines = append(ed.lines, i+1)
		}
	}
	if bytes.Contains(text, []byte("\r\n")) {
		ed.newline = "\r\n"
	}
	if root.exists() {
		ed.services = root.field("services").node
	}
	return ed, nil
}

// edit is one change as splices. It is not done if the backends stood behind an alias, which has been replaced by what
// it stands for.
func (ed *editor) edit(e Edit) (s []splice, done bool, err error) {
	service := ed.service(e.Service)
	if service == nil {
		return nil, false, fmt.Errorf("%s: there is no service %s", ed.file, e.Service)
	}
	list := mappingValue(service, "backends")
	if list == nil {
		if g := mappingValue(service, "backend_group"); g != nil {
			return nil, false, fmt.Errorf("%s: service %s has the backends of group %s, and so have others: change the group in the file", ed.file, e.Service, follow(g).Value)
		}
		return nil, false, fmt.Errorf("%s: service %s has no backends to change", ed.file, e.Service)
	}
	if list.Kind == yaml.AliasNode {
		s, err := ed.writeOut(list)
		return s, false, err
	}
	i := ed.backend(service, list, e.Backend)
	switch {
	case i < 0 && e.Remove:
		return nil, false, fmt.Errorf("%s: service %s has no backend %s", ed.file, e.Service, e.Backend)
	case i < 0:
		s, err = ed.add(list, e)
		return s, true, err
	case e.Remove:
		s, err = ed.remove(service, list, i)
		return s, true, err
	}
	entry := list.Content[i]
	if entry.Kind == yaml.AliasNode {
		s, err := ed.writeOut(entry)
		return s, false, err
	}
	s, err = ed.weigh(list, entry, e.Weight)
	return s, true, err
}

func (ed *editor) service(name string) *yaml.Node {
	if ed.services == nil {
		return nil
	}
	for _, n := range ed.services.Content {
		if v := mappingValue(follow(n), "name"); v != nil && follow(v).Value == name {
			return follow(n)
		}
	}
	return nil
}

// backend finds an entry by its address. The mode may leave the port out.
func (ed *editor) backend(service, list *yaml.Node, address netip.AddrPort) int {
	for i, n := range list.Content {
		v := mappingValue(follow(n), "address")
		if v == nil {
			continue
		}
		a, err := parseBackend(follow(v).Value)
		if err == nil && (a == address || a.Port() == 0 && a.Addr() == address.Addr() && ed.servicePort(service) == address.Port()) {
			return i
		}
	}
	return -1
}

func (ed *editor) servicePort(service *yaml.Node) uint16 {
	var s Service
	for _, key := range []string{"address", "addresses"} {
		v := mappingValue(service, key)
		if v == nil {
			continue
		}
		for _, n := range append([]*yaml.Node{follow(v)}, follow(v).Content...) {
			if e, err := parseEndpoint(follow(n).Value); err == nil {
				s.Addresses = append(s.Addresses, e)
			}
		}
	}
	port, _ := s.Port()
	return port
}

// mappingKey is a key that is there.
func mappingKey(n *yaml.Node, key string) *yaml.Node {
	i := slices.IndexFunc(n.Content, func(c *yaml.Node) bool { return c.Value == key })
	return n.Content[i]
}

// mappingValue is the value of a key, nil if there is none.
func mappingValue(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// written is an address as the file needs it.
func written(a netip.AddrPort) string {
	if a.Port() == 0 {
		return strconv.Quote(a.Addr().String())
	}
	if a.Addr().Is6() {
		return strconv.Quote(a.String())
	}
	return a.String()
}
