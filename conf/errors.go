package conf

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Error is one thing that is wrong with a configuration, or that it could as well be without.
type Error struct {
	// File is the path given to Load, or "environment variable NAME" for a value that comes from there.
	File string
	// Line counts from 1; 0 stands for the file as a whole and for the environment.
	Line int
	// Key is where in the configuration: services[0].backends[1].weight. It is empty for the file as a
	// whole.
	Key string
	// Msg says what is wrong and what to write instead. After the key, it reads as a sentence.
	Msg string
}

// Error is the line that a user reads: weir.yaml:12: services[0].backends[1].weight: must be 0 to 65535, is 70000.
func (e Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		b.WriteString(":" + strconv.Itoa(e.Line))
	}
	if e.Key != "" {
		b.WriteString(": " + e.Key)
	}
	b.WriteString(": " + e.Msg)
	return b.String()
}

// Errors is all that is wrong with a configuration, by line. It is never empty.
type Errors []Error

// Error prints one error a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// maxErrors bounds the errors of one file: aliases can repeat a wrong value a million times.
const maxErrors = 1000

// problems collects what is found wrong, and how much has been looked at.
type problems struct {
	file    string
	env     environment
	list    Errors
	most    int  // errors that are kept; 0: maxErrors
	more    bool // than that
	visited int  // values, each as often as aliases repeat it
	// warnings are not errors; no more than maxErrors are kept
	warnings []Error
}

func (p *problems) add(e Error) {
	if p.room() {
		p.list = append(p.list, e)
	}
}

// room reports whether another error can be kept, and remembers that there was one if not.
func (p *problems) room() bool {
	p.more = p.more || len(p.list) == cmp.Or(p.most, maxErrors)
	return !p.more
}

// tooLong reports whether the file has more values than are read.
func (p *problems) tooLong() bool { return p.visited > maxValues }

// found returns the errors by line, nil if there are none.
func (p *problems) found() error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b Error) int { return a.Line - b.Line })
	if p.more {
		p.list = append(p.list, Error{File: p.file, Msg: fmt.Sprintf("there are more errors than these %d: mend them and check again", maxErrors)})
	}
	return p.list
}

// warned returns the warnings by line.
func (p *problems) warned() []Error {
	slices.SortStableFunc(p.warnings, func(a, b Error) int { return a.Line - b.Line })
	return p.warnings
}

// quote shows a user's text within a sentence.
func quote(text string) string {
	const most = 60
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "…"
	}
	return strconv.Quote(text)
}

// oneOf lists choices in a sentence: a, b or c.
func oneOf(words []string) string { return enumerate(words, " or ") }

// allOf lists things in a sentence: a, b and c.
func allOf(words []string) string { return enumerate(words, " and ") }

func enumerate(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	n := len(words) - 1
	return strings.Join(words[:n], ", ") + last + words[n]
}
