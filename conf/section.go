package conf

import (
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// holds is what a key has: the zero value is a single value.
type holds uint8

const (
	oneValue holds = iota
	values
	keys
	entries // each with keys
)

// field is one key of a section that is read into a T.
type field[T any] struct {
	key   string
	holds holds
	// example is of a value that must be there; empty: it need not.
	example string
	// or is a key that may be there in its place.
	or string
	// def is the default as a user would write it; empty: none.
	def string
	// kind and set belong to a single value, read to anything else.
	kind kind
	set  func(into *T, text string) error
	read func(v value, into *T)
	// instead is what to write for a plain word that stands where the value should, empty if it is not one of those meant.
	instead func(word string) string
	// main is of a key that a word in place of the section is taken to be for.
	main bool
	// fill sets the defaults of a section that is not in the file.
	fill func(into *T)
	// compare tells how two sections differ, either of which may have no node.
	compare func(d *differ, p subject, a, b value)
	// full writes out a section or a list of sections.
	full func(v value) full
	// keyNode and defNode, nil without a default, are the key and its default in all that is written out. Nothing changes them.
	keyNode, defNode *yaml.Node
	// below are the keys of a section or of a list's entries.
	below []knownKey
}

// scalar is a field with a single value.
func scalar[T any](key string, k kind, def string, set func(into *T, text string) error) field[T] {
	f := field[T]{key: key, def: def, kind: k, set: set, keyNode: nodeOf(key)}
	if def != "" {
		f.defNode = nodeOf(def)
		if k&(numeric|boolean) == 0 {
			f.defNode.SetString(def)
		}
	}
	f.instead = func(word string) string {
		if looks(word)&k == 0 || set(new(T), word) != nil {
			return ""
		}
		return word
	}
	return f
}

func nodeOf(text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: text} }

// section is a field with keys of its own. One that is not in the file has its defaults.
func section[T, S any](key string, fields []field[S], at func(*T) *S) field[T] {
	return field[T]{
		key:     key,
		keyNode: nodeOf(key),
		holds:   keys,
		read:    func(v value, into *T) { readSection(v, fields, at(into)) },
		fill:    func(into *T) { fillSection(fields, at(into)) },
		full:    func(v value) full { return fillNode(v, fields) },
		compare: func(d *differ, p subject, a, b value) { diffSection(d, p, fields, a, b) },
		below:   knownKeys(".", fields),
	}
}

// list is a field with a list of sections. An entry that cannot be read is there with its defaults, so that
// entries have the number they have in the file.
func list[T, S any](key string, most int, fields []field[S], at func(*T) *[]S) field[T] {
	return field[T]{
		key:     key,
		keyNode: nodeOf(key),
		holds:   entries,
		read: func(v value, into *T) {
			n := v.list(most, func(word string) string { return inList(sectionFor(word, fields)) })
			if n == 0 {
				return
			}
			items := make([]S, n)
			for i := range items {
				if !v.visit() {
					break
				}
				readSection(v.item(i), fields, &items[i])
			}
			*at(into) = items
		},
		full:  func(v value) full { return fillList(v, fields) },
		below: knownKeys("[].", fields),
	}
}

// scalars is a field with a list of single values. What parse returns beside an error is kept as well, so
// that entries have the number they have in the file.
func scalars[T, S any](key string, k kind, most int, parse func(text string) (S, error), at func(*T) *[]S) field[T] {
	instead := func(word string) string {
		if _, err := parse(word); err != nil || looks(word)&k == 0 {
			return ""
		}
		return inList(word)
	}
	return field[T]{
		key:     key,
		keyNode: nodeOf(key),
		holds:   values,
		instead: instead,
		read: func(v value, into *T) {
			var items []S
			for i := range v.list(most, instead) {
				item := v.item(i)
				if !item.visit() {
					break
				}
				text, ok := item.scalar(k)
				parsed, err := parse(text)
				if ok && err != nil {
					item.errorf("%v", err)
				}
				items = append(items, parsed)
			}
			*at(into) = items
		},
	}
}

// oneOrMore is scalars of which a single value need not stand in a list.
func oneOrMore[T, S any](key string, k kind, most int, parse func(text string) (S, error), at func(*T) *[]S) field[T] {
	f := scalars(key, k, most, parse, at)
	list := f.read
	f.read = func(v value, into *T) {
		if v.null() || v.node.Kind != yaml.ScalarNode {
			list(v, into)
			return
		}
		text, ok := v.scalar(k)
		parsed, err := parse(text)
		if ok && err != nil {
			v.errorf("%v", err)
		}
		*at(into) = []S{parsed}
	}
	return f
}

// optional is a section that has no defaults where it is not in the file.
func optional[T any](f field[T]) field[T] {
	f.fill = nil
	return f
}

// required is a field that has no default. The example stands in the error of a section that lacks it.
func required[T any](example string, f field[T]) field[T] {
	f.example = example
	return f
}

// unless is a required field in whose place there may be another.
func unless[T any](other string, f field[T]) field[T] {
	f.or = other
	return f
}

// knownKey is a key of the file format.
type knownKey struct {
	path     string // services[].backends[].weight
	def      string
	required bool
	holds    holds
}

// knownKeys lists the keys of fields, each followed by those below it.
func knownKeys[T any](prefix string, fields []field[T]) (all []knownKey) {
	for _, f := range fields {
		all = append(all, knownKey{prefix + f.key, f.def, f.example != "", f.holds})
		for _, b := range f.below {
			b.path = prefix + f.key + b.path
			all = append(all, b)
		}
	}
	return all
}

func fillSection[T any](fields []field[T], into *T) {
	for i := range fields {
		fields[i].absent(into)
	}
}

func (f *field[T]) absent(into *T) {
	if f.fill != nil {
		f.fill(into)
	}
	if f.def != "" {
		_ = f.set(into, f.def) // a default is valid: a test tries them all
	}
}

// readSection reads a section's keys into a T: each once, none unknown, none missing.
func readSection[T any](v value, fields []field[T], into *T) {
	fillSection(fields, into)
	if !v.section(func(word string) string { return sectionFor(word, fields) }) {
		return
	}
	lines := make([]int, len(fields)) // of the keys met
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		key := v.node.Content[i]
		at := v.under(key, v.node.Content[i+1])
		if !at.visit() {
			return
		}
		f := slices.IndexFunc(fields, func(f field[T]) bool { return key.Kind == yaml.ScalarNode && f.key == key.Value })
		switch {
		case f < 0:
			unknownKey(v, key, at.node, fields)
		case lines[f] != 0:
			at.errorf("is given twice: first on line %d", lines[f])
		default:
			lines[f] = key.Line
			fields[f].readValue(at, into)
		}
	}
	for i := range fields {
		f := &fields[i]
		if f.example != "" && lines[i] == 0 && (f.or == "" || !v.field(f.or).exists()) {
			v.field(f.key).errorf("is missing: write for example %s: %s", f.key, f.example)
		}
		if o := v.override(f.key); o.exists() {
			f.readValue(o, into)
		} else if lines[i] == 0 && v.overridden(f.key) {
			f.read(v.without(f.key), into)
		}
	}
}

func (f *field[T]) readValue(v value, into *T) {
	if f.read != nil {
		f.read(v, into)
		return
	}
	text, ok := v.scalar(f.kind)
	if !ok {
		_ = f.set(into, unreadable) // its error has been reported
		return
	}
	if err := f.set(into, text); err != nil {
		v.errorf("%v", err)
	}
}

// unreadable is no value of any key.
const unreadable = "\x00"

func unknownKey[T any](v value, key, node *yaml.Node, fields []field[T]) {
	at := value{node: key, line: key.Line, path: v.path, p: v.p}
	if key.Kind != yaml.ScalarNode || key.Value == "" {
		at.errorf("has a key that is not a word: keys are plain text%s", needsQuotes(key))
		return
	}
	shown := quote(key.Value)
	at.path = &path{parent: v.path, key: shown[1 : len(shown)-1]}
	if key.ShortTag() == "!!merge" {
		at.errorf("merging sections is not supported: write the keys out, or use an alias for a whole value")
		return
	}
	var names []string
	for i := range fields {
		names = append(names, fields[i].key)
	}
	if n := near(key.Value, names); n != "" {
		at.errorf("unknown key: did you mean %s?", n)
		return
	}
	if n := lvsKeys[key.Value]; slices.Contains(names, n) {
		at.errorf("unknown key: did you mean %s?", n)
		return
	}
	if said := punctuation(key, node); said != "" {
		at.errorf("unknown key: %s", said)
		return
	}
	slices.Sort(names)
	at.errorf("unknown key: known here are %s", allOf(names))
}

// needsQuotes explains a key that YAML takes for a list.
func needsQuotes(key *yaml.Node) string {
	if key.Kind == yaml.SequenceNode {
		return `. A text that begins with [ needs quotes: "[2001:db8::10]:80"`
	}
	return ""
}

// punctuation explains a key without a value that was meant as something else.
func punctuation(key, node *yaml.Node) string {
	switch {
	case node.Kind != yaml.ScalarNode || node.Value != "":
		return ""
	case strings.Contains(key.Value, ":"):
		return "a colon needs a space after it"
	case strings.Contains(key.Value, "="):
		return "in { } a comma begins the next key, so a text with a comma in it needs quotes"
	}
	return ""
}
