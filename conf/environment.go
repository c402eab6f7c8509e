package conf

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/viper"
	yaml "go.yaml.in/yaml/v3"
)

// environment holds what environment variables give, by key: dataplane.memory_mb. It goes before the file.
type environment map[string]variable

type variable struct {
	name, text string
	list       bool
}

const variablePrefix = "WEIR"

var variableName = strings.NewReplacer(".", "_")

// readEnvironment looks up the variable of every key outside lists. One that is set but empty counts: an empty
// WEIR_API_SOCKET means that there is no API.
func readEnvironment(p *problems) {
	v := viper.New()
	v.SetEnvPrefix(variablePrefix)
	v.SetEnvKeyReplacer(variableName)
	v.AllowEmptyEnv(true)
	p.env = environment{}
	var names []string
	for _, k := range single {
		v.MustBindEnv(k.path)
		name := nameOfVariable(k.path)
		names = append(names, name)
		if v.IsSet(k.path) {
			p.env[k.path] = variable{name: name, text: v.GetString(k.path), list: k.holds == values}
		}
	}
	unknownVariables(p, names)
}

func nameOfVariable(key string) string {
	return strings.ToUpper(variablePrefix + "_" + variableName.Replace(key))
}

// unknownVariables reports those that look like a key of a section with such keys but are none. All other WEIR_
// variables are left to whoever uses them.
func unknownVariables(p *problems, known []string) {
	var unknown []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		ours := slices.ContainsFunc(single, func(k knownKey) bool {
			section, _, _ := strings.Cut(k.path, ".")
			return strings.HasPrefix(name, nameOfVariable(section)+"_")
		})
		if ours && !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		msg := "stands for no key: known are " + allOf(known)
		if n := near(name, known); n != "" {
			msg = "stands for no key: did you mean " + n + "?"
		}
		p.add(Error{File: "environment variable " + name, Msg: msg})
	}
}

// single are the keys outside lists that have a value or a list of values. Those of lists have no variable: a number
// in its name would be too easy to get wrong.
var single = singleKeys()

func singleKeys() (single []knownKey) {
	for _, k := range knownKeys("", rootFields) {
		if !strings.Contains(k.path, "[]") && (k.holds == oneValue || k.holds == values) {
			single = append(single, k)
		}
	}
	return single
}

// override is the environment's value for a key of v, one without a node if there is none.
func (v value) override(key string) value {
	if len(v.p.env) == 0 {
		return value{}
	}
	at := &path{parent: v.path, key: key}
	o, ok := v.p.env[at.String()]
	if !ok {
		return value{}
	}
	node := &yaml.Node{Kind: yaml.ScalarNode, Value: o.text}
	if o.list {
		node = &yaml.Node{Kind: yaml.SequenceNode}
		for _, entry := range strings.FieldsFunc(o.text, func(r rune) bool { return r == ',' || r == ' ' }) {
			node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: entry})
		}
	}
	return value{node: node, path: at, p: v.p, variable: o.name}
}

// overridden reports whether the environment has values below a key of v.
func (v value) overridden(key string) bool {
	if len(v.p.env) == 0 {
		return false
	}
	prefix := (&path{parent: v.path, key: key}).String() + "."
	for k := range v.p.env {
		if strings.HasPrefix(k, prefix) {
			return true
		}
	}
	return false
}

// without is a section that is not in the file, for the environment's values.
func (v value) without(key string) value {
	return value{node: &yaml.Node{Kind: yaml.MappingNode}, line: v.line, path: &path{parent: v.path, key: key}, p: v.p}
}
