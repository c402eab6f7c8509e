package conf

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// document parses the one YAML document of a file. What it returns has no node if it reported errors.
func document(p *problems, data []byte) value {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	err := decoder.Decode(&first)
	if err == io.EOF {
		p.add(Error{File: p.file, Line: 1, Msg: "the file is empty: a configuration needs at least the section ports"})
		return value{p: p}
	}
	if err == nil {
		err = decoder.Decode(&second)
	}
	if err == io.EOF {
		root := first.Content[0]
		return value{node: follow(root), line: root.Line, p: p}
	}
	if err == nil {
		p.add(Error{File: p.file, Line: second.Line, Msg: "a second YAML document begins here: put all sections into one"})
		return value{p: p}
	}
	syntaxErrors(p, data, err)
	return value{p: p}
}

// syntaxErrors reports why the file is not YAML: the parser's error, which ends its work, and every line
// that is indented with tabs.
func syntaxErrors(p *problems, data []byte, err error) {
	line, msg := explain(data, err)
	reported := false
	for i, text := range bytes.Split(data, []byte("\n")) {
		indent := text[:len(text)-len(bytes.TrimLeft(text, " \t"))]
		if bytes.IndexByte(indent, '\t') >= 0 && len(bytes.TrimSpace(text)) > 0 {
			p.add(Error{File: p.file, Line: i + 1, Msg: "is indented with a tab: YAML takes only spaces"})
			reported = reported || i+1 == line
		}
	}
	if !reported {
		p.add(Error{File: p.file, Line: line, Msg: msg})
	}
}

var (
	parserLine    = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
	bareQuery     = regexp.MustCompile(`^[^"'#]*[\[{][^"'#]*[^\s"'#]\?`)
	bareIPv6      = regexp.MustCompile(`(^|[\s,{])(\[[0-9a-fA-F:.]*:[0-9a-fA-F:.]*\]:[0-9-]*)`)
)

// quoteIPv6 is said of lines that bareIPv6 is in.
const quoteIPv6 = `an IPv6 address with a port needs quotes: "[2001:db8::10]:80"`

// explanations are what the parser's errors mean to somebody who writes a configuration. Those that tell
// of something left open are about the place where it begins, the others about where the parser stopped.
var explanations = map[string]struct {
	says  string
	begun bool
}{
	"did not find expected ',' or ']'":                             {"the list that begins here with [ is not ended well: its entries need a comma between them and a ] at the end", true},
	"did not find expected ',' or '}'":                             {"the section that begins here with { is not ended well: its keys need a comma between them and a } at the end", true},
	"found unexpected end of stream":                               {"a text in quotes begins here and never ends", true},
	"could not find expected ':'":                                  {"a key needs a colon and a space after it", true},
	"did not find expected key":                                    {"a key was expected here: is it indented as the keys above it?", false},
	"did not find expected '-' indicator":                          {"an entry of a list was expected here: is it indented as the entries above it?", false},
	"did not find expected node content":                           {"a value was expected here: is a [ or { above never closed, or a comma too many? A text that begins with a colon needs quotes", false},
	"mapping values are not allowed in this context":               {"a key is not allowed here: does the line above lack its colon, or is this one not indented as the keys above it? A text with a colon in it needs quotes", false},
	"block sequence entries are not allowed in this context":       {"an entry of a list is not allowed here: is it indented as the entries above it?", false},
	"found character that cannot start any token":                  {"this character cannot begin a value: put the text in quotes", false},
	"did not find expected alphabetic or numeric character":        {"an anchor or alias needs a name; a text that begins with & or * needs quotes", false},
	"did not find expected <document start>":                       {"the document ended above: is this line indented as the lines above it?", false},
	"found incompatible YAML document":                             {"a configuration needs no %YAML line: remove it", false},
	"found unknown directive name":                                 {"a line that begins with % is no part of a configuration: remove it", false},
	"control characters are not allowed":                           {"has a control character in it: a configuration is plain text", false},
	"found a tab character where an indentation space is expected": {"is indented with a tab: YAML takes only spaces", false},
	"found a tab character that violates indentation":              {"is indented with a tab: YAML takes only spaces", false},
}

// explain turns the parser's error into a line and a sentence.
func explain(data []byte, err error) (line int, msg string) {
	problem, _ := takeApart(err)
	if a := unknownAnchor.FindStringSubmatch(problem); a != nil {
		return stopLine(data, problem), fmt.Sprintf("the alias *%s has no anchor &%s above it; a text that begins with * needs quotes", a[1], a[1])
	}
	e, ok := explanations[problem]
	if !ok {
		e.says = "is not YAML: " + problem
	}
	if e.begun {
		line = beginLine(data)
	} else {
		line = stopLine(data, problem)
	}
	switch text := nthLine(data, line); {
	case bareIPv6.Match(text):
		e.says = quoteIPv6
	case e.begun && bareQuery.Match(text):
		e.says = `a text with a question mark needs quotes within { } and [ ]: "/healthz?full=1"`
	}
	return line, e.says
}

// takeApart returns what the parser says and of which line, 0 if it says none.
func takeApart(err error) (problem string, line int) {
	m := parserLine.FindStringSubmatch(err.Error())
	if m == nil {
		return err.Error(), 0
	}
	line, _ = strconv.Atoi(m[1]) // 0 if there is none
	return m[2], line
}

// syntaxError is the parser's error about some text, nil if there is none.
func syntaxError(r io.Reader) error {
	decoder := yaml.NewDecoder(r)
	for {
		var n yaml.Node
		if err := decoder.Decode(&n); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// beginLine is where what the parser speaks of begins. It says so for all lines but the first, of which it
// takes the end instead: so it gets a line more. Its scanner counts lines from 1, the rest of it from 0.
func beginLine(data []byte) int {
	err := syntaxError(io.MultiReader(strings.NewReader("#\n"), bytes.NewReader(bytes.TrimPrefix(data, []byte(byteOrderMark)))))
	if err == nil {
		return 1
	}
	problem, line := takeApart(err)
	if !strings.HasPrefix(problem, "did not find expected ','") {
		line--
	}
	return max(1, line)
}

const byteOrderMark = "\ufeff"

// stopLine is the line that the parser had got to when it met the problem, which its error does not tell. Fed with
// single bytes, it takes a few more than it needed, perhaps of the next lines; those are not to blame if the
// problem is there without them.
func stopLine(data []byte, problem string) int {
	r := &byteReader{rest: data}
	_ = syntaxError(r) // the one that is being explained
	taken := data[:len(data)-len(r.rest)]
	const most = 8 // lines it can have taken too many, all but some comments
	for range most {
		end := bytes.LastIndexByte(bytes.TrimRight(taken, "\r\n"), '\n')
		if end < 0 {
			return 1
		}
		err := syntaxError(bytes.NewReader(data[:end+1]))
		if err == nil {
			break
		}
		if said, _ := takeApart(err); said != problem {
			break
		}
		taken = data[:end+1]
	}
	return 1 + bytes.Count(bytes.TrimRight(taken, "\r\n"), []byte("\n"))
}

type byteReader struct{ rest []byte }

func (r *byteReader) Read(b []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	if len(b) == 0 {
		return 0, nil
	}
	b[0], r.rest = r.rest[0], r.rest[1:]
	return 1, nil
}

// nthLine is a line of the file, counted from 1.
func nthLine(data []byte, n int) []byte {
	for ; n > 1; n-- {
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	return line
}
