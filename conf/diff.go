package conf

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// Difference is one thing that two configurations do not have in common.
type Difference struct {
	Op rune // + added, - removed, ~ changed
	// Of is what it is about: "service web", "backend web 10.0.0.11:8080"; empty for keys outside lists.
	Of string
	// Key is the key that changed, below what it is about: health.interval. It is empty for what was added or removed.
	Key string
	// Old and New are its values as they would stand in a file, none where there is none. Of what was added or removed,
	// New or Old is a description.
	Old, New string
	// Path is where in the configuration, without numbers: services[].health.interval.
	Path string
	// Service and Backend are the names of those that it is about.
	Service string
	Backend netip.AddrPort
}

// String is the line that a user reads.
func (d Difference) String() string {
	line := string(d.Op) + " " + d.Of
	switch {
	case d.Op == '~' && d.Of == "":
		return fmt.Sprintf("~ %s %s → %s", d.Key, d.Old, d.New)
	case d.Op == '~' && d.New == "":
		return line + ": " + d.Key
	case d.Op == '~':
		return fmt.Sprintf("%s: %s %s → %s", line, d.Key, d.Old, d.New)
	}
	if what := d.Old + d.New; what != "" {
		line += ": " + what
	}
	return line
}

const none = "none"

// Diff tells how one configuration becomes another, both as their texts say: the differences of one thing together, in
// the order of the file.
func Diff(old, now *Config) []Difference {
	if bytes.Equal(old.Text, now.Text) {
		return nil
	}
	a, b := newTree(old), newTree(now)
	d := &differ{old: old, now: now}
	d.lists = map[string]func(p subject, a, b value){
		"services": d.serviceLists, "backends": d.backendLists, "backend_groups": d.groupLists, "ports": d.portLists, "neighbors": d.neighborLists,
	}
	diffSection(d, subject{}, rootFields, a, b)
	return d.out
}

// newTree parses a configuration again.
func newTree(c *Config) value {
	p := &problems{file: c.File}
	readEnvironment(p)
	return document(p, c.Text)
}

// differ collects differences.
type differ struct {
	old, now *Config
	services [2]*Service // that are being compared
	// lists compare lists whose entries have an identity, by their key. Without them the tables of keys would refer to
	// themselves.
	lists map[string]func(p subject, a, b value)
	out   []Difference
}

// subject is what a difference is about.
type subject struct {
	of      string
	path    string // of keys below, with its last dot
	key     string // the same, below what it is about
	service string
	backend netip.AddrPort
}

func (p subject) below(key string) subject {
	p.path, p.key = p.path+key+".", p.key+key+"."
	return p
}

func (d *differ) add(p subject, op rune, key, old, now string) {
	d.out = append(d.out, Difference{
		Op: op, Of: p.of, Key: strings.TrimSuffix(p.key+key, "."), Old: old, New: now, Path: strings.TrimSuffix(p.path+key, "."),
		Service: p.service, Backend: p.backend,
	})
}

// diffSection compares two sections key by key, either of which may have no node: then all of it has its defaults.
func diffSection[T any](d *differ, p subject, fields []field[T], a, b value, except ...string) {
	for i := range fields {
		f := &fields[i]
		if slices.Contains(except, f.key) {
			continue
		}
		av, bv := a.field(f.key), b.field(f.key)
		switch {
		case !av.exists() && !bv.exists():
		case f.holds == entries && d.lists[f.key] != nil:
			d.lists[f.key](p.below(f.key), av, bv)
		case f.holds == keys && (f.fill != nil || av.exists() && bv.exists()):
			f.compare(d, p.below(f.key), av, bv)
		case !f.same(av, bv):
			d.add(p, '~', f.key, f.text(a, av), f.text(b, bv))
		}
	}
}

// same reports whether two values mean the same.
func (f *field[T]) same(a, b value) bool {
	if a.exists() && b.exists() && a.node.Kind == yaml.ScalarNode && b.node.Kind == yaml.ScalarNode && a.node.Value == b.node.Value {
		return true
	}
	var x, y T
	f.take(a, &x)
	f.take(b, &y)
	return reflect.DeepEqual(x, y)
}

func (f *field[T]) take(v value, into *T) {
	f.absent(into)
	if v.exists() {
		f.readValue(v, into)
	}
}

// text is a value as it would stand in a file.
func (f *field[T]) text(section, v value) string {
	switch {
	case v.exists() && v.node.Kind == yaml.ScalarNode && v.node.Value != "":
		return v.node.Value
	case v.exists():
		text, err := flow(v.node)
		if err != nil || text == "" {
			return none
		}
		return text
	case f.def == "" || foreign(section, f.key):
		return none
	}
	return f.def
}

// foreign reports whether a key of a health check is one that its type does not have.
func foreign(section value, key string) bool {
	if section.path == nil || section.path.key != "health" {
		return false
	}
	t := section.field("type")
	i := slices.IndexFunc(healthKeys, func(k healthKey) bool { return k.key == key })
	return t.exists() && i >= 0 && !slices.Contains(healthKeys[i].types, Check(t.node.Value))
}
