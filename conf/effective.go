package conf

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// Effective is the configuration written out: every key with its value, those of the environment and the defaults
// included, in the order of the tables, without comments. Load makes the same of it.
func (c *Config) Effective() ([]byte, error) {
	root := newTree(c)
	if err := root.p.found(); err != nil {
		return nil, err
	}
	filled := fillNode(root, rootFields)
	// What a default may not stand beside is known to the checks alone: they are asked once, and tell of all.
	p := &problems{file: c.File, most: maxValues}
	tree := filled.node(nil)
	readTree(p, value{node: tree, p: p}, &Config{File: c.File})
	if len(p.list) == 0 {
		return encode(tree)
	}
	wrong := make(map[keyOf]bool, len(p.list))
	for _, e := range p.list {
		wrong[splitKey(e.Key)] = true
	}
	return encode(filled.node(wrong))
}

// keyOf is a key and the path of its section, which is services[0].backends[1] for example.
type keyOf struct{ section, key string }

func splitKey(path string) keyOf {
	dot := strings.LastIndexByte(path, '.')
	return keyOf{path[:max(0, dot)], path[dot+1:]}
}

// encodedAtOnce is how many entries of a list are written by one encoder, which keeps the events of all that it has written
// and copies them whenever their room doubles.
const encodedAtOnce = 4

// encode writes a section with all keys in blocks.
func encode(n *yaml.Node) ([]byte, error) {
	var b bytes.Buffer
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, v := n.Content[i], n.Content[i+1]
		if v.Kind != yaml.SequenceNode || v.Style == yaml.FlowStyle || len(v.Content) == 0 {
			if err := encodeKey(&b, key, v); err != nil {
				return nil, err
			}
			continue
		}
		for part := range slices.Chunk(v.Content, encodedAtOnce) {
			var text bytes.Buffer
			if err := encodeKey(&text, key, &yaml.Node{Kind: yaml.SequenceNode, Content: part}); err != nil {
				return nil, err
			}
			if &part[0] != &v.Content[0] {
				_, _ = text.ReadBytes('\n') // the key again
			}
			_, _ = text.WriteTo(&b) // a buffer takes all
		}
	}
	return b.Bytes(), nil
}

func encodeKey(b *bytes.Buffer, key, v *yaml.Node) error {
	e := yaml.NewEncoder(b)
	e.SetIndent(2)
	if err := e.Encode(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{key, v}}); err != nil {
		return fmt.Errorf("writing YAML: %w", err)
	}
	return nil
}

// full is a value with all that it has without being written.
type full struct {
	key     *yaml.Node
	path    string     // of a section
	assumed bool       // nobody wrote it
	value   *yaml.Node // of what is no section nor list of them
	keys    []full     // of a section
	entries []full     // of a list of sections
	isList  bool
}

// fillNode reads a section as readSection does, to be written again.
func fillNode[T any](v value, fields []field[T]) full {
	out := full{path: v.path.String(), assumed: !v.exists(), keys: make([]full, 0, len(fields))}
	for i := range fields {
		f := &fields[i]
		at := v.field(f.key)
		if !at.exists() && f.fill == nil && f.def == "" {
			continue
		}
		k := full{assumed: !at.exists()}
		switch {
		case f.full != nil:
			k = f.full(at)
		case at.exists():
			k.value = plainCopy(at.node)
		default:
			k.value = f.defNode
		}
		k.key = f.keyNode
		out.keys = append(out.keys, k)
	}
	return out
}

// fillList is fillNode for each entry of a list.
func fillList[S any](v value, fields []field[S]) full {
	out := full{isList: true}
	if v.exists() && v.node.Kind == yaml.SequenceNode {
		out.entries = make([]full, len(v.node.Content))
		for i := range v.node.Content {
			out.entries[i] = fillNode(v.item(i), fields)
		}
	}
	return out
}

// node is the value as YAML, less what was assumed and is wrong: short sections in a line.
func (f full) node(wrong map[keyOf]bool) *yaml.Node {
	switch {
	case f.value != nil:
		return f.value
	case f.isList:
		n := &yaml.Node{Kind: yaml.SequenceNode, Content: make([]*yaml.Node, len(f.entries))}
		for i, e := range f.entries {
			n.Content[i] = e.node(wrong)
		}
		return n
	}
	n := &yaml.Node{Kind: yaml.MappingNode, Content: make([]*yaml.Node, 0, 2*len(f.keys))}
	simple, kept := true, 0
	for i := range f.keys {
		k := &f.keys[i]
		if k.assumed && wrong[keyOf{f.path, k.key.Value}] {
			continue
		}
		kept++
		v := k.node(wrong)
		if len(v.Content) == 0 && v.Kind == yaml.MappingNode {
			continue // all that it had was assumed and wrong
		}
		simple = simple && v.Kind == yaml.ScalarNode
		n.Content = append(n.Content, k.key, v)
	}
	if simple && kept <= shortSection && strings.ContainsAny(f.path, ".[") {
		n.Style = yaml.FlowStyle
	}
	return n
}

// shortSection is how many keys a section has at most that is written in a line.
const shortSection = 4
