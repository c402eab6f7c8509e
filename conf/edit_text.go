package conf

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v3"
)

// uneditable is for what a person has to do.
func (ed *editor) uneditable(n *yaml.Node, why string) error {
	return fmt.Errorf("%s:%d: cannot be changed by Weir, as %s: change it by hand, and reload", ed.file, n.Line, why)
}

// offset is where a node begins.
func (ed *editor) offset(n *yaml.Node) int {
	if n.Line < 1 || n.Line > len(ed.lines) {
		return len(ed.text)
	}
	at := ed.lines[n.Line-1]
	if n.Line == 1 && bytes.HasPrefix(ed.text, []byte(byteOrderMark)) {
		at += len(byteOrderMark)
	}
	for range n.Column - 1 { // columns count characters
		_, size := utf8.DecodeRune(ed.text[at:])
		at += size
	}
	return min(at, len(ed.text))
}

// end is where a node's text ends.
func (ed *editor) end(n *yaml.Node) (int, error) {
	at := ed.offset(n)
	if n.Kind == yaml.AliasNode {
		return at + len("*") + len(n.Value), nil
	}
	if n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 {
		return 0, ed.uneditable(n, "it has an anchor or a tag")
	}
	switch {
	case n.Kind == yaml.ScalarNode && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		return quoteEnd(ed.text, at), nil
	case n.Kind == yaml.ScalarNode && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0:
		if end := at + len(n.Value); end <= len(ed.text) && string(ed.text[at:end]) == n.Value {
			return end, nil
		}
	case n.Kind != yaml.ScalarNode && n.Style&yaml.FlowStyle != 0:
		return flowEnd(ed.text, at), nil
	case n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode:
		if last := len(n.Content) - 1; last >= 0 {
			return ed.end(n.Content[last])
		}
	}
	return 0, ed.uneditable(n, "it takes several lines")
}

// quoteEnd is behind the text in quotes that begins at a place.
func quoteEnd(text []byte, at int) int {
	if at >= len(text) {
		return len(text)
	}
	q := text[at]
	for i := at + 1; i < len(text); i++ {
		switch {
		case q == '"' && text[i] == '\\':
			i++
		case text[i] == q && q == '\'' && i+1 < len(text) && text[i+1] == q:
			i++
		case text[i] == q:
			return i + 1
		}
	}
	return len(text)
}

// flowEnd is behind the list in [ ] or the section in { } that begins at a place.
func flowEnd(text []byte, at int) int {
	depth := 0
	for i := at; i < len(text); i++ {
		switch c := text[i]; {
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			if depth--; depth == 0 {
				return i + 1
			}
		case i == at:
			return len(text) // none begins here
		case (c == '"' || c == '\'') && strings.IndexByte(" \t\n[{,:", text[i-1]) >= 0:
			i = quoteEnd(text, i) - 1
		case c == '#' && (text[i-1] == ' ' || text[i-1] == '\t' || text[i-1] == '\n'):
			if n := bytes.IndexByte(text[i:], '\n'); n >= 0 {
				i += n
			}
		}
	}
	return len(text)
}

// lineEnd is behind the line of a place, its line break included.
func (ed *editor) lineEnd(at int) int {
	if n := bytes.IndexByte(ed.text[at:], '\n'); n >= 0 {
		return at + n + 1
	}
	return len(ed.text)
}

// newLine is a whole line to be put at a place where one begins, or at the end of the file.
func (ed *editor) newLine(at int, line string) splice {
	if at == len(ed.text) && at > 0 && ed.text[at-1] != '\n' {
		return splice{at, at, ed.newline + line}
	}
	return splice{at, at, line + ed.newline}
}

// weigh sets an entry's weight.
func (ed *editor) weigh(list, entry *yaml.Node, weight int) ([]splice, error) {
	if v := mappingValue(entry, "weight"); v != nil {
		end, err := ed.end(v)
		return []splice{{ed.offset(v), end, strconv.Itoa(weight)}}, err
	}
	var key, address *yaml.Node
	for i := 0; i+1 < len(entry.Content); i += 2 {
		if entry.Content[i].Value == "address" {
			key, address = entry.Content[i], entry.Content[i+1]
		}
	}
	end, err := ed.end(address)
	if err != nil {
		return nil, err
	}
	if entry.Style&yaml.FlowStyle != 0 || list.Style&yaml.FlowStyle != 0 {
		return []splice{{end, end, fmt.Sprintf(", weight: %d", weight)}}, nil
	}
	return []splice{ed.newLine(ed.lineEnd(end), strings.Repeat(" ", key.Column-1)+fmt.Sprintf("weight: %d", weight))}, nil
}

// add puts an entry behind the last.
func (ed *editor) add(list *yaml.Node, e Edit) ([]splice, error) {
	if len(list.Content) == 0 {
		at := ed.offset(list) + len("[")
		return []splice{{at, at, fmt.Sprintf("{address: %s, weight: %d}", written(e.Backend), e.Weight)}}, nil
	}
	last := list.Content[len(list.Content)-1]
	end, err := ed.end(last)
	if err != nil {
		return nil, err
	}
	flow := fmt.Sprintf("{address: %s, weight: %d}", written(e.Backend), e.Weight)
	if list.Style&yaml.FlowStyle != 0 {
		return []splice{{end, end, ", " + flow}}, nil
	}
	dash := strings.Repeat(" ", list.Column-1) + "- "
	if last.Kind == yaml.MappingNode && last.Style&yaml.FlowStyle == 0 {
		flow = fmt.Sprintf("address: %s%s%sweight: %d", written(e.Backend), ed.newline, strings.Repeat(" ", last.Column-1), e.Weight)
		dash += strings.Repeat(" ", max(0, last.Column-1-len(dash)))
	}
	return []splice{ed.newLine(ed.lineEnd(end), dash+flow)}, nil
}

// remove takes an entry out: with its lines, if it has lines of its own. Comments above it stay.
func (ed *editor) remove(service, list *yaml.Node, i int) ([]splice, error) {
	entry := list.Content[i]
	end, err := ed.end(entry)
	if err != nil {
		return nil, err
	}
	begin := ed.offset(entry)
	if list.Style&yaml.FlowStyle == 0 {
		line := ed.lines[entry.Line-1]
		if len(bytes.Trim(ed.text[line:begin], " -")) > 0 {
			return nil, ed.uneditable(entry, "it shares its line")
		}
		gone := []splice{{line, ed.lineEnd(end), ""}}
		if len(list.Content) == 1 { // a list without entries is written in a line
			colon := ed.offset(mappingKey(service, "backends")) + len("backends:")
			gone = append(gone, splice{colon, colon, " []"})
		}
		return gone, nil
	}
	switch {
	case i+1 < len(list.Content):
		return []splice{{begin, ed.offset(list.Content[i+1]), ""}}, nil
	case i == 0:
		return []splice{{begin, end, ""}}, nil
	}
	before, err := ed.end(list.Content[i-1])
	return []splice{{before, end, ""}}, err
}

// writeOut puts what an alias stands for in its place.
func (ed *editor) writeOut(alias *yaml.Node) ([]splice, error) {
	end, err := ed.end(alias)
	if err != nil {
		return nil, err
	}
	text, err := flow(alias.Alias)
	return []splice{{ed.offset(alias), end, text}}, err
}

// flow writes a node in a line.
func flow(n *yaml.Node) (string, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	if err := e.Encode(plainCopy(n)); err != nil {
		return "", fmt.Errorf("writing YAML: %w", err)
	}
	return strings.TrimSpace(b.String()), nil
}

// plainCopy is a copy without comments, anchors and aliases, for one line.
func plainCopy(n *yaml.Node) *yaml.Node {
	n = follow(n)
	out := &yaml.Node{Kind: n.Kind, Tag: n.Tag, Value: n.Value, Style: yaml.FlowStyle}
	if n.Kind == yaml.ScalarNode {
		out.Style = n.Style &^ (yaml.LiteralStyle | yaml.FoldedStyle)
	}
	for _, c := range n.Content {
		out.Content = append(out.Content, plainCopy(c))
	}
	return out
}
