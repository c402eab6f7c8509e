package conf

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// maxValues bounds the values of a file, each counted as often as aliases repeat it: a few lines of aliases to
// aliases can stand for billions.
const maxValues = 8 << 20

// value is one value of the file, or of the environment, with what an error about it needs. One that is in
// neither has no node, and the line of what it is missing from.
type value struct {
	node     *yaml.Node // never an alias
	line     int
	path     *path
	p        *problems
	variable string // the environment variable it comes from; empty: the file
}

// path is a value's place below another: under a key, or by its number in a list.
type path struct {
	parent *path
	key    string // empty in a list
	index  int
}

func (p *path) String() string {
	switch {
	case p == nil:
		return ""
	case p.key == "":
		return p.parent.String() + "[" + strconv.Itoa(p.index) + "]"
	case p.parent == nil:
		return p.key
	}
	return p.parent.String() + "." + p.key
}

func (v value) errorf(format string, args ...any) {
	if !v.p.room() {
		return
	}
	v.p.add(v.says(fmt.Sprintf(format, args...)))
}

// says is a sentence about a value, and where it stands.
func (v value) says(msg string) Error {
	e := Error{File: v.p.file, Line: v.line, Key: v.path.String(), Msg: msg}
	if v.variable != "" {
		e.File = "environment variable " + v.variable
	}
	return e
}

// warnf notes what is no error, and of no use.
func (v value) warnf(format string, args ...any) {
	if len(v.p.warnings) < maxErrors {
		v.p.warnings = append(v.p.warnings, v.says("warning: "+fmt.Sprintf(format, args...)))
	}
}

func (v value) exists() bool { return v.node != nil }

func follow(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// under is the value of a key of v. Its line is the key's: that of an empty value may be the next.
func (v value) under(key, node *yaml.Node) value {
	return value{node: follow(node), line: key.Line, path: &path{parent: v.path, key: key.Value}, p: v.p}
}

// field finds a key of a section: the environment's before the file's.
func (v value) field(key string) value {
	if o := v.override(key); o.exists() {
		return o
	}
	if v.isSection() {
		for i := 0; i+1 < len(v.node.Content); i += 2 {
			if k := v.node.Content[i]; k.Kind == yaml.ScalarNode && k.Value == key {
				return v.under(k, v.node.Content[i+1])
			}
		}
	}
	return value{line: v.line, path: &path{parent: v.path, key: key}, p: v.p}
}

// item finds an entry of a list.
func (v value) item(i int) value {
	at := &path{parent: v.path, index: i}
	if v.exists() && v.node.Kind == yaml.SequenceNode && i < len(v.node.Content) {
		n := v.node.Content[i]
		return value{follow(n), n.Line, at, v.p, v.variable}
	}
	return value{nil, v.line, at, v.p, v.variable}
}

// visit counts a value and reports whether the file is still within bounds.
func (v value) visit() bool {
	v.p.visited++
	if v.p.visited == maxValues+1 {
		v.p.add(Error{File: v.p.file, Msg: fmt.Sprintf("the file has more than %d values, aliases counted in full: what follows was not read", maxValues)})
	}
	return !v.p.tooLong()
}

// kind is what YAML takes a scalar for.
type kind uint8

const (
	textual kind = 1 << iota
	numeric
	boolean
	plain = textual | numeric | boolean // whatever it looks like
)

func (k kind) String() string {
	switch k {
	case numeric:
		return "a number"
	case boolean:
		return "true or false"
	case textual:
		return "text"
	}
	return "a single value"
}

var kinds = map[string]kind{
	"!!str": textual, "!!timestamp": textual, "!!int": numeric, "!!float": numeric, "!!bool": boolean,
}

const null = "!!null"

// scalar returns the text of a value of some kind, or reports what it is instead.
func (v value) scalar(want kind) (text string, ok bool) {
	switch {
	case v.variable != "" && v.node.Kind == yaml.ScalarNode:
		return v.node.Value, true // all that an environment has is text
	case v.null():
		return "", false
	case v.node.Kind == yaml.ScalarNode && kinds[v.node.ShortTag()]&want != 0:
		return v.node.Value, true
	}
	hint := ""
	if v.node.Kind == yaml.ScalarNode {
		switch is := kinds[v.node.ShortTag()]; {
		case want == textual && is != 0:
			hint = ": put it in quotes"
		case want == numeric && is == textual && isNumber(v.node.Value),
			want == boolean && (v.node.Value == "true" || v.node.Value == "false"):
			hint = ": write it without quotes"
		case want == boolean && (v.node.Value == "yes" || v.node.Value == "on"):
			hint = ": write true"
		case want == boolean && (v.node.Value == "no" || v.node.Value == "off"):
			hint = ": write false"
		}
	}
	v.errorf("must be %s, is %s%s", want, v.describe(), hint)
	return "", false
}

// null reports a value that is not there.
func (v value) null() bool {
	if v.node.Kind != yaml.ScalarNode || v.node.ShortTag() != null {
		return false
	}
	if v.path == nil {
		v.line = 1 // an empty document is on the line after its last
		v.errorf("the file has no configuration in it")
	} else if v.path.key == "" {
		v.errorf("is empty: write something there or remove the entry")
	} else {
		v.errorf("has no value: give it one or remove the key")
	}
	return true
}

// section reports whether v has keys, and complains if not. What to write for a single word, the caller knows.
func (v value) section(instead func(word string) string) bool {
	if v.null() {
		return false
	}
	if v.node.Kind != yaml.MappingNode {
		v.errorf("must be a section with keys, is %s%s", v.describe(), v.write(instead))
		return false
	}
	return true
}

// bareWord is what needs no quotes within { } or [ ].
var bareWord = regexp.MustCompile(`^[A-Za-z0-9_/.-]+(:[A-Za-z0-9_/.-]+)*%?$`)

// bare is a single value that can stand within { } or [ ] as it is.
func (v value) bare() (word string, ok bool) {
	return v.node.Value, v.node.Kind == yaml.ScalarNode && kinds[v.node.ShortTag()] != 0 && bareWord.MatchString(v.node.Value)
}

// write is the end of a complaint about a single word that something else has to be written for.
func (v value) write(instead func(word string) string) string {
	if word, ok := v.bare(); ok {
		if text := instead(word); text != "" {
			return ": write " + text
		}
	}
	return ""
}

// list returns the length of a list, 0 after a complaint. What to write for a single word, the caller knows.
func (v value) list(most int, instead func(word string) string) int {
	if v.null() {
		return 0
	}
	if v.node.Kind != yaml.SequenceNode {
		hint := v.write(instead)
		if v.node.Kind == yaml.MappingNode && len(v.node.Content) > 0 && strings.HasPrefix(v.node.Content[0].Value, "-") {
			hint = ": a dash needs a space after it"
		}
		v.errorf("must be a list, is %s%s", v.describe(), hint)
		return 0
	}
	n := len(v.node.Content)
	if n > most {
		v.errorf("has %d entries: at most %d are supported", n, most)
		n = most
	}
	return n
}

// isSection reports a value with keys.
func (v value) isSection() bool { return v.exists() && v.node.Kind == yaml.MappingNode }

// isEmpty reports an empty list.
func (v value) isEmpty() bool { return v.node.Kind == yaml.SequenceNode && len(v.node.Content) == 0 }

func (v value) describe() string {
	switch v.node.Kind {
	case yaml.MappingNode:
		return "a section with keys"
	case yaml.SequenceNode:
		return "a list"
	}
	switch v.node.ShortTag() {
	case "!!str":
		return "the text " + quote(v.node.Value)
	case "!!int", "!!float":
		return "the number " + v.node.Value
	case "!!bool":
		return v.node.Value
	case "!!timestamp":
		return "the date " + v.node.Value
	}
	return "a value with the YAML tag " + quote(v.node.Tag)
}
