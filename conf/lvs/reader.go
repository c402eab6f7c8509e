package lvs

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Bounds of one import: definitions and includes can multiply what a file holds.
const (
	maxTokens = 1 << 20
	maxDepth  = 16
	maxFile   = 16 << 20 // bytes
)

// token is a word of keepalived.conf, a brace, or the end of a line.
type token struct {
	at   Place
	kind byte // 'w', '{', '}' or '\n'
	text string
}

// reader turns keepalived.conf into tokens: it follows includes, puts definitions in and leaves out comments and lines of
// other directors.
type reader struct {
	setup  *Setup
	id     string // what lines with @ are for
	vars   map[string]string
	tokens []token
}

func newReader(id string) *reader {
	return &reader{setup: &Setup{}, id: id, vars: map[string]string{"_HASH": "#", "_BANG": "!", "_INSTANCE": id}}
}

// readFile reads a file of at most maxFile bytes.
func readFile(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("reading the LVS configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", fmt.Errorf("reading the LVS configuration: %w", err)
	}
	if len(data) > maxFile {
		return "", fmt.Errorf("reading the LVS configuration: %s is larger than %d MiB", file, maxFile>>20)
	}
	return string(data), nil
}

func (r *reader) file(file string, depth int) error {
	text, err := readFile(file)
	if err != nil {
		return err
	}
	before := r.vars["_PWD"]
	r.vars["_PWD"] = filepath.Dir(file)
	err = r.lines(text, Place{file, 1}, false, depth)
	r.vars["_PWD"] = before
	return err
}

var (
	definition = regexp.MustCompile(`^\s*\$([A-Za-z_][A-Za-z0-9_]*)=(.*)$`)
	reference  = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$([A-Za-z_][A-Za-z0-9_]*)(\s|$)`)
	condition  = regexp.MustCompile(`^\s*@(\^?)(\S+)(\s.*|)$`)
)

// lines reads lines that begin at a place; those of a definition are all at the place where it is used.
func (r *reader) lines(text string, at Place, defined bool, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: includes and definitions are nested more than %d deep", at, maxDepth)
	}
	list := strings.Split(text, "\n")
	for i := 0; i < len(list); i++ {
		here := at
		if !defined {
			here.Line += i
		}
		line, ok := r.meant(list[i])
		if !ok {
			continue
		}
		if m := definition.FindStringSubmatch(line); m != nil {
			value := m[2]
			for strings.HasSuffix(strings.TrimRight(value, " \t\r"), `\`) && i+1 < len(list) {
				i++
				value = strings.TrimSuffix(strings.TrimRight(value, " \t\r"), `\`) + "\n" + list[i]
			}
			r.vars[m[1]] = value
			continue
		}
		if err := r.line(line, here, depth); err != nil {
			return err
		}
	}
	return nil
}

// meant takes the condition off a line, and reports whether the line is for this director.
func (r *reader) meant(line string) (string, bool) {
	m := condition.FindStringSubmatch(line)
	if m == nil {
		return line, true
	}
	return m[3], (m[2] == r.id) != (m[1] == "^")
}

// line takes a line with what its definitions stand for.
func (r *reader) line(line string, at Place, depth int) error {
	full := r.replaced(line)
	if strings.Contains(full, "\n") || full != line && condition.MatchString(full) {
		return r.lines(full, at, true, depth+1)
	}
	words := len(r.tokens)
	r.split(full, at)
	if len(r.tokens) > maxTokens {
		return fmt.Errorf("%s: the configuration has more than %d words, with what it includes and defines", at, maxTokens)
	}
	if words == len(r.tokens) {
		return nil
	}
	first := r.tokens[words].text
	switch {
	case r.tokens[words].kind != 'w':
	case strings.HasPrefix(first, "~SEQ"):
		r.tokens = r.tokens[:words]
		r.setup.note(at, Missing, "%s: a line repeated by ~SEQ is not read: write its lines out", first)
	case slices.Contains([]string{"include", "includer", "includem", "includew", "includeb", "includea"}, first):
		args := r.tokens[words+1:]
		r.tokens = r.tokens[:words]
		if len(args) > 0 && args[0].kind == 'w' {
			return r.include(args[0].text, at, depth)
		}
	}
	return nil
}

func (r *reader) include(pattern string, at Place, depth int) error {
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(r.vars["_PWD"], pattern)
	}
	files, err := filepath.Glob(pattern)
	if err != nil {
		return fmt.Errorf("%s: include %s: %w", at, pattern, err)
	}
	if len(files) == 0 {
		r.setup.note(at, Missing, "include %s: there is no such file here", pattern)
	}
	if depth >= maxDepth {
		return fmt.Errorf("%s: includes are nested more than %d deep", at, maxDepth)
	}
	for _, f := range files {
		if err := r.file(f, depth+1); err != nil {
			return fmt.Errorf("%s: include: %w", at, err)
		}
	}
	return nil
}

// replaced puts in what definitions stand for, also within each other.
func (r *reader) replaced(line string) string {
	const longest = 1 << 16
	for range maxDepth {
		next := reference.ReplaceAllStringFunc(line, func(ref string) string {
			m := reference.FindStringSubmatch(ref)
			value, ok := r.vars[m[1]+m[2]]
			if !ok {
				return ref
			}
			return value + m[3]
		})
		if next == line || len(next) > longest {
			break
		}
		line = next
	}
	return line
}

// split adds the words and braces of a line, and its end.
func (r *reader) split(line string, at Place) {
	before := len(r.tokens)
	for i := 0; i < len(line); {
		switch c := line[i]; c {
		case ' ', '\t', '\r':
			i++
		case '#', '!':
			i = len(line)
		case '{', '}':
			r.tokens = append(r.tokens, token{at, c, ""})
			i++
		default:
			word, rest := word(line[i:])
			r.tokens = append(r.tokens, token{at, 'w', word})
			i = len(line) - len(rest)
		}
	}
	if len(r.tokens) > before {
		r.tokens = append(r.tokens, token{at, '\n', ""})
	}
}

// word takes a word, or what is between quotes, off the front of a line.
func word(line string) (text, rest string) {
	if quote := line[0]; quote == '"' || quote == '\'' {
		var b strings.Builder
		for i := 1; i < len(line); i++ {
			switch {
			case line[i] == '\\' && i+1 < len(line):
				i++
				b.WriteByte(line[i])
			case line[i] == quote:
				return b.String(), line[i+1:]
			default:
				b.WriteByte(line[i])
			}
		}
		return b.String(), ""
	}
	end := strings.IndexAny(line, " \t\r{}#!")
	if end < 0 {
		return line, ""
	}
	return line[:end], line[end:]
}
